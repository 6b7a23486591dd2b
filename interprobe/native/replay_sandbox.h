/* Keeps a forked child from changing anything outside of itself. */
#ifndef INTERPROBE_REPLAY_SANDBOX_H
#define INTERPROBE_REPLAY_SANDBOX_H

#include <stdbool.h>
#include <stddef.h>

/* Closes this process's way out: files, signals, shared memory and all system calls that reach beyond
 * it; a call of one of these then ends the process with SIGSYS. `own`, of `size` bytes, is the one shared
 * memory that stays writeable; `shares_memory` tells whether there was other. Returns NULL, or why the process must not go on: a static string. Only for
 * a child that ends by exit_group soon after. */
const char *replay_sandbox_enter(const void *own, size_t size, volatile int *shares_memory);

/* Whether this machine can do that, as far as is known before it is tried. */
int replay_sandbox_exists(void);

#endif

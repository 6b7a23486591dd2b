/* Variables of which each thread has its own. */
#ifndef INTERPROBE_THREAD_LOCAL_H
#define INTERPROBE_THREAD_LOCAL_H

#include <stddef.h>

/* Read at every hook: with this model one instruction does it, where a library that is loaded late
 * would otherwise call the dynamic linker. Such variables come out of a reserve of some 500 bytes that
 * all libraries of a process share: numbers, and pointers to what is larger. */
#define THREAD_LOCAL __thread __attribute__((tls_model("initial-exec")))

/* Sets a THREAD_LOCAL pointer of the calling thread, NULL until now, to `size` zeroed bytes; at the
 * thread's end they are freed and the pointer is NULL again, as other libraries' destructors may still
 * run Python code then. Returns what the pointer is now: NULL when memory is out. */
void *thread_local_make(void **pointer, size_t size);

#endif

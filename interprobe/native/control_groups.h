/* What the kernel grants the control group of this process, and the groups around it (cgroup v2). */
#ifndef INTERPROBE_CONTROL_GROUPS_H
#define INTERPROBE_CONTROL_GROUPS_H

#include <stdint.h>

/* The least quota of processor time, in hundredths of a core; 0: there is none. errno stays. */
long control_groups_cores(void);

/* Bytes that may still be used before one of the groups is at its limit; UINT64_MAX: there is none. What
 * the kernel can give up, unused pages of files, counts as free. errno stays. */
uint64_t control_groups_free_memory(void);

#endif

/* How much processor this process may use. */
#ifndef INTERPROBE_USABLE_CORES_H
#define INTERPROBE_USABLE_CORES_H

/* Hundredths of a core: those that the affinity of the calling thread allows, or fewer where a control
 * group has a quota. errno stays. */
int usable_cores(void);

#endif

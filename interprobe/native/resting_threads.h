/* Tells whether a process can be forked now: what its other threads are doing. */
#ifndef INTERPROBE_RESTING_THREADS_H
#define INTERPROBE_RESTING_THREADS_H

/* Waits for other threads to come to rest, for no longer than a quarter of a second: those of a BLAS that
 * has done its work look for more for a while before they sleep. NULL, or why they do not, or why it
 * cannot be known. GIL held, before and after; threads that wait for it rest. */
const char *threads_come_to_rest(void);

#endif

/* Reads CPython's global interpreter lock (GIL): whether it changed hands, and whether somebody waits. */
#ifndef INTERPROBE_GIL_H
#define INTERPROBE_GIL_H

#include <stdbool.h>

typedef struct {
    unsigned long switches; /* how often another thread than the last one took it */
    bool is_wanted;         /* a thread has waited for longer than sys.getswitchinterval() */
} gil_view;

/* Both with the GIL, and without effect on a set exception. */

/* Whether this CPython keeps its GIL as the headers say that interprobe was compiled with. */
bool gil_is_known(void);

/* Fills `out`, by the interpreter of the running thread; false where that is not the main one, or not
 * known. */
bool gil_read(gil_view *out);

/* In a forked child, whose only thread this is: nobody else waits for the GIL any more. Who lets go of it
 * would wait for ever: for another thread to take it as it has asked, or for those that slept on its
 * condition variable to be gone. */
void gil_forget_others(void);

#endif

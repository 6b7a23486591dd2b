/* How much is measured of what could be different: chosen by the recordings that are open. */
#ifndef INTERPROBE_REPLAY_MODE_H
#define INTERPROBE_REPLAY_MODE_H

#include <stdint.h>

enum {
    REPLAY_OFF = 0,  /* nothing is repeated */
    REPLAY_AUTO = 1, /* the costliest calls, within the budget */
    REPLAY_ALL = 2,  /* whatever can be repeated */
};

/* One of these; hooks read it with the GIL. */
extern int replay_mode;

/* Ticks of a record's calls from which on they are considered: the only thing that calls compare. */
extern uint64_t replay_threshold;

/* GIL held (interprobe/what_if.py). */
void replay_choose_mode(int mode);

#endif

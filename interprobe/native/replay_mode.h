/* How much is measured of what could be different: chosen by the recordings that are open. */
#ifndef INTERPROBE_REPLAY_MODE_H
#define INTERPROBE_REPLAY_MODE_H

enum {
    REPLAY_OFF = 0,  /* nothing is repeated */
    REPLAY_AUTO = 1, /* the costliest calls, within the budget */
    REPLAY_ALL = 2,  /* whatever can be repeated */
};

/* One of these. Written with the GIL (interprobe/what_if.py); hooks read it with the GIL. */
extern int replay_mode;

#endif

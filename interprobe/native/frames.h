/* Where the running thread is: its innermost Python position and the nearest one of the user's. */
#ifndef INTERPROBE_FRAMES_H
#define INTERPROBE_FRAMES_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include "places.h"

typedef struct {
    place_id here;        /* the innermost Python frame; 0 where the thread runs none */
    place_id user;        /* the nearest frame of the user's own code; 0 where there is none */
    uintptr_t eval_stack; /* C stack address of the evaluation loop that runs `here`; 0 unknown */
    PyCodeObject *code;   /* borrowed: the code of `here` */
    void *frame;          /* opaque: for frames_local */
    void *user_frame;     /* opaque: that of `user`; NULL where there is none */
    bool own;             /* `here` is interprobe's own code: record nothing */
} position;

/* Reserves what the frame walk needs. Returns 0, or -1 with an exception. GIL held. */
int frames_initialise(void);

/* True when the calling thread holds the GIL of the main interpreter. Safe to call without it. */
bool frames_thread_attached(void);

/* Identifies the Python frame that runs: its address. Another call may get the address again. GIL
 * held. */
const void *frames_current(void);

/* One instruction that a Python frame runs: compared, never followed. */
typedef struct {
    const void *frame; /* NULL: the thread runs no Python */
    const void *instruction;
} position_key;

/* Where the thread is, without looking anything up. GIL held. */
position_key frames_position_key(void);

/* Fills `out`. GIL held. Runs no Python code and leaves a set exception as it is. */
void frames_locate(position *out);

/* A borrowed reference to local variable `index` of the located frame, or NULL. GIL held. */
PyObject *frames_local(const position *at, int index);

/* Whether the nearest frame of the user's own code holds an object that `is` answers true for: in a
 * variable of its own, or in a global one. GIL held; runs no Python code. */
bool frames_user_holds(const position *at, bool (*is)(PyObject *object, void *context),
                       void *context);

/* What the running frame does after the instruction that it is in. */
typedef struct {
    bool drops_result;   /* the instruction's result is thrown away at once */
    bool returns;        /* it looks at nothing any more but that result, and returns or raises */
    position_key caller; /* where the frame that it returns to is */
} frame_outlook;

/* Fills `out` for the innermost Python frame. GIL held; an exception that is set stays set. */
void frames_look_ahead(frame_outlook *out);

/* The start of CPython's evaluation loop, which ends a search through the C stack. */
const void *frames_evaluation_loop(void);

#endif

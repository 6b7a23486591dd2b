/* Replays: a call is repeated in a forked child, as it was and with one thing changed, and timed. */
#ifndef INTERPROBE_REPLAY_H
#define INTERPROBE_REPLAY_H

#include "replay_mode.h"
#include "what_if.h"

enum {
    REPLAY_CHANGES = 8, /* counterfactuals of one replay */
    REPLAY_REASON = 160,
};

/* The caches before each call: as the call before left them, or without its arrays. */
typedef enum { CACHE_WARM, CACHE_EVICTED, CACHE_STATES } cache_state;

/* What came of one counterfactual in one state. Ticks are of one call. */
typedef struct {
    int passes; /* 0: nothing was measured */
    double as_is, changed;
    double speedup, low, high;
    double as_is_spread, changed_spread; /* upper quartile by lower one */
} replay_figures;

/* What a child is to do, and, in memory that it shares with its parent, what came of it. */
typedef struct {
    const ended_call *call;
    double in_place;  /* ticks of one call, as the program saw it; 0: not yet well known */
    double allowance; /* ticks that the child may take for timing */
    int count;
    const what_if *changes[REPLAY_CHANGES];
    uint32_t positions[REPLAY_CHANGES]; /* bits */
} replay_job;

typedef struct {
    volatile int is_whole;       /* the child came to its end */
    volatile int shares_memory;  /* with others, in which it must not write */
    volatile unsigned long calls; /* it has made so far: while that rises, it lives */
    char reason[REPLAY_REASON]; /* why nothing at all was measured; "" */
    char reasons[REPLAY_CHANGES][REPLAY_REASON]; /* why one counterfactual was not; "" */
    replay_figures figures[REPLAY_CHANGES][CACHE_STATES];
} replay_report;

/* Carries out a job in a child that was just forked, and ends it. */
_Noreturn void replay_in_child(const replay_job *job, replay_report *report);

/* A reason, which less to do, or more time, would remove. */
extern const char replay_too_long[];

/* The end of a call: replays it, if its record has become worth that and there is time left. `all`
 * are the record's calls up to here. GIL held; a set exception stays set. */
void replay_consider(const callee *to, const call_ticket *ticket, uint64_t serial, unsigned traits,
                     uint64_t ticks, calls_so_far all);

/* --- conversions inside the call (what_if_conforming.c) ---------------------------------------- */

/* Notes, inside a crossing, that an object among its arguments was converted: to elements of a type, in
 * Fortran order or in C order. `source`: the object, or NULL; `source_data`: where its elements were. */
void replay_note_conversion(const void *source, const char *source_data, const PyArray_Descr *to,
                            bool fortran);

/* --- conversions before a call (what_if_no_conversion.c) ---------------------------------------- */

/* Notes what a conversion has made: it may be an argument of a call to come. */
void replay_note_result(const record_ticket *copy, const layout *from, PyArrayObject *result);

/* A call that is given such an array is worth a look, whatever its record has cost. By the serial number
 * of the crossing. GIL held. */
extern uint64_t replay_fed_crossing;

#endif

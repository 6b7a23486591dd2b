/* Samples what stands between two calls of one place: the turn of the loop around them.
 *
 * One call in TURNS_PER_SAMPLE arms the next turn of its thread: the time until the next call begins is
 * taken, and the time from the first address that an array was asked for. What hooks spend of that time
 * is left out.
 */
#ifndef INTERPROBE_CALL_TURNS_H
#define INTERPROBE_CALL_TURNS_H

#include "crossings.h"
#include "thread_local.h"

enum { TURNS_PER_SAMPLE = 64 };

/* When the thread's last call had been booked, in ticks, until the next one has ended; 0: this turn is
 * not sampled. */
extern THREAD_LOCAL uint64_t call_turn_started;

/* An array was asked for its address, from `asked` to `answered`; what has followed is a hook's own
 * time. `frame` asked, as frames_locate says it. */
void call_turn_note_address(uint64_t asked, uint64_t answered, const void *frame);

/* A hook's own work since `began` is none of the turn's time. */
void call_turn_leave_out(uint64_t began);

/* The next call of a sampled turn begins: `entered` is when its hook was entered, `frame` that of the
 * caller. Returns whether call_turn_end is to be told how long the call took; 0: that is not known. */
bool call_turn_reach(const callee *to, const call_ticket *ticket, const void *frame, uint64_t entered);
void call_turn_end(const callee *to, const call_ticket *ticket, uint64_t ticks);

/* Has the turn that begins now sampled. */
void call_turn_begin(const call_ticket *ticket);

#endif

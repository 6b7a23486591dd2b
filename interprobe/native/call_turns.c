/* Samples the turns of loops around short calls, and what the calls are given by type. */
#include "call_turns.h"

#include "clock.h"

#include <stdio.h>
#include <string.h>

/* What sampled calls took. value: ticks, added up; text: the types of the first one's arguments,
 * separated by commas. */
static const char TURN_CALL[] = "turn-call";

/* What passed from the end of one call of the record to the beginning of the next, with no other call
 * in between. value: ticks, added up. */
static const char TURN_BETWEEN[] = "turn-between";

/* What passed from the first address that an array was asked for to the call, in one frame. value:
 * ticks, added up. */
static const char TURN_ADDRESSES[] = "turn-addresses";

/* A turn that takes longer holds more than a short call, or the processor was taken away. */
#define LONGEST 100000 /* ns */

THREAD_LOCAL uint64_t call_turn_started = 0;

/* The rest of what is known of the turn that is sampled: valid while call_turn_started is not 0. */
typedef struct {
    record_booking last;     /* the record of the call before it */
    uint64_t hooks;          /* ticks that hooks have spent since */
    uint64_t address_asked;  /* 0: for none yet */
    uint64_t hooks_by_then;
    const void *address_frame;
    bool is_inside; /* the next call has begun */
} sampled_turn;

static THREAD_LOCAL sampled_turn *turn;

static bool
is_same_record(const record_ticket *one, const record_booking *other)
{
    return one->count > 0 && one->bookings[0].ledger == other->ledger &&
           one->bookings[0].entry == other->entry;
}

static void
book(const call_ticket *ticket, const char *kind, uint64_t ticks, const char *text)
{
    if (!clock_is_longer(ticks, LONGEST)) {
        const fact_event fact = {.kind = kind,
                                 .position = -1,
                                 .other = -1,
                                 .value = (int64_t)ticks,
                                 .adds = true,
                                 .drops_strays = true,
                                 .text = text};
        ledger_book_fact(&ticket->record, &fact);
    }
}

void
call_turn_begin(const call_ticket *ticket)
{
    if (ticket->record.count == 0 ||
        (turn == NULL && thread_local_make((void **)&turn, sizeof *turn) == NULL)) {
        return;
    }
    *turn = (sampled_turn){.last = ticket->record.bookings[0]};
    call_turn_started = clock_ticks();
}

void
call_turn_note_address(uint64_t asked, uint64_t answered, const void *frame)
{
    if (turn != NULL && turn->address_asked == 0) {
        turn->address_asked = asked;
        turn->hooks_by_then = turn->hooks;
        turn->address_frame = frame;
    }
    call_turn_leave_out(answered);
}

void
call_turn_leave_out(uint64_t began)
{
    if (turn != NULL) {
        turn->hooks += clock_ticks() - began;
    }
}

bool
call_turn_reach(const callee *to, const call_ticket *ticket, const void *frame, uint64_t entered)
{
    if (turn == NULL || turn->is_inside || ticket->record.count == 0) {
        call_turn_started = 0; /* a call inside the sampled one: neither is any more */
        return false;
    }
    uint64_t whole = entered - call_turn_started;
    if (is_same_record(&ticket->record, &turn->last) && whole > turn->hooks) {
        book(ticket, TURN_BETWEEN, whole - turn->hooks, NULL);
    }
    if (to->foreign != NULL && turn->address_asked != 0 && turn->address_frame == frame) {
        uint64_t since = entered - turn->address_asked;
        uint64_t hooks = turn->hooks - turn->hooks_by_then;
        book(ticket, TURN_ADDRESSES, since > hooks ? since - hooks : 0, NULL);
    }
    turn->is_inside = true;
    turn->hooks = 0;
    return true;
}

/* A type's name, shortened where it is long; no comma stays in it. */
static size_t
write_name(char *out, size_t room, PyTypeObject *type)
{
    const char *name = type->tp_name == NULL ? "" : type->tp_name;
    size_t length = 0;
    for (; name[length] != '\0' && length + 1 < room && length < 60; length++) {
        out[length] = name[length] == ',' ? ' ' : name[length];
    }
    out[length] = '\0';
    return length;
}

void
call_turn_end(const callee *to, const call_ticket *ticket, uint64_t ticks)
{
    bool is_whole = call_turn_started != 0 && turn != NULL && ticks > turn->hooks;
    call_turn_started = 0;
    if (!is_whole) {
        return;
    }
    ticks -= turn->hooks;
    char types[512] = "";
    size_t used = 0;
    for (Py_ssize_t i = 0; i < to->count && used + 2 < sizeof types; i++) {
        if (i > 0) {
            types[used++] = ',';
        }
        used += write_name(types + used, sizeof types - used, Py_TYPE(to->arguments[i]));
    }
    book(ticket, TURN_CALL, ticks, types);
}

/* Keeps each thread's chain of crossings in flight. */
#include "crossings.h"

#include "clock.h"
#include "copies.h"

static __thread crossing *innermost = NULL;

void
crossing_begin(crossing *now)
{
    now->outer = innermost;
    now->nested_ticks = 0;
    now->bytes_copied = 0;
    now->outer_copied = copies_in_flight;
    copies_in_flight = &now->bytes_copied;
    innermost = now;
    now->started = clock_ticks(); /* last: its own set-up is not the callee's time */
}

uint64_t
crossing_end(crossing *now)
{
    uint64_t ticks = clock_ticks() - now->started;
    innermost = now->outer;
    copies_in_flight = now->outer_copied;
    if (now->outer != NULL) {
        now->outer->nested_ticks += ticks;
        now->outer->bytes_copied += now->bytes_copied;
    }
    return ticks;
}

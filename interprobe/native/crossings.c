/* Keeps each thread's chain of crossings in flight. */
#include "crossings.h"

#include "clock.h"
#include "copies.h"

#include <stdlib.h>

static __thread crossing *innermost = NULL;
static crossing *spare = NULL; /* released ones, of all threads: the GIL guards them */

crossing *
crossing_begin(void)
{
    crossing *now = spare;
    if (now != NULL) {
        spare = now->outer;
    } else if ((now = malloc(sizeof *now)) == NULL) {
        return NULL;
    }
    now->outer = innermost;
    now->nested_ticks = 0;
    now->bytes_copied = 0;
    innermost = now;
    copies_in_flight = &now->bytes_copied;
    now->started = clock_ticks(); /* last: its own set-up is not the callee's time */
    return now;
}

uint64_t
crossing_end(crossing *now)
{
    uint64_t ticks = clock_ticks() - now->started;
    crossing **link = &innermost;
    while (*link != NULL && *link != now) {
        link = &(*link)->outer; /* only where greenlets were switched inside a crossing */
    }
    if (*link == now) {
        *link = now->outer;
    }
    copies_in_flight = innermost == NULL ? NULL : &innermost->bytes_copied;
    if (now->outer != NULL) {
        now->outer->nested_ticks += ticks;
        now->outer->bytes_copied += now->bytes_copied;
    }
    return ticks;
}

void
crossing_release(crossing *now)
{
    now->outer = spare;
    spare = now;
}

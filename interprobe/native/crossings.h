/* Crossings in flight: one chain per thread, so that nested ones can be told apart. */
#ifndef INTERPROBE_CROSSINGS_H
#define INTERPROBE_CROSSINGS_H

#include <stdint.h>

/* Lives on the C stack of the trampoline for as long as the crossing lasts. */
typedef struct crossing {
    struct crossing *outer;
    uint64_t started;      /* ticks */
    uint64_t nested_ticks; /* spent in crossings inside this one */
    uint64_t bytes_copied; /* while it was in flight, nested crossings included */
    uint64_t *outer_copied;
} crossing;

void crossing_begin(crossing *now);

/* Ends the innermost crossing; returns its inclusive ticks. */
uint64_t crossing_end(crossing *now);

#endif

/* Crossings in flight: one chain per thread, so that nested ones can be told apart. */
#ifndef INTERPROBE_CROSSINGS_H
#define INTERPROBE_CROSSINGS_H

#include <stdint.h>

/* Never on the C stack: a callback may switch greenlets, and the stack then holds other frames while
 * the crossing still is in flight. Such crossings need not end in the reverse order of their begin. */
typedef struct crossing {
    struct crossing *outer;
    uint64_t started;      /* ticks */
    uint64_t nested_ticks; /* spent in crossings inside this one */
    uint64_t bytes_copied; /* while it was in flight, nested crossings included */
} crossing;

/* The functions below need the GIL. NULL when memory is out. */
crossing *crossing_begin(void);

/* Takes the crossing out of its thread's chain; returns its inclusive ticks. */
uint64_t crossing_end(crossing *now);

/* Gives back what crossing_begin returned. */
void crossing_release(crossing *now);

#endif

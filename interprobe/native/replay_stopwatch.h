/* Times work in a thread that may lose its processor to others. */
#ifndef INTERPROBE_REPLAY_STOPWATCH_H
#define INTERPROBE_REPLAY_STOPWATCH_H

#include <stdint.h>

typedef struct {
    int64_t wall, processor; /* nanoseconds */
    long interrupted, waited; /* how often, so far */
} stopwatch;

void stopwatch_start(stopwatch *watch);

/* Nanoseconds since the start. Where another thread had the processor in between, that time is not
 * counted, unless the thread has also waited for something itself: then it cannot be told apart. */
double stopwatch_nanoseconds(const stopwatch *watch);

#endif

/* Keeps how much is measured of what could be different. */
#include "replay_mode.h"

#include "clock.h"

#define LEAST 5000000 /* nanoseconds that a record's calls have taken, before anybody asks */

int replay_mode = REPLAY_OFF;
uint64_t replay_threshold = UINT64_MAX;

void
replay_choose_mode(int mode)
{
    replay_mode = mode;
    replay_threshold = mode == REPLAY_OFF   ? UINT64_MAX
                       : mode == REPLAY_ALL ? 1
                                            : (uint64_t)(LEAST * clock_ticks_per_nanosecond);
}

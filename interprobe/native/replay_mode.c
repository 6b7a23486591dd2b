/* Keeps how much is measured of what could be different. */
#include "replay_mode.h"

int replay_mode = REPLAY_OFF;

/* The time that replays may take: a part of each process's own, and some that a run's processes share. */
#ifndef INTERPROBE_REPLAY_BUDGET_H
#define INTERPROBE_REPLAY_BUDGET_H

/* Begins anew, before the first replay. `path`: a file that all processes of the run name here, made
 * where it is not there; NULL: this process and those that it forks share. GIL held. */
void replay_budget_share(const char *path);

/* Nanoseconds that are left in a process whose recording has taken `elapsed` so far. GIL held. */
double replay_budget_left(double elapsed);

/* Notes nanoseconds that replays, and waiting for them, have taken. GIL held. */
void replay_budget_spend(double nanoseconds);

#endif

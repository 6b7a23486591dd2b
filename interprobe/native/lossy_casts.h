/* Casts that change values: told by comparing elements of source and result. */
#ifndef INTERPROBE_LOSSY_CASTS_H
#define INTERPROBE_LOSSY_CASTS_H

#include "frames.h"
#include "ledger.h"

/* Compares a sample of what was cast, and books facts of the copy where values changed. `from` and `to`
 * are of living arrays of one shape; `source` is the first of them. `by_native`: a C-API function was
 * asked for the cast; else it must be an array that the user's own code holds: what a library does to
 * arrays of its own making is its own affair. GIL held; an exception that is set stays set. */
void lossy_casts_compare(const record_ticket *copy, const layout *from, const layout *to,
                         PyArrayObject *source, const position *at, bool by_native);

#endif

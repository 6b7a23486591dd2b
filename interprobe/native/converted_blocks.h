/* Follows the copies that conversions made, to see whether what was written into one was ever read. */
#ifndef INTERPROBE_CONVERTED_BLOCKS_H
#define INTERPROBE_CONVERTED_BLOCKS_H

#include "frames.h"
#include "ledger.h"

/* Follows the data of `result`, which a conversion of `source` has just filled, until they are freed.
 * `copy` is the conversion's record, `from` and `to` both layouts, `at` where it happened. GIL held; an
 * exception that is set stays set. */
void converted_blocks_follow(const record_ticket *copy, const position *at, const layout *from,
                             const layout *to, PyArrayObject *source, PyArrayObject *result);

#endif

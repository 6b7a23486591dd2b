/* Which native library is behind a call: found once per record, by walking the C stack. */
#ifndef INTERPROBE_ORIGIN_H
#define INTERPROBE_ORIGIN_H

#include <stdbool.h>
#include <stdint.h>

/* Learns which libraries never name an origin: Python, NumPy's core, ctypes, interprobe. GIL held. */
void origin_initialise(const void *numpy_core_address, const void *ctypes_address);

#define ORIGIN_CALLERS 4 /* glue (Cython's, pybind11's) lies between NumPy and what a person wrote */

typedef struct {
    const char *library; /* path, owned by the table of origins */
    uint64_t callers[ORIGIN_CALLERS]; /* of the call and of those around it in the same library,
                                       * innermost first, from its load address; then 0 */
} origin;

/* The origin of a call, as a small number; 0 where Python itself made the call, or nothing is known.
 * `path` tells apart the ways in which code at `place` can come here: a return address, or the depth
 * of the C stack below the evaluation loop. The first call of its kind walks the C stack
 * (microseconds), later ones look it up. GIL held. */
uint32_t origin_of(uint64_t path, uint32_t place);

/* The origin that is the function at `code`; 0 where no library holds it. GIL held. */
uint32_t origin_at(const void *code);

/* The origin behind a number; NULL for 0. */
const origin *origin_get(uint32_t id);

#endif

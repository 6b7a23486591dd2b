/* NumPy functions written in Python that convert by calling others: np.require, np.copy. */
#ifndef INTERPROBE_WRAPPERS_H
#define INTERPROBE_WRAPPERS_H

#include "frames.h"
#include "layout.h"

/* Learns the code objects of the wrappers. GIL held; a wrapper that is not found is left out. */
void wrappers_initialise(void);

/* When the conversion was made by a wrapper's own code, names the wrapper as the mechanism and adds
 * the requirements that it, not the inner call, was given. */
void wrappers_refine(const position *at, const layout *source, const char **mechanism,
                     unsigned *unmet, bool *asked_for);

#endif

/* Times calls that do nothing: what is left of a short call is its work. */
#ifndef INTERPROBE_EMPTY_CALLS_H
#define INTERPROBE_EMPTY_CALLS_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>

/* The address of a C function that does nothing and returns 0, whatever it is given. */
size_t empty_calls_function(void);

/* Seconds of one call, as a crossing's are taken: the median of `repeats`. `around` gets what the probes
 * took besides of each, on average. To be called from code that is not interprobe's own while one ledger
 * is written, which is then full of these calls; 0 where that is not so, or not any more; -1 with an
 * exception where a call raises one. */
double empty_calls_time(PyObject *function, PyObject *arguments, int repeats, double *around);

/* Seconds that reading the clock adds to a time that is taken with it. */
double empty_calls_clock(void);

#endif

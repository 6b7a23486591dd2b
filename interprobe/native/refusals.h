/* Exceptions with which callees turned a call down: what the seam asks of refusals.c. */
#ifndef INTERPROBE_REFUSALS_H
#define INTERPROBE_REFUSALS_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>

/* Tells that nothing handled `exception`: books so on the call that raised it, or raised what it was
 * raised from, if a ledger still holds that call. Runs no Python code. Needs the GIL. */
void refusals_note_unhandled(PyObject *exception);

#endif

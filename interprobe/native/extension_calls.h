/* What the seam asks of the probe of extension modules. All need the GIL. */
#ifndef INTERPROBE_EXTENSION_CALLS_H
#define INTERPROBE_EXTENSION_CALLS_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <stdbool.h>
#include <stdint.h>

/* See libraries_configure. */
int extension_calls_configure(const char *boundary, const char *no_boundary, const char *never);

/* Looks for functions in what the user's modules hold now. The probe must be installed. */
void extension_calls_scan(void);

/* Looks at what an import statement names; false where that is not complete yet. */
bool extension_calls_scan_statement(PyObject *name, PyObject *names);

/* Functions found while no thunk was left for them, since the probe was installed. */
uint64_t extension_calls_unwatched(void);

#endif

/* NumPy's C API for every file but the seam, which alone imports the table. */
#ifndef INTERPROBE_NUMPY_API_H
#define INTERPROBE_NUMPY_API_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#define PY_ARRAY_UNIQUE_SYMBOL interprobe_ARRAY_API
#ifndef INTERPROBE_IMPORTS_NUMPY
#define NO_IMPORT_ARRAY
#endif
#include <numpy/arrayobject.h>

#endif

/* A pool of C functions that differ in nothing but the number that they pass on. */
#ifndef INTERPROBE_EXTENSION_THUNKS_H
#define INTERPROBE_EXTENSION_THUNKS_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>

enum { EXTENSION_THUNKS = 4096 };

/* A builtin's C function is told nothing of the builtin that it stands for: each patched definition
 * gets a thunk of its own. One thunk serves every calling convention: all their arguments are words,
 * and those that a convention leaves out arrive as whatever the registers held and are passed on
 * unread (CPython itself calls METH_NOARGS functions with an argument that many do not declare). */
extern const PyCFunction extension_thunks[EXTENSION_THUNKS];

/* Where every thunk ends up; `index` is its number. */
PyObject *extension_call_through(PyObject *self, void *a, void *b, void *c, void *d,
                                 unsigned index);

#endif

/* Cython's functions: told by their types, and what C function is behind one. */
#ifndef INTERPROBE_CYTHON_FUNCTIONS_H
#define INTERPROBE_CYTHON_FUNCTIONS_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <stdbool.h>

/* Whether objects of the type are Cython's functions, fused ones among them. */
bool cython_is_function_type(const PyTypeObject *type);

/* What tells apart functions of such a type, other objects that are bound to the same one included: the
 * address of their definition, or of the builtin around it. */
static inline uint64_t
cython_identity(PyObject *function)
{
    return (uint64_t)(uintptr_t)((PyCFunctionObject *)function)->m_ml;
}

/* The C function behind a function of such a type, or NULL. */
const void *cython_code(PyObject *function);

/* Calls `visit` for a function of such a type and, where it is fused, for each of its
 * specialisations. */
void cython_each_function(PyObject *function, void (*visit)(PyObject *each));

#endif

/* Tells Cython's functions by their types, and finds the C function behind one.
 *
 * All modules made by one Cython share the types of their functions: the first module that is loaded
 * makes them, or one that a package keeps for what its modules have in common (cython --shared). The
 * latter holds even the functions behind `vectorcall`. So neither of these says whose function an object
 * is; its definition does, which lies in the module that was compiled from its source.
 */
#include "cython_functions.h"

#include <string.h>

bool
cython_is_function_type(const PyTypeObject *type)
{
    const char *last = strrchr(type->tp_name, '.');
    last = last == NULL ? type->tp_name : last + 1;
    return (strcmp(last, "cython_function_or_method") == 0 ||
            strcmp(last, "fused_cython_function") == 0) &&
           type->tp_basicsize >= (Py_ssize_t)sizeof(PyCFunctionObject);
}

const void *
cython_code(PyObject *function)
{
    PyMethodDef *definition = ((PyCFunctionObject *)function)->m_ml;
    /* Compiled for the stable ABI, some versions of Cython keep a builtin there instead. */
    PyObject *builtin = (PyObject *)definition;
    if (builtin != NULL && PyCFunction_CheckExact(builtin)) {
        definition = ((PyCFunctionObject *)builtin)->m_ml;
    }
    return definition == NULL ? NULL : (const void *)definition->ml_meth;
}

void
cython_each_function(PyObject *function, void (*visit)(PyObject *each))
{
    visit(function);
    /* A dictionary or a read-only view of one; no mapping where it is not fused. */
    PyObject *signatures = PyObject_GetAttrString(function, "__signatures__");
    PyObject *all = signatures == NULL ? NULL : PyMapping_Values(signatures);
    for (Py_ssize_t i = 0; all != NULL && i < PyList_GET_SIZE(all); i++) {
        PyObject *each = PyList_GET_ITEM(all, i);
        if (Py_IS_TYPE(each, Py_TYPE(function))) {
            visit(each);
        }
    }
    Py_XDECREF(all);
    Py_XDECREF(signatures);
    PyErr_Clear();
}

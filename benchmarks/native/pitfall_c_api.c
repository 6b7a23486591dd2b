/* The pitfalls' kernel in a module written by hand, which converts what does not fit. */
#define PY_SSIZE_T_CLEAN
#define NPY_NO_DEPRECATED_API NPY_2_0_API_VERSION
#include <Python.h>
#include <numpy/arrayobject.h>

#include "pitfall_kernels.h"

static PyObject *total(PyObject *module, PyObject *const *arguments, Py_ssize_t count)
{
    if (count != 2) {
        PyErr_SetString(PyExc_TypeError, "total() takes an array and a number");
        return NULL;
    }
    int rounds = (int)PyLong_AsLong(arguments[1]);
    if (rounds == -1 && PyErr_Occurred()) {
        return NULL;
    }
    PyArrayObject *array =
        (PyArrayObject *)PyArray_FROM_OTF(arguments[0], NPY_DOUBLE, NPY_ARRAY_IN_ARRAY);
    if (array == NULL) {
        return NULL;
    }
    double sum = total_of(PyArray_DATA(array), (size_t)PyArray_SIZE(array), rounds);
    Py_DECREF(array);
    return PyFloat_FromDouble(sum);
}

static PyMethodDef functions[] = {
    {"total", (PyCFunction)(void (*)(void))total, METH_FASTCALL,
     "The sum of all values, after so many steps with each."},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT, "pitfall_c_api", NULL, 0, functions, NULL, NULL, NULL, NULL,
};

PyMODINIT_FUNC PyInit_pitfall_c_api(void)
{
    import_array();
    return PyModule_Create(&definition);
}

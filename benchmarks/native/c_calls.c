/* A hand-written extension module: one builtin without, one with positional arguments. */
#define PY_SSIZE_T_CLEAN
#include <Python.h>

static PyObject *halve(PyObject *module, PyObject *number)
{
    double value = PyFloat_AsDouble(number);
    if (value == -1.0 && PyErr_Occurred()) {
        return NULL;
    }
    return PyFloat_FromDouble(value / 2.0);
}

static PyObject *add(PyObject *module, PyObject *const *numbers, Py_ssize_t count)
{
    if (count != 2) {
        PyErr_SetString(PyExc_TypeError, "add() takes two numbers");
        return NULL;
    }
    double left = PyFloat_AsDouble(numbers[0]);
    if (left == -1.0 && PyErr_Occurred()) {
        return NULL;
    }
    double right = PyFloat_AsDouble(numbers[1]);
    if (right == -1.0 && PyErr_Occurred()) {
        return NULL;
    }
    return PyFloat_FromDouble(left + right);
}

static PyMethodDef functions[] = {
    {"halve", halve, METH_O, "Half of a number."},
    {"add", (PyCFunction)(void (*)(void))add, METH_FASTCALL, "The sum of two numbers."},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT, "c_calls", NULL, 0, functions, NULL, NULL, NULL, NULL,
};

PyMODINIT_FUNC PyInit_c_calls(void)
{
    return PyModule_Create(&definition);
}

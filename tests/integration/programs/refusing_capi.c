/* Functions with one requirement each, as hand-written modules and SWIG's numpy.i demand them. */
#define PY_SSIZE_T_CLEAN
#include <Python.h>
#define NPY_NO_DEPRECATED_API NPY_2_0_API_VERSION
#include <numpy/arrayobject.h>

static PyObject *
size_and_release(PyObject *array)
{
    if (array == NULL) {
        return NULL;
    }
    PyObject *size = PyLong_FromSsize_t(PyArray_SIZE((PyArrayObject *)array));
    Py_DECREF(array);
    return size;
}

/* Converts what can be converted without loss of range. */
static PyObject *
safely(PyObject *self, PyObject *values)
{
    (void)self;
    return size_and_release(PyArray_FROM_OTF(values, NPY_FLOAT, NPY_ARRAY_IN_ARRAY));
}

/* Writes into the array itself. */
static PyObject *
in_place(PyObject *self, PyObject *values)
{
    (void)self;
    return size_and_release(PyArray_FROM_OTF(values, NPY_DOUBLE, NPY_ARRAY_INOUT_ARRAY2));
}

static PyObject *
of_depth(PyObject *self, PyObject *values)
{
    (void)self;
    return size_and_release(PyArray_ContiguousFromAny(values, NPY_DOUBLE, 2, 2));
}

/* A contiguous buffer that may be written. */
static PyObject *
fill(PyObject *self, PyObject *args)
{
    (void)self;
    Py_buffer view;
    if (!PyArg_ParseTuple(args, "w*", &view)) {
        return NULL;
    }
    PyBuffer_Release(&view);
    Py_RETURN_NONE;
}

static PyObject *
of_array(PyObject *self, PyObject *args)
{
    (void)self;
    PyArrayObject *values;
    double factor;
    if (!PyArg_ParseTuple(args, "O!d", &PyArray_Type, &values, &factor)) {
        return NULL;
    }
    return PyFloat_FromDouble(factor);
}

/* As SWIG's numpy.i words its checks. */
static PyObject *
checked(PyObject *self, PyObject *object)
{
    (void)self;
    PyArrayObject *values = (PyArrayObject *)object;
    if (!PyArray_Check(object)) {
        PyErr_SetString(PyExc_TypeError, "Array of type 'double' required.  A 'list' was given");
        return NULL;
    }
    if (PyArray_TYPE(values) != NPY_DOUBLE) {
        return PyErr_Format(PyExc_TypeError,
                            "Array of type 'double' required.  Array of type '%s' given",
                            PyArray_TYPE(values) == NPY_FLOAT ? "float" : "long");
    }
    if (!PyArray_IS_C_CONTIGUOUS(values)) {
        PyErr_SetString(PyExc_TypeError,
                        "Array must be contiguous.  A non-contiguous array was given");
        return NULL;
    }
    if (PyArray_ISBYTESWAPPED(values)) {
        PyErr_SetString(PyExc_TypeError,
                        "Array must have native byteorder.  A byte-swapped array was given");
        return NULL;
    }
    if (PyArray_NDIM(values) != 2) {
        return PyErr_Format(PyExc_TypeError,
                            "Array must have 2 dimensions.  Given array has %d dimensions",
                            PyArray_NDIM(values));
    }
    Py_RETURN_NONE;
}

static PyMethodDef methods[] = {
    {"safely", safely, METH_O, NULL},
    {"in_place", in_place, METH_O, NULL},
    {"of_depth", of_depth, METH_O, NULL},
    {"fill", fill, METH_VARARGS, NULL},
    {"of_array", of_array, METH_VARARGS, NULL},
    {"checked", checked, METH_O, NULL},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT, "refusing_capi", NULL, -1, methods, NULL, NULL, NULL, NULL,
};

PyMODINIT_FUNC
PyInit_refusing_capi(void)
{
    import_array();
    return PyModule_Create(&definition);
}

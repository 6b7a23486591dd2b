/* A hand-written extension module that asks NumPy's C API for conversions, one slot per function. */
#define PY_SSIZE_T_CLEAN
#define NPY_NO_DEPRECATED_API NPY_2_0_API_VERSION
#include <Python.h>
#include <numpy/arrayobject.h>

/* What is asked for, by a small number. */
static int
flags_of(int demand)
{
    static const int flags[] = {
        0, NPY_ARRAY_CARRAY, NPY_ARRAY_FARRAY, NPY_ARRAY_CARRAY_RO | NPY_ARRAY_ENSUREARRAY,
        NPY_ARRAY_ENSURECOPY | NPY_ARRAY_NOTSWAPPED, NPY_ARRAY_FORCECAST | NPY_ARRAY_C_CONTIGUOUS,
    };
    return flags[(unsigned)demand % (sizeof flags / sizeof flags[0])];
}

static PyArray_Descr *
dtype_of(int demand)
{
    return demand >= 3 ? PyArray_DescrFromType(NPY_DOUBLE) : NULL;
}

static PyObject *
from_any(PyObject *self, PyObject *args)
{
    PyObject *source;
    int demand;
    if (!PyArg_ParseTuple(args, "Oi", &source, &demand)) {
        return NULL;
    }
    return PyArray_FromAny(source, dtype_of(demand), 0, 0, flags_of(demand), NULL);
}

static PyObject *
check_from_any(PyObject *self, PyObject *args)
{
    PyObject *source;
    int demand;
    if (!PyArg_ParseTuple(args, "Oi", &source, &demand)) {
        return NULL;
    }
    return PyArray_CheckFromAny(source, dtype_of(demand), 0, 3, flags_of(demand), NULL);
}

static PyObject *
from_array(PyObject *self, PyObject *args)
{
    PyArrayObject *source;
    int demand;
    if (!PyArg_ParseTuple(args, "O!i", &PyArray_Type, &source, &demand)) {
        return NULL;
    }
    return PyArray_FromArray(source, dtype_of(demand), flags_of(demand));
}

static PyObject *
new_copy(PyObject *self, PyObject *source)
{
    if (!PyArray_Check(source)) {
        return PyErr_Format(PyExc_TypeError, "an array is wanted");
    }
    return PyArray_NewCopy((PyArrayObject *)source, NPY_FORTRANORDER);
}

static PyObject *
cast_to_type(PyObject *self, PyObject *source)
{
    if (!PyArray_Check(source)) {
        return PyErr_Format(PyExc_TypeError, "an array is wanted");
    }
    return PyArray_CastToType((PyArrayObject *)source, PyArray_DescrFromType(NPY_INT), 1);
}

static PyObject *
ensure_array(PyObject *self, PyObject *source)
{
    return PyArray_EnsureArray(Py_NewRef(source));
}

static PyObject *
ensure_any_array(PyObject *self, PyObject *source)
{
    return PyArray_EnsureAnyArray(Py_NewRef(source));
}

static PyObject *
copy_into(PyObject *self, PyObject *args)
{
    PyArrayObject *target, *source;
    if (!PyArg_ParseTuple(args, "O!O!", &PyArray_Type, &target, &PyArray_Type, &source) ||
        PyArray_CopyInto(target, source) < 0 || PyArray_CopyAnyInto(target, source) < 0) {
        return NULL;
    }
    Py_RETURN_NONE;
}

/* Changes an argument in place where it is no well-behaved array: a copy that is written back. */
static PyObject *
write_back(PyObject *self, PyObject *source)
{
    int flags = NPY_ARRAY_INOUT_ARRAY2;
    PyObject *array = PyArray_FromAny(source, PyArray_DescrFromType(NPY_DOUBLE), 0, 0, flags, NULL);
    if (array == NULL) {
        return NULL;
    }
    int status = PyArray_ResolveWritebackIfCopy((PyArrayObject *)array);
    Py_DECREF(array);
    return status < 0 ? NULL : PyLong_FromLong(status);
}

static PyMethodDef functions[] = {
    {"from_any", from_any, METH_VARARGS, NULL},
    {"check_from_any", check_from_any, METH_VARARGS, NULL},
    {"from_array", from_array, METH_VARARGS, NULL},
    {"new_copy", new_copy, METH_O, NULL},
    {"cast_to_type", cast_to_type, METH_O, NULL},
    {"ensure_array", ensure_array, METH_O, NULL},
    {"ensure_any_array", ensure_any_array, METH_O, NULL},
    {"copy_into", copy_into, METH_VARARGS, NULL},
    {"write_back", write_back, METH_O, NULL},
    {NULL},
};
static PyModuleDef definition = {
    PyModuleDef_HEAD_INIT, "slot_calls", NULL, -1, functions, NULL, NULL, NULL, NULL};

PyMODINIT_FUNC
PyInit_slot_calls(void)
{
    import_array();
    return PyModule_Create(&definition);
}

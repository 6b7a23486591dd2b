/* A hand-written extension module that returns arrays over its own memory, each with another owner. */
#define PY_SSIZE_T_CLEAN
#define NPY_NO_DEPRECATED_API NPY_2_0_API_VERSION
#include <Python.h>
#include <numpy/arrayobject.h>

#include <stdlib.h>

static double fixed[1 << 16];

static double *
filled(npy_intp n)
{
    double *x = malloc((size_t)n * sizeof *x);
    for (npy_intp i = 0; x != NULL && i < n; i++) {
        x[i] = (double)i;
    }
    return x;
}

static PyObject *
array_over(double *x, npy_intp n)
{
    return PyArray_SimpleNewFromData(1, &n, NPY_DOUBLE, x);
}

/* Nobody frees it. */
static PyObject *
leaked(PyObject *self, PyObject *size)
{
    npy_intp n = PyLong_AsSsize_t(size);
    return array_over(filled(n), n);
}

/* As a pair, with a base that owns nothing. */
static PyObject *
leaked_pair(PyObject *self, PyObject *size)
{
    npy_intp n = PyLong_AsSsize_t(size);
    PyObject *array = array_over(filled(n), n);
    PyArray_SetBaseObject((PyArrayObject *)array, Py_NewRef(Py_None));
    return Py_BuildValue("(Ni)", array, 1);
}

static void
release(PyObject *capsule)
{
    free(PyCapsule_GetPointer(capsule, NULL));
}

static PyObject *
with_capsule(PyObject *self, PyObject *size)
{
    npy_intp n = PyLong_AsSsize_t(size);
    double *x = filled(n);
    PyObject *array = array_over(x, n);
    PyArray_SetBaseObject((PyArrayObject *)array, PyCapsule_New(x, NULL, release));
    return array;
}

static PyObject *
with_own_data(PyObject *self, PyObject *size)
{
    npy_intp n = PyLong_AsSsize_t(size);
    PyObject *array = array_over(filled(n), n);
    PyArray_ENABLEFLAGS((PyArrayObject *)array, NPY_ARRAY_OWNDATA);
    return array;
}

static PyObject *
over_fixed_memory(PyObject *self, PyObject *size)
{
    return array_over(fixed, PyLong_AsSsize_t(size));
}

/* Parts of one large block, none twice. */
static PyObject *
part_of_table(PyObject *self, PyObject *args)
{
    static double *table;
    Py_ssize_t index, n;
    if (!PyArg_ParseTuple(args, "nn", &index, &n)) {
        return NULL;
    }
    if (table == NULL) {
        table = filled(4 << 20);
    }
    return array_over(table + index * n, n);
}

static PyMethodDef methods[] = {
    {"leaked", leaked, METH_O, NULL},
    {"leaked_pair", leaked_pair, METH_O, NULL},
    {"with_capsule", with_capsule, METH_O, NULL},
    {"with_own_data", with_own_data, METH_O, NULL},
    {"over_fixed_memory", over_fixed_memory, METH_O, NULL},
    {"part_of_table", part_of_table, METH_VARARGS, NULL},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef definition = {PyModuleDef_HEAD_INIT, "owned_arrays", NULL, -1, methods,
                                        NULL, NULL, NULL, NULL};

PyMODINIT_FUNC
PyInit_owned_arrays(void)
{
    import_array();
    return PyModule_Create(&definition);
}

/* An extension by hand: arrays made and filled, written back, and read through iterators. */
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#define NPY_NO_DEPRECATED_API NPY_2_0_API_VERSION
#include <numpy/arrayobject.h>

static PyArrayObject *kept; /* a work array that lives as long as the module */

static double
sum_of(PyArrayObject *array)
{
    const double *values = PyArray_DATA(array);
    double sum = 0.0;
    for (npy_intp i = 0; i < PyArray_SIZE(array); i++) {
        sum += values[i];
    }
    return sum;
}

/* As f2py does with SciPy 1.17: an array of the wanted layout is made, and copied into. */
static PyObject *
sum_of_made(PyObject *self, PyObject *args)
{
    PyArrayObject *source;
    int fortran;
    if (!PyArg_ParseTuple(args, "O!i", &PyArray_Type, &source, &fortran)) {
        return NULL;
    }
    PyArrayObject *made = (PyArrayObject *)PyArray_NewFromDescr(
        &PyArray_Type, PyArray_DescrFromType(NPY_DOUBLE), PyArray_NDIM(source),
        PyArray_DIMS(source), NULL, NULL, fortran, NULL);
    if (made == NULL || PyArray_CopyInto(made, source) < 0) {
        Py_XDECREF(made);
        return NULL;
    }
    double sum = sum_of(made);
    Py_DECREF(made);
    return PyFloat_FromDouble(sum);
}

/* The same array is copied into twice: the second time it is there already. */
static PyObject *
fill_made_twice(PyObject *self, PyObject *source)
{
    PyArrayObject *from = (PyArrayObject *)source;
    PyArrayObject *made =
        (PyArrayObject *)PyArray_SimpleNew(PyArray_NDIM(from), PyArray_DIMS(from), NPY_DOUBLE);
    if (made == NULL || PyArray_CopyInto(made, from) < 0 || PyArray_CopyInto(made, from) < 0) {
        Py_XDECREF(made);
        return NULL;
    }
    return (PyObject *)made;
}

static PyObject *
keep(PyObject *self, PyObject *model)
{
    PyArrayObject *from = (PyArrayObject *)model;
    PyArrayObject *made =
        (PyArrayObject *)PyArray_SimpleNew(PyArray_NDIM(from), PyArray_DIMS(from), NPY_DOUBLE);
    Py_XSETREF(kept, made);
    return made == NULL ? NULL : Py_NewRef(Py_None);
}

static PyObject *
fill_kept(PyObject *self, PyObject *source)
{
    if (PyArray_CopyInto(kept, (PyArrayObject *)source) < 0) {
        return NULL;
    }
    return PyFloat_FromDouble(sum_of(kept));
}

/* Doubles the elements of any array in place, through a contiguous array of float64. */
static PyObject *
double_in_place(PyObject *self, PyObject *target)
{
    PyArrayObject *work = (PyArrayObject *)PyArray_FromAny(
        target, PyArray_DescrFromType(NPY_DOUBLE), 0, 0,
        NPY_ARRAY_CARRAY | NPY_ARRAY_WRITEBACKIFCOPY | NPY_ARRAY_FORCECAST, NULL);
    if (work == NULL) {
        return NULL;
    }
    double *values = PyArray_DATA(work);
    for (npy_intp i = 0; i < PyArray_SIZE(work); i++) {
        values[i] *= 2;
    }
    int status = PyArray_ResolveWritebackIfCopy(work);
    Py_DECREF(work);
    return status < 0 ? NULL : PyLong_FromLong(status);
}

/* Discards what was written instead. */
static PyObject *
double_in_vain(PyObject *self, PyObject *target)
{
    PyArrayObject *work = (PyArrayObject *)PyArray_FromAny(
        target, PyArray_DescrFromType(NPY_DOUBLE), 0, 0,
        NPY_ARRAY_CARRAY | NPY_ARRAY_WRITEBACKIFCOPY | NPY_ARRAY_FORCECAST, NULL);
    if (work == NULL) {
        return NULL;
    }
    PyArray_DiscardWritebackIfCopy(work);
    Py_DECREF(work);
    Py_RETURN_NONE;
}

static double
sum_through(NpyIter *iterator)
{
    NpyIter_IterNextFunc *next = NpyIter_GetIterNext(iterator, NULL);
    char **data = NpyIter_GetDataPtrArray(iterator);
    npy_intp *stride = NpyIter_GetInnerStrideArray(iterator);
    npy_intp *extent = NpyIter_GetInnerLoopSizePtr(iterator);
    double sum = 0.0;
    do {
        for (npy_intp i = 0; i < *extent; i++) {
            sum += *(double *)(data[0] + i * *stride);
        }
    } while (next(iterator));
    return sum;
}

static PyObject *
sum_of_operand(PyObject *array, npy_uint32 flags, npy_uint32 operand_flags, int way)
{
    PyArrayObject *operand = (PyArrayObject *)array;
    PyArray_Descr *wanted = PyArray_DescrFromType(NPY_DOUBLE);
    flags |= NPY_ITER_EXTERNAL_LOOP;
    operand_flags |= NPY_ITER_READONLY | NPY_ITER_NBO | NPY_ITER_ALIGNED;
    NpyIter *iterator;
    if (way == 0) {
        iterator = NpyIter_New(operand, flags | operand_flags, NPY_KEEPORDER, NPY_UNSAFE_CASTING,
                               wanted);
    } else if (way == 1) {
        iterator = NpyIter_MultiNew(1, &operand, flags, NPY_KEEPORDER, NPY_UNSAFE_CASTING,
                                    &operand_flags, &wanted);
    } else {
        iterator = NpyIter_AdvancedNew(1, &operand, flags, NPY_KEEPORDER, NPY_UNSAFE_CASTING,
                                       &operand_flags, &wanted, -1, NULL, NULL, 0);
    }
    Py_DECREF(wanted);
    if (iterator == NULL) {
        return NULL;
    }
    double sum = sum_through(iterator);
    return NpyIter_Deallocate(iterator) ? PyFloat_FromDouble(sum) : NULL;
}

/* The operand is converted as a whole before the first element is read. */
static PyObject *
sum_of_copied(PyObject *self, PyObject *args)
{
    PyObject *array;
    int way;
    if (!PyArg_ParseTuple(args, "O!i", &PyArray_Type, &array, &way)) {
        return NULL;
    }
    return sum_of_operand(array, 0, NPY_ITER_COPY, way);
}

/* The operand is converted piece by piece in a buffer. */
static PyObject *
sum_of_buffered(PyObject *self, PyObject *array)
{
    return sum_of_operand(array, NPY_ITER_BUFFERED, 0, 2);
}

/* Doubles the elements through an iterator that converts them and writes them back at its end. */
static PyObject *
double_through_iterator(PyObject *self, PyObject *array)
{
    PyArrayObject *operand = (PyArrayObject *)array;
    PyArray_Descr *wanted = PyArray_DescrFromType(NPY_DOUBLE);
    npy_uint32 operand_flags = NPY_ITER_READWRITE | NPY_ITER_UPDATEIFCOPY | NPY_ITER_NBO;
    NpyIter *iterator = NpyIter_MultiNew(1, &operand, 0, NPY_KEEPORDER, NPY_UNSAFE_CASTING,
                                         &operand_flags, &wanted);
    Py_DECREF(wanted);
    if (iterator == NULL) {
        return NULL;
    }
    NpyIter_IterNextFunc *next = NpyIter_GetIterNext(iterator, NULL);
    char **data = NpyIter_GetDataPtrArray(iterator);
    do {
        *(double *)data[0] *= 2;
    } while (next(iterator));
    if (!NpyIter_Deallocate(iterator)) {
        return NULL;
    }
    Py_RETURN_NONE;
}

/* target += source, through an iterator that copies what overlaps. */
static PyObject *
add_through_iterator(PyObject *self, PyObject *args)
{
    PyArrayObject *operands[2];
    if (!PyArg_ParseTuple(args, "O!O!", &PyArray_Type, &operands[0], &PyArray_Type, &operands[1])) {
        return NULL;
    }
    npy_uint32 operand_flags[2] = {NPY_ITER_READWRITE, NPY_ITER_READONLY};
    NpyIter *iterator = NpyIter_MultiNew(2, operands, NPY_ITER_COPY_IF_OVERLAP, NPY_KEEPORDER,
                                         NPY_NO_CASTING, operand_flags, NULL);
    if (iterator == NULL) {
        return NULL;
    }
    NpyIter_IterNextFunc *next = NpyIter_GetIterNext(iterator, NULL);
    char **data = NpyIter_GetDataPtrArray(iterator);
    do {
        *(double *)data[0] += *(double *)data[1];
    } while (next(iterator));
    if (!NpyIter_Deallocate(iterator)) {
        return NULL;
    }
    Py_RETURN_NONE;
}

static PyMethodDef methods[] = {
    {"sum_of_made", sum_of_made, METH_VARARGS, NULL},
    {"fill_made_twice", fill_made_twice, METH_O, NULL},
    {"keep", keep, METH_O, NULL},
    {"fill_kept", fill_kept, METH_O, NULL},
    {"double_in_place", double_in_place, METH_O, NULL},
    {"double_in_vain", double_in_vain, METH_O, NULL},
    {"sum_of_copied", sum_of_copied, METH_VARARGS, NULL},
    {"sum_of_buffered", sum_of_buffered, METH_O, NULL},
    {"double_through_iterator", double_through_iterator, METH_O, NULL},
    {"add_through_iterator", add_through_iterator, METH_VARARGS, NULL},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "layout_tools", NULL, -1, methods,
                                    NULL, NULL, NULL, NULL};

PyMODINIT_FUNC
PyInit_layout_tools(void)
{
    import_array();
    return PyModule_Create(&module);
}

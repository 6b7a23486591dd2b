/* Reads the masks of masked arrays. */
#include "masks.h"

#include "number_text.h"

#include <string.h>

static PyTypeObject *masked_type; /* numpy.ma.MaskedArray, kept for the life of the process; or NULL */

static bool
is_masked_type(PyTypeObject *type)
{
    if (masked_type == NULL) {
        /* Looked up without importing it: where it was never imported, there is no such array. */
        PyObject *module = PyDict_GetItemString(PyImport_GetModuleDict(), "numpy.ma.core");
        PyObject *found = module == NULL || !PyModule_Check(module) ? NULL
                              : PyDict_GetItemString(PyModule_GetDict(module), "MaskedArray");
        if (found == NULL || !PyType_Check(found)) {
            return false;
        }
        masked_type = (PyTypeObject *)Py_NewRef(found);
    }
    return PyType_IsSubtype(type, masked_type);
}

/* The mask in an instance's dictionary: borrowed from it; NULL where it has none of booleans. */
static PyArrayObject *
mask_of(PyObject *object)
{
    PyObject **dictionary = _PyObject_GetDictPtr(object);
    PyObject *attributes = dictionary == NULL ? NULL : *dictionary;
    PyObject *found = attributes == NULL || !PyDict_Check(attributes)
                          ? NULL : PyDict_GetItemString(attributes, "_mask");
    if (found == NULL || !PyArray_Check(found) ||
        PyArray_DESCR((PyArrayObject *)found)->type_num != NPY_BOOL) {
        return NULL;
    }
    PyArrayObject *mask = (PyArrayObject *)found, *array = (PyArrayObject *)object;
    bool fits = PyArray_NDIM(mask) == PyArray_NDIM(array) &&
                PyArray_CompareLists(PyArray_DIMS(mask), PyArray_DIMS(array), PyArray_NDIM(mask));
    return fits ? mask : NULL;
}

/* Counts the hidden elements of the axes from `axis` on; `first` gets where the first one lies. */
static int64_t
count_hidden(PyArrayObject *mask, PyArrayObject *array, int axis, const char *at, const char *element,
             const char **first)
{
    if (axis == PyArray_NDIM(mask)) {
        if (*at != 0 && *first == NULL) {
            *first = element;
        }
        return *at != 0;
    }
    npy_intp length = PyArray_DIM(mask, axis), step = PyArray_STRIDE(mask, axis);
    npy_intp stride = PyArray_STRIDE(array, axis);
    int64_t hidden = 0;
    if (axis == PyArray_NDIM(mask) - 1) {
        npy_intp i = 0;
        while (*first == NULL && i < length) {
            *first = at[i * step] != 0 ? element + i * stride : NULL;
            i += *first == NULL;
        }
        for (; i < length; i++) {
            hidden += at[i * step] != 0;
        }
        return hidden;
    }
    for (npy_intp i = 0; i < length; i++) {
        hidden += count_hidden(mask, array, axis + 1, at + i * step, element + i * stride, first);
    }
    return hidden;
}

bool
masks_read(PyObject *object, mask_extent *out)
{
    if (Py_IS_TYPE(object, &PyArray_Type) || !PyArray_Check(object) ||
        !is_masked_type(Py_TYPE(object))) {
        return false;
    }
    PyObject *type, *value, *traceback;
    PyErr_Fetch(&type, &value, &traceback);
    PyArrayObject *mask = mask_of(object), *array = (PyArrayObject *)object;
    out->hidden = 0;
    if (mask != NULL && PyArray_SIZE(mask) > 0) {
        const char *first = NULL;
        out->mask = PyArray_DATA(mask);
        out->hidden = count_hidden(mask, array, 0, PyArray_DATA(mask), PyArray_DATA(array), &first);
        layout is;
        layout_read(&is, array);
        if (first == NULL || number_text(&is, first, out->value, sizeof out->value) < 0) {
            out->value[0] = '\0';
        }
    }
    PyErr_Restore(type, value, traceback);
    return out->hidden > 0;
}

static bool
overrides(PyTypeObject *type, const char *name)
{
    PyObject *word = PyUnicode_InternFromString(name);
    bool own = word != NULL && _PyType_Lookup(type, word) != _PyType_Lookup(&PyArray_Type, word);
    Py_XDECREF(word);
    return own;
}

bool
masks_class_has_meaning(PyArrayObject *array)
{
    PyTypeObject *type = Py_TYPE(array);
    if (type == &PyArray_Type || is_masked_type(type)) {
        return false;
    }
    PyObject *error_type, *value, *traceback;
    PyErr_Fetch(&error_type, &value, &traceback);
    bool found = overrides(type, "__array_ufunc__") || overrides(type, "__array_function__");
    PyErr_Restore(error_type, value, traceback);
    return found;
}

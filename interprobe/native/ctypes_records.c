/* Writes the layout of the ctypes structure behind a declared pointer. */
#include "ctypes_objects.h"

#include <string.h>

/* The kind that a simple type's letter stands for; V where it is none that arrays have. */
static char
kind_of_code(char code)
{
    return code == '\0'                        ? 'V'
           : strchr("bhilq", code) != NULL     ? 'i'
           : strchr("BHILQ", code) != NULL     ? 'u'
           : strchr("fdg", code) != NULL       ? 'f'
           : strchr("PzZO", code) != NULL      ? 'p'
           : code == '?'                       ? 'b'
           : code == 'c'                       ? 'S'
                                               : 'V';
}

static Py_ssize_t
number_of(PyObject *descriptor, const char *name)
{
    PyObject *value = descriptor == NULL ? NULL : PyObject_GetAttrString(descriptor, name);
    Py_ssize_t number = value == NULL ? -1 : PyLong_AsSsize_t(value);
    Py_XDECREF(value);
    PyErr_Clear();
    return number;
}

static void add_record(record_text *to, PyTypeObject *type, const char *outer, Py_ssize_t base,
                       bool foreign, int depth);

static void
add_member(record_text *to, PyTypeObject *type, const char *outer, const char *name,
           Py_ssize_t offset, Py_ssize_t whole, bool is_bits, bool foreign, int depth)
{
    Py_ssize_t count = 1;
    while (ctypes_kind_of(type) == ARRAY && ctypes_item_type(type) != NULL) {
        type = ctypes_item_type(type);
    }
    ctypes_kind kind = ctypes_kind_of(type);
    Py_ssize_t size = is_bits ? whole : ctypes_size_of(type);
    if (size <= 0) {
        to->is_cut = true;
        return;
    }
    count = is_bits ? 1 : whole / size;
    if (kind == RECORD && !ctypes_is_union(type) && count == 1 && depth > 0 && !is_bits) {
        char path[120];
        record_text_path(path, sizeof path, outer, name);
        add_record(to, type, path, offset, foreign, depth - 1);
        return;
    }
    record_text_member(to, outer, name, offset);
    char letter = is_bits             ? 'x'
                  : kind == SIMPLE    ? kind_of_code(ctypes_simple_code(type))
                  : kind == POINTER   ? 'p'
                  : kind == NOT_CTYPES ? 'p' /* a function */
                                      : 'V';
    record_text_kind(to, foreign && size > 1, letter, size, count);
}

static void
add_record(record_text *to, PyTypeObject *type, const char *outer, Py_ssize_t base, bool foreign,
           int depth)
{
    if (type->tp_base != NULL && ctypes_kind_of(type->tp_base) == RECORD) {
        add_record(to, type->tp_base, outer, base, foreign, depth);
    }
    PyObject *own = type->tp_dict == NULL ? NULL : PyDict_GetItemString(type->tp_dict, "_fields_");
    PyObject *list = own == NULL ? NULL : PySequence_Tuple(own);
    PyObject *swapped = PyObject_GetAttrString((PyObject *)type, "_swappedbytes_");
    foreign |= swapped != NULL;
    Py_XDECREF(swapped);
    PyErr_Clear();
    for (Py_ssize_t i = 0; list != NULL && i < PyTuple_GET_SIZE(list); i++) {
        PyObject *field = PyTuple_GET_ITEM(list, i);
        PyObject *name = PyTuple_Check(field) && PyTuple_GET_SIZE(field) >= 2
                             ? PyTuple_GET_ITEM(field, 0) : NULL;
        const char *text = name != NULL && PyUnicode_Check(name) ? PyUnicode_AsUTF8(name) : NULL;
        PyObject *descriptor = text == NULL ? NULL : PyObject_GetAttr((PyObject *)type, name);
        Py_ssize_t offset = number_of(descriptor, "offset"), size = number_of(descriptor, "size");
        Py_XDECREF(descriptor);
        PyErr_Clear();
        if (offset < 0 || size < 0 || !PyType_Check(PyTuple_GET_ITEM(field, 1))) {
            to->is_cut = true;
            continue;
        }
        bool is_bits = PyTuple_GET_SIZE(field) > 2;
        PyTypeObject *its = (PyTypeObject *)PyTuple_GET_ITEM(field, 1);
        Py_ssize_t whole = is_bits ? ctypes_size_of(its) : size;
        add_member(to, its, outer, text, base + offset, whole, is_bits, foreign, depth);
    }
    Py_XDECREF(list);
    PyErr_Clear();
}

bool
ctypes_record_text(PyTypeObject *declared, record_text *out)
{
    ctypes_kind kind = ctypes_kind_of(declared);
    for (int i = 0; i < 4 && (kind == POINTER || kind == ARRAY); i++) {
        declared = ctypes_item_type(declared);
        if (declared == NULL) {
            return false;
        }
        if (kind == POINTER && ctypes_kind_of(declared) == POINTER) {
            return false;
        }
        kind = ctypes_kind_of(declared);
    }
    Py_ssize_t size = kind == RECORD && !ctypes_is_union(declared) ? ctypes_size_of(declared) : -1;
    if (size <= 0) {
        return false;
    }
    Py_INCREF(declared); /* what runs here may replace a pointer's type */
    add_record(out, declared, "", 0, false, RECORD_DEPTH);
    record_text_size(out, size);
    Py_DECREF(declared);
    return true;
}

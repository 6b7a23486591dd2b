/* Writes the layout of the struct behind a pointer that cffi declares. */
#include "cffi_objects.h"

#include <string.h>

/* The letter of what a member is; V where it is nothing that arrays have. */
static char
kind_of(const cffi_type *type)
{
    if (type->kind == CFFI_INTEGER) {
        return type->is_signed ? 'i' : 'u';
    }
    if (type->kind == CFFI_POINTER || type->kind == CFFI_FUNCTION) {
        return 'p';
    }
    const char *name = type->name;
    return strcmp(name, "float") == 0 || strcmp(name, "double") == 0 ? 'f'
           : strcmp(name, "_Bool") == 0                              ? 'b'
           : strcmp(name, "char") == 0                               ? 'S'
           : strcmp(name, "int8_t") == 0 || strcmp(name, "signed char") == 0 ? 'i'
           : strcmp(name, "uint8_t") == 0 || strcmp(name, "unsigned char") == 0 ? 'u'
                                                                                : 'V';
}

static void add_record(record_text *to, const cffi_type *type, const char *outer, Py_ssize_t base,
                       int depth);

static void
add_member(record_text *to, PyObject *pair, const char *outer, Py_ssize_t base, int depth)
{
    const char *name = PyUnicode_AsUTF8(PyTuple_GET_ITEM(pair, 0));
    PyObject *field = PyTuple_GET_ITEM(pair, 1), *object = PyObject_GetAttrString(field, "type");
    const cffi_type *type = object == NULL ? NULL : cffi_type_described(object);
    Py_XDECREF(object); /* the record's type keeps it */
    Py_ssize_t offset = cffi_number_of(field, "offset");
    if (name == NULL || type == NULL || offset < 0) {
        to->is_cut = true;
        return;
    }
    Py_ssize_t whole = type->size;
    while (type->kind == CFFI_ARRAY && type->item != NULL) {
        type = type->item;
    }
    Py_ssize_t size = type->size;
    if (size <= 0 || whole < size) {
        to->is_cut = true;
        return;
    }
    bool is_bits = cffi_number_of(field, "bitsize") >= 0;
    bool is_struct = type->kind == CFFI_RECORD && strncmp(type->name, "union", 5) != 0;
    if (is_struct && whole == size && depth > 0) {
        char path[120];
        record_text_path(path, sizeof path, outer, name);
        add_record(to, type, path, base + offset, depth - 1);
        return;
    }
    record_text_member(to, outer, name, base + offset);
    record_text_kind(to, false, is_bits ? 'x' : kind_of(type), size, whole / size);
}

static void
add_record(record_text *to, const cffi_type *type, const char *outer, Py_ssize_t base, int depth)
{
    PyObject *fields = PyObject_GetAttrString(type->object, "fields");
    if (fields == NULL || !PyList_Check(fields)) {
        to->is_cut = true; /* cffi was not told */
    }
    for (Py_ssize_t i = 0; !to->is_cut && i < PyList_GET_SIZE(fields); i++) {
        PyObject *pair = PyList_GET_ITEM(fields, i);
        if (PyTuple_Check(pair) && PyTuple_GET_SIZE(pair) == 2) {
            add_member(to, pair, outer, base, depth);
        }
    }
    Py_XDECREF(fields);
    PyErr_Clear();
}

static bool
write_pointed(const cffi_type *type, record_text *out)
{
    bool points = type != NULL && (type->kind == CFFI_POINTER || type->kind == CFFI_ARRAY);
    const cffi_type *item = points ? type->item : NULL;
    if (item == NULL || item->kind != CFFI_RECORD || item->size <= 0 ||
        strncmp(item->name, "union", 5) == 0) {
        return false;
    }
    add_record(out, item, "", 0, RECORD_DEPTH);
    record_text_size(out, item->size);
    return true;
}

bool
cffi_record_text(PyObject *argument, PyObject *function_type, int position, record_text *out)
{
    if (write_pointed(cffi_type_of(argument), out)) {
        return true;
    }
    PyObject *parameters =
        function_type == NULL ? NULL : PyObject_GetAttrString(function_type, "args");
    bool found = parameters != NULL && PyTuple_Check(parameters) &&
                 position < PyTuple_GET_SIZE(parameters) &&
                 write_pointed(cffi_type_described(PyTuple_GET_ITEM(parameters, position)), out);
    Py_XDECREF(parameters);
    PyErr_Clear();
    return found;
}

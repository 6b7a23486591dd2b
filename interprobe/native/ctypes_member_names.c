/* Names pointers in the memory that a ctypes argument hands over: .field, [3]. */
#include "ctypes_objects.h"

#include <string.h>

#define DEPTH 4 /* of records in records */

/* An attribute that is a non-negative number, or -1; no exception. */
static Py_ssize_t
number_attribute(PyObject *object, const char *name)
{
    PyObject *value = PyObject_GetAttrString(object, name);
    Py_ssize_t number = value == NULL ? -1 : PyLong_AsSsize_t(value);
    Py_XDECREF(value);
    PyErr_Clear();
    return number;
}

static void name_in_type(PyTypeObject *type, Py_ssize_t offset, call_argument *out, int depth);

static void
append_name(call_argument *out, const char *format, const char *text, Py_ssize_t number)
{
    size_t used = strlen(out->member);
    PyOS_snprintf(out->member + used, sizeof out->member - used, format, text, (long)number);
}

/* Whether a field, given as (name, type, ...), covers the offset; then it is named. */
static bool
name_field(PyTypeObject *record, PyObject *field, Py_ssize_t offset, call_argument *out, int depth)
{
    if (!PyTuple_Check(field) || PyTuple_GET_SIZE(field) < 2) {
        return false;
    }
    PyObject *name = PyTuple_GET_ITEM(field, 0), *type = PyTuple_GET_ITEM(field, 1);
    const char *text = PyUnicode_Check(name) ? PyUnicode_AsUTF8(name) : NULL;
    PyObject *descriptor = text == NULL ? NULL : PyObject_GetAttr((PyObject *)record, name);
    Py_ssize_t start = descriptor == NULL ? -1 : number_attribute(descriptor, "offset");
    Py_ssize_t size = descriptor == NULL ? -1 : number_attribute(descriptor, "size");
    Py_XDECREF(descriptor);
    PyErr_Clear();
    if (start < 0 || offset < start || offset >= start + size || !PyType_Check(type)) {
        return false;
    }
    append_name(out, ".%s", text, 0);
    name_in_type((PyTypeObject *)type, offset - start, out, depth - 1);
    return true;
}

static void
name_in_record(PyTypeObject *type, Py_ssize_t offset, call_argument *out, int depth)
{
    for (PyTypeObject *each = type; each != NULL && ctypes_kind_of(each) == RECORD;
         each = each->tp_base) {
        PyObject *fields = PyObject_GetAttrString((PyObject *)each, "_fields_");
        PyObject *list = fields == NULL ? NULL : PySequence_Tuple(fields);
        bool named = false;
        for (Py_ssize_t i = 0; list != NULL && !named && i < PyTuple_GET_SIZE(list); i++) {
            named = name_field(each, PyTuple_GET_ITEM(list, i), offset, out, depth);
        }
        Py_XDECREF(list);
        Py_XDECREF(fields);
        PyErr_Clear();
        if (named) {
            return;
        }
    }
}

static void
name_in_array(PyTypeObject *type, Py_ssize_t offset, call_argument *out, int depth)
{
    PyTypeObject *element = ctypes_item_type(type);
    Py_ssize_t bytes = element == NULL ? 0 : ctypes_size_of(element);
    if (bytes > 0) {
        append_name(out, "%s[%ld]", "", offset / bytes);
        name_in_type(element, offset % bytes, out, depth - 1);
    }
}

static void
name_in_type(PyTypeObject *type, Py_ssize_t offset, call_argument *out, int depth)
{
    out->declared = type->tp_name; /* lives as long as the argument's own type, which refers to it */
    ctypes_kind kind = depth == 0 ? NOT_CTYPES : ctypes_kind_of(type);
    if (kind == RECORD) {
        name_in_record(type, offset, out, depth);
    } else if (kind == ARRAY) {
        name_in_array(type, offset, out, depth);
    }
}

void
ctypes_name_member(PyObject *argument, call_argument *out)
{
    out->member[0] = '\0';
    PyObject *reached = ctypes_reached_object(argument);
    if (reached != NULL) {
        name_in_type(Py_TYPE(reached), out->offset, out, DEPTH);
    }
}

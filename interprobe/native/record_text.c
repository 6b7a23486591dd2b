/* Writes the layouts of records. */
#include "record_text.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define NAME_ROOM 120

static __attribute__((format(printf, 2, 3))) void
append(record_text *to, const char *format, ...)
{
    va_list values;
    va_start(values, format);
    int length = vsnprintf(to->text + to->used, sizeof to->text - to->used, format, values);
    va_end(values);
    if (length < 0 || to->used + (size_t)length >= sizeof to->text) {
        to->is_cut = true;
        to->text[to->used] = '\0';
    } else {
        to->used += (size_t)length;
    }
}

void
record_text_path(char *out, size_t room, const char *outer, const char *name)
{
    snprintf(out, room, "%s%s%s", outer, outer[0] == '\0' ? "" : ".", name);
    for (char *at = out; *at != '\0'; at++) {
        if (strchr(" @:|=", *at) != NULL) {
            *at = '_'; /* they have a meaning in the line */
        }
    }
}

void
record_text_member(record_text *to, const char *outer, const char *name, Py_ssize_t offset)
{
    char path[NAME_ROOM];
    record_text_path(path, sizeof path, outer, name);
    append(to, "%s%s@%zd:", to->used == 0 ? "" : " ", path, offset);
}

void
record_text_kind(record_text *to, bool foreign, char kind, Py_ssize_t size, Py_ssize_t count)
{
    append(to, "%s%c%zd", foreign ? ">" : "", kind, size);
    if (count != 1) {
        append(to, "*%zd", count);
    }
}

void
record_text_size(record_text *to, Py_ssize_t size)
{
    append(to, "%s=%zd", to->used == 0 ? "" : " ", size);
}

static void
add_fields(record_text *to, PyArray_Descr *descr, const char *outer, Py_ssize_t base, int depth)
{
    PyObject *names = PyDataType_NAMES(descr), *fields = PyDataType_FIELDS(descr);
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(names); i++) {
        PyObject *name = PyTuple_GET_ITEM(names, i);
        PyObject *field = PyDict_GetItemWithError(fields, name);
        const char *text = PyUnicode_AsUTF8(name);
        if (field == NULL || text == NULL || !PyTuple_Check(field) || PyTuple_GET_SIZE(field) < 2) {
            PyErr_Clear();
            to->is_cut = true;
            return;
        }
        PyArray_Descr *own = (PyArray_Descr *)PyTuple_GET_ITEM(field, 0);
        Py_ssize_t offset = base + PyLong_AsSsize_t(PyTuple_GET_ITEM(field, 1));
        Py_ssize_t whole = PyDataType_ELSIZE(own), count = 1;
        while (PyDataType_SUBARRAY(own) != NULL) {
            own = PyDataType_SUBARRAY(own)->base;
        }
        Py_ssize_t size = PyDataType_ELSIZE(own);
        count = size > 0 ? whole / size : 0;
        if (PyDataType_HASFIELDS(own) && count == 1 && depth > 0) {
            char path[NAME_ROOM];
            record_text_path(path, sizeof path, outer, text);
            add_fields(to, own, path, offset, depth - 1);
            continue;
        }
        record_text_member(to, outer, text, offset);
        record_text_kind(to, own->byteorder == NPY_OPPBYTE && size > 1, own->kind, size, count);
    }
}

void
record_text_of_dtype(record_text *to, PyArray_Descr *descr)
{
    PyObject *type, *value, *traceback;
    PyErr_Fetch(&type, &value, &traceback);
    if (PyDataType_HASFIELDS(descr)) {
        add_fields(to, descr, "", 0, RECORD_DEPTH);
    }
    record_text_size(to, PyDataType_ELSIZE(descr));
    PyErr_Restore(type, value, traceback);
}

/* Names watched functions, and lays out the arguments of their calls. */
#include "extension_records.h"

#include "quarantine.h"

#include <string.h>

uint64_t extension_unwatched;

uint64_t
extension_functions_unwatched(void)
{
    return extension_unwatched;
}

PyArrayObject *
extension_array_behind(PyObject *argument)
{
    PyTypeObject *type = Py_TYPE(argument);
    if (type == &PyArray_Type) {
        return (PyArrayObject *)Py_NewRef(argument);
    }
    if (type == &PyFloat_Type || type == &PyLong_Type || type == &PyUnicode_Type ||
        argument == Py_None) {
        return NULL;
    }
    if (PyMemoryView_Check(argument)) {
        /* Once it is released, the memoryview's own pointer may lead to an array that is gone. */
        PyObject *base = ((PyMemoryViewObject *)argument)->mbuf->master.obj;
        return base != NULL && PyArray_Check(base) ? (PyArrayObject *)Py_NewRef(base) : NULL;
    }
    return PyArray_Check(argument) ? (PyArrayObject *)Py_NewRef(argument)
                                   : cffi_array_behind(argument);
}

int
extension_layouts_behind(PyObject *argument, pointed_layout *out, int room)
{
    if (room == 0 || quarantine_is_empty()) {
        return 0;
    }
    uintptr_t address = 0;
    if (PyLong_CheckExact(argument)) {
        int overflow;
        long long number = PyLong_AsLongLongAndOverflow(argument, &overflow);
        address = overflow != 0 || number < 0 ? 0 : (uintptr_t)number;
    } else {
        address = cffi_address_of(argument);
    }
    out->offset = -1;
    return address != 0 && quarantine_find(address, ADDRESS_INTERIOR, &out->kept);
}

void
extension_resolve(call_event *event, void *context)
{
    const watched_call *call = context;
    const function_facts *facts = call->facts;
    if (facts->binding == NULL) {
        event->binding = library_toolkit(facts->library);
    }
    event->library = facts->library->path;
    event->function = facts->name;
}

Py_ssize_t
extension_in_a_row(PyObject **row, PyObject *args, PyObject *keywords)
{
    Py_ssize_t count = 0;
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(args) && count < CALL_ARGUMENTS; i++) {
        row[count++] = PyTuple_GET_ITEM(args, i);
    }
    PyObject *key, *value;
    Py_ssize_t position = 0;
    while (count < CALL_ARGUMENTS && PyDict_Next(keywords, &position, &key, &value)) {
        row[count++] = Py_NewRef(value);
    }
    return count;
}

void
extension_release_row(PyObject **row, Py_ssize_t count, PyObject *args)
{
    for (Py_ssize_t i = PyTuple_GET_SIZE(args); i < count; i++) {
        Py_DECREF(row[i]);
    }
}

int
extension_out_of_row(const callee *to, PyObject *const *row, PyObject **args, PyObject **keywords)
{
    Py_ssize_t named = to->keywords == NULL ? 0 : PyDict_GET_SIZE(to->keywords);
    Py_ssize_t count = to->count - named, at = 0;
    PyObject *key, *value;
    *args = PyTuple_New(count);
    *keywords = to->keywords == NULL ? NULL : PyDict_New();
    bool whole = *args != NULL && (to->keywords == NULL || *keywords != NULL);
    for (Py_ssize_t i = 0; whole && i < count; i++) {
        PyTuple_SET_ITEM(*args, i, Py_NewRef(row[i]));
    }
    for (Py_ssize_t i = count; whole && i < to->count && PyDict_Next(to->keywords, &at, &key, &value);
         i++) {
        whole = PyDict_SetItem(*keywords, key, row[i]) == 0;
    }
    if (!whole) {
        Py_CLEAR(*args);
        Py_CLEAR(*keywords);
    }
    return whole ? 0 : -1;
}

static bool
is_constructor(const function_facts *facts)
{
    static const char constructor[] = "__init__";
    size_t length = strlen(facts->name), own = sizeof constructor - 1;
    return length >= own && strcmp(facts->name + length - own, constructor) == 0;
}

int
extension_whole_call(const callee *to, const function_facts *facts, PyObject *const *arguments,
                     whole_call *out)
{
    out->to = *to;
    out->arguments = arguments;
    out->fresh = NULL;
    if (!facts->takes_self) {
        return 0;
    }
    PyObject *self = to->arguments[-1]; /* extension_begin left it out */
    if (is_constructor(facts)) {
        PyObject *none = PyTuple_New(0);
        newfunc make = Py_TYPE(self)->tp_new;
        out->fresh = none == NULL || make == NULL ? NULL : make(Py_TYPE(self), none, NULL);
        Py_XDECREF(none);
        if (out->fresh == NULL) {
            return -1;
        }
        self = out->fresh;
    }
    out->row[0] = self;
    memcpy(out->row + 1, arguments, (size_t)to->count * sizeof *arguments);
    out->arguments = out->row;
    out->to.count++;
    return 0;
}

void
extension_whole_call_end(whole_call *call)
{
    Py_XDECREF(call->fresh);
}

char *
extension_qualified_name(const found_in *where, const char *own)
{
    const char *name = own != NULL && own[0] != '\0' ? own : where->name;
    const char *prefix = "";
    if (where->type != NULL) {
        const char *last = strrchr(where->type->tp_name, '.');
        prefix = last == NULL ? where->type->tp_name : last + 1;
    }
    char *text = malloc(strlen(prefix) + strlen(name) + 2);
    if (text != NULL) {
        strcpy(text, prefix);
        strcat(text, prefix[0] == '\0' ? "" : ".");
        strcat(text, name);
    }
    return text;
}

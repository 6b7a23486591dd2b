/* What a cffi argument leads to: a live array, or the addresses of arrays; and what cffi declares. */
#ifndef INTERPROBE_CFFI_OBJECTS_H
#define INTERPROBE_CFFI_OBJECTS_H

#include "call_integers.h"
#include "crossings.h"

enum cffi_kind {
    CFFI_OTHER = 1, CFFI_INTEGER, CFFI_POINTER, CFFI_ARRAY, CFFI_RECORD, CFFI_FUNCTION,
};

/* What cffi says of one of its C types. */
typedef struct cffi_type {
    PyObject *object; /* strong, like the name's */
    const char *name; /* "double *" */
    enum cffi_kind kind;
    bool is_signed;   /* an integer */
    Py_ssize_t size;  /* bytes; -1: not known */
    const struct cffi_type *item; /* of a pointer or an array; NULL: not known */
} cffi_type;

/* Learns how this cffi lays out its objects; `base` is what all of them inherit from. False, without an
 * exception, where it cannot. */
bool cffi_objects_arrive(PyObject *backend, PyTypeObject *base);
void cffi_objects_forget(void);

/* The type of a CData object, or what a type object of cffi says; NULL where the object is none, or
 * more types were met than are kept. Runs cffi's code at first sight, and no other; leaves no exception. */
const cffi_type *cffi_type_of(PyObject *object);
const cffi_type *cffi_type_described(PyObject *type);

/* The address that a CData object holds. */
char *cffi_address(PyObject *object);

/* For callee: the live array behind an argument, the arrays at its addresses, the address itself, the
 * integers in it. */
PyArrayObject *cffi_array_behind(PyObject *argument);
int cffi_layouts_behind(PyObject *argument, pointed_layout *out, int room);
uintptr_t cffi_address_of(PyObject *argument);
void cffi_integers_behind(PyObject *argument, call_integers *out);

/* What stands for an argument when another array is behind it: a new reference, or NULL, with an
 * exception or without. Runs cffi's code. */
PyObject *cffi_pointing_at(PyObject *argument, PyArrayObject *array);

/* An integer of the type of another one: likewise. */
PyObject *cffi_integer_like(PyObject *argument, int64_t value);

/* The layout of the struct that an argument points to by its own type, or by the parameter's of the
 * function's type (or NULL): false where there is none. A set exception does not stay set. */
bool cffi_record_text(PyObject *argument, PyObject *function_type, int position, record_text *out);

/* Fills the declared types of a call from the parameters of the function's type, a cffi type object or
 * NULL. A set exception does not stay set. */
void cffi_declare(call_event *event, PyObject *function_type, PyObject *const *given);

/* An attribute of one of cffi's type objects that is a number, or -1. Leaves no exception. */
Py_ssize_t cffi_number_of(PyObject *object, const char *name);

#endif

/* What a ctypes argument leads to: a live array, or the addresses of arrays. */
#ifndef INTERPROBE_CTYPES_OBJECTS_H
#define INTERPROBE_CTYPES_OBJECTS_H

#include "call_integers.h"
#include "crossings.h"
#include "record_text.h"

/* Learns how this Python lays out ctypes objects. 0, or -1 with an exception. GIL held. */
int ctypes_objects_initialise(void);

typedef enum { NOT_CTYPES, SIMPLE, POINTER, ARRAY, RECORD } ctypes_kind;

ctypes_kind ctypes_kind_of(PyTypeObject *type);

/* The letter by which ctypes tells its simple types apart: 'd', 'i', 'P', ...; NUL where there is none. */
char ctypes_simple_code(PyTypeObject *type);

/* Whether a type of kind RECORD is a Union. */
bool ctypes_is_union(PyTypeObject *type);

/* The type that a pointer or an array is of: borrowed, or NULL. */
PyTypeObject *ctypes_item_type(PyTypeObject *type);

/* ctypes.sizeof, or -1; a set exception does not stay set. */
Py_ssize_t ctypes_size_of(PyTypeObject *type);

/* The address that a ctypes object holds its value at. */
char *ctypes_value(PyObject *object);

/* A new reference to an attribute of the instance, or NULL; no exception, and no Python code runs:
 * a property answers NULL. */
PyObject *ctypes_plain_attribute(PyObject *object, PyObject *name);

/* The live array behind an argument: a new reference, or NULL where none is known. Runs no Python. */
PyArrayObject *ctypes_array_behind(PyObject *argument);

/* Whether an object is of ctypes and neither its memory nor what it keeps alive holds `address`: it was
 * reached through a mere pointer. Runs no Python code. */
bool ctypes_owns_nothing(PyObject *object, uintptr_t address);

/* The arrays whose addresses an argument is, or holds in its memory: see callee.layouts_behind. */
int ctypes_layouts_behind(PyObject *argument, pointed_layout *out, int room);

/* The value of a c_double or a c_float; false for all else. Runs no Python. */
bool ctypes_float_of(PyObject *argument, double *value);

/* The integers in an argument, and behind it: see foreign_binding.integers_behind. */
void ctypes_integers_behind(PyObject *argument, call_integers *out);
/* How ctypes hands arguments over: see foreign_binding. */
uintptr_t ctypes_address(PyObject *argument);
bool ctypes_integer(PyObject *argument, int64_t *value);
size_t ctypes_element(PyObject *argument);
size_t ctypes_element_of_type(PyTypeObject *pointer);
bool ctypes_calls_back(PyObject *argument);

PyObject *ctypes_pointing_at(PyObject *argument, PyArrayObject *array);
PyObject *ctypes_integer_like(PyObject *argument, int64_t value);

/* Converts the arguments of a call to the values that C gets; false where one cannot be passed so, or the
 * result comes back otherwise than in a register. `declared_at` says what argtypes say of a position,
 * borrowed: NULL: nothing, None: nothing usual. May run Python code; no exception is set. */
bool ctypes_bare_call(const callee *to, PyObject *(*declared_at)(PyObject *, Py_ssize_t),
                      struct bare_call *out);

/* What byref() refers to, borrowed; NULL: the argument is no such reference. */
PyObject *ctypes_referenced(PyObject *argument);

/* Bits of the C integers that a simple ctypes type stands for, below 0 where signed; 0: it is no
 * integer, or converts what it is given in a way of its own. */
int ctypes_integer_bits(PyTypeObject *type);

/* Names the pointer at `out->offset` in the memory that an argument hands over: what it is called
 * and declared as. May run Python code; a set exception does not stay set. */
void ctypes_name_member(PyObject *argument, call_argument *out);

/* The layout of the structure behind a pointer of a declared type; false where it points to none. May
 * run Python code; a set exception does not stay set. */
bool ctypes_record_text(PyTypeObject *declared, record_text *out);

#endif

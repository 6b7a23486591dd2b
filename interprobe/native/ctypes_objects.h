/* What a ctypes argument leads to: a live array, or the addresses of arrays. */
#ifndef INTERPROBE_CTYPES_OBJECTS_H
#define INTERPROBE_CTYPES_OBJECTS_H

#include "call_integers.h"
#include "crossings.h"

/* Learns how this Python lays out ctypes objects. 0, or -1 with an exception. GIL held. */
int ctypes_objects_initialise(void);

/* The address that a ctypes object holds its value at. */
char *ctypes_value(PyObject *object);

/* A new reference to an attribute of the instance, or NULL; no exception, and no Python code runs:
 * a property answers NULL. */
PyObject *ctypes_plain_attribute(PyObject *object, PyObject *name);

/* The live array behind an argument: a new reference, or NULL where none is known. Runs no Python. */
PyArrayObject *ctypes_array_behind(PyObject *argument);

/* The arrays whose addresses an argument is, or holds in its memory: see callee.layouts_behind. */
int ctypes_layouts_behind(PyObject *argument, pointed_layout *out, int room);

/* The address that a call gets for an argument; 0 where it gets a value. Runs no Python. */
uintptr_t ctypes_address_of(PyObject *argument);

/* The integers in an argument, and behind it: see callee.integers_behind. */
void ctypes_integers_behind(PyObject *argument, call_integers *out);
/* How ctypes hands arguments over: see foreign_binding. */
uintptr_t ctypes_address(PyObject *argument);
bool ctypes_integer(PyObject *argument, int64_t *value);
size_t ctypes_element(PyObject *argument);
size_t ctypes_element_of_type(PyTypeObject *pointer);
bool ctypes_calls_back(PyObject *argument);

/* Bits of the C integers that a simple ctypes type stands for, below 0 where signed; 0: it is no
 * integer, or converts what it is given in a way of its own. */
int ctypes_integer_bits(PyTypeObject *type);

/* Names the pointer at `out->offset` in the memory that an argument hands over: what it is called
 * and declared as. May run Python code; a set exception does not stay set. */
void ctypes_name_member(PyObject *argument, call_argument *out);

#endif

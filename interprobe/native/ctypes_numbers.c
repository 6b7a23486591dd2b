/* Numbers that ctypes hands over: integers, the size of a pointer's elements, and addresses. */
#include "ctypes_objects.h"

#include <string.h>

/* An attribute of the type or its bases, borrowed, or NULL: no Python code runs. */
static PyObject *
attribute_of(PyTypeObject *type, const char *text)
{
    PyObject *name = PyUnicode_InternFromString(text);
    PyObject *attribute = name == NULL ? NULL : _PyType_Lookup(type, name);
    Py_XDECREF(name);
    return attribute;
}

static int
bits_of_letter(char letter)
{
    switch (letter) {
    case 'b': return -8;
    case 'B': return 8;
    case 'h': return -16;
    case 'H': return 16;
    case 'i': return -32;
    case 'I': return 32;
    case 'l': return -8 * (int)sizeof(long);
    case 'L': return 8 * (int)sizeof(long);
    case 'q': return -64;
    case 'Q': return 64;
    }
    return 0;
}

int
ctypes_integer_bits(PyTypeObject *type)
{
    /* The usual from_param is the metatype's. */
    return attribute_of(type, "from_param") == NULL ? bits_of_letter(ctypes_simple_code(type)) : 0;
}

bool
ctypes_integer(PyObject *argument, int64_t *value)
{
    if (PyLong_CheckExact(argument)) {
        int overflow;
        *value = PyLong_AsLongLongAndOverflow(argument, &overflow);
        return !overflow;
    }
    int bits = bits_of_letter(ctypes_simple_code(Py_TYPE(argument)));
    const char *memory = bits == 0 ? NULL : ctypes_value(argument);
    switch (bits) {
    case -8: *value = *(int8_t *)memory; return true;
    case 8: *value = *(uint8_t *)memory; return true;
    case -16: *value = *(int16_t *)memory; return true;
    case 16: *value = *(uint16_t *)memory; return true;
    case -32: *value = *(int32_t *)memory; return true;
    case 32: *value = *(uint32_t *)memory; return true;
    case -64: case 64: memcpy(value, memory, sizeof *value); return true;
    }
    return false;
}

/* Bytes of a number of a simple type; 0 for characters and bytes, which stand for raw memory. */
static size_t
size_of_number(PyTypeObject *type)
{
    char letter = ctypes_simple_code(type);
    switch (letter) {
    case 'f': return sizeof(float);
    case 'd': return sizeof(double);
    case 'g': return sizeof(long double);
    }
    int bits = bits_of_letter(letter);
    return bits == 8 || bits == -8 ? 0 : (size_t)(bits < 0 ? -bits : bits) / 8;
}

size_t
ctypes_element_of_type(PyTypeObject *pointer)
{
    ctypes_kind kind = ctypes_kind_of(pointer);
    PyTypeObject *element = kind == POINTER || kind == ARRAY ? ctypes_item_type(pointer) : NULL;
    if (element != NULL) {
        return size_of_number(element);
    }
    PyObject *dtype = kind == NOT_CTYPES ? attribute_of(pointer, "_dtype_") : NULL;
    bool known = dtype != NULL && PyArray_DescrCheck(dtype); /* of an ndpointer */
    size_t size = known ? (size_t)PyDataType_ELSIZE((PyArray_Descr *)dtype) : 0;
    return size > 1 ? size : 0;
}

size_t
ctypes_element(PyObject *argument)
{
    PyObject *referenced = ctypes_referenced(argument);
    if (referenced != NULL) {
        return size_of_number(Py_TYPE(referenced));
    }
    return ctypes_element_of_type(Py_TYPE(argument));
}

PyObject *
ctypes_pointing_at(PyObject *argument, PyArrayObject *array)
{
    char *data = PyArray_DATA(array);
    if (PyLong_CheckExact(argument)) {
        return PyLong_FromVoidPtr(data);
    }
    PyTypeObject *type = Py_TYPE(argument);
    ctypes_kind kind = ctypes_kind_of(type);
    if (kind == NOT_CTYPES) {
        return PyObject_GetAttrString((PyObject *)array, "ctypes"); /* x.ctypes itself */
    }
    if (kind != POINTER && !(kind == SIMPLE && ctypes_simple_code(type) == 'P')) {
        return NULL;
    }
    PyObject *pointer = PyObject_CallNoArgs((PyObject *)type);
    if (pointer != NULL) {
        memcpy(ctypes_value(pointer), &data, sizeof data);
    }
    return pointer;
}

PyObject *
ctypes_integer_like(PyObject *argument, int64_t value)
{
    return PyLong_CheckExact(argument)
               ? PyLong_FromLongLong(value)
               : PyObject_CallFunction((PyObject *)Py_TYPE(argument), "L", (long long)value);
}

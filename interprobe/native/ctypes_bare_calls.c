/* Converts the arguments of a ctypes call as ctypes does, to the values that C gets. */
#include "bare_calls.h"
#include "ctypes_objects.h"
#include "numpy_api.h"

#include <string.h>

static bool
pass_address(PyObject *argument, bare_call *out)
{
    uintptr_t address = 0;
    if (ctypes_kind_of(Py_TYPE(argument)) == RECORD || ctypes_calls_back(argument)) {
        return false;
    }
    if (PyBytes_Check(argument)) {
        address = (uintptr_t)PyBytes_AS_STRING(argument);
    } else if (PyArray_Check(argument)) {
        address = (uintptr_t)PyArray_DATA((PyArrayObject *)argument);
    } else if (argument != Py_None) {
        address = ctypes_address(argument);
        bool is_null = PyLong_CheckExact(argument) || ctypes_kind_of(Py_TYPE(argument)) != NOT_CTYPES;
        if (address == 0 && !is_null) {
            return false;
        }
    }
    return bare_call_add_integer(out, (int64_t)address);
}

/* As wide a C integer as its type says, below 0 where that is signed. */
static bool
pass_integer(PyObject *value, int bits, bare_call *out)
{
    PyObject *number = PyNumber_Index(value);
    if (number == NULL) {
        return false;
    }
    uint64_t raw = PyLong_AsUnsignedLongLongMask(number);
    Py_DECREF(number);
    int wide = bits < 0 ? -bits : bits;
    if (wide < 64) {
        raw &= (UINT64_C(1) << wide) - 1;
        if (bits < 0 && raw >> (wide - 1)) {
            raw |= ~UINT64_C(0) << wide;
        }
    }
    return !PyErr_Occurred() && bare_call_add_integer(out, (int64_t)raw);
}

/* An argument that is passed as one of ctypes' simple types. */
static bool
pass_simple(PyTypeObject *type, PyObject *argument, bare_call *out)
{
    char code = ctypes_simple_code(type);
    if (code == 'P' || code == 'z') {
        return pass_address(argument, out);
    }
    int bits = ctypes_integer_bits(type);
    if (code != 'd' && code != 'f' && bits == 0) {
        return false;
    }
    bool is_wrapped = ctypes_kind_of(Py_TYPE(argument)) == SIMPLE;
    PyObject *value = is_wrapped ? PyObject_GetAttrString(argument, "value") : Py_NewRef(argument);
    if (value == NULL) {
        return false;
    }
    bool passed;
    if (bits != 0) {
        passed = pass_integer(value, bits, out);
    } else {
        double number = PyFloat_AsDouble(value);
        passed = !PyErr_Occurred() && (code == 'd' ? bare_call_add_double(out, number)
                                                   : bare_call_add_float(out, (float)number));
    }
    Py_DECREF(value);
    return passed;
}

/* An argument of which no type is declared. */
static bool
pass_undeclared(PyObject *argument, bare_call *out)
{
    ctypes_kind kind = ctypes_kind_of(Py_TYPE(argument));
    if (PyLong_Check(argument)) {
        return pass_integer(argument, -8 * (int)sizeof(int), out);
    }
    if (kind == SIMPLE) {
        return pass_simple(Py_TYPE(argument), argument, out);
    }
    bool is_address = kind == POINTER || kind == ARRAY || argument == Py_None ||
                      PyBytes_Check(argument) || ctypes_referenced(argument) != NULL;
    return is_address && pass_address(argument, out);
}

static bool
pass(PyObject *declared, PyObject *argument, bare_call *out)
{
    if (PyObject_HasAttrString(argument, "_as_parameter_")) { /* x.ctypes has one: a c_void_p */
        PyObject *stands_for = PyObject_GetAttrString(argument, "_as_parameter_");
        bool is_simple = stands_for != NULL && ctypes_kind_of(Py_TYPE(stands_for)) == SIMPLE;
        bool passed = is_simple && pass_simple(Py_TYPE(stands_for), stands_for, out);
        Py_XDECREF(stands_for);
        return passed;
    }
    if (declared == NULL) {
        return pass_undeclared(argument, out);
    }
    PyTypeObject *type = PyType_Check(declared) ? (PyTypeObject *)declared : NULL;
    ctypes_kind kind = type == NULL ? NOT_CTYPES : ctypes_kind_of(type);
    if (kind == SIMPLE) {
        return pass_simple(type, argument, out);
    }
    PyTypeObject *item = kind == POINTER ? ctypes_item_type(type) : NULL;
    if (item != NULL && PyObject_TypeCheck(argument, item)) {
        return bare_call_add_integer(out, (int64_t)(uintptr_t)ctypes_value(argument)); /* as by byref() */
    }
    return (kind == POINTER || kind == ARRAY) && pass_address(argument, out);
}

/* A struct would be returned through an address of the caller's, a long double on a stack of its own. */
static bool
returns_in_register(PyObject *callable)
{
    PyObject *result = PyObject_GetAttrString(callable, "restype");
    bool returns = result != NULL;
    if (returns && PyType_Check(result)) {
        PyTypeObject *type = (PyTypeObject *)result;
        ctypes_kind kind = ctypes_kind_of(type);
        returns = kind == POINTER || (kind == SIMPLE && strchr("gO", ctypes_simple_code(type)) == NULL);
    }
    Py_XDECREF(result);
    return returns;
}

bool
ctypes_bare_call(const callee *to, PyObject *(*declared_at)(PyObject *, Py_ssize_t), bare_call *out)
{
    memset(out, 0, sizeof *out);
    memcpy(&out->function, ctypes_value(to->callable), sizeof out->function);
    bool passed = out->function != NULL && returns_in_register(to->callable);
    for (Py_ssize_t i = 0; passed && i < to->count; i++) {
        PyObject *declared = declared_at(to->callable, i);
        passed = declared != Py_None && pass(declared, to->arguments[i], out);
    }
    PyErr_Clear();
    return passed;
}

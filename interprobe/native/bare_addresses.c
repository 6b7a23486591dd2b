/* Tells x.ctypes.data, a number that keeps nothing alive, from x.ctypes.data_as(...), which does.
 *
 * Both begin with the same getter, `ctypes`, so the number is only known to be taken where NumPy's
 * property hands it out: a function written in Python, whose vectorcall field is replaced. CPython
 * compiles calls of such a property inline once it has seen them often, and checks the function's
 * version then: setting the field by PyFunction_SetVectorcall takes that back.
 */
#include "bare_addresses.h"

#include "addresses.h"
#include "ledger.h"

static PyFunctionObject *reader; /* of the property; owned for the life of the process */
static vectorcallfunc original_reader;
static bool patched;

static PyObject *
probed_reader(PyObject *function, PyObject *const *args, size_t count, PyObject *names)
{
    PyObject *result = original_reader(function, args, count, names);
    if (ledger_active && result != NULL && PyLong_CheckExact(result)) {
        int overflow;
        long long address = PyLong_AsLongLongAndOverflow(result, &overflow);
        if (overflow == 0 && address > 0) {
            addresses_note_bare((uintptr_t)address, "ndarray.ctypes.data");
        }
    }
    return result;
}

/* Has CPython look at the function's field again where it calls it inline. */
static void
forget_inline_calls(void)
{
#if PY_VERSION_HEX >= 0x030C0000
    PyFunction_SetVectorcall(reader, reader->vectorcall);
#endif
}

static PyFunctionObject *
find_reader(void)
{
    PyObject *module = PyImport_ImportModule("numpy._core._internal");
    PyObject *type = module == NULL ? NULL : PyObject_GetAttrString(module, "_ctypes");
    PyObject *property = type == NULL ? NULL : PyObject_GetAttrString(type, "data");
    PyObject *function = property == NULL ? NULL : PyObject_GetAttrString(property, "fget");
    Py_XDECREF(property);
    Py_XDECREF(type);
    Py_XDECREF(module);
    PyErr_Clear();
    if (function != NULL && !PyFunction_Check(function)) {
        Py_CLEAR(function);
    }
    return (PyFunctionObject *)function;
}

void
bare_addresses_install(void)
{
    if (reader == NULL && (reader = find_reader()) == NULL) {
        return;
    }
    if (claim_slot((void **)&reader->vectorcall, (void *)probed_reader, (void **)&original_reader,
                   "ndarray.ctypes.data") < 0) {
        PyErr_Clear();
        return;
    }
    patched = true;
    forget_inline_calls();
}

void
bare_addresses_uninstall(void)
{
    if (patched) {
        release_slot((void **)&reader->vectorcall, (void *)probed_reader, (void *)original_reader);
        forget_inline_calls();
        patched = false;
    }
}

void
bare_addresses_visit(slot_visitor visit, void *context)
{
    PyFunctionObject *function = find_reader();
    visit("ndarray.ctypes.data", function == NULL ? NULL : (void *)function->vectorcall, context);
    Py_XDECREF(function);
}

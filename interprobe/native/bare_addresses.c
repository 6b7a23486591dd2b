/* Sees where an address leaves the pointer that keeps its array alive.
 *
 * x.ctypes.data, a number that keeps nothing alive, and x.ctypes.data_as(...), a pointer that does,
 * begin with the same getter, `ctypes`; so the number is only known to be taken where NumPy's property
 * hands it out: a function written in Python, whose vectorcall field is replaced. CPython compiles
 * calls of such a property inline once it has seen them often, and checks the function's version then:
 * setting the field by PyFunction_SetVectorcall takes that back.
 *
 * A pointer that is put into a field of a structure is copied without its array: the type of ctypes'
 * fields has its tp_descr_set replaced. Not seen: pointers put into arrays of pointers.
 */
#include "bare_addresses.h"

#include "addresses.h"
#include "ctypes_objects.h"
#include "ledger.h"

static PyTypeObject *field_type; /* of a structure's fields; owned for the life of the process */
static descrsetfunc original_set;
static bool field_patched;

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

static int
probed_set(PyObject *field, PyObject *instance, PyObject *value)
{
    int status = original_set(field, instance, value);
    if (ledger_active && status == 0 && value != NULL) {
        uintptr_t address = ctypes_address(value);
        if (address != 0) {
            addresses_note_bare(address, "a ctypes structure");
        }
    }
    return status;
}

/* The type of what describes a field: that of a structure made for the purpose. */
static PyTypeObject *
find_field_type(void)
{
    PyObject *ctypes = PyImport_ImportModule("ctypes");
    PyObject *base = ctypes == NULL ? NULL : PyObject_GetAttrString(ctypes, "Structure");
    PyObject *letter = base == NULL ? NULL : PyObject_GetAttrString(ctypes, "c_char");
    PyObject *type = letter == NULL ? NULL
                                    : PyObject_CallFunction((PyObject *)Py_TYPE(base),
                                                            "s(O){s[(sO)]}", "Example", base,
                                                            "_fields_", "member", letter);
    PyObject *field = type == NULL ? NULL : PyObject_GetAttrString(type, "member");
    PyTypeObject *found = field == NULL ? NULL : (PyTypeObject *)Py_NewRef(Py_TYPE(field));
    Py_XDECREF(field);
    Py_XDECREF(type);
    Py_XDECREF(letter);
    Py_XDECREF(base);
    Py_XDECREF(ctypes);
    PyErr_Clear();
    return found;
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

static void
install_field(void)
{
    if (ctypes_objects_initialise() < 0 ||
        (field_type == NULL && (field_type = find_field_type()) == NULL) ||
        field_type->tp_descr_set == NULL ||
        claim_slot((void **)&field_type->tp_descr_set, (void *)probed_set, (void **)&original_set,
                   "fields of ctypes structures") < 0) {
        PyErr_Clear();
        return;
    }
    field_patched = true;
}

void
bare_addresses_install(void)
{
    install_field();
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
    if (field_patched) {
        release_slot((void **)&field_type->tp_descr_set, (void *)probed_set, (void *)original_set);
        field_patched = false;
    }
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
    PyTypeObject *type = field_type != NULL ? field_type : find_field_type();
    visit("field of a ctypes structure", type == NULL ? NULL : (void *)type->tp_descr_set, context);
    if (type != field_type) {
        Py_XDECREF(type);
    }
}

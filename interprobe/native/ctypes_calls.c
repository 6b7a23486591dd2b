/* The probe of calls through ctypes: who calls which C function, with which arrays, how long.
 *
 * Every CDLL makes its own subclass of _ctypes.CFuncPtr; the type slot tp_call is replaced in each,
 * which also covers functions fetched long ago, and in the base type for libraries loaded later.
 * Which arrays an argument leads to is for ctypes_objects.c. Functions of Python's own C API
 * (ctypes.pythonapi, and ctypes.cast, which NumPy calls in data_as) are passed through: they are no
 * foreign code.
 */
#define _GNU_SOURCE
#include "ctypes_objects.h"
#include "numpy_api.h"
#include "probe.h"

#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>

#define FLAG_PYTHON_API 4 /* _ctypes.FUNCFLAG_PYTHONAPI */

static PyTypeObject *function_base; /* _ctypes.CFuncPtr */
static PyTypeObject *python_functions; /* of ctypes.pythonapi; NULL: not known */
static ternaryfunc original_call;
static PyObject *name_name, *name_from_param;
/* ctypes' own: a subclass may have properties of these names. */
static PyGetSetDef *argtypes_of, *errcheck_of;

static void
resolve_call(call_event *event, void *context)
{
    const callee *call = context;
    Dl_info info;
    if (dladdr((void *)(uintptr_t)event->key.function, &info) != 0 && info.dli_fname != NULL) {
        event->library = info.dli_fname;
        event->function = info.dli_sname;
    }
    PyObject *name = ctypes_plain_attribute(call->callable, name_name);
    if (name != NULL && PyUnicode_Check(name)) {
        const char *text = PyUnicode_AsUTF8(name); /* kept alive by the function's __dict__ */
        event->function = text != NULL ? text : event->function;
    }
    Py_XDECREF(name);
    PyObject *argtypes = argtypes_of->get(call->callable, argtypes_of->closure);
    /* As the program gave them: ctypes makes no tuple of a list. */
    bool prototyped = argtypes != NULL && (PyTuple_Check(argtypes) || PyList_Check(argtypes));
    for (int i = 0; i < event->argument_count; i++) {
        call_argument *argument = (call_argument *)&event->arguments[i];
        PyObject *given = call->arguments[argument->position];
        if (argument->offset >= 0) {
            ctypes_name_member(given, argument);
            continue;
        }
        PyTypeObject *declared = NULL;
        if (prototyped && i < PySequence_Fast_GET_SIZE(argtypes)) {
            PyObject *wanted = PySequence_Fast_GET_ITEM(argtypes, i);
            declared = PyType_Check(wanted) ? (PyTypeObject *)wanted : NULL;
        }
        /* A typed pointer says more than the void pointer that the prototype makes of it. */
        bool pointer = strncmp(Py_TYPE(given)->tp_name, "LP_", 3) == 0;
        if (declared == NULL || pointer) {
            declared = Py_TYPE(given);
        }
        argument->declared = declared->tp_name;
    }
    Py_XDECREF(argtypes);
    PyErr_Clear();
}

/* Whether the function has an errcheck, which may be any Python code. */
static bool
runs_python(PyObject *callable)
{
    PyObject *check = errcheck_of->get(callable, errcheck_of->closure);
    bool runs = check != NULL && check != Py_None;
    Py_XDECREF(check);
    return runs;
}

/* What argtypes say of a position, borrowed: None where they are none of the usual sequences; NULL:
 * nothing. The function keeps its argtypes as it was given them. */
static PyObject *
declared_at(PyObject *callable, Py_ssize_t position)
{
    PyObject *argtypes = argtypes_of->get(callable, argtypes_of->closure);
    PyObject *wanted = NULL;
    if (argtypes != NULL && (PyTuple_Check(argtypes) || PyList_Check(argtypes))) {
        bool declared = position < PySequence_Fast_GET_SIZE(argtypes);
        wanted = declared ? PySequence_Fast_GET_ITEM(argtypes, position) : NULL;
    } else if (argtypes != Py_None) {
        wanted = Py_None;
    }
    Py_XDECREF(argtypes);
    return wanted;
}

static bool
declared_record(const callee *to, int position, record_text *out)
{
    bool found = ctypes_record_text(Py_TYPE(to->arguments[position]), out);
    PyObject *wanted = found ? NULL : declared_at(to->callable, position);
    if (wanted != NULL && PyType_Check(wanted)) {
        found = ctypes_record_text((PyTypeObject *)wanted, out);
    }
    PyErr_Clear();
    return found;
}

/* Without argtypes, and beyond them, an integer is passed as a C int. */
static int
integer_bits(PyObject *callable, Py_ssize_t position)
{
    PyObject *wanted = declared_at(callable, position);
    if (wanted == NULL) {
        return -8 * (int)sizeof(int);
    }
    return PyType_Check(wanted) ? ctypes_integer_bits((PyTypeObject *)wanted) : 0;
}

static size_t
declared_element(PyObject *callable, Py_ssize_t position)
{
    PyObject *wanted = declared_at(callable, position);
    return wanted != NULL && PyType_Check(wanted) ? ctypes_element_of_type((PyTypeObject *)wanted) : 0;
}

/* Types whose from_param hands over the array that it is given: numpy's ndpointer, and those that ctypes
 * gives one each. */
static bool
hands_over(PyTypeObject *type)
{
    static const char *const known[] = {"_ndptr", "c_void_p", "c_char_p", "c_wchar_p"};
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        if (strcmp(type->tp_name, known[i]) == 0) {
            return ctypes_kind_of(type) == SIMPLE;
        }
    }
    return false;
}

/* A from_param of its own may make anything of an argument. */
static bool
converts(PyObject *callable, Py_ssize_t position)
{
    PyObject *wanted = declared_at(callable, position);
    if (wanted == NULL || wanted == Py_None || !PyType_Check(wanted)) {
        return wanted != NULL && wanted != Py_None;
    }
    PyObject *order = ((PyTypeObject *)wanted)->tp_mro;
    for (Py_ssize_t i = 0; order != NULL && i < PyTuple_GET_SIZE(order); i++) {
        PyTypeObject *type = (PyTypeObject *)PyTuple_GET_ITEM(order, i);
        if (type->tp_dict != NULL && PyDict_Contains(type->tp_dict, name_from_param) == 1) {
            return !hands_over(type);
        }
    }
    return false; /* that of ctypes itself, which its metatypes have */
}

static bool
bare(const callee *to, struct bare_call *out)
{
    return ctypes_bare_call(to, declared_at, out);
}

static const foreign_binding handing_over = {
    .address = ctypes_address,
    .integer = ctypes_integer,
    .element = ctypes_element,
    .declared_element = declared_element,
    .integer_bits = integer_bits,
    .calls_back = ctypes_calls_back,
    .runs_python = runs_python,
    .converts = converts,
    .pointing_at = ctypes_pointing_at,
    .integer_like = ctypes_integer_like,
    .integers_behind = ctypes_integers_behind,
    .float_of = ctypes_float_of,
    .declared_record = declared_record,
    .bare = bare,
};

static PyObject *
repeat(const callee *to, PyObject *const *arguments)
{
    PyObject *args = PyTuple_New(to->count);
    for (Py_ssize_t i = 0; args != NULL && i < to->count; i++) {
        PyTuple_SET_ITEM(args, i, Py_NewRef(arguments[i]));
    }
    PyObject *result = args == NULL ? NULL : original_call(to->callable, args, NULL);
    Py_XDECREF(args);
    return result;
}

static PyObject *
probed_call(PyObject *function, PyObject *args, PyObject *keywords)
{
    if (!ledger_active || !PyTuple_Check(args)) {
        return original_call(function, args, keywords);
    }
    const callee to = {
        .binding = "ctypes",
        .function = *(uint64_t *)ctypes_value(function),
        .callable = function,
        .arguments = PySequence_Fast_ITEMS(args),
        .count = PyTuple_GET_SIZE(args),
        .array_behind = ctypes_array_behind,
        .layouts_behind = ctypes_layouts_behind,
        .foreign = &handing_over,
        .repeat = keywords == NULL ? repeat : NULL,
        .resolve = resolve_call,
    };
    crossing now;
    if (!crossing_begin(&now, &to)) {
        return original_call(function, args, keywords);
    }
    PyObject *result = original_call(function, args, keywords);
    crossing_end(&now, result);
    return result;
}

/* Whether functions of this type are of Python's own C API: those of ctypes.pythonapi, and ctypes' own
 * helpers. A library that the program loads with PyDLL keeps the GIL as well, but is foreign code. */
static bool
calls_python(PyTypeObject *type)
{
    PyObject *flags = PyObject_GetAttrString((PyObject *)type, "_flags_");
    long value = flags == NULL ? 0 : PyLong_AsLong(flags);
    Py_XDECREF(flags);
    PyErr_Clear();
    return (value & FLAG_PYTHON_API) != 0 &&
           (type == python_functions || strcmp(type->tp_name, "_FuncPtr") != 0);
}

/* Replaces `from` by `to` in `type` and all its subclasses. */
static void
replace_in(PyTypeObject *type, ternaryfunc from, ternaryfunc to)
{
    if (type->tp_call == from && (to == original_call || !calls_python(type))) {
        type->tp_call = to;
    }
    PyObject *subclasses = PyObject_CallMethod((PyObject *)type, "__subclasses__", NULL);
    for (Py_ssize_t i = 0; subclasses != NULL && i < PyList_GET_SIZE(subclasses); i++) {
        PyObject *subclass = PyList_GET_ITEM(subclasses, i);
        if (PyType_Check(subclass)) {
            replace_in((PyTypeObject *)subclass, from, to);
        }
    }
    Py_XDECREF(subclasses);
    PyErr_Clear();
}

static PyObject *
attribute_of(const char *module_name, const char *name)
{
    PyObject *module = PyImport_ImportModule(module_name);
    PyObject *attribute = module == NULL ? NULL : PyObject_GetAttrString(module, name);
    Py_XDECREF(module);
    return attribute;
}

/* Looks up the type of ctypes.pythonapi's functions, which lives as long as ctypes. */
static void
find_python_functions(void)
{
    PyObject *python = attribute_of("ctypes", "pythonapi");
    PyObject *type = python == NULL ? NULL : PyObject_GetAttrString(python, "_FuncPtr");
    PyErr_Clear();
    Py_XDECREF(python);
    Py_XSETREF(python_functions, type != NULL && PyType_Check(type) ? (PyTypeObject *)type : NULL);
}

/* CFuncPtr.__call__: where a new subclass, such as each CDLL makes, takes its tp_call from. */
static PyWrapperDescrObject *
call_wrapper(PyTypeObject *base)
{
    PyObject *wrapper = PyObject_GetAttrString((PyObject *)base, "__call__");
    PyErr_Clear();
    bool known = wrapper != NULL && Py_IS_TYPE(wrapper, &PyWrapperDescr_Type);
    Py_XDECREF(wrapper); /* the type keeps it */
    return known ? (PyWrapperDescrObject *)wrapper : NULL;
}

/* NULL with an exception where the attribute has no getter in C. */
static PyGetSetDef *
getter_of(PyTypeObject *type, const char *name)
{
    PyObject *descriptor = PyObject_GetAttrString((PyObject *)type, name);
    if (descriptor == NULL || !Py_IS_TYPE(descriptor, &PyGetSetDescr_Type)) {
        Py_XDECREF(descriptor);
        PyErr_Format(PyExc_RuntimeError, "this Python's ctypes functions have no C getter of %s", name);
        return NULL;
    }
    PyGetSetDef *getter = ((PyGetSetDescrObject *)descriptor)->d_getset;
    Py_DECREF(descriptor); /* the type keeps it */
    return getter;
}

static int
install(void)
{
    if (function_base == NULL) {
        function_base = (PyTypeObject *)attribute_of("_ctypes", "CFuncPtr");
        name_name = PyUnicode_InternFromString("__name__");
        name_from_param = PyUnicode_InternFromString("from_param");
        argtypes_of = function_base == NULL ? NULL : getter_of(function_base, "argtypes");
        errcheck_of = function_base == NULL ? NULL : getter_of(function_base, "errcheck");
    }
    if (function_base == NULL || name_name == NULL || name_from_param == NULL || argtypes_of == NULL ||
        errcheck_of == NULL) {
        Py_CLEAR(function_base);
        return -1;
    }
    if (ctypes_objects_initialise() < 0) {
        return -1;
    }
    PyWrapperDescrObject *wrapper = call_wrapper(function_base);
    if (wrapper == NULL || wrapper->d_wrapped != (void *)function_base->tp_call) {
        PyErr_SetString(PyExc_RuntimeError, "this Python calls ctypes functions differently");
        return -1;
    }
    if (original_call != NULL && function_base->tp_call != original_call) {
        PyErr_SetString(PyExc_RuntimeError, "another tool has replaced how ctypes functions are called");
        return -1;
    }
    original_call = function_base->tp_call;
    find_python_functions();
    wrapper->d_wrapped = (void *)probed_call;
    replace_in(function_base, original_call, probed_call);
    return 0;
}

static void
uninstall(void)
{
    PyWrapperDescrObject *wrapper = call_wrapper(function_base);
    if (wrapper != NULL) {
        release_slot(&wrapper->d_wrapped, (void *)probed_call, (void *)original_call);
    }
    replace_in(function_base, probed_call, original_call);
}

static void
visit_slots(slot_visitor visit, void *context)
{
    PyTypeObject *base = (PyTypeObject *)attribute_of("_ctypes", "CFuncPtr");
    PyObject *subclasses =
        base == NULL ? NULL : PyObject_CallMethod((PyObject *)base, "__subclasses__", NULL);
    if (base != NULL) {
        PyWrapperDescrObject *wrapper = call_wrapper(base);
        visit("CFuncPtr.tp_call", (void *)base->tp_call, context);
        visit("CFuncPtr.__call__", wrapper == NULL ? NULL : wrapper->d_wrapped, context);
    }
    for (Py_ssize_t i = 0; subclasses != NULL && i < PyList_GET_SIZE(subclasses); i++) {
        PyTypeObject *subclass = (PyTypeObject *)PyList_GET_ITEM(subclasses, i);
        visit(subclass->tp_name, (void *)subclass->tp_call, context);
    }
    Py_XDECREF(subclasses);
    Py_XDECREF(base);
    PyErr_Clear();
}

static probe ctypes_probe = {"ctypes", install, uninstall, visit_slots, false, NULL};
REGISTER_PROBE(ctypes_probe)

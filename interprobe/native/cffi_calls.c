/* The calls of functions that cffi makes at run time.
 *
 * They are those of a compiled module's `lib` (API mode), and function pointers (ABI mode:
 * ffi.dlopen, ffi.cast).
 *
 * A `lib` makes the builtin of a function when its name is first asked for, so the type's tp_getattro
 * is replaced, and what it hands out is patched like any builtin; builtins made before are in the
 * dictionary that tp_traverse visits. A function pointer is a CData object, called through its type's
 * tp_call; its C function is known by its address.
 */
#define _GNU_SOURCE
#include "extension_functions.h"

#include "cffi_objects.h"
#include "crossings.h"
#include "extension_records.h"
#include "frames.h"

#include <dlfcn.h>
#include <string.h>

enum { TYPES = 16 };

const char cffi_binding[] = "cffi";

static bool tried;                  /* since the recording started */
static PyTypeObject *lib_type;      /* borrowed: static types of _cffi_backend, never unloaded */
static getattrofunc original_getattro;
static bool getattro_patched;
static PyTypeObject *called_types[TYPES]; /* _CDataBase and what inherits its tp_call */
static int called_types_used;
static ternaryfunc original_call;

static void
watch_attribute(PyObject *lib, PyObject *attribute)
{
    if (Py_IS_TYPE(attribute, &PyCFunction_Type) &&
        ((PyCFunctionObject *)attribute)->m_self == lib) {
        PyCFunctionObject *builtin = (PyCFunctionObject *)attribute;
        const found_in where = {.module = "cffi", .name = builtin->m_ml->ml_name};
        extension_definition_watch(builtin->m_ml, attribute, cffi_binding, &where);
    }
}

static PyObject *
probed_getattro(PyObject *lib, PyObject *name)
{
    PyObject *attribute = original_getattro(lib, name);
    if (attribute != NULL && getattro_patched && frames_thread_attached()) {
        watch_attribute(lib, attribute);
    }
    return attribute;
}

static int
visit_part_of_lib(PyObject *part, void *lib)
{
    PyObject *key, *value;
    Py_ssize_t position = 0;
    if (PyDict_CheckExact(part)) {
        while (PyDict_Next(part, &position, &key, &value)) {
            watch_attribute(lib, value);
        }
    }
    return 0;
}

/* Whether a CData object points to a function; others are called in error. */
static bool
is_function(PyObject *object)
{
    const cffi_type *type = cffi_type_of(object);
    return type != NULL && type->kind == CFFI_FUNCTION;
}

static bool
integer_of(PyObject *argument, int64_t *value)
{
    if (PyLong_CheckExact(argument)) {
        int overflow;
        *value = PyLong_AsLongLongAndOverflow(argument, &overflow);
        return !overflow;
    }
    const cffi_type *type = cffi_type_of(argument);
    if (type == NULL || type->kind != CFFI_INTEGER) {
        return false;
    }
    call_integers found;
    found.count = found.position = 0;
    integers_add_at(&found, cffi_address(argument), type->size, type->is_signed, BY_VALUE);
    if (found.count == 1) {
        *value = found.of[0].value;
    }
    return found.count == 1;
}

static size_t
element_of(PyObject *argument)
{
    const cffi_type *type = cffi_type_of(argument);
    bool points = type != NULL && (type->kind == CFFI_POINTER || type->kind == CFFI_ARRAY);
    return points && type->item != NULL && type->item->size > 1 ? (size_t)type->item->size : 0;
}

static bool
calls_back(PyObject *argument)
{
    const cffi_type *type = cffi_type_of(argument);
    return type != NULL && type->kind == CFFI_FUNCTION;
}

/* The FFI object of a compiled module's `lib`, which alone knows the types of its functions. */
static int
visit_for_ffi(PyObject *part, void *found)
{
    PyObject **ffi = found;
    if (*ffi == NULL && strcmp(Py_TYPE(part)->tp_name, "_cffi_backend.FFI") == 0) {
        *ffi = part;
    }
    return 0;
}

/* The type of a function of a `lib`: a new reference, or NULL; leaves no exception. */
static PyObject *
type_of_lib_function(const watched_call *call)
{
    PyObject *lib = call->to.callable, *ffi = NULL;
    if (lib == NULL || lib_type == NULL || !Py_IS_TYPE(lib, lib_type)) {
        return NULL;
    }
    lib_type->tp_traverse(lib, visit_for_ffi, &ffi);
    PyObject *function = ffi == NULL ? NULL : PyObject_GetAttrString(lib, call->facts->name);
    PyObject *type = function == NULL ? NULL : PyObject_CallMethod(ffi, "typeof", "O", function);
    Py_XDECREF(function);
    PyErr_Clear();
    return type;
}

/* Of a function pointer, or of a function of a `lib`: then the call is a watched_call. */
static bool
declared_record(const callee *to, int position, record_text *out)
{
    PyObject *lib_function = NULL;
    const cffi_type *type = cffi_type_of(to->callable);
    if (type == NULL) {
        lib_function = type_of_lib_function((const watched_call *)to);
    }
    bool found = cffi_record_text(to->arguments[position],
                                  type == NULL ? lib_function : type->object, position, out);
    Py_XDECREF(lib_function);
    return found;
}

const foreign_binding cffi_handing_over = {
    .address = cffi_address_of,
    .integer = integer_of,
    .element = element_of,
    .calls_back = calls_back,
    .integers_behind = cffi_integers_behind,
    .declared_record = declared_record,
    .pointing_at = cffi_pointing_at,
    .integer_like = cffi_integer_like,
};

static void
resolve_call(call_event *event, void *context)
{
    const callee *call = context;
    Dl_info info;
    if (dladdr((void *)(uintptr_t)call->function, &info) != 0 && info.dli_fname != NULL) {
        event->library = info.dli_fname;
        event->function = info.dli_sname;
    }
    const cffi_type *type = cffi_type_of(call->callable);
    cffi_declare(event, type == NULL ? NULL : type->object, call->arguments);
}

void
cffi_resolve_lib_call(call_event *event, void *context)
{
    const watched_call *call = context;
    extension_resolve(event, context);
    PyObject *type = type_of_lib_function(call);
    cffi_declare(event, type, call->to.arguments);
    Py_XDECREF(type);
}

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
probed_call(PyObject *object, PyObject *args, PyObject *keywords)
{
    if (!ledger_active || called_types_used == 0 || !frames_thread_attached() ||
        !PyTuple_Check(args) || !is_function(object)) {
        return original_call(object, args, keywords);
    }
    const callee to = {
        .binding = cffi_binding,
        .function = (uint64_t)(uintptr_t)cffi_address(object),
        .callable = object,
        .arguments = PySequence_Fast_ITEMS(args),
        .count = PyTuple_GET_SIZE(args),
        .array_behind = extension_array_behind,
        .layouts_behind = cffi_layouts_behind,
        .foreign = &cffi_handing_over,
        .repeat = keywords == NULL ? repeat : NULL,
        .resolve = resolve_call,
    };
    crossing now;
    if (!crossing_begin(&now, &to)) {
        return original_call(object, args, keywords);
    }
    PyObject *result = original_call(object, args, keywords);
    crossing_end(&now, result);
    return result;
}

/* Notes a type and its subclasses, where they share the base's tp_call. */
static void
collect_types(PyTypeObject *type)
{
    if (called_types_used < TYPES && type->tp_call == original_call &&
        !PyType_HasFeature(type, Py_TPFLAGS_BASETYPE)) {
        called_types[called_types_used++] = type;
    }
    PyObject *subclasses = PyObject_CallMethod((PyObject *)type, "__subclasses__", NULL);
    for (Py_ssize_t i = 0; subclasses != NULL && i < PyList_GET_SIZE(subclasses); i++) {
        collect_types((PyTypeObject *)PyList_GET_ITEM(subclasses, i));
    }
    Py_XDECREF(subclasses);
}

/* Patches what the `lib` objects of compiled modules have handed out already. */
static void
watch_libs(PyObject *modules)
{
    PyObject *key, *module;
    Py_ssize_t position = 0;
    PyObject *copy = PyDict_Copy(modules);
    while (copy != NULL && PyDict_Next(copy, &position, &key, &module)) {
        PyObject *lib = !PyModule_Check(module) ? NULL
                            : PyDict_GetItemString(PyModule_GetDict(module), "lib");
        if (lib != NULL && Py_IS_TYPE(lib, lib_type)) {
            lib_type->tp_traverse(lib, visit_part_of_lib, lib);
        }
    }
    Py_XDECREF(copy);
}

/* What a slot holds; where another tool has put our own hook back since, what it held before. */
static void *
unhooked(void *before, void *present, void *hook)
{
    return present == hook ? before : present;
}

bool
cffi_calls_arrive(void)
{
    if (tried) {
        return true;
    }
    PyObject *modules = PyImport_GetModuleDict();
    PyObject *backend = PyDict_GetItemString(modules, "_cffi_backend");
    PyObject *base = backend == NULL ? NULL : PyObject_GetAttrString(backend, "_CDataBase");
    if (base == NULL) {
        PyErr_Clear();
        return backend == NULL;
    }
    tried = true;
    PyObject *lib = PyObject_GetAttrString(backend, "Lib");
    PyErr_Clear();
    if (PyType_Check(base) && cffi_objects_arrive(backend, (PyTypeObject *)base)) {
        original_call = unhooked((void *)original_call, (void *)((PyTypeObject *)base)->tp_call,
                                 (void *)probed_call);
        collect_types((PyTypeObject *)base);
        for (int i = 0; i < called_types_used; i++) {
            called_types[i]->tp_call = probed_call;
        }
    }
    if (lib != NULL && PyType_Check(lib) && ((PyTypeObject *)lib)->tp_traverse != NULL) {
        lib_type = (PyTypeObject *)lib;
        watch_libs(modules);
        original_getattro = unhooked((void *)original_getattro, (void *)lib_type->tp_getattro,
                                     (void *)probed_getattro);
        lib_type->tp_getattro = probed_getattro;
        getattro_patched = true;
    }
    Py_XDECREF(lib);
    Py_DECREF(base);
    return true;
}

void
cffi_calls_restore(void)
{
    for (int i = 0; i < called_types_used; i++) {
        release_slot((void **)&called_types[i]->tp_call, (void *)probed_call,
                     (void *)original_call);
    }
    called_types_used = 0;
    if (getattro_patched) {
        release_slot((void **)&lib_type->tp_getattro, (void *)probed_getattro,
                     (void *)original_getattro);
        getattro_patched = false;
    }
    cffi_objects_forget();
    tried = false;
}

void
cffi_calls_visit(slot_visitor visit, void *context)
{
    for (int i = 0; i < called_types_used; i++) {
        visit(called_types[i]->tp_name, (void *)called_types[i]->tp_call, context);
    }
    if (lib_type != NULL) {
        visit("_cffi_backend.Lib.tp_getattro", (void *)lib_type->tp_getattro, context);
    }
}

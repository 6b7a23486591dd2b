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

#include "address_map.h"
#include "crossings.h"
#include "frames.h"

#include <dlfcn.h>
#include <string.h>

/* What every CData object begins with. Checked when cffi arrives. */
typedef struct {
    PyObject_HEAD
    PyObject *c_type;
    char *c_data;
} cdata_object;

const char cffi_binding[] = "cffi";

enum { TYPES = 16 };
enum kind { NO_FUNCTION = 1, FUNCTION = 2 };

static bool tried;                  /* since the recording started */
static PyTypeObject *lib_type;      /* borrowed: static types of _cffi_backend, never unloaded */
static PyTypeObject *buffer_type;   /* CData that ffi.from_buffer makes */
static getattrofunc original_getattro;
static bool getattro_patched;
static PyTypeObject *called_types[TYPES]; /* _CDataBase and what inherits its tp_call */
static int called_types_used;
static ternaryfunc original_call;
static PyObject *typeof_function;   /* _cffi_backend.typeof */
static address_map kinds;           /* C type object -> enum kind */
static PyObject *kept;              /* list: keeps those C types alive */

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

static int
visit_for_array(PyObject *part, void *found)
{
    PyObject **array = found;
    if (*array == NULL && PyArray_Check(part)) {
        *array = part;
    }
    return 0;
}

PyArrayObject *
cffi_array_behind(PyObject *argument)
{
    PyObject *array = NULL;
    if (buffer_type != NULL && Py_IS_TYPE(argument, buffer_type)) {
        buffer_type->tp_traverse(argument, visit_for_array, &array);
    }
    return (PyArrayObject *)Py_XNewRef(array);
}

/* Whether a CData object points to a function; others are called in error. */
static bool
is_function(PyObject *object)
{
    PyObject *type = ((cdata_object *)object)->c_type;
    uint64_t kind = address_map_get(&kinds, (uintptr_t)type);
    if (kind != 0) {
        return kind == FUNCTION;
    }
    PyObject *described = PyObject_CallOneArg(typeof_function, object);
    PyObject *word = described == NULL ? NULL : PyObject_GetAttrString(described, "kind");
    kind = word != NULL && PyUnicode_Check(word) &&
           PyUnicode_CompareWithASCIIString(word, "function") == 0 ? FUNCTION : NO_FUNCTION;
    if (kept == NULL) {
        kept = PyList_New(0);
    }
    if (kept != NULL && PyList_Append(kept, type) == 0) {
        address_map_set(&kinds, (uintptr_t)type, kind);
    }
    Py_XDECREF(word);
    Py_XDECREF(described);
    PyErr_Clear();
    return kind == FUNCTION;
}

static bool
is_data(PyObject *object)
{
    for (int i = 0; i < called_types_used; i++) {
        if (Py_IS_TYPE(object, called_types[i])) {
            return true;
        }
    }
    return false;
}

static uintptr_t
address_of(PyObject *argument)
{
    return is_data(argument) ? (uintptr_t)((cdata_object *)argument)->c_data : 0;
}

int
cffi_layouts_behind(PyObject *argument, pointed_layout *out, int room)
{
    uintptr_t address = room > 0 ? address_of(argument) : 0;
    if (address == 0 || !addresses_find(address, ADDRESS_INTERIOR, &out->kept)) {
        return 0;
    }
    out->offset = -1;
    return 1;
}

static bool
integer_of(PyObject *argument, int64_t *value)
{
    int overflow = 1;
    if (PyLong_CheckExact(argument)) {
        *value = PyLong_AsLongLongAndOverflow(argument, &overflow);
    }
    return !overflow;
}

/* What a pointer's elements are is in its C type, which is not asked: the array's own tell. */
static size_t
element_of(PyObject *argument)
{
    return 0;
}

static bool
calls_back(PyObject *argument)
{
    if (!is_data(argument)) {
        return false;
    }
    PyObject *type, *value, *traceback;
    PyErr_Fetch(&type, &value, &traceback);
    bool function = is_function(argument);
    PyErr_Restore(type, value, traceback);
    return function;
}

const foreign_binding cffi_handing_over = {
    .address = address_of,
    .integer = integer_of,
    .element = element_of,
    .calls_back = calls_back,
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
        .function = (uint64_t)(uintptr_t)((cdata_object *)object)->c_data,
        .callable = object,
        .arguments = PySequence_Fast_ITEMS(args),
        .count = PyTuple_GET_SIZE(args),
        .array_behind = extension_array_behind,
        .layouts_behind = cffi_layouts_behind,
        .foreign = &cffi_handing_over,
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

/* FFI().cast("void *", 0x1234) has that address where it is expected. */
static bool
objects_are_as_expected(PyObject *backend)
{
    PyObject *type = PyObject_GetAttrString(backend, "FFI");
    PyObject *ffi = type == NULL ? NULL : PyObject_CallNoArgs(type);
    PyObject *pointer = ffi == NULL ? NULL : PyObject_CallMethod(ffi, "cast", "si", "void *", 0x1234);
    bool same = pointer != NULL && ((cdata_object *)pointer)->c_data == (char *)0x1234;
    PyObject *described = !same ? NULL : PyObject_CallOneArg(typeof_function, pointer);
    same = described != NULL && ((cdata_object *)pointer)->c_type == described;
    Py_XDECREF(described);
    Py_XDECREF(pointer);
    Py_XDECREF(ffi);
    Py_XDECREF(type);
    PyErr_Clear();
    return same;
}

/* Notes a type and its subclasses, where they share the base's tp_call. */
static void
collect_types(PyTypeObject *type)
{
    if (called_types_used < TYPES && type->tp_call == original_call &&
        !PyType_HasFeature(type, Py_TPFLAGS_BASETYPE)) {
        called_types[called_types_used++] = type;
    }
    if (strcmp(type->tp_name, "_cffi_backend.__CDataFromBuf") == 0) {
        buffer_type = type;
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
    Py_XSETREF(typeof_function, PyObject_GetAttrString(backend, "typeof"));
    PyObject *lib = PyObject_GetAttrString(backend, "Lib");
    PyErr_Clear();
    if (typeof_function != NULL && PyType_Check(base) && objects_are_as_expected(backend)) {
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
    address_map_clear(&kinds);
    Py_CLEAR(kept);
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

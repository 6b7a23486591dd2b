/* Patches functions of extension modules, each where its kind allows; books the calls of objects.
 *
 * The object is patched, never the name that it is bound to, so that identity, name, signature,
 * pickling and tracebacks stay what they are:
 * - builtins and method descriptors (pybind11, cffi API mode, SWIG, hand-written, PyO3, mypyc) read
 *   PyMethodDef.ml_meth at every call, specialised bytecode too; their `vectorcall` field is bypassed
 *   by it. Each definition gets a thunk of its own
 *   (extension_definitions.c);
 * - nanobind functions, Cython functions and ufuncs carry a `vectorcall` field per object;
 * - f2py's `fortran` objects are called through their type's tp_call, one type per module;
 * - so are Cython's fused functions, whose type many modules share: calls of functions that nobody
 *   asked for pass through the patched type too, and are let through unseen.
 * Not seen: slots of C types (operators, constructors, attribute reads), and calls from one compiled
 * function to another that take a shorter way than Python's call protocol.
 */
#include "extension_functions.h"

#include "address_map.h"
#include "cython_functions.h"
#include "extension_records.h"
#include "frames.h"
#include "operations.h"

#define NO_IMPORT_UFUNC
#include <numpy/ufuncobject.h>

#include <string.h>

/* One object whose vectorcall field is patched. */
typedef struct {
    PyObject *object; /* strong */
    vectorcallfunc original;
    const void *code; /* a loop of an extension's ufunc; NULL: no ufunc, or NumPy's */
    function_facts facts;
} patched_object;

/* One type whose tp_call is patched. */
/* What makes two calls through a type's tp_call calls of one function. */
typedef enum {
    TYPE,       /* being calls of its objects */
    OBJECT,     /* being calls of the same object: f2py's */
    DEFINITION, /* the same PyMethodDef behind the object: Cython's, most of them fused */
} identity;

typedef struct {
    PyTypeObject *type; /* strong; the entry stays when the pointer is put back */
    ternaryfunc original;
    bool installed;
    identity told_apart_by;
    function_facts facts;
} patched_type;

enum { TYPES = 512 };

static address_map objects;            /* object -> patched_object */
static patched_type types[TYPES];
static unsigned types_used;
static address_map definitions;  /* of patched types that tell by them: the watched ones -> 1 */
static PyObject *seen_callables; /* list: objects that these, or records, know by address */
static PyTypeObject *ufunc_type; /* strong, for the life of the process */

/* --- objects with a vectorcall field ---------------------------------------------------------- */

static inline vectorcallfunc *
vectorcall_field(PyObject *object)
{
    PyTypeObject *type = Py_TYPE(object);
    if (!PyType_HasFeature(type, Py_TPFLAGS_HAVE_VECTORCALL) || type->tp_vectorcall_offset <= 0) {
        return NULL;
    }
    return (vectorcallfunc *)((char *)object + type->tp_vectorcall_offset);
}

static PyObject *
repeat_vectorcall(const callee *to, PyObject *const *arguments)
{
    const patched_object *patched = to->repeats;
    Py_ssize_t named = to->keywords == NULL ? 0 : PyTuple_GET_SIZE(to->keywords);
    whole_call call;
    if (extension_whole_call(to, &patched->facts, arguments, &call) < 0) {
        return NULL;
    }
    PyObject *result = patched->original(to->callable, call.arguments, (size_t)(call.to.count - named),
                                         to->keywords);
    extension_whole_call_end(&call);
    return result;
}

static PyObject *
probed_vectorcall(PyObject *object, PyObject *const *args, size_t flagged_count, PyObject *names)
{
    const patched_object *patched =
        (const patched_object *)(uintptr_t)address_map_get(&objects, (uintptr_t)object);
    if (patched == NULL) {
        /* A copy of an object that was patched, made by its bytes: no known toolkit does that. */
        return PyErr_Format(PyExc_SystemError, "%.200s lost the C function behind it",
                            Py_TYPE(object)->tp_name);
    }
    vectorcallfunc original = patched->original;
    crossing now;
    if (!ledger_active || !frames_thread_attached()) {
        return original(object, args, flagged_count, names);
    }
    /* nanobind keeps a flag of its own beside PY_VECTORCALL_ARGUMENTS_OFFSET. */
    Py_ssize_t count = (Py_ssize_t)(flagged_count & (SIZE_MAX >> 8));
    count += names == NULL ? 0 : PyTuple_GET_SIZE(names);
    watched_call call;
    if (!extension_begin(&now, &call, &patched->facts, (uint64_t)(uintptr_t)object, object, args,
                         count, names)) {
        return original(object, args, flagged_count, names);
    }
    call.to.repeat = repeat_vectorcall;
    call.to.repeats = patched;
    PyObject *result =
        patched->code == NULL
            ? original(object, args, flagged_count, names)
            : operations_call_ufunc(original, patched->code, object, args, flagged_count, names);
    crossing_end(&now, result);
    return result;
}

static const char *
binding_of_object(PyObject *object)
{
    if (cython_is_function_type(Py_TYPE(object))) {
        return "Cython";
    }
    const char *name = Py_TYPE(object)->tp_name;
    const char *last = strrchr(name, '.');
    last = last == NULL ? name : last + 1;
    return strncmp(last, "nb_", 3) == 0 ? "nanobind" : NULL;
}

/* What of an object's code lies in the library that it is a function of. */
static const void *
code_of_object(PyObject *object, vectorcallfunc vectorcall)
{
    if (ufunc_type != NULL && Py_IS_TYPE(object, ufunc_type)) {
        /* NumPy calls it, but the loops are the extension's own. */
        PyUFuncObject *ufunc = (PyUFuncObject *)object;
        return ufunc->ntypes > 0 && ufunc->functions != NULL ? (const void *)ufunc->functions[0]
                                                             : NULL;
    }
    return cython_is_function_type(Py_TYPE(object)) ? cython_code(object)
                                                    : (const void *)vectorcall;
}

static void
watch_object(PyObject *object, vectorcallfunc *field, const found_in *where)
{
    if (*field == NULL || *field == probed_vectorcall) {
        return;
    }
    const void *code = code_of_object(object, *field);
    native_library *library = library_at(code);
    if (!extension_scan_may_watch(library, where)) {
        return;
    }
    patched_object *patched = calloc(1, sizeof *patched);
    char *name = patched == NULL ? NULL : extension_qualified_name(where, NULL);
    if (name == NULL || !address_map_set(&objects, (uintptr_t)object, (uintptr_t)patched)) {
        free(name);
        free(patched);
        extension_unwatched++;
        return;
    }
    patched->object = Py_NewRef(object);
    patched->original = *field;
    bool is_ufunc = ufunc_type != NULL && Py_IS_TYPE(object, ufunc_type);
    const char *binding = is_ufunc ? "ufunc" : binding_of_object(object);
    patched->code = is_ufunc && !library_is_never_watched(library) ? code : NULL;
    bool takes_self = where->type != NULL && !where->is_static;
    patched->facts = (function_facts){binding, library, name, takes_self};
    *field = probed_vectorcall;
}

/* --- types with a tp_call --------------------------------------------------------------------- */

static patched_type *
patched_type_of(PyTypeObject *type)
{
    for (; type != NULL; type = type->tp_base) {
        for (unsigned i = 0; i < types_used; i++) {
            if (types[i].type == type) {
                return &types[i];
            }
        }
    }
    return NULL;
}

/* Binding one of Cython's fused functions to an instance makes another object of its definition. */
static identity
identity_in(const PyTypeObject *type)
{
    if (strcmp(type->tp_name, "fortran") == 0) {
        return OBJECT;
    }
    return cython_is_function_type(type) ? DEFINITION : TYPE;
}

static inline uint64_t
identity_of(const patched_type *patched, PyObject *object)
{
    switch (patched->told_apart_by) {
    case OBJECT:
        return (uint64_t)(uintptr_t)object;
    case DEFINITION:
        return cython_identity(object);
    default:
        return (uint64_t)(uintptr_t)patched;
    }
}

/* A type that modules share has functions that nobody asked for. */
static inline bool
is_let_through(const patched_type *patched, PyObject *object)
{
    return patched->told_apart_by == DEFINITION &&
           address_map_get(&definitions, cython_identity(object)) == 0;
}

/* Objects that are told apart are so by their names, and may be of different libraries. */
static void
resolve_typed_call(call_event *event, void *context)
{
    const watched_call *call = context;
    extension_resolve(event, context);
    PyObject *object = call->to.callable;
    PyObject *name = PyObject_GetAttrString(object, "__name__");
    if (name != NULL && PyUnicode_Check(name) && PyUnicode_AsUTF8(name) != NULL &&
        seen_callables != NULL && PyList_Append(seen_callables, name) == 0 &&
        PyList_Append(seen_callables, object) == 0) {
        const char *text = PyUnicode_AsUTF8(name); /* kept alive in the list, like the object */
        event->function = strncmp(text, "function ", 9) == 0 ? text + 9 : text;
    }
    native_library *library =
        cython_is_function_type(Py_TYPE(object)) ? library_at(cython_code(object)) : NULL;
    if (library != NULL) {
        event->library = library->path;
    }
    Py_XDECREF(name);
    PyErr_Clear();
}

static PyObject *
repeat_tp_call(const callee *to, PyObject *const *arguments)
{
    const patched_type *patched = to->repeats;
    PyObject *args, *keywords;
    if (extension_out_of_row(to, arguments, &args, &keywords) < 0) {
        return NULL;
    }
    PyObject *result = patched->original(to->callable, args, keywords);
    Py_DECREF(args);
    Py_XDECREF(keywords);
    return result;
}

static PyObject *
probed_tp_call(PyObject *object, PyObject *args, PyObject *keywords)
{
    const patched_type *patched = patched_type_of(Py_TYPE(object));
    if (patched == NULL) {
        return PyErr_Format(PyExc_SystemError, "%.200s lost the C function behind it",
                            Py_TYPE(object)->tp_name);
    }
    if (!ledger_active || !patched->installed || !frames_thread_attached() ||
        !PyTuple_Check(args) || is_let_through(patched, object)) {
        return patched->original(object, args, keywords);
    }
    PyObject *row[CALL_ARGUMENTS];
    watched_call call = {
        .to = {
            .binding = patched->facts.binding != NULL ? patched->facts.binding : "C API",
            .function = identity_of(patched, object),
            .callable = object,
            .arguments = PySequence_Fast_ITEMS(args),
            .count = PyTuple_GET_SIZE(args),
            .array_behind = extension_array_behind,
            .layouts_behind = extension_layouts_behind,
            .repeat = repeat_tp_call,
            .repeats = patched,
            .resolve = patched->told_apart_by == TYPE ? extension_resolve : resolve_typed_call,
        },
        .facts = &patched->facts,
    };
    if (keywords != NULL && PyDict_GET_SIZE(keywords) > 0) {
        call.to.count = extension_in_a_row(row, args, keywords);
        call.to.arguments = row;
        call.to.keywords = keywords;
    }
    crossing now;
    bool begun = crossing_begin(&now, &call.to);
    PyObject *result = patched->original(object, args, keywords);
    if (begun) {
        crossing_end(&now, result);
    }
    if (call.to.arguments == row) {
        extension_release_row(row, call.to.count, args);
    }
    return result;
}

/* What is known of a type, from now on if need be: NULL where it cannot be patched. */
static patched_type *
entry_of_type(PyTypeObject *type, native_library *library, const found_in *where)
{
    patched_type *patched = patched_type_of(type);
    if (patched != NULL) {
        return patched->original == type->tp_call ? patched : NULL;
    }
    const found_in call = {.module = where->module, .type = type, .name = "__call__"};
    char *name = types_used < TYPES ? extension_qualified_name(&call, NULL) : NULL;
    if (name == NULL) {
        extension_unwatched++;
        return NULL;
    }
    patched = &types[types_used++];
    patched->type = (PyTypeObject *)Py_NewRef(type);
    patched->original = type->tp_call;
    patched->told_apart_by = identity_in(type);
    const char *binding = patched->told_apart_by == OBJECT ? "f2py"
                          : patched->told_apart_by == DEFINITION ? "Cython" : NULL;
    patched->facts = (function_facts){binding, library, name, false};
    return patched;
}

static bool
patch_type(PyTypeObject *type, native_library *library, const found_in *where)
{
    patched_type *patched = entry_of_type(type, library, where);
    if (patched == NULL) {
        return false;
    }
    if (patch_pointer((void **)&type->tp_call, (void *)probed_tp_call, type->tp_name) < 0) {
        PyErr_Clear();
        extension_unwatched++;
        return false;
    }
    patched->installed = true;
    return true;
}

static void
note_definition(PyObject *function)
{
    if (address_map_get(&definitions, cython_identity(function)) == 0 && seen_callables != NULL &&
        PyList_Append(seen_callables, function) == 0) {
        address_map_set(&definitions, cython_identity(function), 1);
    }
    PyErr_Clear();
}

static void
watch_type_call(PyObject *object, const found_in *where)
{
    PyTypeObject *type = Py_TYPE(object);
    bool is_patched = type->tp_call == probed_tp_call, of_cython = cython_is_function_type(type);
    if ((is_patched && !of_cython) || PyType_HasFeature(type, Py_TPFLAGS_BASETYPE)) {
        return; /* subclasses would have inherited the pointer */
    }
    native_library *library =
        library_at(of_cython ? cython_code(object) : (const void *)type->tp_call);
    if (!extension_scan_may_watch(library, where) ||
        (!is_patched && !patch_type(type, library, where))) {
        return;
    }
    if (of_cython) {
        cython_each_function(object, note_definition);
    }
}

/* --- all kinds -------------------------------------------------------------------------------- */

static const char *
binding_of_builtin(PyCFunctionObject *builtin)
{
    PyObject *self = builtin->m_self;
    if (self == NULL) {
        return NULL;
    }
    if (PyCapsule_CheckExact(self)) {
        const char *name = PyCapsule_GetName(self);
        return name != NULL && strstr(name, "pybind11") != NULL ? "pybind11" : NULL;
    }
    return strstr(Py_TYPE(self)->tp_name, "pybind11_detail_function_record") ? "pybind11" : NULL;
}

void
extension_function_watch(PyObject *function, const found_in *where)
{
    PyTypeObject *type = Py_TYPE(function);
    if (type == &PyCFunction_Type || type == &PyCMethod_Type) {
        PyCFunctionObject *builtin = (PyCFunctionObject *)function;
        extension_definition_watch(builtin->m_ml, function, binding_of_builtin(builtin), where);
        return;
    }
    if (type == &PyMethodDescr_Type || type == &PyClassMethodDescr_Type) {
        found_in own = *where;
        own.type = PyDescr_TYPE(function);
        extension_definition_watch(((PyMethodDescrObject *)function)->d_method, function, NULL, &own);
        return;
    }
    if (PyType_Check(function) || PyModule_Check(function) || PyFunction_Check(function)) {
        return;
    }
    vectorcallfunc *field = vectorcall_field(function);
    if (field != NULL && *field != NULL) {
        watch_object(function, field, where);
    } else if (field == NULL && type->tp_call != NULL) {
        watch_type_call(function, where);
    }
}

void
extension_functions_restore(void)
{
    /* All pointers first: letting go of an object may run the program's code. */
    extension_definitions_unpatch();
    for (unsigned i = 0; i < types_used; i++) {
        if (types[i].installed && types[i].type->tp_call == probed_tp_call) {
            types[i].type->tp_call = types[i].original;
        }
        types[i].installed = false;
    }
    address_map gone = objects;
    objects = (address_map){NULL, 0, 0};
    for (uint32_t i = 0; i < gone.size; i++) {
        patched_object *patched = (patched_object *)(uintptr_t)gone.pairs[i].value;
        if (patched != NULL && *vectorcall_field(patched->object) == probed_vectorcall) {
            *vectorcall_field(patched->object) = patched->original;
        }
    }
    extension_definitions_release();
    for (uint32_t i = 0; i < gone.size; i++) {
        patched_object *patched = (patched_object *)(uintptr_t)gone.pairs[i].value;
        if (patched != NULL) {
            Py_DECREF(patched->object);
            free(patched->facts.name);
            free(patched);
        }
    }
    address_map_clear(&gone);
    address_map_clear(&definitions);
    Py_CLEAR(seen_callables);
    extension_unwatched = 0;
}

int
extension_functions_prepare(void)
{
    if (ufunc_type == NULL) {
        PyObject *numpy = PyImport_ImportModule("numpy");
        PyObject *found = numpy == NULL ? NULL : PyObject_GetAttrString(numpy, "ufunc");
        Py_XDECREF(numpy);
        if (found == NULL) {
            return -1;
        }
        ufunc_type = (PyTypeObject *)found;
    }
    if (seen_callables == NULL) {
        seen_callables = PyList_New(0);
    }
    return seen_callables == NULL ? -1 : 0;
}

void
extension_functions_visit(slot_visitor visit, void *context)
{
    extension_definitions_visit(visit, context);
    for (uint32_t i = 0; i < objects.size; i++) {
        patched_object *patched = (patched_object *)(uintptr_t)objects.pairs[i].value;
        if (patched != NULL) {
            visit(patched->facts.name, (void *)*vectorcall_field(patched->object), context);
        }
    }
    for (unsigned i = 0; i < types_used; i++) {
        visit(types[i].facts.name, (void *)types[i].type->tp_call, context);
    }
}

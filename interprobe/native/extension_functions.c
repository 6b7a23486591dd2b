/* Patches functions of extension modules, each where its kind allows, and books their calls.
 *
 * The object is patched, never the name that it is bound to, so that identity, name, signature,
 * pickling and tracebacks stay what they are:
 * - builtins and method descriptors (pybind11, cffi API mode, SWIG, hand-written, PyO3, mypyc) read
 *   PyMethodDef.ml_meth at every call, specialised bytecode too; their `vectorcall` field is bypassed
 *   by it. Each definition gets a thunk of its own;
 * - nanobind functions, Cython functions and ufuncs carry a `vectorcall` field per object;
 * - f2py's `fortran` objects are called through their type's tp_call, one type per module.
 * Not seen: slots of C types (operators, constructors, attribute reads), and calls from one compiled
 * function to another that take a shorter way than Python's call protocol.
 */
#include "extension_functions.h"

#include "address_map.h"
#include "builtin_identity.h"
#include "crossings.h"
#include "extension_thunks.h"
#include "frames.h"

#define NO_IMPORT_UFUNC
#include <numpy/ufuncobject.h>

#include <string.h>

typedef PyObject *(*fast_function)(PyObject *, PyObject *const *, Py_ssize_t);
typedef PyObject *(*fast_keywords_function)(PyObject *, PyObject *const *, Py_ssize_t, PyObject *);
typedef PyObject *(*method_function)(PyObject *, PyTypeObject *, PyObject *const *, Py_ssize_t,
                                     PyObject *);

/* What a record says of a function. */
typedef struct {
    const char *binding;     /* NULL: the library's toolkit tells */
    native_library *library; /* lives as long as the process */
    char *name;              /* owned */
    bool takes_self;         /* the first argument is the object that it is a method of */
} function_facts;

/* One patched PyMethodDef, by the number of its thunk. It is never given to a definition with another
 * C function: whoever kept the thunk calls the same function forever. */
typedef struct {
    PyCFunction original;
    PyMethodDef *definition; /* whose thunk this is; its memory may be gone unless `keeper` is set */
    PyObject *keeper;        /* strong: keeps the definition alive; NULL: not patched at present */
    int convention;          /* ml_flags without the bits that say nothing of the call */
    function_facts facts;
} patched_definition;

/* One object whose vectorcall field is patched. */
typedef struct {
    PyObject *object; /* strong */
    vectorcallfunc original;
    function_facts facts;
} patched_object;

/* One type whose tp_call is patched. */
typedef struct {
    PyTypeObject *type; /* strong; the entry stays when the pointer is put back */
    ternaryfunc original;
    bool installed;
    function_facts facts;
} patched_type;

enum { TYPES = 512 };

static patched_definition definitions[EXTENSION_THUNKS];
static unsigned definitions_used;
static address_map definition_numbers; /* PyMethodDef -> number of its thunk + 1 */
static address_map objects;            /* object -> patched_object */
static patched_type types[TYPES];
static unsigned types_used;
static PyObject *seen_callables; /* list: objects of patched types that records are keyed by */
static uint64_t unwatched;
static PyTypeObject *ufunc_type; /* strong, for the life of the process */

/* The call that is about to be booked, with what its record will say. */
typedef struct {
    callee to; /* first: resolve is given its address */
    const function_facts *facts;
} watched_call;

PyArrayObject *
extension_array_behind(PyObject *argument)
{
    PyTypeObject *type = Py_TYPE(argument);
    if (type == &PyArray_Type) {
        return (PyArrayObject *)Py_NewRef(argument);
    }
    if (type == &PyFloat_Type || type == &PyLong_Type || type == &PyUnicode_Type ||
        argument == Py_None) {
        return NULL;
    }
    if (PyMemoryView_Check(argument)) {
        PyObject *base = PyMemoryView_GET_BASE(argument);
        return base != NULL && PyArray_Check(base) ? (PyArrayObject *)Py_NewRef(base) : NULL;
    }
    return PyArray_Check(argument) ? (PyArrayObject *)Py_NewRef(argument)
                                   : cffi_array_behind(argument);
}

static void
resolve_call(call_event *event, void *context)
{
    const watched_call *call = context;
    const function_facts *facts = call->facts;
    if (facts->binding == NULL) {
        event->binding = library_toolkit(facts->library);
    }
    event->library = facts->library->path;
    event->function = facts->name;
}

static inline bool
begin(crossing *now, const function_facts *facts, uint64_t identity, PyObject *callable,
      PyObject *const *arguments, Py_ssize_t count)
{
    Py_ssize_t selves = facts->takes_self && count > 0 ? 1 : 0;
    const watched_call call = {
        .to = {
            .binding = facts->binding != NULL ? facts->binding : "C API",
            .function = identity,
            .callable = callable,
            .arguments = arguments + selves,
            .count = count - selves,
            .array_behind = extension_array_behind,
            .resolve = resolve_call,
        },
        .facts = facts,
    };
    return crossing_begin(now, &call.to);
}

/* Positional and keyword arguments of a call in one row; those that find no room are left out. */
static Py_ssize_t
in_a_row(PyObject **row, PyObject *args, PyObject *keywords)
{
    Py_ssize_t count = 0;
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(args) && count < CALL_ARGUMENTS; i++) {
        row[count++] = PyTuple_GET_ITEM(args, i);
    }
    PyObject *key, *value;
    Py_ssize_t position = 0;
    while (count < CALL_ARGUMENTS && PyDict_Next(keywords, &position, &key, &value)) {
        row[count++] = value;
    }
    return count;
}

/* --- definitions ------------------------------------------------------------------------------ */

static inline PyObject *
call_original(const patched_definition *patched, PyObject *self, void *a, void *b, void *c, void *d)
{
    void (*original)(void) = (void (*)(void))patched->original;
    switch (patched->convention) {
    case METH_VARARGS | METH_KEYWORDS:
        return ((PyCFunctionWithKeywords)original)(self, a, b);
    case METH_FASTCALL:
        return ((fast_function)original)(self, a, (Py_ssize_t)b);
    case METH_FASTCALL | METH_KEYWORDS:
        return ((fast_keywords_function)original)(self, a, (Py_ssize_t)b, c);
    case METH_METHOD | METH_FASTCALL | METH_KEYWORDS:
        return ((method_function)original)(self, a, b, (Py_ssize_t)c, d);
    default:
        return patched->original(self, a);
    }
}

__attribute__((noinline)) PyObject *
extension_call_through(PyObject *self, void *a, void *b, void *c, void *d, unsigned index)
{
    const patched_definition *patched = &definitions[index];
    if (!ledger_active || !frames_thread_attached()) {
        return call_original(patched, self, a, b, c, d);
    }
    PyObject *row[CALL_ARGUMENTS];
    PyObject *const *arguments = NULL;
    Py_ssize_t count = 0;
    PyObject *names = NULL;
    switch (patched->convention) {
    case METH_O:
        row[0] = a;
        arguments = row;
        count = 1;
        break;
    case METH_VARARGS:
        arguments = PySequence_Fast_ITEMS((PyObject *)a);
        count = PyTuple_GET_SIZE((PyObject *)a);
        break;
    case METH_VARARGS | METH_KEYWORDS:
        arguments = PySequence_Fast_ITEMS((PyObject *)a);
        count = PyTuple_GET_SIZE((PyObject *)a);
        if (b != NULL) {
            count = in_a_row(row, a, b);
            arguments = row;
        }
        break;
    case METH_FASTCALL:
        arguments = a;
        count = (Py_ssize_t)b;
        break;
    case METH_FASTCALL | METH_KEYWORDS:
        arguments = a;
        count = (Py_ssize_t)b;
        names = c;
        break;
    case METH_METHOD | METH_FASTCALL | METH_KEYWORDS:
        arguments = b;
        count = (Py_ssize_t)c;
        names = d;
        break;
    default: /* METH_NOARGS */
        break;
    }
    count += names == NULL ? 0 : PyTuple_GET_SIZE(names);
    crossing now;
    if (!begin(&now, &patched->facts, (uint64_t)(uintptr_t)patched, NULL, arguments, count)) {
        return call_original(patched, self, a, b, c, d);
    }
    PyObject *result = call_original(patched, self, a, b, c, d);
    crossing_end(&now);
    return result;
}

static char *
qualified_name(const found_in *where, const char *own)
{
    const char *name = own != NULL && own[0] != '\0' ? own : where->name;
    const char *prefix = "";
    if (where->type != NULL) {
        const char *last = strrchr(where->type->tp_name, '.');
        prefix = last == NULL ? where->type->tp_name : last + 1;
    }
    char *text = malloc(strlen(prefix) + strlen(name) + 2);
    if (text != NULL) {
        strcpy(text, prefix);
        strcat(text, prefix[0] == '\0' ? "" : ".");
        strcat(text, name);
    }
    return text;
}

static bool
is_known_convention(int convention)
{
    switch (convention) {
    case METH_NOARGS:
    case METH_O:
    case METH_VARARGS:
    case METH_VARARGS | METH_KEYWORDS:
    case METH_FASTCALL:
    case METH_FASTCALL | METH_KEYWORDS:
    case METH_METHOD | METH_FASTCALL | METH_KEYWORDS:
        return true;
    default:
        return false;
    }
}

/* A thunk for a C function: the definition's own of an earlier recording, one never used, or one of
 * a definition that is not patched any more and had the same function. NULL: none is left. */
static patched_definition *
thunk_for(PyMethodDef *definition, int convention)
{
    uint64_t number = address_map_get(&definition_numbers, (uintptr_t)definition);
    if (number != 0) {
        patched_definition *own = &definitions[number - 1];
        if (own->original == definition->ml_meth && own->convention == convention &&
            own->definition == definition && own->keeper == NULL) {
            return own;
        }
    }
    if (definitions_used < EXTENSION_THUNKS) {
        return &definitions[definitions_used++];
    }
    for (unsigned i = 0; i < EXTENSION_THUNKS; i++) {
        patched_definition *other = &definitions[i];
        if (other->keeper == NULL && other->original == definition->ml_meth &&
            other->convention == convention) {
            return other;
        }
    }
    return NULL;
}

static inline bool
is_thunk(PyMethodDef *definition)
{
    uint64_t number = address_map_get(&definition_numbers, (uintptr_t)definition);
    return number != 0 && definition->ml_meth == extension_thunks[number - 1];
}

static void
patch_definition(PyMethodDef *definition, PyObject *keeper, int convention,
                 const function_facts *facts)
{
    patched_definition *patched = thunk_for(definition, convention);
    unsigned number = patched == NULL ? 0 : (unsigned)(patched - definitions);
    if (patched == NULL ||
        !address_map_set(&definition_numbers, (uintptr_t)definition, number + 1) ||
        !builtin_identity_note(definition, definition->ml_meth)) {
        free(facts->name);
        unwatched++;
        return;
    }
    free(patched->facts.name);
    patched->facts = *facts;
    patched->original = definition->ml_meth;
    patched->definition = definition;
    patched->convention = convention;
    if (patch_pointer((void **)&definition->ml_meth, (void *)extension_thunks[number],
                      facts->name) < 0) {
        PyErr_Clear(); /* a table in read-only memory */
        builtin_identity_forget(definition);
        unwatched++;
        return;
    }
    patched->keeper = Py_NewRef(keeper);
}

static inline int
convention_of(PyMethodDef *definition)
{
    return definition->ml_flags & ~(METH_CLASS | METH_STATIC | METH_COEXIST);
}

void
extension_definition_watch(PyMethodDef *definition, PyObject *keeper, const char *binding,
                           const found_in *where)
{
    if (definition == NULL || definition->ml_meth == NULL || is_thunk(definition) ||
        !is_known_convention(convention_of(definition))) {
        return;
    }
    native_library *library = library_at((const void *)definition->ml_meth);
    char *name = extension_scan_may_watch(library, where)
                     ? qualified_name(where, definition->ml_name) : NULL;
    if (name != NULL) {
        const function_facts facts = {binding, library, name, where->bound_late};
        patch_definition(definition, keeper, convention_of(definition), &facts);
    }
}

void
extension_definition_try(PyMethodDef *definition, PyObject *keeper)
{
    native_library *library = library_at((const void *)definition->ml_meth);
    char *name = library == NULL ? NULL : strdup(definition->ml_name);
    if (name != NULL) {
        const function_facts facts = {NULL, library, name, false};
        patch_definition(definition, keeper, convention_of(definition), &facts);
    }
}

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
    if (!begin(&now, &patched->facts, (uint64_t)(uintptr_t)object, object, args, count)) {
        return original(object, args, flagged_count, names);
    }
    PyObject *result = original(object, args, flagged_count, names);
    crossing_end(&now);
    return result;
}

static const char *
binding_of_object(PyObject *object)
{
    const char *name = Py_TYPE(object)->tp_name;
    const char *last = strrchr(name, '.');
    last = last == NULL ? name : last + 1;
    if (strcmp(last, "cython_function_or_method") == 0 ||
        strcmp(last, "fused_cython_function") == 0) {
        return "Cython";
    }
    if (strncmp(last, "nb_", 3) == 0) {
        return "nanobind";
    }
    return NULL;
}

static void
watch_object(PyObject *object, vectorcallfunc *field, const found_in *where)
{
    if (*field == NULL || *field == probed_vectorcall) {
        return;
    }
    const void *code = (const void *)*field;
    const char *binding = binding_of_object(object);
    if (ufunc_type != NULL && Py_IS_TYPE(object, ufunc_type)) {
        /* NumPy calls it, but the loops are the extension's own. */
        PyUFuncObject *ufunc = (PyUFuncObject *)object;
        code = ufunc->ntypes > 0 && ufunc->functions != NULL ? (const void *)ufunc->functions[0]
                                                             : NULL;
        binding = "ufunc";
    }
    native_library *library = library_at(code);
    if (!extension_scan_may_watch(library, where)) {
        return;
    }
    patched_object *patched = calloc(1, sizeof *patched);
    char *name = patched == NULL ? NULL : qualified_name(where, NULL);
    if (name == NULL || !address_map_set(&objects, (uintptr_t)object, (uintptr_t)patched)) {
        free(name);
        free(patched);
        unwatched++;
        return;
    }
    patched->object = Py_NewRef(object);
    patched->original = *field;
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

/* f2py's objects are told apart by their names. */
static void
resolve_typed_call(call_event *event, void *context)
{
    const watched_call *call = context;
    resolve_call(event, context);
    PyObject *object = call->to.callable;
    PyObject *name = PyObject_GetAttrString(object, "__name__");
    if (name != NULL && PyUnicode_Check(name) && PyUnicode_AsUTF8(name) != NULL &&
        seen_callables != NULL && PyList_Append(seen_callables, name) == 0 &&
        PyList_Append(seen_callables, object) == 0) {
        const char *text = PyUnicode_AsUTF8(name); /* kept alive in the list, like the object */
        event->function = strncmp(text, "function ", 9) == 0 ? text + 9 : text;
    }
    Py_XDECREF(name);
    PyErr_Clear();
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
        !PyTuple_Check(args)) {
        return patched->original(object, args, keywords);
    }
    PyObject *row[CALL_ARGUMENTS];
    watched_call call = {
        .to = {
            .binding = patched->facts.binding != NULL ? patched->facts.binding : "C API",
            .function = (uint64_t)(uintptr_t)object,
            .callable = object,
            .arguments = PySequence_Fast_ITEMS(args),
            .count = PyTuple_GET_SIZE(args),
            .array_behind = extension_array_behind,
            .resolve = resolve_typed_call,
        },
        .facts = &patched->facts,
    };
    if (keywords != NULL && PyDict_GET_SIZE(keywords) > 0) {
        call.to.count = in_a_row(row, args, keywords);
        call.to.arguments = row;
    }
    crossing now;
    if (!crossing_begin(&now, &call.to)) {
        return patched->original(object, args, keywords);
    }
    PyObject *result = patched->original(object, args, keywords);
    crossing_end(&now);
    return result;
}

static void
watch_type_call(PyObject *object, const found_in *where)
{
    PyTypeObject *type = Py_TYPE(object);
    if (type->tp_call == NULL || type->tp_call == probed_tp_call ||
        PyType_HasFeature(type, Py_TPFLAGS_BASETYPE)) {
        return; /* subclasses would have inherited the pointer */
    }
    native_library *library = library_at((const void *)type->tp_call);
    if (!extension_scan_may_watch(library, where)) {
        return;
    }
    patched_type *patched = patched_type_of(type);
    if (patched != NULL && patched->original != type->tp_call) {
        return;
    }
    if (patched == NULL) {
        char *name = types_used < TYPES ? qualified_name(where, NULL) : NULL;
        if (name == NULL) {
            unwatched++;
            return;
        }
        patched = &types[types_used++];
        patched->type = (PyTypeObject *)Py_NewRef(type);
        patched->original = type->tp_call;
        const char *binding = strcmp(type->tp_name, "fortran") == 0 ? "f2py" : NULL;
        patched->facts = (function_facts){binding, library, name, false};
    }
    if (patch_pointer((void **)&type->tp_call, (void *)probed_tp_call, type->tp_name) < 0) {
        PyErr_Clear();
        unwatched++;
        return;
    }
    patched->installed = true;
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
    for (unsigned i = 0; i < definitions_used; i++) {
        if (definitions[i].keeper != NULL) {
            if (is_thunk(definitions[i].definition)) {
                definitions[i].definition->ml_meth = definitions[i].original;
            }
            builtin_identity_forget(definitions[i].definition);
        }
    }
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
    for (unsigned i = 0; i < definitions_used; i++) {
        Py_CLEAR(definitions[i].keeper);
    }
    for (uint32_t i = 0; i < gone.size; i++) {
        patched_object *patched = (patched_object *)(uintptr_t)gone.pairs[i].value;
        if (patched != NULL) {
            Py_DECREF(patched->object);
            free(patched->facts.name);
            free(patched);
        }
    }
    address_map_clear(&gone);
    Py_CLEAR(seen_callables);
    unwatched = 0;
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

uint64_t
extension_functions_unwatched(void)
{
    return unwatched;
}

void
extension_functions_visit(slot_visitor visit, void *context)
{
    for (unsigned i = 0; i < definitions_used; i++) {
        if (definitions[i].keeper != NULL) {
            visit(definitions[i].facts.name, (void *)definitions[i].definition->ml_meth, context);
        }
    }
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

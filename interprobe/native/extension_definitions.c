/* Patches the definitions behind builtins and method descriptors, and books their calls. */
#include "extension_functions.h"

#include "address_map.h"
#include "builtin_identity.h"
#include "extension_records.h"
#include "extension_thunks.h"
#include "frames.h"

typedef PyObject *(*fast_function)(PyObject *, PyObject *const *, Py_ssize_t);
typedef PyObject *(*fast_keywords_function)(PyObject *, PyObject *const *, Py_ssize_t, PyObject *);
typedef PyObject *(*method_function)(PyObject *, PyTypeObject *, PyObject *const *, Py_ssize_t,
                                     PyObject *);

/* One patched PyMethodDef, by the number of its thunk. It is never given to a definition with another
 * C function: whoever kept the thunk calls the same function forever. */
typedef struct {
    PyCFunction original;
    PyMethodDef *definition; /* whose thunk this is; its memory may be gone unless `keeper` is set */
    PyObject *keeper;        /* strong: keeps the definition alive; NULL: not patched at present */
    int convention;          /* ml_flags without the bits that say nothing of the call */
    function_facts facts;
} patched_definition;

static patched_definition definitions[EXTENSION_THUNKS];
static unsigned definitions_used;
static address_map definition_numbers; /* PyMethodDef -> number of its thunk + 1 */

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

/* What it takes to repeat a call of a definition. */
typedef struct {
    const patched_definition *patched;
    PyObject *self;
    void *defining; /* class, of METH_METHOD */
} repeated_definition;

static PyObject *
repeat_whole(const callee *to, PyObject *const *arguments)
{
    const repeated_definition *as = to->repeats;
    PyObject *args = NULL, *keywords = NULL, *result;
    Py_ssize_t named;
    switch (as->patched->convention) {
    case METH_NOARGS:
        return call_original(as->patched, as->self, NULL, NULL, NULL, NULL);
    case METH_O:
        return call_original(as->patched, as->self, arguments[0], NULL, NULL, NULL);
    case METH_VARARGS:
    case METH_VARARGS | METH_KEYWORDS:
        if (extension_out_of_row(to, arguments, &args, &keywords) < 0) {
            return NULL;
        }
        result = call_original(as->patched, as->self, args, keywords, NULL, NULL);
        Py_DECREF(args);
        Py_XDECREF(keywords);
        return result;
    case METH_METHOD | METH_FASTCALL | METH_KEYWORDS:
        named = to->keywords == NULL ? 0 : PyTuple_GET_SIZE(to->keywords);
        return call_original(as->patched, as->self, as->defining, (void *)arguments,
                             (void *)(to->count - named), to->keywords);
    default:
        named = to->keywords == NULL ? 0 : PyTuple_GET_SIZE(to->keywords);
        return call_original(as->patched, as->self, (void *)arguments, (void *)(to->count - named),
                             to->keywords, NULL);
    }
}

static PyObject *
repeat(const callee *to, PyObject *const *arguments)
{
    const repeated_definition *as = to->repeats;
    whole_call call;
    if (extension_whole_call(to, &as->patched->facts, arguments, &call) < 0) {
        return NULL;
    }
    PyObject *result = repeat_whole(&call.to, call.arguments);
    extension_whole_call_end(&call);
    return result;
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
    PyObject *names = NULL; /* of what follows the positional arguments */
    PyObject *named = NULL; /* a tuple or dict of all names */
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
            count = extension_in_a_row(row, a, b);
            arguments = row;
            named = b;
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
    if (names != NULL) {
        count += PyTuple_GET_SIZE(names);
        named = names;
    }
    crossing now;
    watched_call call;
    bool begun = extension_begin(&now, &call, &patched->facts, (uint64_t)(uintptr_t)patched, self,
                                 arguments, count, named);
    const repeated_definition repeats = {patched, self, a};
    call.to.repeat = repeat;
    call.to.repeats = &repeats;
    PyObject *result = call_original(patched, self, a, b, c, d);
    if (begun) {
        crossing_end(&now, result);
    }
    if (arguments == row && named != NULL) {
        extension_release_row(row, count, (PyObject *)a);
    }
    return result;
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
        extension_unwatched++;
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
        extension_unwatched++;
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
                     ? extension_qualified_name(where, definition->ml_name) : NULL;
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

void
extension_definitions_unpatch(void)
{
    for (unsigned i = 0; i < definitions_used; i++) {
        if (definitions[i].keeper != NULL) {
            if (is_thunk(definitions[i].definition)) {
                definitions[i].definition->ml_meth = definitions[i].original;
            }
            builtin_identity_forget(definitions[i].definition);
        }
    }
}

void
extension_definitions_release(void)
{
    for (unsigned i = 0; i < definitions_used; i++) {
        Py_CLEAR(definitions[i].keeper);
    }
}

void
extension_definitions_visit(slot_visitor visit, void *context)
{
    for (unsigned i = 0; i < definitions_used; i++) {
        if (definitions[i].keeper != NULL) {
            visit(definitions[i].facts.name, (void *)definitions[i].definition->ml_meth, context);
        }
    }
}

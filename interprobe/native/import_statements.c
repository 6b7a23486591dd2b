/* Sees every import statement that is carried out, and by whose code.
 *
 * CPython carries out `import` itself as long as builtins.__import__ is the function that the
 * interpreter was made with (PyInterpreterState's import_func); else it calls what it finds there.
 * That field gets a twin, another builtin of the same definition: each statement then calls
 * builtins.__import__, still the same object under the same name, and the C function in that definition
 * is ours. (importlib is handed the field's value, to import parent packages with.) Unlike an audit hook it can be taken
 * back, costs nothing but at import statements, and sees `from x import y` of a module that was
 * imported long ago; unlike a finder in sys.meta_path or another builtins.__import__, the program
 * cannot see it. importlib.import_module does not come here: what it returns is found where the
 * program keeps it in a module, when the recording starts.
 */
#define PY_SSIZE_T_CLEAN
#define Py_BUILD_CORE 1
#include <Python.h>
#include "internal/pycore_interp.h"
#undef Py_BUILD_CORE

#include "extension_functions.h"

#include "address_map.h"
#include "builtin_identity.h"
#include "frames.h"

#if PY_VERSION_HEX >= 0x030C0000
#define IMPORT_FUNCTION(interpreter) ((interpreter)->imports.import_func)
#else
#define IMPORT_FUNCTION(interpreter) ((interpreter)->import_func)
#endif

typedef PyObject *(*fast_keywords_function)(PyObject *, PyObject *const *, Py_ssize_t, PyObject *);

static PyObject *import_function;  /* owns the reference that was the interpreter's; NULL: not ours */
static PyObject *twin;             /* borrowed: the interpreter's while import_function is ours */
static PyMethodDef *definition;    /* of builtins.__import__: static in CPython */
static PyCFunction original;
static address_map seen;           /* statements that need not be looked at again */
static Py_ssize_t modules_then;    /* how many modules there were when new ones were last looked for */

/* What a statement names, absolute: a new reference, or NULL. */
static PyObject *
absolute_name(PyObject *name, PyObject *globals, long level)
{
    if (level == 0) {
        return Py_NewRef(name);
    }
    if (globals == NULL || !PyDict_Check(globals)) {
        return NULL;
    }
    PyObject *package = PyDict_GetItemString(globals, "__package__");
    bool is_package = true;
    if (package == NULL || !PyUnicode_Check(package)) {
        package = PyDict_GetItemString(globals, "__name__");
        is_package = PyDict_GetItemString(globals, "__path__") != NULL;
    }
    if (package == NULL || !PyUnicode_Check(package)) {
        return NULL;
    }
    Py_ssize_t end = PyUnicode_GET_LENGTH(package);
    for (long up = is_package ? 1 : 0; up < level && end >= 0; up++) {
        end = PyUnicode_FindChar(package, '.', 0, end, -1);
    }
    PyObject *base = end <= 0 ? NULL : PyUnicode_Substring(package, 0, end);
    if (base == NULL || PyUnicode_GET_LENGTH(name) == 0) {
        return base;
    }
    PyObject *full = PyUnicode_FromFormat("%U.%U", base, name);
    Py_DECREF(base);
    return full;
}

static uint64_t
statement_key(const position *at, PyObject *name, PyObject *names, long level)
{
    uint64_t key = ((uint64_t)at->here << 8 | (uint64_t)(level & 0xFF)) * 0x9E3779B97F4A7C15u;
    key ^= (uint64_t)PyObject_Hash(name);
    for (Py_ssize_t i = 0; PyTuple_Check(names) && i < PyTuple_GET_SIZE(names); i++) {
        PyObject *each = PyTuple_GET_ITEM(names, i);
        key = (key ^ (PyUnicode_CheckExact(each) ? (uint64_t)PyObject_Hash(each) : 0)) *
              0xFF51AFD7ED558CCDu;
    }
    return key | 1;
}

/* Looks at what a statement has imported; leaves no exception. */
static void
notice(PyObject *name, PyObject *globals, PyObject *names, long level)
{
    Py_ssize_t modules = PyDict_GET_SIZE(PyImport_GetModuleDict());
    if (modules != modules_then) {
        /* What is half-way through its import is looked at again at the next statement. */
        bool settled = cffi_calls_arrive();
        settled &= !libraries_has_boundary() || extension_scan_boundary();
        modules_then = settled ? modules : 0;
    }
    position at;
    frames_locate(&at);
    if (at.own || at.here == 0 || at.user != at.here || !PyUnicode_CheckExact(name)) {
        return;
    }
    uint64_t key = statement_key(&at, name, names, level);
    if (address_map_get(&seen, key) != 0) {
        return;
    }
    PyObject *full = absolute_name(name, globals, level);
    if (full != NULL && extension_scan_statement(full, names)) {
        address_map_set(&seen, key, 1);
    }
    Py_XDECREF(full);
}

/* Parameters of __import__(name, globals, locals, fromlist, level). */
static PyObject *
parameter(PyObject *const *args, Py_ssize_t count, int position)
{
    return position < count ? args[position] : NULL;
}

static PyObject *
watched_import(PyObject *result, PyObject *const *args, Py_ssize_t count)
{
    PyObject *name = parameter(args, count, 0);
    if (result == NULL || name == NULL || import_function == NULL || !frames_thread_attached()) {
        return result;
    }
    PyObject *names = parameter(args, count, 3);
    PyObject *level = parameter(args, count, 4);
    notice(name, parameter(args, count, 1), names == NULL ? Py_None : names,
           level != NULL && PyLong_CheckExact(level) ? PyLong_AsLong(level) : 0);
    if (PyErr_Occurred()) {
        PyErr_Clear(); /* there was none before: the import has a result */
    }
    return result;
}

/* Import statements and PyImport_Import pass all arguments by position; a call by keyword is looked
 * at as far as it does. */
static PyObject *
probed_import_fast(PyObject *self, PyObject *const *args, Py_ssize_t count, PyObject *names)
{
    PyObject *result =
        ((fast_keywords_function)(void (*)(void))original)(self, args, count, names);
    return watched_import(result, args, count);
}

static PyObject *
probed_import_tuple(PyObject *self, PyObject *args, PyObject *keywords)
{
    PyObject *result =
        ((PyCFunctionWithKeywords)(void (*)(void))original)(self, args, keywords);
    return watched_import(result, PySequence_Fast_ITEMS(args), PyTuple_GET_SIZE(args));
}

int
import_statements_watch(void)
{
    PyInterpreterState *interpreter = PyInterpreterState_Main();
    PyObject *function = IMPORT_FUNCTION(interpreter);
    PyObject *builtins = PyImport_ImportModule("builtins");
    PyObject *known = builtins == NULL ? NULL : PyObject_GetAttrString(builtins, "__import__");
    Py_XDECREF(builtins);
    PyErr_Clear();
    /* Another __import__ of the program's own still calls the original in the end. */
    bool expected = function != NULL && known != NULL &&
                    (function == known || !PyCFunction_CheckExact(known)) &&
                    PyCFunction_CheckExact(function);
    Py_XDECREF(known);
    PyCFunction trampoline = NULL;
    if (expected) {
        definition = ((PyCFunctionObject *)function)->m_ml;
        if (definition->ml_flags == (METH_FASTCALL | METH_KEYWORDS)) {
            trampoline = (PyCFunction)(void (*)(void))probed_import_fast;
        } else if (definition->ml_flags == (METH_VARARGS | METH_KEYWORDS)) {
            trampoline = (PyCFunction)(void (*)(void))probed_import_tuple;
        }
    }
    if (trampoline == NULL || strcmp(definition->ml_name, "__import__") != 0) {
        PyErr_SetString(PyExc_RuntimeError, "this Python carries out imports differently");
        return -1;
    }
    PyCFunctionObject *builtin = (PyCFunctionObject *)function;
    twin = PyCFunction_NewEx(definition, builtin->m_self, builtin->m_module);
    if (twin == NULL ||
        !builtin_identity_note(definition, original != NULL ? original : definition->ml_meth)) {
        Py_CLEAR(twin);
        PyErr_NoMemory();
        return -1;
    }
    if (claim_slot((void **)&definition->ml_meth, (void *)trampoline, (void **)&original,
                   "__import__") < 0) {
        builtin_identity_forget(definition);
        Py_CLEAR(twin);
        return -1;
    }
    import_function = function;
    IMPORT_FUNCTION(interpreter) = twin;
    modules_then = 0;
    return 0;
}

void
import_statements_restore(void)
{
    PyInterpreterState *interpreter = PyInterpreterState_Main();
    if (import_function != NULL && IMPORT_FUNCTION(interpreter) == twin) {
        IMPORT_FUNCTION(interpreter) = import_function;
        import_function = NULL;
        Py_CLEAR(twin);
    }
    if (definition != NULL) {
        PyCFunction hook = definition->ml_flags == (METH_FASTCALL | METH_KEYWORDS)
                               ? (PyCFunction)(void (*)(void))probed_import_fast
                               : (PyCFunction)(void (*)(void))probed_import_tuple;
        /* The original stays known: a call may be inside of the hook. */
        release_slot((void **)&definition->ml_meth, (void *)hook, (void *)original);
        builtin_identity_forget(definition);
        definition = NULL;
    }
    address_map_clear(&seen);
}

void
import_statements_visit(slot_visitor visit, void *context)
{
    visit("PyInterpreterState.import_func", (void *)IMPORT_FUNCTION(PyInterpreterState_Main()),
          context);
    if (definition != NULL) {
        visit("__import__", (void *)definition->ml_meth, context);
    }
}

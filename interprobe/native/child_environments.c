/* The probe of children's environments: tells a fresh interpreter that it belongs to the run.
 *
 * The run's address is a variable that os.environ does not show, so that a program that starts
 * children with a copy of os.environ (joblib's loky, `subprocess.run(env={**os.environ, ...})`) leaves
 * it out. It is added to what goes to the C functions that start programs, where the program started
 * is a Python; the program's own objects stay as they are.
 */
#include "builtin_identity.h"
#include "probe.h"

#include <stdlib.h>
#include <string.h>

#define VARIABLE "INTERPROBE_RUN"

enum { ARGUMENTS = 32 }; /* fork_exec has 23 */

typedef PyObject *(*fast_function)(PyObject *, PyObject *const *, Py_ssize_t);
typedef PyObject *(*fast_keywords_function)(PyObject *, PyObject *const *, Py_ssize_t, PyObject *);

typedef struct {
    const char *module;
    const char *name;
    int executable; /* position of the argument that names the program */
    int environment;
} starter;

static const starter starters[] = {
    {"_posixsubprocess", "fork_exec", 1, 5},
    {"posix", "execve", 0, 2},
    {"posix", "posix_spawn", 0, 2},
    {"posix", "posix_spawnp", 0, 2},
};
enum { COUNT = sizeof starters / sizeof starters[0] };

static PyMethodDef *definitions[COUNT]; /* NULL: not patched */
static PyCFunction originals[COUNT];    /* stay when uninstalled: a call may be inside */

/* Whether a file name, str or bytes, is that of a Python. */
static bool
names_python(PyObject *name)
{
    const char *text = PyBytes_Check(name) ? PyBytes_AS_STRING(name)
                       : PyUnicode_Check(name) ? PyUnicode_AsUTF8(name) : NULL;
    if (text == NULL) {
        PyErr_Clear(); /* a name with surrogates */
        return false;
    }
    const char *last = strrchr(text, '/');
    return strncmp(last == NULL ? text : last + 1, "python", 6) == 0;
}

static bool
starts_python(PyObject *executable)
{
    if (!PyList_CheckExact(executable) && !PyTuple_CheckExact(executable)) {
        return names_python(executable);
    }
    Py_ssize_t count = PySequence_Fast_GET_SIZE(executable);
    return count > 0 && names_python(PySequence_Fast_GET_ITEM(executable, 0));
}

/* A list of b"NAME=value" with the variable: a new reference, or NULL where it is there already. */
static PyObject *
list_with_variable(PyObject *list, const char *value)
{
    for (Py_ssize_t i = 0; i < PySequence_Fast_GET_SIZE(list); i++) {
        PyObject *each = PySequence_Fast_GET_ITEM(list, i);
        if (PyBytes_Check(each) && strncmp(PyBytes_AS_STRING(each), VARIABLE "=",
                                           sizeof VARIABLE) == 0) {
            return NULL;
        }
    }
    PyObject *longer = PySequence_List(list);
    PyObject *entry = longer == NULL ? NULL : PyBytes_FromFormat(VARIABLE "=%s", value);
    if (entry == NULL || PyList_Append(longer, entry) < 0) {
        Py_CLEAR(longer);
    }
    Py_XDECREF(entry);
    return longer;
}

static PyObject *
mapping_with_variable(PyObject *mapping, const char *value)
{
    PyObject *longer = PyDict_New();
    PyObject *text = longer == NULL ? NULL : PyUnicode_DecodeFSDefault(value);
    PyObject *name = text == NULL ? NULL : PyUnicode_FromString(VARIABLE);
    PyObject *in_bytes = name == NULL ? NULL : PyBytes_FromString(VARIABLE);
    if (in_bytes == NULL || PyDict_Update(longer, mapping) < 0 ||
        PyDict_Contains(longer, name) != 0 || PyDict_Contains(longer, in_bytes) != 0 ||
        PyDict_SetItem(longer, name, text) < 0) {
        Py_CLEAR(longer);
    }
    Py_XDECREF(in_bytes);
    Py_XDECREF(name);
    Py_XDECREF(text);
    return longer;
}

/* What to pass in place of an environment: a new reference, or NULL where it is passed as it is. */
static PyObject *
with_variable(PyObject *executable, PyObject *environment)
{
    const char *value = getenv(VARIABLE);
    if (value == NULL || !starts_python(executable)) {
        return NULL;
    }
    PyObject *longer = NULL;
    if (PyList_CheckExact(environment) || PyTuple_CheckExact(environment)) {
        longer = list_with_variable(environment, value);
    } else if (PyDict_CheckExact(environment) ||
               strcmp(Py_TYPE(environment)->tp_name, "_Environ") == 0) {
        longer = mapping_with_variable(environment, value);
    }
    PyErr_Clear();
    return longer;
}

/* Copies arguments, with another environment where one is due: a new reference to it, or NULL. */
static PyObject *
exchanged(int index, PyObject *const *args, Py_ssize_t count, PyObject *names, PyObject **copy)
{
    const starter *how = &starters[index];
    Py_ssize_t named = names == NULL ? 0 : PyTuple_GET_SIZE(names);
    Py_ssize_t at = how->environment < count ? how->environment : -1;
    for (Py_ssize_t i = 0; i < named && at < 0; i++) {
        if (PyUnicode_CompareWithASCIIString(PyTuple_GET_ITEM(names, i), "env") == 0) {
            at = count + i;
        }
    }
    if (at < 0 || how->executable >= count || count + named > ARGUMENTS) {
        return NULL;
    }
    PyObject *environment = with_variable(args[how->executable], args[at]);
    if (environment != NULL) {
        memcpy(copy, args, (size_t)(count + named) * sizeof *copy);
        copy[at] = environment;
    }
    return environment;
}

static inline PyObject *
through_keywords(int index, PyObject *self, PyObject *const *args, Py_ssize_t count, PyObject *names)
{
    PyObject *copy[ARGUMENTS];
    PyObject *environment =
        definitions[index] == NULL ? NULL : exchanged(index, args, count, names, copy);
    PyObject *result = ((fast_keywords_function)(void (*)(void))originals[index])(
        self, environment == NULL ? args : copy, count, names);
    Py_XDECREF(environment);
    return result;
}

static inline PyObject *
through_positional(int index, PyObject *self, PyObject *const *args, Py_ssize_t count)
{
    PyObject *copy[ARGUMENTS];
    PyObject *environment =
        definitions[index] == NULL ? NULL : exchanged(index, args, count, NULL, copy);
    PyObject *result = ((fast_function)(void (*)(void))originals[index])(
        self, environment == NULL ? args : copy, count);
    Py_XDECREF(environment);
    return result;
}

static inline PyObject *
through_tuple(int index, PyObject *self, PyObject *args)
{
    PyObject *copy[ARGUMENTS];
    PyObject *environment = definitions[index] == NULL || !PyTuple_Check(args) ? NULL
                                : exchanged(index, PySequence_Fast_ITEMS(args),
                                            PyTuple_GET_SIZE(args), NULL, copy);
    PyObject *tuple = environment == NULL ? NULL : PyTuple_New(PyTuple_GET_SIZE(args));
    for (Py_ssize_t i = 0; tuple != NULL && i < PyTuple_GET_SIZE(args); i++) {
        PyTuple_SET_ITEM(tuple, i, Py_NewRef(copy[i]));
    }
    if (tuple == NULL) {
        PyErr_Clear();
    }
    PyObject *result = originals[index](self, tuple == NULL ? args : tuple);
    Py_XDECREF(tuple);
    Py_XDECREF(environment);
    return result;
}

#define TRAMPOLINES(index)                                                                       \
    static PyObject *keywords_##index(PyObject *self, PyObject *const *args, Py_ssize_t count,   \
                                      PyObject *names)                                           \
    {                                                                                            \
        return through_keywords(index, self, args, count, names);                                \
    }                                                                                            \
    static PyObject *positional_##index(PyObject *self, PyObject *const *args, Py_ssize_t count) \
    {                                                                                            \
        return through_positional(index, self, args, count);                                     \
    }                                                                                            \
    static PyObject *tuple_##index(PyObject *self, PyObject *args)                               \
    {                                                                                            \
        return through_tuple(index, self, args);                                                 \
    }
#define FUNCTION(name) (PyCFunction)(void (*)(void))name
TRAMPOLINES(0)
TRAMPOLINES(1)
TRAMPOLINES(2)
TRAMPOLINES(3)
static const PyCFunction trampolines[COUNT][3] = {
    {FUNCTION(keywords_0), FUNCTION(positional_0), tuple_0},
    {FUNCTION(keywords_1), FUNCTION(positional_1), tuple_1},
    {FUNCTION(keywords_2), FUNCTION(positional_2), tuple_2},
    {FUNCTION(keywords_3), FUNCTION(positional_3), tuple_3},
};

static PyCFunction
trampoline_for(int index, int flags)
{
    switch (flags) {
    case METH_FASTCALL | METH_KEYWORDS:
        return trampolines[index][0];
    case METH_FASTCALL:
        return trampolines[index][1];
    case METH_VARARGS:
        return trampolines[index][2];
    default:
        return NULL;
    }
}

/* The definition behind a builtin; NULL where this platform has none. */
static PyMethodDef *
definition_of(const starter *how)
{
    PyObject *module = PyImport_ImportModule(how->module);
    PyObject *function = module == NULL ? NULL : PyObject_GetAttrString(module, how->name);
    PyMethodDef *definition = function != NULL && PyCFunction_CheckExact(function)
                                  ? ((PyCFunctionObject *)function)->m_ml : NULL;
    Py_XDECREF(function);
    Py_XDECREF(module);
    PyErr_Clear();
    return definition;
}

static void
uninstall(void)
{
    for (int i = 0; i < COUNT; i++) {
        PyMethodDef *definition = definitions[i];
        definitions[i] = NULL;
        if (definition != NULL) {
            builtin_release(definition, trampoline_for(i, definition->ml_flags), originals[i]);
        }
    }
    builtin_identity_release();
}

static int
install(void)
{
    if (builtin_identity_hold() < 0) {
        return -1;
    }
    for (int i = 0; i < COUNT; i++) {
        PyMethodDef *definition = definition_of(&starters[i]);
        PyCFunction trampoline = definition ? trampoline_for(i, definition->ml_flags) : NULL;
        if (trampoline == NULL) {
            PyErr_Format(PyExc_RuntimeError, "this Python's %s is no builtin of a known kind",
                         starters[i].name);
            uninstall();
            return -1;
        }
        if (builtin_claim(definition, trampoline, &originals[i], starters[i].name) < 0) {
            uninstall();
            return -1;
        }
        definitions[i] = definition;
    }
    return 0;
}

static void
visit_slots(slot_visitor visit, void *context)
{
    for (int i = 0; i < COUNT; i++) {
        PyMethodDef *definition = definition_of(&starters[i]);
        if (definition != NULL) {
            visit(starters[i].name, (void *)definition->ml_meth, context);
        }
    }
}

static probe environments_probe = {"child-environments", install, uninstall, visit_slots, false, NULL};
REGISTER_PROBE(environments_probe)

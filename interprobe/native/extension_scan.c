/* Decides which functions of which modules are watched, and finds them in modules and classes.
 *
 * Dictionaries are read, attributes are not asked for: no Python code of the program runs here, and a
 * module that makes its attributes when they are asked for stays as lazy as it is.
 */
#include "extension_functions.h"

#include "address_map.h"
#include "places.h"

#include <string.h>

enum { DEPTH = 6 }; /* of classes in classes and submodules in submodules */

static address_map scanned_modules; /* dictionary of a module -> its size then + 1 */
static address_map scanned_types;   /* types of the scan that is under way, or of earlier ones */
static PyObject *kept;              /* list: what the two maps know by address must not die */

/* Cython fills in a class's methods after it has made the class: while a module's own code runs, its
 * classes are remembered for this one scan alone. */
static bool is_passing;
static address_map passing_types;

static void scan_members(PyObject *dictionary, found_in where, int depth);

static const char *
text_or_null(PyObject *text)
{
    const char *utf8 = text != NULL && PyUnicode_Check(text) ? PyUnicode_AsUTF8(text) : NULL;
    if (utf8 == NULL) {
        PyErr_Clear();
    }
    return utf8;
}

static const char *
text_in(PyObject *dictionary, const char *key)
{
    PyObject *name = PyUnicode_InternFromString(key);
    PyObject *text = name == NULL ? NULL : PyDict_GetItemWithError(dictionary, name);
    Py_XDECREF(name);
    return text_or_null(text);
}

static bool
ends_with(const char *text, const char *end)
{
    size_t length = strlen(text), wanted = strlen(end);
    return length >= wanted && strcmp(text + length - wanted, end) == 0;
}

static bool
remember(address_map *map, PyObject *object, uint64_t value)
{
    if (kept == NULL) {
        kept = PyList_New(0);
    }
    bool is_new = address_map_get(map, (uintptr_t)object) == 0;
    bool done = kept != NULL && (!is_new || PyList_Append(kept, object) == 0) &&
                address_map_set(map, (uintptr_t)object, value);
    PyErr_Clear();
    return done;
}

void
extension_scan_forget(void)
{
    address_map_clear(&scanned_modules);
    address_map_clear(&scanned_types);
    Py_CLEAR(kept);
}

/* The name of the extension module that a library is, or NULL. */
static const char *
module_of(native_library *library)
{
    PyObject *modules = PyImport_GetModuleDict();
    if (library->module != NULL || modules == NULL ||
        library->modules_then == (int64_t)PyDict_GET_SIZE(modules)) {
        return library->module;
    }
    library->modules_then = (int64_t)PyDict_GET_SIZE(modules);
    PyObject *key, *module;
    Py_ssize_t position = 0;
    while (PyDict_Next(modules, &position, &key, &module)) {
        if (!PyModule_Check(module)) {
            continue;
        }
        const char *file = text_in(PyModule_GetDict(module), "__file__");
        const char *name = text_or_null(key);
        if (file != NULL && name != NULL && strcmp(file, library->path) == 0) {
            library->module = strdup(name);
            break;
        }
    }
    return library->module;
}

bool
extension_scan_may_watch(native_library *library, const found_in *where)
{
    if (library == NULL) {
        return false;
    }
    bool own_file = where->file != NULL && strcmp(library->path, where->file) == 0;
    if (own_file && libraries_boundary(where->module)) {
        return true;
    }
    if (library_is_never_watched(library)) {
        return false;
    }
    const char *owner = own_file ? where->module : module_of(library);
    if (owner != NULL && libraries_left_alone(owner)) {
        return false;
    }
    /* What an extension module has imported from another one is the other's. */
    return where->file == NULL || own_file || owner == NULL;
}

static bool
named_as(PyObject *type, const char *name)
{
    return strcmp(((PyTypeObject *)type)->tp_name, name) == 0;
}

/* The function inside a staticmethod, a classmethod or an instancemethod: a new reference. */
static PyObject *
unwrapped(PyObject *object)
{
    PyTypeObject *type = Py_TYPE(object);
    if (type == &PyInstanceMethod_Type) {
        return Py_XNewRef(PyInstanceMethod_GET_FUNCTION(object));
    }
    if (type == &PyStaticMethod_Type || type == &PyClassMethod_Type ||
        named_as((PyObject *)type, "nanobind.nb_static_method")) {
        PyObject *inner = PyObject_GetAttrString(object, "__func__");
        PyErr_Clear();
        return inner;
    }
    return Py_NewRef(object);
}

static PyObject *
dictionary_of(PyTypeObject *type)
{
#if PY_VERSION_HEX >= 0x030C0000
    return PyType_GetDict(type);
#else
    return Py_XNewRef(type->tp_dict);
#endif
}

/* Remembers a type; false where it is to be passed over. */
static bool
is_new_type(PyObject *type)
{
    if (address_map_get(&scanned_types, (uintptr_t)type) != 0) {
        return false;
    }
    if (is_passing) {
        return address_map_get(&passing_types, (uintptr_t)type) == 0 &&
               address_map_set(&passing_types, (uintptr_t)type, 1);
    }
    return remember(&scanned_types, type, 1);
}

static void
scan_type(PyTypeObject *type, found_in where, int depth)
{
    /* A base class may be in no module's dictionary. */
    PyObject *order = Py_XNewRef(type->tp_mro);
    for (Py_ssize_t i = 0; order != NULL && i < PyTuple_GET_SIZE(order); i++) {
        PyTypeObject *each = (PyTypeObject *)PyTuple_GET_ITEM(order, i);
        if (!PyType_Check((PyObject *)each) || !is_new_type((PyObject *)each)) {
            continue;
        }
        PyObject *dictionary = dictionary_of(each);
        found_in here = where;
        here.type = each;
        if (dictionary != NULL) {
            scan_members(dictionary, here, depth + 1);
        }
        Py_XDECREF(dictionary);
    }
    Py_XDECREF(order);
}

/* Whether SWIG made an extension module, as its first function shows. */
static bool
is_made_by_swig(PyObject *module)
{
    PyObject *key, *value;
    Py_ssize_t position = 0;
    while (PyDict_Next(PyModule_GetDict(module), &position, &key, &value)) {
        if (PyCFunction_CheckExact(value)) {
            PyMethodDef *definition = ((PyCFunctionObject *)value)->m_ml;
            native_library *library = library_at((const void *)definition->ml_meth);
            return library != NULL && strcmp(library_toolkit(library), "SWIG") == 0;
        }
    }
    return false;
}

/* Whether a module is the extension behind the proxies that a program imports: what areas.py defines
 * passes on to the functions of _areas, which no program names. */
static bool
is_behind_proxies(PyObject *module, const found_in *where)
{
    if (where->file != NULL || where->type != NULL) {
        return false;
    }
    const char *last = strrchr(where->module, '.');
    last = last == NULL ? where->module : last + 1;
    return where->name[0] == '_' && strcmp(where->name + 1, last) == 0 &&
           text_in(PyModule_GetDict(module), "__file__") != NULL && is_made_by_swig(module);
}

/* Whether a module found in an extension module is a part of that one, which made it: a submodule that
 * has no file of its own, or the very same. Then it is where its functions are found; as its name is
 * longer than that of what it is in, modules that hold one another end. */
static bool
is_part(PyObject *module, found_in *where)
{
    PyObject *dictionary = PyModule_GetDict(module);
    const char *name = text_in(dictionary, "__name__");
    const char *file = text_in(dictionary, "__file__");
    size_t length = strlen(where->module);
    if (where->file == NULL || where->type != NULL || name == NULL ||
        strncmp(name, where->module, length) != 0 || name[length] != '.' ||
        (file != NULL && strcmp(file, where->file) != 0) || libraries_left_alone(name)) {
        return false;
    }
    where->module = name;
    return true;
}

static void
scan_object(PyObject *object, found_in where, int depth)
{
    if (PyType_Check(object)) {
        if (depth < DEPTH) {
            scan_type((PyTypeObject *)object, where, depth);
        }
        return;
    }
    if (PyModule_Check(object)) {
        if (is_behind_proxies(object, &where)) {
            extension_scan_module(object);
            return;
        }
        if (is_part(object, &where) && depth < DEPTH) {
            scan_members(PyModule_GetDict(object), where, depth + 1);
        }
        return;
    }
    PyObject *function = unwrapped(object);
    where.bound_late = Py_IS_TYPE(object, &PyInstanceMethod_Type);
    where.is_static = function != object && !where.bound_late &&
                      !Py_IS_TYPE(object, &PyClassMethod_Type);
    if (function != NULL) {
        extension_function_watch(function, &where);
    }
    Py_XDECREF(function);
}

static void
scan_members(PyObject *dictionary, found_in where, int depth)
{
    /* A copy: letting go of objects below may change the dictionary. */
    PyObject *copy = PyDict_CheckExact(dictionary) ? PyDict_Copy(dictionary) : NULL;
    PyObject *key, *value;
    Py_ssize_t position = 0;
    while (copy != NULL && PyDict_Next(copy, &position, &key, &value)) {
        where.name = text_or_null(key);
        if (where.name != NULL) {
            scan_object(value, where, depth);
        }
    }
    Py_XDECREF(copy);
    PyErr_Clear();
}

/* Fills in what is known of a module; false where it is none that can be looked into. */
static bool
describe(PyObject *module, found_in *where)
{
    if (!PyModule_Check(module)) {
        return false;
    }
    PyObject *dictionary = PyModule_GetDict(module);
    const char *file = text_in(dictionary, "__file__");
    *where = (found_in){.module = text_in(dictionary, "__name__")};
    where->file = file != NULL && ends_with(file, ".so") ? file : NULL;
    return where->module != NULL && !libraries_left_alone(where->module);
}

/* Whether a module's code is still running. */
static bool
is_incomplete(PyObject *module)
{
    PyObject *dictionary = PyModule_GetDict(module);
    PyObject *name = PyUnicode_InternFromString("__spec__");
    PyObject *flag = PyUnicode_InternFromString("_initializing");
    PyObject *spec = name == NULL ? NULL : PyDict_GetItemWithError(dictionary, name);
    PyObject *value = NULL;
    if (spec != NULL && flag != NULL && Py_TYPE(spec)->tp_getattro == PyObject_GenericGetAttr) {
        value = _PyObject_GenericGetAttrWithDict(spec, flag, NULL, 1);
    }
    bool incomplete = value == Py_True;
    Py_XDECREF(value);
    Py_XDECREF(flag);
    Py_XDECREF(name);
    PyErr_Clear();
    return incomplete;
}

/* Returns whether the module's own code has ended: else there will be more to see. */
static bool
scan_module(PyObject *module)
{
    found_in where;
    if (!describe(module, &where)) {
        return true;
    }
    PyObject *dictionary = PyModule_GetDict(module);
    uint64_t size = (uint64_t)PyDict_GET_SIZE(dictionary) + 1;
    if (address_map_get(&scanned_modules, (uintptr_t)dictionary) == size) {
        return true;
    }
    Py_INCREF(module);
    bool complete = !is_incomplete(module), was_passing = is_passing;
    is_passing = was_passing || !complete;
    if (complete) {
        remember(&scanned_modules, dictionary, size);
    }
    scan_members(dictionary, where, 0);
    is_passing = was_passing;
    if (!is_passing) {
        address_map_clear(&passing_types);
    }
    Py_DECREF(module);
    return complete;
}

void
extension_scan_module(PyObject *module)
{
    scan_module(module);
}

void
extension_scan_object(PyObject *module, PyObject *name, PyObject *object)
{
    found_in where;
    if (PyModule_Check(object)) {
        extension_scan_module(object);
        return;
    }
    if (!describe(module, &where) || (where.name = text_or_null(name)) == NULL) {
        return;
    }
    where.file = NULL; /* imported by its own name: whoever made it */
    scan_object(object, where, 0);
}

static PyObject *
loaded_module(PyObject *name)
{
    PyObject *module = PyDict_GetItemWithError(PyImport_GetModuleDict(), name);
    PyErr_Clear();
    return module != NULL && PyModule_Check(module) ? module : NULL;
}

/* from `module` import `name` */
static bool
scan_imported(PyObject *module, PyObject *module_name, PyObject *name)
{
    PyObject *value = PyDict_GetItemWithError(PyModule_GetDict(module), name);
    if (value == NULL) {
        PyObject *full = PyUnicode_FromFormat("%U.%U", module_name, name);
        value = full == NULL ? NULL : loaded_module(full);
        Py_XDECREF(full);
    }
    PyErr_Clear();
    if (value == NULL) {
        return !is_incomplete(module);
    }
    Py_INCREF(value);
    extension_scan_object(module, name, value);
    bool complete = !PyModule_Check(value) || !is_incomplete(value);
    Py_DECREF(value);
    return complete;
}

bool
extension_scan_statement(PyObject *name, PyObject *names)
{
    bool by_name = names != NULL && PyTuple_Check(names) && PyTuple_GET_SIZE(names) > 0;
    PyObject *module = loaded_module(name);
    bool complete = module != NULL && !is_incomplete(module);
    if (!by_name) {
        /* import a.b.c names a and a.b as well. */
        Py_ssize_t length = PyUnicode_GET_LENGTH(name);
        for (Py_ssize_t end = 1; end <= length; end++) {
            if (end < length && PyUnicode_READ_CHAR(name, end) != '.') {
                continue;
            }
            PyObject *part = PyUnicode_Substring(name, 0, end);
            PyObject *each = part == NULL ? NULL : loaded_module(part);
            if (each != NULL) {
                extension_scan_module(each);
            }
            Py_XDECREF(part);
        }
        PyErr_Clear();
        return complete;
    }
    found_in where;
    if (module == NULL || !describe(module, &where)) {
        return module != NULL;
    }
    Py_INCREF(module);
    if (where.file != NULL) {
        extension_scan_module(module);
    }
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(names); i++) {
        PyObject *each = PyTuple_GET_ITEM(names, i);
        if (!PyUnicode_Check(each)) {
            continue;
        }
        if (PyUnicode_CompareWithASCIIString(each, "*") == 0) {
            extension_scan_module(module);
        } else {
            complete &= scan_imported(module, name, each);
        }
    }
    Py_DECREF(module);
    return complete;
}

/* Calls `visit` for every module that is loaded. */
static void
each_module(void (*visit)(const char *name, PyObject *module))
{
    PyObject *copy = PyDict_Copy(PyImport_GetModuleDict());
    PyObject *key, *module;
    Py_ssize_t position = 0;
    while (copy != NULL && PyDict_Next(copy, &position, &key, &module)) {
        const char *name = text_or_null(key);
        if (name != NULL && PyModule_Check(module)) {
            visit(name, module);
        }
    }
    Py_XDECREF(copy);
    PyErr_Clear();
}

static void
visit_loaded(const char *name, PyObject *module)
{
    PyObject *dictionary = PyModule_GetDict(module);
    const char *file = text_in(dictionary, "__file__");
    bool is_main = strcmp(name, "__main__") == 0;
    if (!is_main && (file == NULL || ownership_of(file) != OWNED_BY_USER)) {
        return;
    }
    if (file != NULL && ends_with(file, ".so")) {
        extension_scan_module(module);
        return;
    }
    PyObject *copy = PyDict_Copy(dictionary);
    PyObject *key, *value;
    Py_ssize_t position = 0;
    while (copy != NULL && PyDict_Next(copy, &position, &key, &value)) {
        if (PyUnicode_Check(key)) {
            extension_scan_object(module, key, value);
        }
    }
    Py_XDECREF(copy);
    PyErr_Clear();
}

void
extension_scan_loaded(void)
{
    each_module(visit_loaded);
}

static bool boundary_is_complete;

static void
visit_boundary(const char *name, PyObject *module)
{
    if (libraries_boundary(name) && !scan_module(module)) {
        boundary_is_complete = false;
    }
}

bool
extension_scan_boundary(void)
{
    boundary_is_complete = true;
    each_module(visit_boundary);
    return boundary_is_complete;
}

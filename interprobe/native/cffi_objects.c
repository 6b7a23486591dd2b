/* Follows cffi's objects to arrays, and reads cffi's declarations.
 *
 * Only ffi.from_buffer(x) holds its array. A pointer made by ffi.cast holds nothing: its address is
 * looked up among those that were given away, and so are the first pointers in memory that ffi.new
 * made. What kind of C type an object has is asked of cffi once per type.
 */
#include "cffi_objects.h"
#include "readable_memory.h"

#include "address_map.h"
#include "numpy_api.h"

#include <string.h>

#define TYPES_KEPT 4096
#define WORDS_SCANNED 16 /* pointer-sized words of an argument's memory */
#define DEPTH 4

/* What every CData object begins with. Checked when cffi arrives. */
typedef struct {
    PyObject_HEAD
    PyObject *c_type;
    char *c_data;
} cdata_object;

static PyTypeObject *base_type;   /* borrowed, as the others: static types of _cffi_backend */
static PyTypeObject *buffer_type; /* CData that ffi.from_buffer makes */
static PyTypeObject *owner_type;  /* CData that ffi.new makes: it owns its memory */
static PyTypeObject *described_type; /* cffi's C types */
static address_map known;         /* C type object -> cffi_type */

char *
cffi_address(PyObject *object)
{
    return ((cdata_object *)object)->c_data;
}

static inline bool
is_cdata(PyObject *object)
{
    return base_type != NULL && (Py_IS_TYPE(object, base_type) ||
                                 PyType_IsSubtype(Py_TYPE(object), base_type));
}

Py_ssize_t
cffi_number_of(PyObject *object, const char *name)
{
    PyObject *value = PyObject_GetAttrString(object, name);
    Py_ssize_t number = value != NULL && PyLong_Check(value) ? PyLong_AsSsize_t(value) : -1;
    Py_XDECREF(value);
    PyErr_Clear();
    return number;
}

static enum cffi_kind
kind_named(const char *kind)
{
    static const struct {
        const char *name;
        enum cffi_kind kind;
    } kinds[] = {{"primitive", CFFI_INTEGER}, {"enum", CFFI_INTEGER},  {"pointer", CFFI_POINTER},
                 {"array", CFFI_ARRAY},       {"struct", CFFI_RECORD}, {"union", CFFI_RECORD},
                 {"function", CFFI_FUNCTION}};
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        if (strcmp(kind, kinds[i].name) == 0) {
            return kinds[i].kind;
        }
    }
    return CFFI_OTHER;
}

/* Whether a primitive type is an integer, and its size, from its name: those of 64-bit Linux. */
static bool
learn_integer(cffi_type *type)
{
    static const struct {
        const char *name;
        signed char size; /* below 0: signed */
    } integers[] = {
        {"short", -2}, {"unsigned short", 2}, {"int", -4}, {"unsigned int", 4}, {"long", -8},
        {"unsigned long", 8}, {"long long", -8}, {"unsigned long long", 8}, {"int16_t", -2},
        {"uint16_t", 2}, {"int32_t", -4}, {"uint32_t", 4}, {"int64_t", -8}, {"uint64_t", 8},
        {"size_t", 8}, {"ssize_t", -8}, {"intptr_t", -8}, {"uintptr_t", 8}, {"ptrdiff_t", -8},
    };
    for (size_t i = 0; i < sizeof integers / sizeof integers[0]; i++) {
        if (strcmp(type->name, integers[i].name) == 0) {
            type->is_signed = integers[i].size < 0;
            type->size = integers[i].size < 0 ? -integers[i].size : integers[i].size;
            return true;
        }
    }
    return false;
}

static Py_ssize_t
size_of_type(PyObject *type)
{
    /* A type has no attribute for its size. */
    PyObject *backend = PyImport_ImportModule("_cffi_backend");
    PyObject *size = backend == NULL ? NULL : PyObject_CallMethod(backend, "sizeof", "O", type);
    Py_ssize_t number = size == NULL ? -1 : PyLong_AsSsize_t(size);
    Py_XDECREF(size);
    Py_XDECREF(backend);
    PyErr_Clear();
    return number;
}

static const cffi_type *describe(PyObject *object, int depth);

static void
learn_item(cffi_type *type, int depth)
{
    PyObject *item = PyObject_GetAttrString(type->object, "item");
    PyErr_Clear();
    type->item = item == NULL ? NULL : describe(item, depth - 1);
    Py_XDECREF(item); /* the type keeps it */
    Py_ssize_t length = type->kind == CFFI_ARRAY ? cffi_number_of(type->object, "length") : -1;
    if (type->kind == CFFI_POINTER) {
        type->size = sizeof(void *);
    } else if (length >= 0 && type->item != NULL && type->item->size > 0) {
        type->size = length * type->item->size;
    }
}

static const cffi_type *
describe(PyObject *object, int depth)
{
    const cffi_type *found =
        (const cffi_type *)(uintptr_t)address_map_get(&known, (uintptr_t)object);
    if (found != NULL || depth == 0 || known.used >= TYPES_KEPT) {
        return found;
    }
    PyObject *kind = PyObject_GetAttrString(object, "kind");
    PyObject *name = kind == NULL ? NULL : PyObject_GetAttrString(object, "cname");
    const char *word = kind != NULL && PyUnicode_Check(kind) ? PyUnicode_AsUTF8(kind) : NULL;
    const char *text = name != NULL && PyUnicode_Check(name) ? PyUnicode_AsUTF8(name) : NULL;
    cffi_type *type = word == NULL || text == NULL ? NULL : calloc(1, sizeof *type);
    char *own_name = type == NULL ? NULL : strdup(text);
    if (own_name != NULL && address_map_set(&known, (uintptr_t)object, (uintptr_t)type)) {
        *type = (cffi_type){.object = Py_NewRef(object), .name = own_name,
                            .kind = kind_named(word), .size = -1};
        if (type->kind == CFFI_INTEGER && !learn_integer(type)) {
            type->kind = CFFI_OTHER;
            type->size = strcmp(text, "void") == 0 ? -1 : size_of_type(object);
        } else if (type->kind == CFFI_POINTER || type->kind == CFFI_ARRAY) {
            learn_item(type, depth);
        } else if (type->kind == CFFI_RECORD) {
            type->size = size_of_type(object);
        }
    } else {
        free(own_name);
        free(type);
        type = NULL;
    }
    Py_XDECREF(name);
    Py_XDECREF(kind);
    PyErr_Clear();
    return type;
}

const cffi_type *
cffi_type_described(PyObject *type)
{
    return described_type != NULL && Py_IS_TYPE(type, described_type) ? describe(type, DEPTH) : NULL;
}

const cffi_type *
cffi_type_of(PyObject *object)
{
    if (!is_cdata(object)) {
        return NULL;
    }
    PyObject *type = ((cdata_object *)object)->c_type;
    const cffi_type *found = (const cffi_type *)(uintptr_t)address_map_get(&known, (uintptr_t)type);
    if (found != NULL) {
        return found;
    }
    PyObject *error_type, *value, *traceback;
    PyErr_Fetch(&error_type, &value, &traceback);
    found = cffi_type_described(type);
    PyErr_Restore(error_type, value, traceback);
    return found;
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

PyObject *
cffi_pointing_at(PyObject *argument, PyArrayObject *array)
{
    char *data = PyArray_DATA(array);
    if (PyLong_CheckExact(argument)) {
        return PyLong_FromVoidPtr(data);
    }
    const cffi_type *type = cffi_type_of(argument);
    PyObject *backend = PyImport_ImportModule("_cffi_backend");
    PyObject *pointer = NULL;
    if (backend != NULL && type != NULL && type->kind == CFFI_POINTER) {
        unsigned long long address = (uintptr_t)data;
        pointer = PyObject_CallMethod(backend, "cast", "OK", type->object, address);
    } else if (backend != NULL && type != NULL && type->kind == CFFI_ARRAY) {
        pointer = PyObject_CallMethod(backend, "from_buffer", "OO", type->object, array);
    }
    Py_XDECREF(backend);
    return pointer;
}

PyObject *
cffi_integer_like(PyObject *argument, int64_t value)
{
    if (PyLong_CheckExact(argument)) {
        return PyLong_FromLongLong(value);
    }
    const cffi_type *type = cffi_type_of(argument);
    PyObject *backend = PyImport_ImportModule("_cffi_backend");
    PyObject *made = NULL;
    if (backend != NULL && type != NULL) {
        made = PyObject_CallMethod(backend, "cast", "OL", type->object, (long long)value);
    }
    Py_XDECREF(backend);
    return made;
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

uintptr_t
cffi_address_of(PyObject *argument)
{
    const cffi_type *type = cffi_type_of(argument);
    bool points = type != NULL && (type->kind == CFFI_POINTER || type->kind == CFFI_ARRAY);
    return points ? (uintptr_t)cffi_address(argument) : 0;
}

/* The memory of an object that owns it, as ffi.new makes them; NULL where there is none. */
static const char *
owned_memory(PyObject *object, const cffi_type *type, Py_ssize_t *size)
{
    if (owner_type == NULL || !Py_IS_TYPE(object, owner_type)) {
        return NULL;
    }
    if (type->kind == CFFI_POINTER) {
        *size = type->item == NULL ? -1 : type->item->size;
    } else if (type->kind == CFFI_ARRAY && type->size < 0 && type->item != NULL) {
        Py_ssize_t length = PyObject_Size(object); /* cffi's own: it reads a number */
        PyErr_Clear();
        *size = length < 0 || type->item->size < 0 ? -1 : length * type->item->size;
    } else {
        *size = type->kind == CFFI_ARRAY ? type->size : -1;
    }
    /* What it points to may have been released. */
    bool there = *size > 0 && memory_is_readable(cffi_address(object), (uint64_t)*size);
    return there ? cffi_address(object) : NULL;
}

int
cffi_layouts_behind(PyObject *argument, pointed_layout *out, int room)
{
    uintptr_t address = 0;
    const cffi_type *type = NULL;
    if (PyLong_CheckExact(argument)) {
        int overflow;
        long long number = PyLong_AsLongLongAndOverflow(argument, &overflow);
        address = overflow || number < 0 ? 0 : (uintptr_t)number;
    } else if ((type = cffi_type_of(argument)) != NULL) {
        bool points = type->kind == CFFI_POINTER || type->kind == CFFI_ARRAY;
        address = points ? (uintptr_t)cffi_address(argument) : 0;
    }
    if (room > 0 && address != 0 && addresses_find(address, ADDRESS_INTERIOR, &out->kept)) {
        out->offset = -1;
        return 1;
    }
    Py_ssize_t size = 0;
    const char *memory = type == NULL ? NULL : owned_memory(argument, type, &size);
    int found = 0;
    for (Py_ssize_t at = 0; memory != NULL && at + (Py_ssize_t)sizeof address <= size &&
                            at < WORDS_SCANNED * (Py_ssize_t)sizeof address && found < room;
         at += sizeof address) {
        memcpy(&address, memory + at, sizeof address);
        if (addresses_find(address, ADDRESS_EXACT, &out[found].kept)) {
            out[found++].offset = (int)at;
        }
    }
    return found;
}

void
cffi_integers_behind(PyObject *argument, call_integers *out)
{
    if (integers_add_number(out, argument)) {
        return;
    }
    const cffi_type *type = cffi_type_of(argument);
    if (type == NULL) {
        return;
    }
    const char *address = cffi_address(argument);
    Py_ssize_t size = 0;
    if (type->kind == CFFI_INTEGER) {
        integers_add_at(out, address, type->size, type->is_signed, BY_VALUE);
        return;
    }
    if (type->kind != CFFI_POINTER && type->kind != CFFI_ARRAY) {
        return;
    }
    const char *memory = owned_memory(argument, type, &size);
    if (memory == NULL) {
        bool holds = buffer_type != NULL && Py_IS_TYPE(argument, buffer_type);
        out->opaque |= address != NULL && !holds;
        return;
    }
    if (type->item->kind == CFFI_INTEGER) {
        Py_ssize_t count = size / type->item->size;
        for (Py_ssize_t i = 0; i < count && i < WORDS_SCANNED; i++) {
            integers_add_at(out, memory + i * type->item->size, type->item->size,
                            type->item->is_signed, count == 1 ? BY_POINTER : IN_A_ROW);
        }
    } else {
        integers_add_words(out, memory, size);
    }
}

static void name_in_type(const cffi_type *type, Py_ssize_t offset, call_argument *out, int depth);

static void
append_name(call_argument *out, const char *format, const char *text, Py_ssize_t number)
{
    size_t used = strlen(out->member);
    PyOS_snprintf(out->member + used, sizeof out->member - used, format, text, (long)number);
}

static void
name_in_record(const cffi_type *type, Py_ssize_t offset, call_argument *out, int depth)
{
    PyObject *fields = PyObject_GetAttrString(type->object, "fields");
    for (Py_ssize_t i = 0; fields != NULL && PyList_Check(fields) && i < PyList_GET_SIZE(fields); i++) {
        PyObject *pair = PyList_GET_ITEM(fields, i);
        if (!PyTuple_Check(pair) || PyTuple_GET_SIZE(pair) != 2) {
            continue;
        }
        PyObject *field = PyTuple_GET_ITEM(pair, 1);
        const char *name = PyUnicode_AsUTF8(PyTuple_GET_ITEM(pair, 0));
        Py_ssize_t start = cffi_number_of(field, "offset");
        PyObject *its = PyObject_GetAttrString(field, "type");
        const cffi_type *member = its == NULL ? NULL : cffi_type_described(its);
        Py_XDECREF(its); /* the record's type keeps it */
        if (name != NULL && member != NULL && start >= 0 && offset >= start &&
            offset < start + (member->size > 0 ? member->size : 1)) {
            append_name(out, ".%s", name, 0);
            name_in_type(member, offset - start, out, depth - 1);
            break;
        }
    }
    Py_XDECREF(fields);
    PyErr_Clear();
}

static void
name_in_type(const cffi_type *type, Py_ssize_t offset, call_argument *out, int depth)
{
    out->declared = type->name;
    if (depth == 0) {
        return;
    }
    if (type->kind == CFFI_RECORD) {
        name_in_record(type, offset, out, depth);
    } else if (type->kind == CFFI_ARRAY && type->item != NULL && type->item->size > 0) {
        append_name(out, "%s[%ld]", "", offset / type->item->size);
        name_in_type(type->item, offset % type->item->size, out, depth - 1);
    }
}

/* Whether a pointer says that any type may lie behind it. */
static bool
is_raw(const cffi_type *type)
{
    return type->kind == CFFI_POINTER && type->item != NULL &&
           (strcmp(type->item->name, "void") == 0 || strstr(type->item->name, "char") != NULL);
}

void
cffi_declare(call_event *event, PyObject *function_type, PyObject *const *given)
{
    PyObject *parameters =
        function_type == NULL ? NULL : PyObject_GetAttrString(function_type, "args");
    bool known_parameters = parameters != NULL && PyTuple_Check(parameters);
    for (int i = 0; i < event->argument_count; i++) {
        call_argument *argument = (call_argument *)&event->arguments[i];
        const cffi_type *type = cffi_type_of(given[argument->position]);
        if (argument->offset >= 0) {
            if (type != NULL && type->kind == CFFI_POINTER && type->item != NULL) {
                name_in_type(type->item, argument->offset, argument, DEPTH);
            } else if (type != NULL) {
                name_in_type(type, argument->offset, argument, DEPTH);
            }
            continue;
        }
        const cffi_type *declared = NULL;
        if (known_parameters && argument->position < PyTuple_GET_SIZE(parameters)) {
            declared = cffi_type_described(PyTuple_GET_ITEM(parameters, argument->position));
        }
        /* A typed pointer says more than the raw one that the function takes. */
        bool says_more = type != NULL && type->kind == CFFI_POINTER && !is_raw(type);
        if (declared == NULL || (is_raw(declared) && says_more)) {
            declared = type;
        }
        argument->declared = declared == NULL ? NULL : declared->name;
    }
    Py_XDECREF(parameters);
    PyErr_Clear();
}

/* FFI().cast("void *", 0x1234) has that address and its type where they are expected. */
static bool
objects_are_as_expected(PyObject *backend)
{
    PyObject *type = PyObject_GetAttrString(backend, "FFI");
    PyObject *ffi = type == NULL ? NULL : PyObject_CallNoArgs(type);
    PyObject *pointer = ffi == NULL ? NULL : PyObject_CallMethod(ffi, "cast", "si", "void *", 0x1234);
    bool same = pointer != NULL && ((cdata_object *)pointer)->c_data == (char *)0x1234;
    PyObject *described = !same ? NULL : PyObject_CallMethod(backend, "typeof", "O", pointer);
    same = described != NULL && ((cdata_object *)pointer)->c_type == described;
    if (same) {
        described_type = Py_TYPE(described);
    }
    Py_XDECREF(described);
    Py_XDECREF(pointer);
    Py_XDECREF(ffi);
    Py_XDECREF(type);
    PyErr_Clear();
    return same;
}

static void
collect_types(PyTypeObject *type)
{
    if (strcmp(type->tp_name, "_cffi_backend.__CDataFromBuf") == 0) {
        buffer_type = type;
    } else if (strcmp(type->tp_name, "_cffi_backend.__CDataOwn") == 0) {
        owner_type = type;
    }
    PyObject *subclasses = PyObject_CallMethod((PyObject *)type, "__subclasses__", NULL);
    for (Py_ssize_t i = 0; subclasses != NULL && i < PyList_GET_SIZE(subclasses); i++) {
        collect_types((PyTypeObject *)PyList_GET_ITEM(subclasses, i));
    }
    Py_XDECREF(subclasses);
    PyErr_Clear();
}

bool
cffi_objects_arrive(PyObject *backend, PyTypeObject *base)
{
    if (!objects_are_as_expected(backend)) {
        return false;
    }
    collect_types(base);
    base_type = base;
    return true;
}

void
cffi_objects_forget(void)
{
    address_map gone = known;
    known = (address_map){NULL, 0, 0};
    base_type = NULL;
    for (uint32_t i = 0; i < gone.size; i++) {
        cffi_type *type = (cffi_type *)(uintptr_t)gone.pairs[i].value;
        if (type != NULL) {
            Py_DECREF(type->object);
            free((char *)type->name);
            free(type);
        }
    }
    address_map_clear(&gone);
}

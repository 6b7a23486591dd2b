/* Follows ctypes objects to arrays.
 *
 * Live arrays come first: an ndarray itself, x.ctypes and the pointer of x.ctypes.data_as(...), which
 * hold it in `_arr`, and what ctypes keeps alive for its own sake (from_buffer, cast, pointer). An
 * integer, a c_void_p and the like hold nothing: those are looked up among the addresses that were
 * given away, as are the first pointers in the memory of structures and arrays of pointers.
 */
#include "ctypes_objects.h"

#include <stddef.h>
#include <structmember.h> /* PyMemberDef, before CPython 3.12 */
#include <string.h>

#define KEEPERS_FOLLOWED 16 /* objects that one ctypes object keeps alive */
#define KEEPER_DEPTH 4
#define MEMBERS_SCANNED 16  /* pointer-sized words of an argument's memory */

/* What every ctypes object is; checked when initialised. */
typedef struct ctypes_object {
    PyObject_HEAD
    char *value;
    int owns_value; /* or memory of its own that lives as long as it does */
    struct ctypes_object *base; /* the object whose memory this one lies in, or NULL */
    Py_ssize_t size; /* bytes at `value` */
    Py_ssize_t length;
    Py_ssize_t index;
    PyObject *objects; /* what it keeps alive: an object, or a dict of them, or NULL */
} ctypes_object;

static PyTypeObject *metatypes[5]; /* of the kinds SIMPLE, POINTER, ARRAY, Structure, Union */
static PyTypeObject *reference_type; /* of what byref() returns */
static Py_ssize_t reference_address, reference_object; /* offsets in such */
static PyObject *size_of; /* ctypes.sizeof */
static PyObject *name_arr, *name_as_parameter, *name_type;
static PyTypeObject *function_meta; /* of what calls C, or is called back by it */

ctypes_kind
ctypes_kind_of(PyTypeObject *type)
{
    static const ctypes_kind kinds[] = {SIMPLE, POINTER, ARRAY, RECORD, RECORD};
    PyTypeObject *meta = Py_TYPE(type);
    if (meta == &PyType_Type) {
        return NOT_CTYPES;
    }
    for (int i = 0; i < 5; i++) {
        if (meta == metatypes[i]) {
            return kinds[i];
        }
    }
    for (int i = 0; i < 5; i++) {
        if (PyType_IsSubtype(meta, metatypes[i])) {
            return kinds[i];
        }
    }
    return NOT_CTYPES;
}

char *
ctypes_value(PyObject *object)
{
    return ((ctypes_object *)object)->value;
}

static inline uintptr_t
word_at(const char *memory)
{
    uintptr_t word;
    memcpy(&word, memory, sizeof word);
    return word;
}

PyObject *
ctypes_plain_attribute(PyObject *object, PyObject *name)
{
    PyTypeObject *type = Py_TYPE(object);
    if (type->tp_getattro != PyObject_GenericGetAttr) {
        return NULL;
    }
    PyObject *in_type = _PyType_Lookup(type, name);
    if (in_type != NULL && Py_TYPE(in_type)->tp_descr_get != NULL &&
        !Py_IS_TYPE(in_type, &PyMemberDescr_Type) && !Py_IS_TYPE(in_type, &PyGetSetDescr_Type)) {
        return NULL;
    }
    return _PyObject_GenericGetAttrWithDict(object, name, NULL, 1);
}

static PyArrayObject *
array_attribute(PyObject *object, PyObject *name)
{
    PyObject *value = ctypes_plain_attribute(object, name);
    if (value != NULL && !PyArray_Check(value)) {
        Py_CLEAR(value);
    }
    return (PyArrayObject *)value;
}

static bool
lies_in(uintptr_t address, PyArrayObject *array)
{
    layout is;
    const char *low, *high;
    layout_read(&is, array);
    layout_extent(&is, &low, &high);
    return is.nbytes > 0 && address >= (uintptr_t)low && address < (uintptr_t)high;
}

/* The array around `address` among what is kept alive: a new reference, or NULL. */
static PyArrayObject *
kept_array(PyObject *keeper, uintptr_t address, int depth)
{
    if (keeper == NULL || depth == 0) {
        return NULL;
    }
    if (PyMemoryView_Check(keeper)) {
        /* The managed buffer's own view loses its object on release; the memoryview's does not. */
        keeper = ((PyMemoryViewObject *)keeper)->mbuf->master.obj;
        if (keeper == NULL) {
            return NULL;
        }
    }
    if (PyArray_Check(keeper)) {
        bool within = lies_in(address, (PyArrayObject *)keeper);
        return within ? (PyArrayObject *)Py_NewRef(keeper) : NULL;
    }
    PyArrayObject *array = NULL;
    if (PyDict_CheckExact(keeper)) {
        PyObject *key, *value;
        Py_ssize_t at = 0;
        for (int i = 0; array == NULL && i < KEEPERS_FOLLOWED; i++) {
            if (!PyDict_Next(keeper, &at, &key, &value)) {
                break;
            }
            array = kept_array(value, address, depth - 1);
        }
        return array;
    }
    ctypes_kind kind = ctypes_kind_of(Py_TYPE(keeper));
    if (kind == NOT_CTYPES) {
        return NULL;
    }
    if (kind == POINTER && (array = array_attribute(keeper, name_arr)) != NULL) {
        if (lies_in(address, array)) {
            return array;
        }
        Py_CLEAR(array);
    }
    ctypes_object *object = (ctypes_object *)keeper;
    for (int i = 0; array == NULL && object != NULL && i < KEEPER_DEPTH; i++) {
        array = kept_array(object->objects, address, depth - 1);
        object = object->base;
    }
    return array;
}

bool
ctypes_is_union(PyTypeObject *type)
{
    return PyType_IsSubtype(Py_TYPE(type), metatypes[4]);
}

PyTypeObject *
ctypes_item_type(PyTypeObject *type)
{
    PyObject *item = _PyType_Lookup(type, name_type);
    return item != NULL && PyType_Check(item) ? (PyTypeObject *)item : NULL;
}

Py_ssize_t
ctypes_size_of(PyTypeObject *type)
{
    PyObject *size = PyObject_CallOneArg(size_of, (PyObject *)type);
    Py_ssize_t bytes = size == NULL ? -1 : PyLong_AsSsize_t(size);
    Py_XDECREF(size);
    PyErr_Clear();
    return bytes;
}

char
ctypes_simple_code(PyTypeObject *type)
{
    PyObject *letter = ctypes_kind_of(type) == SIMPLE ? _PyType_Lookup(type, name_type) : NULL;
    bool known = letter != NULL && PyUnicode_Check(letter) && PyUnicode_GET_LENGTH(letter) == 1;
    return known ? (char)PyUnicode_READ_CHAR(letter, 0) : '\0';
}

/* The address that a call gets for a ctypes object; 0 where it gets the object's contents. */
static uintptr_t
passed_address(PyObject *object, ctypes_kind kind)
{
    const ctypes_object *is = (ctypes_object *)object;
    switch (kind) {
    case SIMPLE:
    case POINTER:
        return is->value != NULL && is->size == sizeof(uintptr_t) ? word_at(is->value) : 0;
    case ARRAY:
        return (uintptr_t)is->value;
    default:
        return 0;
    }
}

static inline uintptr_t
referenced_address(PyObject *reference)
{
    return word_at((char *)reference + reference_address);
}

static inline PyObject *
referenced_object(PyObject *reference)
{
    return (PyObject *)word_at((char *)reference + reference_object);
}

PyArrayObject *
ctypes_array_behind(PyObject *argument)
{
    PyTypeObject *type = Py_TYPE(argument);
    /* Numbers, strings and None hold no array. */
    if (PyLong_CheckExact(argument) || PyFloat_CheckExact(argument) || argument == Py_None) {
        return NULL;
    }
    if (type == reference_type) {
        return kept_array(referenced_object(argument), referenced_address(argument), KEEPER_DEPTH);
    }
    ctypes_kind kind = ctypes_kind_of(type);
    PyArrayObject *array = NULL;
    if (kind == NOT_CTYPES) {
        if (PyArray_Check(argument)) {
            return (PyArrayObject *)Py_NewRef(argument);
        }
        if ((type->tp_flags & Py_TPFLAGS_HEAPTYPE) || type->tp_dictoffset != 0) {
            array = array_attribute(argument, name_arr); /* x.ctypes */
            array = array != NULL ? array : array_attribute(argument, name_as_parameter);
        }
        return array;
    }
    if (kind == POINTER && (array = array_attribute(argument, name_arr)) != NULL) {
        return array;
    }
    if (kind == SIMPLE && ((ctypes_object *)argument)->objects == NULL) {
        return NULL;
    }
    uintptr_t address = passed_address(argument, kind);
    return address == 0 ? NULL : kept_array(argument, address, KEEPER_DEPTH);
}

/* Whether reading an object's memory is safe: it is that of a live object, not a mere address. */
static bool
owns_memory(const ctypes_object *object)
{
    for (int i = 0; object->base != NULL && i < KEEPER_DEPTH; i++) {
        object = object->base;
    }
    return object->owns_value && object->value != NULL;
}

/* Whether nothing that `kept` refers to may hold `address`. */
static bool
keeps_nothing(PyObject *kept, uintptr_t address, int depth)
{
    PyObject *key, *value;
    Py_ssize_t at = 0;
    if (kept == NULL || depth == 0) { /* what was cast before keeps itself, in a circle */
        return true;
    }
    if (PyDict_CheckExact(kept)) {
        bool nothing = true;
        while (nothing && PyDict_Next(kept, &at, &key, &value)) {
            nothing = keeps_nothing(value, address, depth - 1);
        }
        return nothing;
    }
    if (ctypes_kind_of(Py_TYPE(kept)) == NOT_CTYPES) {
        return false; /* who knows what it owns */
    }
    bool nothing = true;
    ctypes_object *object = (ctypes_object *)kept;
    for (int i = 0; nothing && object != NULL; i++, object = object->base) {
        bool holds = object->owns_value && address - (uintptr_t)object->value <
                                               (uintptr_t)object->size;
        nothing = i < KEEPER_DEPTH && !holds &&
                  keeps_nothing(object->objects, address, depth - 1);
    }
    return nothing;
}

bool
ctypes_owns_nothing(PyObject *object, uintptr_t address)
{
    return ctypes_kind_of(Py_TYPE(object)) != NOT_CTYPES &&
           keeps_nothing(object, address, KEEPER_DEPTH);
}

/* The object whose memory a call can reach through an argument, borrowed, or NULL. */
static ctypes_object *
reached_object(PyObject *argument)
{
    PyObject *object = argument;
    if (Py_IS_TYPE(argument, reference_type)) {
        object = referenced_object(argument);
    }
    ctypes_kind kind = object == NULL ? NOT_CTYPES : ctypes_kind_of(Py_TYPE(object));
    if (kind == POINTER && object == argument) {
        uintptr_t address = passed_address(object, kind);
        PyObject *kept = ((ctypes_object *)object)->objects, *key, *value;
        Py_ssize_t at = 0;
        object = NULL;
        if (kept == NULL || !PyDict_CheckExact(kept)) {
            return NULL;
        }
        for (int i = 0; object == NULL && i < KEEPERS_FOLLOWED; i++) {
            if (!PyDict_Next(kept, &at, &key, &value)) {
                break;
            }
            if (ctypes_kind_of(Py_TYPE(value)) != NOT_CTYPES &&
                (uintptr_t)ctypes_value(value) == address) {
                object = value;
            }
        }
    } else if (kind == NOT_CTYPES || (kind == SIMPLE && object == argument)) {
        return NULL;
    }
    return object != NULL && owns_memory((ctypes_object *)object) ? (ctypes_object *)object : NULL;
}

static int
scan_memory(const ctypes_object *object, pointed_layout *out, int room)
{
    int found = 0;
    Py_ssize_t words = object->size / (Py_ssize_t)sizeof(uintptr_t);
    for (Py_ssize_t i = 0; i < words && i < MEMBERS_SCANNED && found < room; i++) {
        uintptr_t word = word_at(object->value + i * sizeof word);
        if (addresses_find(word, ADDRESS_EXACT, &out[found].kept)) {
            out[found++].offset = (int)(i * sizeof word);
        }
    }
    return found;
}

int
ctypes_layouts_behind(PyObject *argument, pointed_layout *out, int room)
{
    uintptr_t address = 0;
    ctypes_kind kind = NOT_CTYPES;
    if (PyLong_CheckExact(argument)) {
        int overflow;
        long long number = PyLong_AsLongLongAndOverflow(argument, &overflow);
        address = overflow || number < 0 ? 0 : (uintptr_t)number;
    } else if (Py_IS_TYPE(argument, reference_type)) {
        address = referenced_address(argument);
        kind = RECORD;
    } else if ((kind = ctypes_kind_of(Py_TYPE(argument))) != NOT_CTYPES) {
        address = passed_address(argument, kind);
    }
    if (room > 0 && address != 0 && addresses_find(address, ADDRESS_INTERIOR, &out->kept)) {
        out->offset = -1;
        return 1;
    }
    ctypes_object *reached = kind == NOT_CTYPES || kind == SIMPLE ? NULL : reached_object(argument);
    return reached == NULL ? 0 : scan_memory(reached, out, room);
}

/* Adds the elements of a ctypes object that is an integer, or an array of such; false where it is none. */
static bool
add_elements(const ctypes_object *object, PyTypeObject *type, integer_manner manner,
             call_integers *out)
{
    ctypes_kind kind = ctypes_kind_of(type);
    Py_ssize_t count = 1;
    if (kind == ARRAY) {
        PyObject *element = _PyType_Lookup(type, name_type);
        if (element == NULL || !PyType_Check(element) || object->length <= 0) {
            return false;
        }
        type = (PyTypeObject *)element;
        kind = ctypes_kind_of(type);
        count = object->length;
    }
    char code = ctypes_simple_code(type);
    if (code == '\0' || strchr("hHiIlLqQ", code) == NULL || object->value == NULL) {
        return false;
    }
    Py_ssize_t size = object->size / count;
    for (Py_ssize_t i = 0; i < count && i < MEMBERS_SCANNED; i++) {
        integers_add_at(out, object->value + i * size, size, code >= 'a',
                        count > 1 ? IN_A_ROW : manner);
    }
    return true;
}

void
ctypes_integers_behind(PyObject *argument, call_integers *out)
{
    if (integers_add_number(out, argument) || argument == Py_None || PyFloat_CheckExact(argument)) {
        return;
    }
    ctypes_kind kind = ctypes_kind_of(Py_TYPE(argument));
    if (kind == SIMPLE) {
        char code = ctypes_simple_code(Py_TYPE(argument));
        if (!add_elements((ctypes_object *)argument, Py_TYPE(argument), BY_VALUE, out)) {
            out->opaque |= code == 'P' && passed_address(argument, kind) != 0;
        }
        return;
    }
    const ctypes_object *reached = reached_object(argument);
    if (reached == NULL) {
        out->opaque |= kind == POINTER && passed_address(argument, kind) != 0;
    } else if (!add_elements(reached, Py_TYPE(reached), BY_POINTER, out)) {
        integers_add_words(out, reached->value, reached->size);
    }
}

uintptr_t
ctypes_address(PyObject *argument)
{
    if (Py_TYPE(Py_TYPE(argument)) == metatypes[1]) {
        return word_at(((ctypes_object *)argument)->value); /* a typed pointer, as most are */
    }
    if (PyLong_CheckExact(argument)) {
        int overflow;
        long long number = PyLong_AsLongLongAndOverflow(argument, &overflow);
        return overflow || number < 0 ? 0 : (uintptr_t)number;
    }
    if (Py_IS_TYPE(argument, reference_type)) {
        return referenced_address(argument);
    }
    ctypes_kind kind = ctypes_kind_of(Py_TYPE(argument));
    return kind == NOT_CTYPES ? 0 : passed_address(argument, kind);
}

PyObject *
ctypes_referenced(PyObject *argument)
{
    return Py_IS_TYPE(argument, reference_type) ? referenced_object(argument) : NULL;
}

bool
ctypes_calls_back(PyObject *argument)
{
    return Py_TYPE(Py_TYPE(argument)) == function_meta;
}

bool
ctypes_float_of(PyObject *argument, double *value)
{
    const ctypes_object *is = (ctypes_object *)argument;
    if (ctypes_kind_of(Py_TYPE(argument)) != SIMPLE || is->value == NULL) {
        return false;
    }
    char code = ctypes_simple_code(Py_TYPE(argument));
    float single;
    if (code == 'f') {
        memcpy(&single, is->value, sizeof single);
        *value = (double)single;
    } else if (code == 'd') {
        memcpy(value, is->value, sizeof *value);
    }
    return code == 'f' || code == 'd';
}

/* An attribute that is a non-negative number, or -1; no exception. */
static Py_ssize_t
number_attribute(PyObject *object, const char *name)
{
    PyObject *value = PyObject_GetAttrString(object, name);
    Py_ssize_t number = value == NULL ? -1 : PyLong_AsSsize_t(value);
    Py_XDECREF(value);
    PyErr_Clear();
    return number;
}

static void name_in_type(PyTypeObject *type, Py_ssize_t offset, call_argument *out, int depth);

static void
append_name(call_argument *out, const char *format, const char *text, Py_ssize_t number)
{
    size_t used = strlen(out->member);
    PyOS_snprintf(out->member + used, sizeof out->member - used, format, text, (long)number);
}

/* Whether a field, given as (name, type, ...), covers the offset; then it is named. */
static bool
name_field(PyTypeObject *record, PyObject *field, Py_ssize_t offset, call_argument *out, int depth)
{
    if (!PyTuple_Check(field) || PyTuple_GET_SIZE(field) != 2) {
        return false; /* three: bits, which hold no pointer */
    }
    PyObject *name = PyTuple_GET_ITEM(field, 0), *type = PyTuple_GET_ITEM(field, 1);
    const char *text = PyUnicode_Check(name) ? PyUnicode_AsUTF8(name) : NULL;
    PyObject *descriptor = text == NULL ? NULL : PyObject_GetAttr((PyObject *)record, name);
    Py_ssize_t start = descriptor == NULL ? -1 : number_attribute(descriptor, "offset");
    Py_ssize_t size = descriptor == NULL ? -1 : number_attribute(descriptor, "size");
    Py_XDECREF(descriptor);
    PyErr_Clear();
    if (start < 0 || offset < start || offset >= start + size || !PyType_Check(type)) {
        return false;
    }
    append_name(out, ".%s", text, 0);
    name_in_type((PyTypeObject *)type, offset - start, out, depth - 1);
    return true;
}

static void
name_in_record(PyTypeObject *type, Py_ssize_t offset, call_argument *out, int depth)
{
    for (PyTypeObject *each = type; each != NULL && ctypes_kind_of(each) == RECORD;
         each = each->tp_base) {
        PyObject *fields = PyObject_GetAttrString((PyObject *)each, "_fields_");
        PyObject *list = fields == NULL ? NULL : PySequence_Tuple(fields);
        bool named = false;
        for (Py_ssize_t i = 0; list != NULL && !named && i < PyTuple_GET_SIZE(list); i++) {
            named = name_field(each, PyTuple_GET_ITEM(list, i), offset, out, depth);
        }
        Py_XDECREF(list);
        Py_XDECREF(fields);
        PyErr_Clear();
        if (named) {
            return;
        }
    }
}

static void
name_in_array(PyTypeObject *type, Py_ssize_t offset, call_argument *out, int depth)
{
    PyObject *element = PyObject_GetAttrString((PyObject *)type, "_type_");
    PyObject *size = element == NULL ? NULL : PyObject_CallOneArg(size_of, element);
    Py_ssize_t bytes = size == NULL ? 0 : PyLong_AsSsize_t(size);
    if (bytes > 0 && PyType_Check(element)) {
        append_name(out, "%s[%ld]", "", offset / bytes);
        name_in_type((PyTypeObject *)element, offset % bytes, out, depth - 1);
    }
    Py_XDECREF(size);
    Py_XDECREF(element);
    PyErr_Clear();
}

static void
name_in_type(PyTypeObject *type, Py_ssize_t offset, call_argument *out, int depth)
{
    out->declared = type->tp_name; /* lives as long as the argument's own type, which refers to it */
    ctypes_kind kind = depth == 0 ? NOT_CTYPES : ctypes_kind_of(type);
    if (kind == RECORD) {
        name_in_record(type, offset, out, depth);
    } else if (kind == ARRAY) {
        name_in_array(type, offset, out, depth);
    }
}

void
ctypes_name_member(PyObject *argument, call_argument *out)
{
    out->member[0] = '\0';
    ctypes_object *reached = reached_object(argument);
    if (reached != NULL) {
        name_in_type(Py_TYPE(reached), out->offset, out, KEEPER_DEPTH);
    }
}

/* The offset at which the first object holds `word` and the second one `other_word`; -1 where there is
 * none, or more than one. Reads their padding too, which may hold anything: two objects tell. */
static __attribute__((noinline)) Py_ssize_t
offset_of_word(PyObject *object, uintptr_t word, PyObject *other, uintptr_t other_word)
{
    Py_ssize_t found = -1;
    for (Py_ssize_t at = sizeof(PyObject); at + (Py_ssize_t)sizeof word <= Py_TYPE(object)->tp_basicsize;
         at += sizeof word) {
        if (word_at((char *)object + at) == word && word_at((char *)other + at) == other_word) {
            found = found < 0 ? at : PY_SSIZE_T_MAX;
        }
    }
    return found == PY_SSIZE_T_MAX ? -1 : found;
}

/* Compares our idea of a ctypes object with what ctypes says of one, an array of 13 c_char. */
static bool
layout_is_as_expected(PyObject *module, PyObject *array)
{
    static const struct {
        const char *name;
        Py_ssize_t offset;
    } members[] = {{"_b_base_", offsetof(ctypes_object, base)},
                   {"_b_needsfree_", offsetof(ctypes_object, owns_value)},
                   {"_objects", offsetof(ctypes_object, objects)}};
    bool same = true;
    for (int i = 0; same && i < 3; i++) {
        PyObject *name = PyUnicode_FromString(members[i].name);
        PyObject *member = name == NULL ? NULL : _PyType_Lookup(Py_TYPE(array), name);
        same = member != NULL && Py_IS_TYPE(member, &PyMemberDescr_Type) &&
               ((PyMemberDescrObject *)member)->d_member->offset == members[i].offset;
        Py_XDECREF(name);
    }
    PyObject *address = PyObject_CallMethod(module, "addressof", "O", array);
    same = same && address != NULL && PyLong_AsVoidPtr(address) == (void *)ctypes_value(array) &&
           ((ctypes_object *)array)->size == 13;
    Py_XDECREF(address);
    return same;
}

static bool
learn_references(PyObject *module, PyObject *object)
{
    PyObject *other = PyObject_CallNoArgs((PyObject *)Py_TYPE(object));
    PyObject *to = PyObject_CallMethod(module, "byref", "O", object);
    PyObject *to_other = other == NULL ? NULL : PyObject_CallMethod(module, "byref", "O", other);
    bool known = to != NULL && to_other != NULL;
    if (known) {
        reference_address = offset_of_word(to, (uintptr_t)ctypes_value(object), to_other,
                                           (uintptr_t)ctypes_value(other));
        reference_object = offset_of_word(to, (uintptr_t)object, to_other, (uintptr_t)other);
        reference_type = (PyTypeObject *)Py_NewRef(Py_TYPE(to));
        known = reference_address > 0 && reference_object > 0;
    }
    Py_XDECREF(to_other);
    Py_XDECREF(to);
    Py_XDECREF(other);
    return known;
}

static bool
learn_metatypes(PyObject *module)
{
    static const char *const bases[] = {"_SimpleCData", "_Pointer", "Array", "Structure", "Union"};
    for (int i = 0; i < 5; i++) {
        PyObject *base = PyObject_GetAttrString(module, bases[i]);
        if (base == NULL) {
            return false;
        }
        metatypes[i] = (PyTypeObject *)Py_NewRef(Py_TYPE(base));
        Py_DECREF(base);
    }
    PyObject *function = PyObject_GetAttrString(module, "CFuncPtr");
    if (function == NULL) {
        return false;
    }
    function_meta = (PyTypeObject *)Py_NewRef(Py_TYPE(function));
    Py_DECREF(function);
    return metatypes[0] != &PyType_Type;
}

int
ctypes_objects_initialise(void)
{
    static bool initialised = false;
    if (initialised) {
        return 0;
    }
    PyObject *module = PyImport_ImportModule("_ctypes");
    PyObject *ctypes = module == NULL ? NULL : PyImport_ImportModule("ctypes");
    PyObject *letter = ctypes == NULL ? NULL : PyObject_GetAttrString(ctypes, "c_char");
    PyObject *type = letter == NULL ? NULL : PySequence_Repeat(letter, 13);
    PyObject *array = type == NULL ? NULL : PyObject_CallNoArgs(type);
    bool known = array != NULL && learn_metatypes(module) &&
                 layout_is_as_expected(module, array) && learn_references(module, array);
    if (known) {
        size_of = PyObject_GetAttrString(module, "sizeof");
        name_arr = PyUnicode_InternFromString("_arr");
        name_as_parameter = PyUnicode_InternFromString("_as_parameter_");
        name_type = PyUnicode_InternFromString("_type_");
        initialised = size_of != NULL && name_arr != NULL && name_as_parameter != NULL &&
                      name_type != NULL;
    }
    Py_XDECREF(array);
    Py_XDECREF(type);
    Py_XDECREF(letter);
    Py_XDECREF(ctypes);
    Py_XDECREF(module);
    if (!initialised && !PyErr_Occurred()) {
        PyErr_SetString(PyExc_RuntimeError, "this Python lays out ctypes objects differently");
    }
    return initialised ? 0 : -1;
}

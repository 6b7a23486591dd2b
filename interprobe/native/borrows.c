/* The probe of borrows: who is given an array's memory in place, and what for.
 *
 * Two ways lead there. The buffer protocol: the type slot bf_getbuffer of ndarray, which subclasses
 * copy when they are made, is replaced in each; the wrapper `__buffer__`, from which CPython fills
 * the slot of new subclasses, too. And raw addresses: the getters of ctypes, __array_interface__ and
 * __array_struct__, and the method __dlpack__. The getter of `data` asks for a buffer itself: it only
 * names the manner. A request that fails is no borrow.
 * Not seen: extensions that read the array's struct (PyArray_DATA; pybind11's array_t, f2py).
 */
#include "addresses.h"
#include "bare_addresses.h"
#include "call_turns.h"
#include "clock.h"
#include "frames.h"
#include "ledger.h"
#include "masks.h"
#include "origin.h"
#include "probe.h"
#include "thread_local.h"

#include <string.h>

typedef PyObject *(*fastcall)(PyObject *, PyObject *const *, Py_ssize_t, PyObject *);

enum raw { RAW_CTYPES, RAW_INTERFACE, RAW_STRUCT, RAW_DATA, RAW_COUNT };

static const char *const attributes[RAW_COUNT] = {"ctypes", "__array_interface__",
                                                  "__array_struct__", "data"};
static const char *const manners[RAW_COUNT] = {"ndarray.ctypes", "__array_interface__",
                                               "__array_struct__", "ndarray.data"};
static const char buffer_protocol[] = "buffer protocol";

/* Set at the first install; never cleared, for the sake of pointers kept elsewhere. */
static getbufferproc original_getbuffer;
static getter original_getters[RAW_COUNT];
static PyCFunction original_dlpack;
static PyGetSetDef *definitions[RAW_COUNT]; /* NumPy's own, static in its module */
static PyMethodDef *dlpack;

/* What asks for a buffer in this thread, where it is not the buffer protocol alone. */
static THREAD_LOCAL const char *manner_in_progress = NULL;

/* Whether what a borrower is given may come back as a bare address: Python code can take it from a
 * ctypes object (LEAKS), and cffi casts it to a number or to a pointer that keeps nothing alive
 * (CASTS). A compiled module keeps what it asked for. */
enum leak { UNKNOWN, KEEPS, LEAKS, CASTS };

static enum leak
address_leak(uint32_t borrower)
{
    static uint8_t answers[256]; /* by borrower; beyond these each is looked at anew */
    if (borrower == 0) {
        return LEAKS;
    }
    if (borrower < sizeof answers && answers[borrower] != UNKNOWN) {
        return answers[borrower];
    }
    const origin *known = origin_get(borrower);
    enum leak leak = known == NULL ? LEAKS : KEEPS;
    if (known != NULL && strstr(known->library, "/_cffi_backend") != NULL) {
        leak = CASTS;
    }
    if (borrower < sizeof answers) {
        answers[borrower] = leak;
    }
    return leak;
}

static enum address_hold
hold_of(const char *manner, enum leak leak)
{
    if (manner == manners[RAW_INTERFACE]) {
        return ADDRESS_BARE;
    }
    return manner == manners[RAW_CTYPES] || leak == CASTS ? ADDRESS_HELD : ADDRESS_KEPT;
}

/* Books the borrow. `asked`: when the hook was entered, where the turn of a loop is sampled; else 0. */
static __attribute__((noinline)) void
observe(PyObject *self, const char *manner, int requested, void *caller, uint64_t asked)
{
    uint64_t answered = asked == 0 ? 0 : clock_ticks();
    position at;
    frames_locate(&at);
    if (at.own || !PyArray_Check(self)) {
        return;
    }
    PyArrayObject *array = (PyArrayObject *)self;
    layout given;
    layout_read(&given, array);
    char here;
    uint64_t depth = at.eval_stack == 0 ? 0 : at.eval_stack - (uintptr_t)&here;
    borrow_event event = {
        .key = {
            /* Inside libpython one return address serves many ways: the depth tells them apart. */
            .origin = origin_of((uint64_t)(uintptr_t)caller ^ depth << 44, at.here),
            .manner = (uint64_t)(uintptr_t)manner,
            .place = at.here,
            .user_place = at.user,
            .requested = (uint32_t)requested,
            .elsize = (uint32_t)given.elsize,
            .kind = given.kind,
            .byteorder = given.byteorder,
            .order = given.order,
            .ndim = (uint8_t)given.ndim,
            .aligned = given.aligned,
            .writeable = given.writeable,
        },
        .manner = manner,
        .given = &given,
    };
    record_ticket ticket;
    bool is_plain = PyArray_CheckExact(array);
    ledger_book_borrow(&event, is_plain ? NULL : &ticket);
    if (!is_plain) {
        masks_book_borrow(&ticket, array);
    }
    enum leak leak = address_leak((uint32_t)event.key.origin);
    if (leak != KEEPS) {
        const address_gift gift = {manner, hold_of(manner, leak), at.user != 0 ? at.user : at.here};
        addresses_note(array, &given, &gift);
    }
    if (asked != 0 && (leak == CASTS || manner != buffer_protocol)) {
        call_turn_note_address(asked, answered, at.frame);
    } else if (asked != 0) {
        call_turn_leave_out(answered);
    }
}

/* When a hook was entered, if that is of interest. */
static inline uint64_t
entered(void)
{
    return call_turn_started == 0 ? 0 : clock_ticks();
}

static int
probed_getbuffer(PyObject *self, Py_buffer *view, int flags)
{
    uint64_t asked = entered();
    int status = original_getbuffer(self, view, flags);
    if (ledger_active && status == 0) {
        const char *manner = manner_in_progress;
        observe(self, manner == NULL ? buffer_protocol : manner, flags, __builtin_return_address(0),
                asked);
    }
    return status;
}

#define RAW_GETTER(name, raw)                                                      \
    static PyObject *name(PyObject *self, void *closure)                           \
    {                                                                              \
        uint64_t asked = entered();                                                \
        PyObject *result = original_getters[raw](self, closure);                   \
        if (ledger_active && result != NULL) {                                     \
            observe(self, manners[raw], 0, __builtin_return_address(0), asked);    \
        }                                                                          \
        return result;                                                             \
    }

RAW_GETTER(probed_ctypes, RAW_CTYPES)
RAW_GETTER(probed_interface, RAW_INTERFACE)
RAW_GETTER(probed_struct, RAW_STRUCT)

static PyObject *
probed_data(PyObject *self, void *closure)
{
    if (!ledger_active) {
        return original_getters[RAW_DATA](self, closure);
    }
    const char *outer = manner_in_progress;
    manner_in_progress = manners[RAW_DATA];
    PyObject *result = original_getters[RAW_DATA](self, closure);
    manner_in_progress = outer;
    return result;
}

static const getter trampolines[RAW_COUNT] = {probed_ctypes, probed_interface, probed_struct,
                                              probed_data};

/* The address that a DLPack capsule carries, or NULL; from the standard's two public structs. */
static const void *
capsule_address(PyObject *capsule)
{
    const char *name = PyCapsule_CheckExact(capsule) ? PyCapsule_GetName(capsule) : NULL;
    if (name == NULL) {
        return NULL;
    }
    bool versioned = strcmp(name, "dltensor_versioned") == 0;
    if (!versioned && strcmp(name, "dltensor") != 0) {
        return NULL;
    }
    /* A tensor begins with its address; the versioned one follows version, context, deleter, flags. */
    void **tensor = PyCapsule_GetPointer(capsule, name);
    return tensor == NULL ? NULL : versioned ? tensor[4] : tensor[0];
}

static PyObject *
probed_dlpack(PyObject *self, PyObject *const *args, Py_ssize_t count, PyObject *names)
{
    PyObject *result = ((fastcall)(void *)original_dlpack)(self, args, count, names);
    /* Asked for a copy, it gives away the copy's address, and the array is not borrowed. */
    if (ledger_active && result != NULL && PyArray_Check(self) &&
        capsule_address(result) == PyArray_DATA((PyArrayObject *)self)) {
        observe(self, "__dlpack__", 0, __builtin_return_address(0), 0);
    }
    return result;
}

/* ndarray.__buffer__, from which CPython 3.12 and later fill the slot of a new subclass; or NULL. */
static PyWrapperDescrObject *
buffer_wrapper(void)
{
    PyObject *name = PyUnicode_InternFromString("__buffer__");
    PyObject *wrapper = name == NULL ? NULL : _PyType_Lookup(&PyArray_Type, name);
    Py_XDECREF(name);
    PyErr_Clear();
    bool known = wrapper != NULL && Py_IS_TYPE(wrapper, &PyWrapperDescr_Type);
    return known ? (PyWrapperDescrObject *)wrapper : NULL; /* the type keeps it */
}

/* Subclasses of a type, whatever its metaclass makes of the name; NULL where memory is out. */
static PyObject *
subclasses_of(PyTypeObject *type)
{
    PyObject *subclasses = PyObject_CallMethod((PyObject *)&PyType_Type, "__subclasses__", "O", type);
    PyErr_Clear();
    return subclasses;
}

/* Replaces `from` by `to` in the slot of `type` and of all its subclasses. */
static void
replace_in(PyTypeObject *type, getbufferproc from, getbufferproc to)
{
    PyBufferProcs *procs = type->tp_as_buffer;
    if (procs != NULL && procs->bf_getbuffer == from) {
        procs->bf_getbuffer = to;
    }
    PyObject *subclasses = subclasses_of(type);
    for (Py_ssize_t i = 0; subclasses != NULL && i < PyList_GET_SIZE(subclasses); i++) {
        replace_in((PyTypeObject *)PyList_GET_ITEM(subclasses, i), from, to);
    }
    Py_XDECREF(subclasses);
}

static PyGetSetDef *
getset_of(const char *attribute)
{
    PyObject *name = PyUnicode_InternFromString(attribute);
    PyObject *descriptor = name == NULL ? NULL : _PyType_Lookup(&PyArray_Type, name);
    Py_XDECREF(name);
    bool known = descriptor != NULL && Py_IS_TYPE(descriptor, &PyGetSetDescr_Type);
    PyGetSetDef *definition = known ? ((PyGetSetDescrObject *)descriptor)->d_getset : NULL;
    return definition != NULL && definition->get != NULL ? definition : NULL;
}

static PyMethodDef *
dlpack_method(void)
{
    PyObject *name = PyUnicode_InternFromString("__dlpack__");
    PyObject *descriptor = name == NULL ? NULL : _PyType_Lookup(&PyArray_Type, name);
    Py_XDECREF(name);
    bool known = descriptor != NULL && Py_IS_TYPE(descriptor, &PyMethodDescr_Type);
    PyMethodDef *definition = known ? ((PyMethodDescrObject *)descriptor)->d_method : NULL;
    int fast = METH_FASTCALL | METH_KEYWORDS;
    return definition != NULL && definition->ml_flags == fast ? definition : NULL;
}

static void
uninstall(void)
{
    if (dlpack != NULL) {
        release_slot((void **)&dlpack->ml_meth, (void *)probed_dlpack, (void *)original_dlpack);
        dlpack = NULL;
    }
    for (int i = 0; i < RAW_COUNT; i++) {
        if (definitions[i] != NULL) {
            release_slot((void **)&definitions[i]->get, (void *)trampolines[i],
                         (void *)original_getters[i]);
            definitions[i] = NULL; /* the originals stay: a call may still be inside a trampoline */
        }
    }
    PyWrapperDescrObject *wrapper = buffer_wrapper();
    if (wrapper != NULL && wrapper->d_wrapped == (void *)probed_getbuffer) {
        wrapper->d_wrapped = (void *)original_getbuffer;
    }
    replace_in(&PyArray_Type, probed_getbuffer, original_getbuffer);
    bare_addresses_uninstall();
    addresses_forget();
}

static int
refuse(const char *what)
{
    if (!PyErr_Occurred()) {
        PyErr_Format(PyExc_RuntimeError, "this NumPy's ndarray has no %s of the known kind", what);
    }
    uninstall();
    return -1;
}

static int
install(void)
{
    PyBufferProcs *procs = PyArray_Type.tp_as_buffer;
    if (procs == NULL || procs->bf_getbuffer == NULL) {
        PyErr_SetString(PyExc_RuntimeError, "this NumPy's ndarray has no buffer to watch");
        return -1;
    }
    getbufferproc original = original_getbuffer ? original_getbuffer : procs->bf_getbuffer;
    PyWrapperDescrObject *wrapper = buffer_wrapper();
#if PY_VERSION_HEX >= 0x030C0000
    if (wrapper == NULL || wrapper->d_wrapped != (void *)original) {
        PyErr_SetString(PyExc_RuntimeError, "this Python fills buffer slots differently");
        return -1;
    }
#endif
    if (claim_slot((void **)&procs->bf_getbuffer, (void *)probed_getbuffer,
                   (void **)&original_getbuffer, "ndarray's buffer") < 0) {
        return -1;
    }
    for (int i = 0; i < RAW_COUNT; i++) {
        PyGetSetDef *definition = getset_of(attributes[i]);
        if (definition == NULL) {
            return refuse(attributes[i]);
        }
        if (claim_slot((void **)&definition->get, (void *)trampolines[i],
                       (void **)&original_getters[i], manners[i]) < 0) {
            return refuse(attributes[i]);
        }
        definitions[i] = definition;
    }
    PyMethodDef *method = dlpack_method();
    if (method == NULL) {
        return refuse("__dlpack__");
    }
    if (claim_slot((void **)&method->ml_meth, (void *)probed_dlpack, (void **)&original_dlpack,
                   "ndarray.__dlpack__") < 0) {
        return refuse("__dlpack__");
    }
    dlpack = method;
    if (wrapper != NULL) {
        wrapper->d_wrapped = (void *)probed_getbuffer;
    }
    replace_in(&PyArray_Type, original_getbuffer, probed_getbuffer);
    bare_addresses_install();
    return 0;
}

static void
visit_subclasses(PyTypeObject *type, slot_visitor visit, void *context)
{
    PyObject *subclasses = subclasses_of(type);
    for (Py_ssize_t i = 0; subclasses != NULL && i < PyList_GET_SIZE(subclasses); i++) {
        PyTypeObject *subclass = (PyTypeObject *)PyList_GET_ITEM(subclasses, i);
        PyBufferProcs *procs = subclass->tp_as_buffer;
        visit(subclass->tp_name, procs == NULL ? NULL : (void *)procs->bf_getbuffer, context);
        visit_subclasses(subclass, visit, context);
    }
    Py_XDECREF(subclasses);
}

static void
visit_slots(slot_visitor visit, void *context)
{
    PyBufferProcs *procs = PyArray_Type.tp_as_buffer;
    PyWrapperDescrObject *wrapper = buffer_wrapper();
    visit("ndarray.bf_getbuffer", procs == NULL ? NULL : (void *)procs->bf_getbuffer, context);
    if (wrapper != NULL) {
        visit("ndarray.__buffer__", wrapper->d_wrapped, context);
    }
    for (int i = 0; i < RAW_COUNT; i++) {
        PyGetSetDef *definition = getset_of(attributes[i]);
        visit(manners[i], definition == NULL ? NULL : (void *)definition->get, context);
    }
    PyMethodDef *method = dlpack_method();
    bare_addresses_visit(visit, context);
    visit("ndarray.__dlpack__", method == NULL ? NULL : (void *)method->ml_meth, context);
    visit_subclasses(&PyArray_Type, visit, context);
}

static probe borrows_probe = {"borrows", install, uninstall, visit_slots, false, NULL};
REGISTER_PROBE(borrows_probe)

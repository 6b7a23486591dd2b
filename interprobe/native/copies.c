/* Tells copies from views, and names what the transfer did and which requirement forced it. */
#include "copies.h"

#include "allocations.h"
#include "clock.h"
#include "converted_blocks.h"
#include "crossings.h"
#include "frames.h"
#include "libraries.h"
#include "lossy_casts.h"
#include "operations.h"
#include "origin.h"
#include "replay.h"
#include "wrappers.h"

#include <string.h>

#define SAMPLES 16 /* words of a result that are hashed to tell whether a buffer changed */

/* Whether the transfer reads and writes memory in one sweep. */
static bool
in_step(const layout *source, const layout *result, char traversal)
{
    if (traversal != 0) {
        return traversal == 'F' ? source->contiguous_f : source->contiguous_c;
    }
    return (source->contiguous_c && result->contiguous_c) ||
           (source->contiguous_f && result->contiguous_f);
}

static unsigned
kind_of_transfer(const layout *source, const layout *result, char traversal)
{
    unsigned kind = 0;
    if (!layout_same_type(source, result) && result->descr != NULL) {
        kind |= KIND_CAST;
    }
    if (source->byteorder != result->byteorder && source->byteorder != '|' &&
        result->byteorder != '|') {
        kind |= KIND_BYTESWAP;
    }
    if (!source->aligned) {
        kind |= KIND_ALIGN;
    }
    bool spread = source->elsize > 0 && result->elsize > 0 && result->descr != NULL &&
                  source->nbytes * result->elsize < result->nbytes * source->elsize;
    if (spread || (layout_is_broadcast(source) && !layout_is_broadcast(result))) {
        kind |= KIND_BROADCAST;
    } else if (!in_step(source, result, traversal)) {
        kind |= KIND_STRIDED;
    }
    return kind ? kind : KIND_DUPLICATE;
}

static unsigned
unmet_requirements(const layout *source, const layout *result, int demanded)
{
    unsigned unmet = 0;
    if (!layout_same_type(source, result)) {
        unmet |= UNMET_DTYPE;
    }
    if (source->byteorder != result->byteorder && source->byteorder != '|' &&
        result->byteorder != '|') {
        unmet |= result->byteorder == NPY_NATBYTE ? UNMET_NOTSWAPPED : UNMET_DTYPE;
    }
    if ((demanded & NPY_ARRAY_C_CONTIGUOUS) && !source->contiguous_c) {
        unmet |= UNMET_C;
    }
    if ((demanded & NPY_ARRAY_F_CONTIGUOUS) && !source->contiguous_f) {
        unmet |= UNMET_F;
    }
    if ((demanded & NPY_ARRAY_ALIGNED) && !source->aligned) {
        unmet |= UNMET_ALIGNED;
    }
    if ((demanded & NPY_ARRAY_WRITEABLE) && !source->writeable) {
        unmet |= UNMET_WRITEABLE;
    }
    /* f2py demands a copy only after it has found what the array lacks: that is the cause. */
    if ((demanded & NPY_ARRAY_OWNDATA) && unmet == 0) {
        unmet |= UNMET_OWNDATA;
    }
    return unmet;
}

/* The allocation that an array's memory lies in: its number, mixed with the first element's offset
 * in it. Memory of unknown origin is known by its address alone. */
static uint64_t
identity_of(PyArrayObject *array)
{
    const char *data = PyArray_DATA(array);
    PyObject *owner = (PyObject *)array;
    while (PyArray_BASE((PyArrayObject *)owner) != NULL &&
           PyArray_Check(PyArray_BASE((PyArrayObject *)owner))) {
        owner = PyArray_BASE((PyArrayObject *)owner);
    }
    uint64_t serial = allocations_serial(PyArray_DATA((PyArrayObject *)owner));
    return ((uint64_t)(uintptr_t)data ^ (serial << 47) ^ (serial * 0x9E3779B97F4A7C15u)) | 1;
}

static uint64_t
hash_sample(const layout *in)
{
    uint64_t hash = 0xcbf29ce484222325u ^ (uint64_t)in->nbytes;
    if (!in->contiguous_c && !in->contiguous_f) {
        return hash;
    }
    const char *at = in->data, *end = in->data + in->nbytes;
    npy_intp step = in->nbytes <= 8 * SAMPLES ? 8 : in->nbytes / SAMPLES;
    uint64_t word;
    for (int i = 0; i < SAMPLES && end - at >= 8; i++, at += step) {
        memcpy(&word, at, 8);
        hash = (hash ^ word) * 0xFF51AFD7ED558CCDu;
        hash ^= hash >> 33;
    }
    if (step == 8 && at < end) {
        word = 0;
        memcpy(&word, at, (size_t)(end - at));
        hash = (hash ^ word) * 0xFF51AFD7ED558CCDu;
    }
    return hash ^ hash >> 33;
}

/* Both arrays of a copy, where they are known. */
typedef struct {
    PyArrayObject *source, *result;
} copied_arrays;

/* Whether native code asked for a copy also of what fits: to work on, not for the program to see. What
 * f2py's wrappers say does not tell: they ask for a copy only after they have found what is lacking. */
static bool
wants_copy_of_its_own(const conversion *done)
{
    if (!(done->demanded & NPY_ARRAY_OWNDATA)) {
        return false;
    }
    native_library *library = library_at((const void *)(uintptr_t)done->caller);
    return library == NULL || strcmp(library_toolkit(library), "f2py") != 0;
}

static bool
is_in_fortran_order(PyArrayObject *array)
{
    return PyArray_IS_F_CONTIGUOUS(array) && !PyArray_IS_C_CONTIGUOUS(array);
}

/* Looks at what the copy did to the elements, and follows it where a requirement made it. */
static void
look_closer(const record_ticket *ticket, const conversion *done, const copy_key *key,
            const position *at, const layout *source, const layout *result,
            const copied_arrays *arrays)
{
    /* A cast that the user's own line asks for is the user's decision. */
    bool by_user = key->origin == 0 && at->here == at->user;
    if ((key->kind & KIND_CAST) && !by_user && done->traversal == 0) {
        bool by_native = strncmp(done->mechanism, "PyArray_", 8) == 0;
        lossy_casts_compare(ticket, source, result, arrays->source, at, by_native);
    }
    if (done->existing || done->asked_for || wants_copy_of_its_own(done)) {
        return;
    }
    /* What was copied as it lay is wanted twice; what was laid out anew may be found so the next time. */
    const unsigned anew = KIND_STRIDED | KIND_CAST | KIND_BYTESWAP | KIND_ALIGN;
    if ((key->unmet & ~UNMET_OWNDATA) != 0 || (key->kind & anew) != 0) {
        replay_note_conversion(arrays->source, source->data, PyArray_DESCR(arrays->result),
                               is_in_fortran_order(arrays->result));
    }
    if ((key->unmet & ~UNMET_OWNDATA) != 0) {
        replay_note_result(ticket, source, arrays->result);
        converted_blocks_follow(ticket, at, source, result, arrays->source, arrays->result);
    }
}

static void
book(const conversion *done, unsigned kind, unsigned unmet, bool asked_for, const layout *source,
     const layout *result, uint64_t identity, const copied_arrays *arrays)
{
    copy_event event;
    memset(&event, 0, sizeof event);
    operation *under_way = operation_here();
    if (under_way != NULL) {
        under_way->booked = true;
    }
    event.ended = clock_ticks();
    event.ticks = event.ended - done->started;
    position at;
    frames_locate(&at);
    if (at.own) {
        return;
    }
    event.mechanism = done->mechanism;
    if (source != NULL) {
        wrappers_refine(&at, source, &event.mechanism, &unmet, &asked_for);
    }
    copy_key *key = &event.key;
    char here;
    uint64_t path = done->caller ? done->caller : at.eval_stack - (uintptr_t)&here;
    key->origin = origin_of(path, at.here);
    const operation *now = key->origin == 0 ? operation_here() : NULL;
    if (now != NULL && now->code != NULL) {
        key->origin = origin_at(now->code); /* NumPy converts before the extension's loop runs */
    }
    key->mechanism = (uint64_t)(uintptr_t)event.mechanism;
    key->place = at.here;
    key->user_place = at.user;
    key->kind = (uint16_t)kind;
    key->unmet = (uint16_t)unmet;
    key->is_explicit = asked_for && unmet == 0;
    if (source != NULL) {
        key->has_source = 1;
        key->source_elsize = (uint32_t)source->elsize;
        key->source_kind = source->kind;
        key->source_byteorder = source->byteorder;
        key->source_order = source->order;
        key->source_ndim = (uint8_t)source->ndim;
        key->source_aligned = source->aligned;
        key->source_writeable = source->writeable;
    }
    key->result_elsize = (uint32_t)result->elsize;
    key->result_kind = result->kind;
    key->result_byteorder = result->byteorder;
    key->result_order = result->order;
    key->result_ndim = (uint8_t)result->ndim;
    event.source = source;
    event.result = result;
    event.bytes = done->bytes ? done->bytes : (uint64_t)result->nbytes;
    event.source_identity = identity;
    event.contents = identity ? hash_sample(result) : 0;
    crossings_count_copy(event.bytes);
    record_ticket ticket;
    ledger_book_copy(&event, &ticket);
    if (arrays != NULL) {
        look_closer(&ticket, done, key, &at, source, result, arrays);
    }
}

void
copies_of_array(const conversion *done, PyArrayObject *source, PyArrayObject *result)
{
    if (source == result) {
        return;
    }
    layout from, to;
    layout_read(&to, result);
    layout_read(&from, source);
    if (PyArray_CHKFLAGS(result, NPY_ARRAY_WRITEBACKIFCOPY)) {
        from.writeable = true; /* NumPy locks the original until the copy is written back */
    }
    if (to.nbytes == 0 || (!done->existing && layout_overlap(&from, &to))) {
        return; /* nothing to copy, or a view */
    }
    if (done->existing && layout_same_memory(&from, &to)) {
        return; /* NumPy writes nothing where source and target are the same elements */
    }
    /* What fills an array that was there before is no conversion: no requirement forced it. */
    unsigned unmet = done->existing ? 0 : unmet_requirements(&from, &to, done->demanded);
    book(done, kind_of_transfer(&from, &to, done->traversal), unmet, done->asked_for, &from, &to,
         identity_of(source), &(copied_arrays){source, result});
}

void
copies_of_transfer(const conversion *done, const layout *source, const layout *result,
                   unsigned extra, PyArrayObject *operand)
{
    unsigned kind = kind_of_transfer(source, result, 0);
    unsigned unmet = 0;
    if (extra != 0) {
        kind = extra | (kind & ~(unsigned)KIND_DUPLICATE);
    } else if (!done->asked_for) {
        int demanded = NPY_ARRAY_ALIGNED;
        if ((kind & KIND_STRIDED) && !done->any_order) {
            demanded |= result->order == LAYOUT_F ? NPY_ARRAY_F_CONTIGUOUS : NPY_ARRAY_C_CONTIGUOUS;
        }
        unmet = unmet_requirements(source, result, demanded);
    }
    book(done, kind, unmet, done->asked_for, source, result,
         operand == NULL ? 0 : identity_of(operand), NULL);
}

void
copies_of_writeback(const conversion *done, PyArrayObject *source, PyArrayObject *result)
{
    layout from, to;
    layout_read(&from, source);
    layout_read(&to, result);
    if (to.nbytes == 0) {
        return;
    }
    unsigned kind = kind_of_transfer(&from, &to, 0) & ~(unsigned)KIND_DUPLICATE;
    book(done, KIND_WRITEBACK | kind, 0, false, &from, &to, identity_of(source),
         &(copied_arrays){source, result});
}

void
copies_of_gather(const conversion *done, const layout *source, const layout *result,
                 PyArrayObject *operand)
{
    book(done, KIND_GATHER, 0, done->asked_for, source, result, identity_of(operand), NULL);
}

void
copies_to_bytes(const conversion *done, PyArrayObject *source, PyObject *bytes)
{
    npy_intp extent, step;
    layout from, to;
    layout_read(&from, source);
    layout_of_bytes(&to, PyBytes_AS_STRING(bytes), PyBytes_GET_SIZE(bytes), &extent, &step);
    if (to.nbytes == 0) {
        return;
    }
    /* The bytes follow the order that was asked for: what is contiguous that way is not rewritten. */
    char order = done->demanded & NPY_ARRAY_F_CONTIGUOUS ? 'F' : 'C';
    book(done, kind_of_transfer(&from, &to, order), 0, true, &from, &to, identity_of(source), NULL);
}

static bool
is_written_in_c(const PyTypeObject *type)
{
    return !(type->tp_flags & Py_TPFLAGS_HEAPTYPE) || (type->tp_flags & Py_TPFLAGS_IMMUTABLETYPE);
}

/* A view of an exporter's memory through the buffer protocol, or NULL; no exception is left. Only
 * exporters written in C are asked, so that no Python code runs. */
static PyArrayObject *
view_of_buffer(PyObject *object)
{
    if (!is_written_in_c(Py_TYPE(object)) || !PyObject_CheckBuffer(object) || PyBytes_Check(object) ||
        PyArray_IsScalar(object, Generic)) {
        return NULL;
    }
    PyObject *memory = PyMemoryView_FromObject(object);
    PyObject *view = NULL;
    if (memory != NULL) {
        /* Formats of one letter alone: of others NumPy may warn, or read the items one by one. */
        const char *format = PyMemoryView_GET_BUFFER(memory)->format;
        if (format == NULL || strlen(format) <= 2) {
            view = PyArray_FROM_O(memory);
        }
        Py_DECREF(memory);
    }
    if (view == NULL) {
        PyErr_Clear();
    }
    return array_or_null(view);
}

/* Whether NumPy took the object's items one by one. Sequences written in C only: no Python code runs. */
static bool
is_sequence(PyObject *object, PyArrayObject *result)
{
    if (PyList_Check(object) || PyTuple_Check(object)) {
        return true;
    }
    static const char *const protocols[] = {"__array__", "__array_interface__", "__array_struct__"};
    PyTypeObject *type = Py_TYPE(object);
    if (!is_written_in_c(type) || !PySequence_Check(object) || PyUnicode_Check(object) ||
        PyObject_CheckBuffer(object) || PyArray_NDIM(result) == 0) {
        return false;
    }
    bool gives_array = false;
    for (int i = 0; i < 3 && !gives_array; i++) {
        gives_array = PyObject_HasAttrString((PyObject *)type, protocols[i]);
    }
    return !gives_array;
}

void
copies_of_object(const conversion *done, PyObject *source, PyArrayObject *result)
{
    if (PyArray_BASE(result) != NULL || PyArray_NBYTES(result) == 0) {
        return;
    }
    PyArrayObject *view = view_of_buffer(source);
    if (view != NULL) {
        copies_of_array(done, view, result);
        Py_DECREF(view);
        return;
    }
    if (is_sequence(source, result)) {
        layout to;
        layout_read(&to, result);
        /* The same sequence with the same numbers is told by its address and by the result. */
        book(done, KIND_SEQUENCE, 0, false, NULL, &to, (uint64_t)(uintptr_t)source | 1,
             NULL);
        replay_note_conversion(source, NULL, PyArray_DESCR(result), is_in_fortran_order(result));
    }
}

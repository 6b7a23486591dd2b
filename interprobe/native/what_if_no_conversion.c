/* Measures what a conversion costs that the program makes before a call.
 *
 * The call is repeated with and without a conversion like the one that was seen: from an array that lies
 * as the source lay. */
#include "replay.h"

#include "addresses.h"
#include "allocations.h"

#include <string.h>

enum { NOTED = 64, PAGE = 4096 };
#define MOST_EXTENT (256 << 20) /* bytes that a source may span */

/* The result of a conversion that may become an argument. */
typedef struct {
    const char *data;
    uint64_t serial; /* of its block; 0: empty */
    record_ticket copy;
    kept_layout from;
    int type; /* NumPy's number of the source's element type */
} converted;

static converted noted[NOTED]; /* by the block's serial number */

void
replay_note_result(const record_ticket *copy, const layout *from, PyArrayObject *result)
{
    int type = from->descr == NULL ? NPY_VOID : from->descr->type_num;
    uint64_t serial = replay_mode == REPLAY_OFF ? 0 : allocations_serial(PyArray_DATA(result));
    if (serial == 0 || from->ndim > ADDRESS_DIMENSIONS || copy->count == 0 ||
        PyTypeNum_ISFLEXIBLE(type) || PyTypeNum_ISUSERDEF(type) || type == NPY_OBJECT) {
        return;
    }
    converted *to = &noted[serial % NOTED];
    to->data = PyArray_DATA(result);
    to->serial = serial;
    to->copy = *copy;
    to->type = type;
    addresses_keep_steps(&to->from, from);
}

static const converted *
conversion_of(const ended_call *call, int position)
{
    if (call->arrays[position] == NULL) {
        return NULL;
    }
    const char *data = call->layouts[position].data;
    uint64_t serial = allocations_serial(data);
    const converted *found = &noted[serial % NOTED];
    return serial != 0 && found->serial == serial && found->data == data ? found : NULL;
}

static uint32_t
applies(const ended_call *call)
{
    uint32_t positions = 0;
    for (int i = 0; i < call->count; i++) {
        positions |= conversion_of(call, i) != NULL ? 1u << i : 0;
    }
    return positions;
}

static const record_ticket *
about(const ended_call *call, int position)
{
    return &conversion_of(call, position)->copy;
}

/* A view of an array with the shape of another, or the array itself where it lies otherwise than C
 * would have it. A new reference, or NULL. */
static PyArrayObject *
in_shape_of(PyArrayObject *array, PyArrayObject *other)
{
    PyArray_Dims shape = {PyArray_DIMS(other), PyArray_NDIM(other)};
    return PyArray_IS_C_CONTIGUOUS(array)
               ? (PyArrayObject *)PyArray_Newshape(array, &shape, NPY_CORDER)
               : (PyArrayObject *)Py_NewRef(array);
}

/* Copies all elements; -1, with an exception: the shapes do not go together. What the conversion made, the
 * program may have reshaped before the call, which moves nothing. */
static int
copy_all(PyArrayObject *to, PyArrayObject *from)
{
    PyArrayObject *whole_to = in_shape_of(to, from);
    PyArrayObject *whole_from = whole_to == NULL ? NULL : in_shape_of(from, whole_to);
    int failed = whole_from == NULL ? -1 : PyArray_CopyInto(whole_to, whole_from);
    Py_XDECREF(whole_to);
    Py_XDECREF(whole_from);
    return failed;
}

/* An array that lies as the source lay and holds what the result holds; NULL: it cannot be made. */
static PyArrayObject *
make_source(const ended_call *call, int position)
{
    const converted *is = conversion_of(call, position);
    const layout *from = &is->from.is;
    const char *low, *high;
    layout_extent(from, &low, &high);
    PyArray_Descr *descr = PyArray_DescrFromType(is->type);
    if (descr != NULL && from->byteorder == NPY_OPPBYTE) {
        Py_SETREF(descr, PyArray_DescrNewByteorder(descr, NPY_SWAP));
    }
    size_t extent = (size_t)(high - low);
    npy_intp bytes = (npy_intp)extent + 2 * PAGE;
    /* As NumPy gets it: the kernel may give large arrays huge pages, which makes strides cheaper. */
    PyObject *memory =
        descr == NULL || extent > MOST_EXTENT ? NULL : PyArray_SimpleNew(1, &bytes, NPY_UBYTE);
    if (memory == NULL) {
        Py_XDECREF(descr);
        return NULL; /* the child ends soon: nobody frees what it has */
    }
    /* The same place in a page. */
    uintptr_t start = (uintptr_t)PyArray_DATA((PyArrayObject *)memory);
    start += ((uintptr_t)low - start) & (PAGE - 1);
    PyArrayObject *source = (PyArrayObject *)PyArray_NewFromDescr(
        &PyArray_Type, descr, from->ndim, (npy_intp *)from->shape, (npy_intp *)from->strides,
        (char *)start + (from->data - low), NPY_ARRAY_WRITEABLE, NULL);
    if (source != NULL && copy_all(source, call->arrays[position]) < 0) {
        Py_CLEAR(source);
    }
    return source;
}

static PyArrayObject *sources[CALL_ARGUMENTS]; /* in the child */

static PyArrayObject *
again(const ended_call *call, int position)
{
    if (sources[position] == NULL && (sources[position] = make_source(call, position)) == NULL) {
        return NULL;
    }
    PyArrayObject *result =
        (PyArrayObject *)PyArray_NewLikeArray(call->arrays[position], NPY_KEEPORDER, NULL, 0);
    if (result != NULL && copy_all(result, sources[position]) < 0) {
        Py_CLEAR(result);
    }
    return result;
}

static PyArrayObject *
reads(const ended_call *call, int position)
{
    (void)call;
    return sources[position]; /* made by the first `again` */
}

static what_if no_conversion = {
    .change = "no-conversion",
    .concerns = {.all = CALL_LAYOUT},
    .applies = applies,
    .again = again,
    .reads = reads,
    .about = about,
};
REGISTER_WHAT_IF(no_conversion)

/* Checks what a foreign function is told of the layout of the arrays behind its pointers.
 *
 * A pointer says nothing of strides. C can know them from the other arguments: an integer that is one
 * of the strides (BLAS's inc and lda, the bytes per row of an image), or a pointer to them. Where it was
 * told how many elements there are and none of the strides, it walks the memory as if the array were
 * contiguous, and facts say what it meets.
 *
 * A call through a binding that hands over objects (Cython, pybind11, ...) can ask them anything, so
 * only ctypes and cffi are looked at; and of their arrays, call for call, only those that are not
 * contiguous.
 */
#include "call_checks.h"

#include "call_integers.h"
#include "number_text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define AXES ADDRESS_DIMENSIONS
#define LARGEST_PART 16 /* elements that a function may take for one without being told how many */
#define FEW_COLUMNS 4   /* of records that C may step over without being told how */
#define LOWEST_HANDLE (1LL << 32) /* a number above that is rather an address */
#define LARGEST_LENGTH (1LL << 44) /* a number beyond that is none of an array's */

/* What a foreign function was told, of the argument `position`, where the array behind it is not
 * contiguous and no integer of the call is a stride of it. `value`: how many elements, of as many as the
 * array has, it meets that are none of the array's; `limit`: how many bytes of these lie past the end of
 * the memory that the array is a view of. `text`, of the first instance, separated by ";":
 *     told=all|part|nothing  whether the call's integers hold the lengths of all axes
 *     doubt=...              why C may know all the same: `handle` (an argument leads to memory that
 *                            nobody here knows), `coincidence` (an integer is both a length and a
 *                            stride), `interleaved` (the view is a field or a column of few)
 *     second=A;read=B        the array's second element, and what C meets there, where both are numbers */
static const char STRIDES_UNTOLD[] = "strides-untold";

/* How the integers of the record's first call relate to the array behind `position`, which has more than
 * one axis, numbers in foreign byte order, or records. `text`: "2:d0 3:d1 4:7": argument 2 is the length of axis
 * 0, argument 3 that of axis 1, and argument 4 is 7. Further words: `n` elements, `b` bytes, `i` bytes of
 * an element, or else sK and tK, the stride of axis K in elements and in bytes; joined with "=" where
 * several are true; `handle` alone: an argument leads to memory that nobody here knows. */
static const char CALL_INTEGERS_TELL[] = "integers-tell";

/* The declaration of `position` converts what it is given (a from_param of its own): the array behind it
 * may be another than the one that C gets. */
static const char CONVERTED_BEFORE[] = "converted-before";

static void
read_integers(const begun_call *call, call_integers *out)
{
    out->count = 0;
    out->opaque = false;
    for (int i = 0; i < call->given; i++) {
        out->position = i;
        if (call->arguments[i].has_layout) {
            integers_add_array(out, &call->arguments[i].given);
            continue;
        }
        int before = out->count;
        call->to->foreign->integers_behind(call->to->arguments[i], out);
        if (out->count == before + 1 && out->of[before].manner == BY_VALUE &&
            out->of[before].value >= LOWEST_HANDLE) {
            out->count = before;
            out->opaque = true;
        }
    }
}

/* --- what C was told -------------------------------------------------------------------------- */

static bool
is_length(const call_integer *integer)
{
    return integer->manner != IN_MEMORY;
}

/* Marks the first unmarked integer of another argument that is `value` and tells lengths. */
static bool
take_length(const call_integers *integers, int position, npy_intp value, bool *taken)
{
    for (int i = 0; i < integers->count; i++) {
        const call_integer *each = &integers->of[i];
        if (!taken[i] && each->position != position && is_length(each) && each->value == value) {
            taken[i] = true;
            return true;
        }
    }
    return false;
}

typedef enum { TOLD_NOTHING, TOLD_PART, TOLD_ALL, TOLD_EACH, TOLD_OTHER } told;

/* TOLD_EACH: an integer for each axis, of several. */
static told
lengths_told(const call_integers *integers, int position, const layout *is, bool *taken)
{
    npy_intp elements = is->nbytes / is->elsize;
    bool any = false;
    for (int i = 0; i < integers->count; i++) {
        any |= integers->of[i].position != position;
    }
    if (!any) {
        /* It takes as many as it always does: three coordinates, a matrix of 4 by 4. */
        return elements <= LARGEST_PART ? TOLD_NOTHING : TOLD_OTHER;
    }
    if (take_length(integers, position, elements, taken) ||
        take_length(integers, position, is->nbytes, taken)) {
        return TOLD_ALL;
    }
    npy_intp rest = elements;
    int axes = 0;
    for (int axis = 0; axis < is->ndim; axis++) {
        if (is->shape[axis] > 1 && !take_length(integers, position, is->shape[axis], taken)) {
            /* "So many points": their three coordinates go without saying. */
            bool rest_is_fixed = axis > 0 && rest < elements && rest <= LARGEST_PART;
            return rest_is_fixed ? TOLD_PART : TOLD_OTHER;
        }
        axes += is->shape[axis] > 1;
        rest /= is->shape[axis];
    }
    return axes > 1 ? TOLD_EACH : TOLD_ALL;
}

static inline npy_intp
magnitude(npy_intp number)
{
    return number < 0 ? -number : number;
}

/* Whether a number is a stride of the array: in bytes, elements, parts of complex ones, or strides of
 * other axes; or the gap that it leaves. */
static bool
is_stride(const layout *is, int64_t number)
{
    if (number < -LARGEST_LENGTH || number > LARGEST_LENGTH) {
        return false;
    }
    npy_intp value = magnitude((npy_intp)number), dense = is->elsize;
    for (int axis = is->ndim - 1; axis >= 0; axis--) {
        npy_intp stride = magnitude(is->strides[axis]), gap = stride - dense;
        bool matters = is->shape[axis] > 1 && is->strides[axis] != dense;
        dense *= is->shape[axis];
        if (!matters) {
            continue;
        }
        if (value == stride || value * is->elsize == stride) {
            return true;
        }
        if (value > 0 && gap > 0 && (value == gap || value * is->elsize == gap)) {
            return true;
        }
        if (value > 0 && is->kind == 'c' && value * is->elsize == 2 * stride) {
            return true;
        }
        for (int other = 0; value > 1 && other < is->ndim; other++) {
            npy_intp unit = magnitude(is->strides[other]);
            if (other != axis && is->shape[other] > 1 && unit > 0 && value * unit == stride) {
                return true;
            }
        }
    }
    return false;
}

typedef enum { STRIDES_TOLD, STRIDES_PERHAPS, STRIDES_UNTOLD_AT_ALL } strides;

static strides
strides_told(const call_integers *integers, int position, const layout *is, const bool *taken)
{
    strides found = STRIDES_UNTOLD_AT_ALL;
    for (int i = 0; i < integers->count; i++) {
        const call_integer *each = &integers->of[i];
        if (each->position == position || !is_stride(is, each->value)) {
            continue;
        }
        /* 0 is the stride of a broadcast array, and the value of many a switch. */
        if (!taken[i] && each->value != 0) {
            return STRIDES_TOLD;
        }
        found = STRIDES_PERHAPS;
    }
    return found;
}

/* --- what C meets ----------------------------------------------------------------------------- */

/* How many of the array's elements lie less than `reach` bytes from its first one, at multiples of an
 * element's size. `axes` is sorted by stride, widest first; axes that step backwards or not at all lead
 * to no further element there. */
static npy_intp
elements_within(const layout *is, const int *axes, int count, npy_intp reach)
{
    if (reach <= 0) {
        return 0;
    }
    if (count == 0) {
        return 1;
    }
    npy_intp stride = is->strides[axes[0]], length = is->shape[axes[0]];
    if (stride <= 0 || stride % is->elsize != 0) {
        return elements_within(is, axes + 1, count - 1, reach);
    }
    npy_intp extent = is->elsize, inner = 1;
    for (int i = 1; i < count; i++) {
        npy_intp step = is->strides[axes[i]];
        if (step > 0 && step % is->elsize == 0) {
            extent += (is->shape[axes[i]] - 1) * step;
            inner *= is->shape[axes[i]];
        }
    }
    npy_intp whole = reach < extent ? 0 : (reach - extent) / stride + 1;
    whole = whole < length ? whole : length;
    npy_intp found = whole * inner;
    if (whole < length) {
        found += elements_within(is, axes + 1, count - 1, reach - whole * stride);
    }
    return found;
}

static npy_intp
elements_outside(const layout *is)
{
    int axes[NPY_MAXDIMS], used = 0;
    for (int axis = 0; axis < is->ndim; axis++) {
        if (is->shape[axis] > 1) {
            int at = used++;
            for (; at > 0 && is->strides[axes[at - 1]] < is->strides[axis]; at--) {
                axes[at] = axes[at - 1];
            }
            axes[at] = axis;
        }
    }
    npy_intp elements = is->nbytes / is->elsize;
    npy_intp within = elements_within(is, axes, used, is->nbytes);
    return within < elements ? elements - within : 0;
}

/* Whether C may step from one element to the next without being told: they are a field of records, or
 * a column of a table that has few. */
static bool
is_interleaved(const layout *is, const layout *whole)
{
    if (is->ndim != 1 || is->strides[0] <= 0) {
        return false;
    }
    if (whole->kind == 'V' && is->kind != 'V') {
        return is->strides[0] == whole->elsize;
    }
    return whole->ndim == 2 && whole->contiguous_c && whole->shape[1] <= FEW_COLUMNS &&
           is->strides[0] == whole->strides[0] && is->shape[0] == whole->shape[0];
}

/* Adds the second element, and what lies where C looks for it, if that is the array's memory too. */
static void
add_numbers(const layout *is, const char *low, const char *high, char *text, size_t size)
{
    int axis = is->ndim - 1;
    while (axis > 0 && is->shape[axis] < 2) {
        axis--;
    }
    const char *second = is->data + is->strides[axis], *read = is->data + is->elsize;
    char one[32], other[32];
    if (second < low || second + is->elsize > high || read < low || read + is->elsize > high ||
        second == read || number_text(is, second, one, sizeof one) < 0 ||
        number_text(is, read, other, sizeof other) < 0) {
        return;
    }
    size_t used = strlen(text);
    snprintf(text + used, size - used, ";second=%s;read=%s", one, other);
}

static void
judge(const begun_call *call, const call_integers *integers, int position)
{
    static const char *const told_words[] = {"nothing", "part", "all", "all"};
    const layout *is = &call->arguments[position].given;
    bool taken[CALL_INTEGERS] = {false};
    told lengths = lengths_told(integers, position, is, taken);
    strides steps = strides_told(integers, position, is, taken);
    if (lengths == TOLD_OTHER || steps == STRIDES_TOLD ||
        (lengths == TOLD_NOTHING && integers->opaque)) {
        return;
    }
    npy_intp outside = elements_outside(is);
    if (outside == 0) {
        return; /* all of its elements, in another order: as good as Fortran order */
    }
    const char *low, *high;
    layout whole = *is;
    PyArrayObject *array = call->arrays[position];
    if (array != NULL) {
        layout_read(&whole, layout_holder(array));
    }
    layout_extent(&whole, &low, &high);
    bool all = lengths == TOLD_ALL || lengths == TOLD_EACH;
    /* Where each axis has an integer, a stride that is equal to one is so by chance. */
    const char *doubt = steps == STRIDES_PERHAPS && lengths != TOLD_EACH ? ";doubt=coincidence"
                        : integers->opaque                               ? ";doubt=handle"
                        : is_interleaved(is, &whole)                     ? ";doubt=interleaved"
                                                                         : "";
    if (!all && doubt[0] != '\0') {
        return;
    }
    char text[160];
    snprintf(text, sizeof text, "told=%s%s", told_words[lengths], doubt);
    if (call->ticket->is_first) {
        add_numbers(is, low, high, text, sizeof text);
    }
    npy_intp past = is->data + is->nbytes - high;
    /* Without the array itself, its memory may go on behind what is known of it. */
    const fact_event fact = {
        .kind = STRIDES_UNTOLD,
        .position = position,
        .other = -1,
        .value = all ? outside : 0,
        .limit = all && array != NULL && past > 0 ? past : 0,
        .text = text,
    };
    ledger_book_fact(&call->ticket->record, &fact);
}

/* --- what the integers are -------------------------------------------------------------------- */

static void
add_role(char *text, size_t size, bool *first, const char *format, int number)
{
    size_t used = strlen(text);
    snprintf(text + used, size - used, "%s", *first ? "" : "=");
    used = strlen(text);
    snprintf(text + used, size - used, format, number);
    *first = false;
}

static void
tell_integers(const begun_call *call, const call_integers *integers, int position)
{
    const layout *is = &call->arguments[position].given;
    char text[240] = "";
    for (int i = 0; i < integers->count; i++) {
        const call_integer *each = &integers->of[i];
        if (each->position == position || each->manner == IN_MEMORY ||
            each->value < -LARGEST_LENGTH || each->value > LARGEST_LENGTH) {
            continue;
        }
        size_t used = strlen(text);
        if (used > sizeof text - 60) {
            break;
        }
        snprintf(text + used, sizeof text - used, "%s%d:", used == 0 ? "" : " ", each->position);
        bool first = true;
        for (int axis = 0; axis < is->ndim && axis < 3; axis++) {
            if (each->value == is->shape[axis]) {
                add_role(text, sizeof text, &first, "d%d", axis);
            }
        }
        if (each->value * is->elsize == is->nbytes) {
            add_role(text, sizeof text, &first, "n", 0);
        }
        if (each->value == is->nbytes) {
            add_role(text, sizeof text, &first, "b", 0);
        }
        if (each->value == is->elsize) {
            add_role(text, sizeof text, &first, "i", 0);
        }
        bool is_length = !first; /* a contiguous array's steps are its lengths, and products of them */
        for (int axis = 0; !is_length && axis < is->ndim && axis < 3; axis++) {
            if (is->shape[axis] > 1 && each->value * is->elsize == is->strides[axis]) {
                add_role(text, sizeof text, &first, "s%d", axis);
            }
            if (is->shape[axis] > 1 && each->value == is->strides[axis]) {
                add_role(text, sizeof text, &first, "t%d", axis);
            }
        }
        if (first) {
            used = strlen(text);
            snprintf(text + used, sizeof text - used, "%lld", (long long)each->value);
        }
    }
    size_t used = strlen(text);
    if (integers->opaque) {
        snprintf(text + used, sizeof text - used, "%shandle", used == 0 ? "" : " ");
    }
    const fact_event fact = {.kind = CALL_INTEGERS_TELL, .position = position, .other = -1,
                             .text = text};
    ledger_book_fact(&call->ticket->record, &fact);
}

static inline bool
has_foreign_order(const layout *is)
{
    return is->byteorder == NPY_OPPBYTE && is->elsize > 1;
}

static bool
has_an_order(const layout *is)
{
    return is->ndim > 1 && is->contiguous_c != is->contiguous_f && is->ndim <= 3;
}

/* Whether the address that C gets is that of the array's first element. */
static bool
begins_there(const begun_call *call, int position)
{
    PyObject *argument = call->to->arguments[position];
    uintptr_t address = call->to->foreign->address(argument);
    return address == 0 || address == (uintptr_t)call->arguments[position].given.data;
}

static bool
before(const begun_call *call, void *memory)
{
    (void)memory;
    call_integers integers;
    bool read = false;
    for (int i = 0; i < call->given; i++) {
        const layout *is = &call->arguments[i].given;
        if (!call->arguments[i].has_layout || is->nbytes <= is->elsize || is->elsize == 0) {
            continue;
        }
        bool strided = is->order == LAYOUT_STRIDED && is->ndim <= AXES;
        bool tells = call->ticket->is_first &&
                     (has_foreign_order(is) || has_an_order(is) || is->kind == 'V');
        if (call->ticket->is_first && call_converts(call, i)) {
            const fact_event fact = {.kind = CONVERTED_BEFORE, .position = i, .other = -1};
            ledger_book_fact(&call->ticket->record, &fact);
            continue;
        }
        if ((!strided && !tells) || !begins_there(call, i) || call_converts(call, i)) {
            continue;
        }
        if (!read) {
            read_integers(call, &integers);
            read = true;
        }
        if (strided) {
            judge(call, &integers, i);
        }
        if (tells) {
            tell_integers(call, &integers, i);
        }
    }
    return false;
}

static call_check layout_check = {
    .before = before,
    .looks_at = {.all = CALL_FOREIGN | CALL_LAYOUT, .any = CALL_FIRST | CALL_STRIDED},
};
REGISTER_CALL_CHECK(layout_check)

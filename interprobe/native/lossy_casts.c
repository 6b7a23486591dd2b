/* Compares what a cast read with what it wrote, and books how values changed.
 *
 * Of all kinds of facts here: `value` is how many of the sampled elements changed in this way, `limit`
 * how many were sampled, `text` the first one that did: "16777217 became 16777216".
 */
#include "lossy_casts.h"

#include "elements.h"

#include <math.h>
#include <stdio.h>

enum { COMPARED = 64 };

enum loss { KEPT, IMAGINARY, RANGE, SIGN, OVERFLOWED, FRACTION, ROUNDED, VANISHED, DIGITS, LOSSES };

static const char *const kinds[LOSSES] = {
    [IMAGINARY] = "lossy_imaginary",  /* a complex number's imaginary part was dropped */
    [RANGE] = "lossy_range",          /* an integer type cannot hold the number: another one is there */
    [SIGN] = "lossy_sign",            /* the same, where both are integers of one size */
    [OVERFLOWED] = "lossy_overflow",  /* a finite number became infinite */
    [FRACTION] = "lossy_fraction",    /* what stood behind the decimal point was cut off */
    [ROUNDED] = "lossy_integer",      /* an integer was rounded to the nearest float */
    [VANISHED] = "lossy_underflow",   /* a number other than 0 became 0 */
    [DIGITS] = "lossy_digits",        /* a float was rounded to fewer digits */
};

/* Whether a cast between these types can change a number. */
static bool
can_lose(const layout *from, const layout *to)
{
    if (!elements_are_numbers(from->kind, from->elsize) ||
        !elements_are_numbers(to->kind, to->elsize) || from->kind == 'b' || to->kind == 'b') {
        return false;
    }
    npy_intp read = from->kind == 'c' ? from->elsize / 2 : from->elsize;
    npy_intp written = to->kind == 'c' ? to->elsize / 2 : to->elsize;
    bool reads_integers = from->kind == 'i' || from->kind == 'u';
    switch (to->kind) {
    case 'i':
        return !reads_integers || written < read || (written == read && from->kind == 'u');
    case 'u':
        return from->kind != 'u' || written < read;
    case 'f':
        return from->kind == 'c' || (reads_integers ? written <= read : written < read);
    default:
        return reads_integers ? written <= read : written < read;
    }
}

static enum loss
loss_of_part(const layout *from, const layout *to, long double read, long double written)
{
    if (read == written || (isnan(read) && isnan(written))) {
        return KEPT;
    }
    bool reads_integers = from->kind == 'i' || from->kind == 'u';
    if (to->kind == 'i' || to->kind == 'u') {
        if (reads_integers) {
            return from->elsize == to->elsize ? SIGN : RANGE;
        }
        return truncl(read) == written ? FRACTION : RANGE;
    }
    if (isfinite(read) && !isfinite(written)) {
        return OVERFLOWED;
    }
    if (reads_integers) {
        return ROUNDED;
    }
    return written == 0 ? VANISHED : DIGITS;
}

static enum loss
loss_of(const layout *from, const layout *to, const char *source, const char *result)
{
    element_number read = element_read(from->kind, from->elsize, from->byteorder, source);
    element_number written = element_read(to->kind, to->elsize, to->byteorder, result);
    if (to->kind != 'c' && read.imaginary != 0 && !isnan(read.imaginary)) {
        return IMAGINARY;
    }
    enum loss loss = loss_of_part(from, to, read.real, written.real);
    if (loss == KEPT && to->kind == 'c') {
        loss = loss_of_part(from, to, read.imaginary, written.imaginary);
    }
    return loss;
}

static PyArrayObject *
owner_of(PyArrayObject *array)
{
    while (PyArray_BASE(array) != NULL && PyArray_Check(PyArray_BASE(array))) {
        array = (PyArrayObject *)PyArray_BASE(array);
    }
    return array;
}

static bool
is_of_owner(PyObject *object, void *context)
{
    return PyArray_Check(object) && owner_of((PyArrayObject *)object) == context;
}

void
lossy_casts_compare(const record_ticket *copy, const layout *from, const layout *to,
                    PyArrayObject *source, const position *at, bool by_native)
{
    if (copy->count == 0 || from->ndim != to->ndim || !can_lose(from, to) ||
        layout_overlap(from, to)) {
        return;
    }
    for (int axis = 0; axis < from->ndim; axis++) {
        if (from->shape[axis] != to->shape[axis]) {
            return;
        }
    }
    npy_intp elements = to->nbytes / to->elsize;
    int samples = elements_sampled(elements, COMPARED);
    int changed[LOSSES] = {0};
    npy_intp first[LOSSES] = {0};
    for (int i = 0; i < samples; i++) {
        npy_intp index = elements_index(elements, samples, i);
        enum loss loss = loss_of(from, to, element_at(from, index), element_at(to, index));
        if (changed[loss]++ == 0) {
            first[loss] = index;
        }
    }
    if (changed[KEPT] == samples ||
        (!by_native && !frames_user_holds(at, is_of_owner, owner_of(source)))) {
        return;
    }
    for (enum loss loss = KEPT + 1; loss < LOSSES; loss++) {
        if (changed[loss] == 0) {
            continue;
        }
        char read[ELEMENT_TEXT], written[ELEMENT_TEXT], text[2 * ELEMENT_TEXT + 8];
        element_describe(from->kind, from->elsize, from->byteorder, element_at(from, first[loss]),
                         false, read);
        element_describe(to->kind, to->elsize, to->byteorder, element_at(to, first[loss]),
                         true, written);
        snprintf(text, sizeof text, "%s became %s", read, written);
        ledger_book_fact(copy, &(fact_event){.kind = kinds[loss],
                                             .position = -1,
                                             .other = -1,
                                             .value = changed[loss],
                                             .limit = samples,
                                             .text = text});
    }
}

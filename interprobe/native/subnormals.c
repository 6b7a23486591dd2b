/* Counts subnormal numbers in samples of arrays, and books them for records whose calls take time.
 *
 * A record is looked at when the time of its calls has doubled, some twenty times in all. The look comes
 * after the call: it shows what an iteration in place has left for the next one, as well.
 */
#include "subnormals.h"

#include "call_checks.h"
#include "elements.h"
#include "readable_memory.h"

#if defined(__SSE__)
#include <xmmintrin.h>
#endif

enum {
    RUNS = 64,     /* that are looked at in a contiguous array, */
    RUN = 64,      /* of so many floats */
    STRIDED = 512, /* floats in any other */
};

/* Of an array of floats: `value` of the `limit` that were looked at are subnormal; of the look that
 * showed most. `text`: one of them, written out. */
static const char SUBNORMAL[] = "subnormal";

int
subnormals_width(const layout *is)
{
    npy_intp width = is->kind == 'f' ? is->elsize : is->kind == 'c' ? is->elsize / 2 : 0;
    bool native = is->byteorder != (NPY_BYTE_ORDER == NPY_LITTLE_ENDIAN ? '>' : '<');
    return native && (width == 4 || width == 8) ? (int)width : 0;
}

static void
count_run(const char *at, int floats, int width, subnormal_share *share)
{
    for (int i = 0; i < floats; i++, at += width) {
        if (is_subnormal(at, width)) {
            share->first = share->first == NULL ? at : share->first;
            share->subnormal++;
        }
    }
    share->looked_at += floats;
}

static subnormal_share
count_contiguous(const layout *is, int width)
{
    const char *pieces[RUNS];
    subnormal_share share = {0, 0, NULL};
    npy_intp floats = is->nbytes / width;
    int runs = floats > RUNS * RUN ? RUNS : (int)((floats + RUN - 1) / RUN);
    npy_intp step = runs > 1 ? (floats - RUN) / (runs - 1) : 0;
    int run = floats < RUN ? (int)floats : RUN;
    for (int i = 0; i < runs; i++) {
        pieces[i] = is->data + (i == runs - 1 ? floats - run : i * step) * width;
    }
    if (!memory_pieces_are_readable(pieces, runs, (size_t)(run * width))) {
        return share;
    }
    for (int i = 0; i < runs; i++) {
        count_run(pieces[i], run, width, &share);
    }
    return share;
}

static subnormal_share
count_strided(const layout *is, int width)
{
    const char *pieces[STRIDED];
    subnormal_share share = {0, 0, NULL};
    npy_intp elements = is->nbytes / is->elsize;
    int samples = elements_sampled(elements, STRIDED);
    for (int i = 0; i < samples; i++) {
        pieces[i] = element_at(is, elements_index(elements, samples, i));
    }
    if (!memory_pieces_are_readable(pieces, samples, (size_t)is->elsize)) {
        return share;
    }
    for (int i = 0; i < samples; i++) {
        count_run(pieces[i], (int)(is->elsize / width), width, &share);
    }
    return share;
}

subnormal_share
subnormals_count(const layout *is)
{
    int width = subnormals_width(is);
    if (width == 0 || is->nbytes < is->elsize || is->data == NULL) {
        return (subnormal_share){0, 0, NULL};
    }
    bool contiguous = is->contiguous_c || is->contiguous_f;
    return contiguous ? count_contiguous(is, width) : count_strided(is, width);
}

bool
subnormals_are_flushed(void)
{
#if defined(__SSE__)
    enum { FLUSH_RESULTS = 0x8000, TAKE_AS_ZEROS = 0x0040 };
    return (_mm_getcsr() & (FLUSH_RESULTS | TAKE_AS_ZEROS)) == (FLUSH_RESULTS | TAKE_AS_ZEROS);
#else
    return false;
#endif
}

static void
look_at(const call_ticket *ticket, int position, const layout *is)
{
    subnormal_share share = subnormals_count(is);
    if (!subnormals_matter(share)) {
        return;
    }
    char text[ELEMENT_TEXT];
    element_describe('f', subnormals_width(is), is->byteorder, share.first, false, text);
    const fact_event fact = {.kind = SUBNORMAL, .position = position, .other = -1,
                             .value = share.subnormal, .limit = share.looked_at, .text = text};
    ledger_book_fact(&ticket->record, &fact);
}

static void
after(const callee *to, const call_ticket *ticket, uint64_t ticks, PyObject *result, void *memory)
{
    (void)ticks, (void)memory;
    if (result == NULL || subnormals_are_flushed()) {
        return;
    }
    for (int i = 0; i < (int)to->count && i < CALL_ARGUMENTS; i++) {
        PyArrayObject *array = to->array_behind(to->arguments[i]);
        pointed_layout pointed;
        layout is;
        if (array != NULL) {
            layout_read(&is, array);
            look_at(ticket, i, &is);
            Py_DECREF(array); /* the argument itself still holds it */
        } else if (to->layouts_behind != NULL &&
                   to->layouts_behind(to->arguments[i], &pointed, 1) == 1 &&
                   pointed.offset < 0 && pointed.kept.freed == 0) {
            look_at(ticket, i, &pointed.kept.is);
        }
    }
}

static call_check subnormals_check = {
    .after = after,
    .ends_at = {.all = CALL_MILESTONE | CALL_LAYOUT},
};
REGISTER_CALL_CHECK(subnormals_check)

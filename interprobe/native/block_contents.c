/* Samples what arrays hold, to tell later whether they were written into. */
#include "block_contents.h"

#include "allocations.h"
#include "readable_memory.h"

#include <stdio.h>
#include <string.h>

static inline size_t
compared(npy_intp elsize)
{
    return (size_t)(elsize < WIDEST ? elsize : WIDEST);
}

static inline const char *
element_of(const block_sample *sample, int i)
{
    return sample->data + elements_index(sample->elements, sample->count, i) * sample->elsize;
}

void
block_sample_begin(block_sample *sample, const layout *to)
{
    sample->data = to->data;
    sample->kind = to->kind;
    sample->byteorder = to->byteorder;
    sample->elsize = to->elsize;
    sample->elements = to->nbytes / to->elsize;
    sample->count = elements_sampled(sample->elements, SAMPLED);
    block_sample_take(sample);
}

void
block_sample_take(block_sample *sample)
{
    for (int i = 0; i < sample->count; i++) {
        element_copy(sample->before[i], element_of(sample, i), compared(sample->elsize));
    }
}

int
block_sample_changes(const block_sample *sample, char text[CHANGE_TEXT])
{
    int changed = 0;
    for (int i = 0; i < sample->count; i++) {
        const char *now = element_of(sample, i);
        if (element_same(sample->before[i], now, compared(sample->elsize))) {
            continue;
        }
        if (changed++ == 0) {
            char old[ELEMENT_TEXT], new[ELEMENT_TEXT];
            element_describe(sample->kind, sample->elsize, sample->byteorder, sample->before[i],
                             false, old);
            element_describe(sample->kind, sample->elsize, sample->byteorder, now, false, new);
            text[0] = '\0';
            if (old[0] != '\0') {
                snprintf(text, CHANGE_TEXT, "%s became %s", old, new);
            }
        }
    }
    return changed;
}

bool
block_sample_differs(const block_sample *sample)
{
    enum { GLANCE = 8 }; /* every so many-th sampled element */
    for (int i = 0; i < sample->count; i += GLANCE) {
        if (!element_same(sample->before[i], element_of(sample, i), compared(sample->elsize))) {
            return true;
        }
    }
    return false;
}

void
source_sample_take(source_sample *sample, PyArrayObject *source, const layout *from)
{
    PyArrayObject *owner = source;
    while (PyArray_BASE(owner) != NULL && PyArray_Check(PyArray_BASE(owner))) {
        owner = (PyArrayObject *)PyArray_BASE(owner);
    }
    sample->data = from->data;
    sample->block = PyArray_DATA(owner);
    sample->serial =
        PyArray_CHKFLAGS(owner, NPY_ARRAY_OWNDATA)
            ? allocations_serial_of_block(sample->block, (uint64_t)PyArray_NBYTES(owner))
            : 0;
    sample->elsize = from->elsize;
    npy_intp elements = from->elsize > 0 ? from->nbytes / from->elsize : 0;
    sample->count = elements_sampled(elements, SOURCES);
    for (int i = 0; i < sample->count; i++) {
        sample->at[i] = element_at(from, elements_index(elements, sample->count, i));
        element_copy(sample->before[i], sample->at[i], compared(from->elsize));
    }
}

bool
source_sample_same(const source_sample *sample)
{
    bool ended = sample->serial != 0 && allocations_serial(sample->block) != sample->serial;
    if (ended || !memory_pieces_are_readable(sample->at, sample->count, compared(sample->elsize))) {
        return false;
    }
    for (int i = 0; i < sample->count; i++) {
        if (!element_same(sample->before[i], sample->at[i], compared(sample->elsize))) {
            return false;
        }
    }
    return true;
}

bool
source_sample_lives_same(const source_sample *sample)
{
    return sample->serial != 0 && allocations_serial(sample->block) == sample->serial &&
           source_sample_same(sample);
}

bool
array_beside_hash(const array_beside *array, uint64_t *out)
{
    uint64_t hash = 0xcbf29ce484222325u, word = 0;
    npy_intp words = array->nbytes / 8;
    int samples = elements_sampled(words, SAMPLED);
    const char *pieces[SAMPLED + 1];
    for (int i = 0; i < samples; i++) {
        pieces[i] = array->data + 8 * elements_index(words, samples, i);
    }
    pieces[samples] = array->data + 8 * words;
    bool rest = array->nbytes % 8 != 0;
    if (!memory_pieces_are_readable(pieces, samples, 8) ||
        (rest && !memory_is_readable(pieces[samples], (uint64_t)(array->nbytes % 8)))) {
        return false;
    }
    for (int i = 0; i < samples; i++) {
        memcpy(&word, pieces[i], 8);
        hash = (hash ^ word) * 0xFF51AFD7ED558CCDu;
        hash ^= hash >> 33;
    }
    word = 0;
    memcpy(&word, pieces[samples], (size_t)(array->nbytes % 8));
    *out = (hash ^ word) * 0xFF51AFD7ED558CCDu;
    return true;
}

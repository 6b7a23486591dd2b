/* Samples of what arrays hold, to tell later whether they were written into. */
#ifndef INTERPROBE_BLOCK_CONTENTS_H
#define INTERPROBE_BLOCK_CONTENTS_H

#include "elements.h"

enum {
    SAMPLED = 64, /* elements of a block */
    SOURCES = 16, /* elements of what it was made from */
    WIDEST = 16,  /* bytes compared of one element */
};

/* A block's elements, one behind the other, and what the sampled ones were. */
typedef struct {
    const char *data;
    char kind, byteorder;
    npy_intp elsize, elements;
    int count;
    char before[SAMPLED][WIDEST];
} block_sample;

/* An array of any layout, and what its sampled elements were. */
typedef struct {
    const char *data;
    const void *block;
    uint64_t serial; /* of the block; 0: its end would pass unseen */
    npy_intp elsize;
    int count;
    const char *at[SOURCES];
    char before[SOURCES][WIDEST];
} source_sample;

/* An array among a call's arguments, and what it held. */
typedef struct {
    const char *data;
    npy_intp nbytes; /* -1: its elements are not side by side, and no hash was taken */
    uint64_t contents;
} array_beside;

enum { CHANGE_TEXT = 2 * ELEMENT_TEXT + 8 };

/* Begins a sample of elements that lie side by side, as `to` tells. */
void block_sample_begin(block_sample *sample, const layout *to);

/* Notes what the elements are now. */
void block_sample_take(block_sample *sample);

/* How many elements are not what they were; `text`: the first of them, "1 became 2", untouched where
 * there is none, "" where it cannot be written out. GIL held. */
int block_sample_changes(const block_sample *sample, char text[CHANGE_TEXT]);

/* Whether one of a few of the elements is not what it was. */
bool block_sample_differs(const block_sample *sample);

/* Notes what an array's elements are. GIL held. */
void source_sample_take(source_sample *sample, PyArrayObject *source, const layout *from);

/* Whether the array holds what it held, as far as was sampled; false also where its memory is known to
 * be gone, or cannot be read. GIL held. */
bool source_sample_same(const source_sample *sample);

/* The same where it is not known that the memory is there: false then. Array data that NumPy gave out
 * go away with the GIL held, as it must be here. */
bool source_sample_lives_same(const source_sample *sample);

/* A hash of what the array holds, sampled. False where the memory is gone, or nobody may read it: a call
 * may have seen to that. */
bool array_beside_hash(const array_beside *array, uint64_t *out);

#endif

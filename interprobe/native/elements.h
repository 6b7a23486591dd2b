/* Single elements of arrays: where the sampled ones lie, what number each is, how it is written out. */
#ifndef INTERPROBE_ELEMENTS_H
#define INTERPROBE_ELEMENTS_H

#include "layout.h"

/* A number as the widest type of C holds it: exact for every integer and float of up to 64 bits. */
typedef struct {
    long double real, imaginary;
} element_number;

/* Whether the elements are truth values, integers, floats or complex numbers that can be read. */
bool elements_are_numbers(char kind, npy_intp elsize);

/* Reads one element, wherever it lies. */
element_number element_read(char kind, npy_intp elsize, char byteorder, const char *at);

enum { ELEMENT_TEXT = 96 };

/* Writes an element as Python shows it: 16777217, 0.1, 1+2j; `exact`: with all digits that tell a float
 * from what it was rounded from. GIL held; an exception that is set
 * stays set. */
void element_describe(char kind, npy_intp elsize, char byteorder, const char *at,
                      bool exact, char text[ELEMENT_TEXT]);

/* How many of `elements` are looked at: all of a few, else `most`. */
static inline int
elements_sampled(npy_intp elements, int most)
{
    return elements < most ? (int)elements : most;
}

/* Which element the `i`-th sample is: a quarter of the samples are the first elements, the rest lie
 * evenly up to the last one. */
static inline npy_intp
elements_index(npy_intp elements, int samples, int i)
{
    npy_intp head = samples / 4;
    if (elements <= samples || i < head) {
        return i;
    }
    return head + (elements - 1 - head) * (i - head) / (samples - 1 - head);
}

/* Where element `index` lies, counted in C order. */
const char *element_at(const layout *in, npy_intp index);

#endif

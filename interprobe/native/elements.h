/* Single elements of arrays: where the sampled ones lie, what number each is, how it is written out. */
#ifndef INTERPROBE_ELEMENTS_H
#define INTERPROBE_ELEMENTS_H

#include "layout.h"

#include <string.h>

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
    /* The quotient is the same for all samples: loops over them divide once. */
    npy_intp step = (elements - 1 - head) / (samples - 1 - head);
    return i == samples - 1 ? elements - 1 : head + step * (i - head);
}

/* Copies one element, or as many bytes of it. */
static inline void
element_copy(char *to, const char *from, size_t size)
{
    switch (size) { /* sizes known to the compiler: a move or two */
    case 4:
        memcpy(to, from, 4);
        break;
    case 8:
        memcpy(to, from, 8);
        break;
    case 16:
        memcpy(to, from, 16);
        break;
    default:
        memcpy(to, from, size);
    }
}

/* Whether the first bytes of two elements are the same. */
static inline bool
element_same(const char *a, const char *b, size_t size)
{
    uint64_t first, second;
    uint32_t third, fourth;
    switch (size) {
    case 4:
        memcpy(&third, a, 4);
        memcpy(&fourth, b, 4);
        return third == fourth;
    case 8:
        memcpy(&first, a, 8);
        memcpy(&second, b, 8);
        return first == second;
    default:
        return memcmp(a, b, size) == 0;
    }
}

/* Where element `index` lies, counted in C order. */
const char *element_at(const layout *in, npy_intp index);

#endif

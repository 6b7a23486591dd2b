/* Subnormal numbers, which many processors compute with in slow steps of their own. */
#ifndef INTERPROBE_SUBNORMALS_H
#define INTERPROBE_SUBNORMALS_H

#include "layout.h"

/* What a bounded look at an array's elements has shown. */
typedef struct {
    int looked_at;
    int subnormal;
    const char *first; /* one of these, in the array; NULL: there is none */
} subnormal_share;

/* Bytes of the floats that an array consists of, 4 or 8; 0: of others, or in foreign byte order. */
int subnormals_width(const layout *is);

/* Counts among up to 4,096 floats of an array, two in each complex number; counts nothing where its
 * memory cannot be read. Runs no Python code. */
subnormal_share subnormals_count(const layout *is);

/* Whether the counts are more than a stray number: from one in a hundred on they cost. */
static inline bool
subnormals_matter(subnormal_share share)
{
    return share.subnormal > 0 && share.subnormal >= share.looked_at / 100;
}

/* Whether a float of 4 or 8 bytes is subnormal: no exponent, and not zero. */
static inline bool
is_subnormal(const char *at, int width)
{
    if (width == 4) {
        uint32_t bits;
        __builtin_memcpy(&bits, at, sizeof bits);
        return (bits & 0x7F800000u) == 0 && (bits & 0x007FFFFFu) != 0;
    }
    uint64_t bits;
    __builtin_memcpy(&bits, at, sizeof bits);
    return (bits & 0x7FF0000000000000u) == 0 && (bits & 0x000FFFFFFFFFFFFFu) != 0;
}

/* Whether this thread's processor takes and makes zeros in place of them, as -ffast-math has it set. */
bool subnormals_are_flushed(void);

#endif

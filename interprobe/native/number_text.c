/* Writes elements of arrays as numbers. */
#include "number_text.h"

#include "readable_memory.h"

#include <stdio.h>
#include <string.h>

void
number_text_point(char *text)
{
    char *comma = strchr(text, ',');
    if (comma != NULL) {
        *comma = '.';
    }
}

static int
write_float(double value, char *text, size_t size)
{
    int length = snprintf(text, size, "%.6g", value);
    number_text_point(text);
    return length;
}

int
number_text(const layout *is, const char *at, char *text, size_t size)
{
    union {
        double f8;
        float f4;
        int64_t i8;
        int32_t i4;
        int16_t i2;
        uint64_t u8;
        uint32_t u4;
        uint16_t u2;
        uint8_t u1;
        int8_t i1;
    } value;
    if (is->elsize > (npy_intp)sizeof value || is->byteorder == NPY_OPPBYTE ||
        !memory_is_readable(at, (uint64_t)is->elsize)) {
        return -1;
    }
    memcpy(&value, at, (size_t)is->elsize);
    switch (is->kind << 8 | (int)is->elsize) {
    case 'f' << 8 | 8: return write_float(value.f8, text, size);
    case 'f' << 8 | 4: return write_float((double)value.f4, text, size);
    case 'i' << 8 | 8: return snprintf(text, size, "%lld", (long long)value.i8);
    case 'i' << 8 | 4: return snprintf(text, size, "%d", value.i4);
    case 'i' << 8 | 2: return snprintf(text, size, "%d", value.i2);
    case 'i' << 8 | 1: return snprintf(text, size, "%d", value.i1);
    case 'u' << 8 | 8: return snprintf(text, size, "%llu", (unsigned long long)value.u8);
    case 'u' << 8 | 4: return snprintf(text, size, "%u", value.u4);
    case 'u' << 8 | 2: return snprintf(text, size, "%u", value.u2);
    case 'u' << 8 | 1: return snprintf(text, size, "%u", value.u1);
    default: return -1;
    }
}

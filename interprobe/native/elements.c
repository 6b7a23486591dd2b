/* Reads single elements of every plain type, in either byte order, and writes them out. */
#include "elements.h"

#include "number_text.h"

#include <numpy/halffloat.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { WIDEST = 32 }; /* bytes: clongdouble */

bool
elements_are_numbers(char kind, npy_intp elsize)
{
    switch (kind) {
    case 'b':
        return elsize == 1;
    case 'i':
    case 'u':
        return elsize == 1 || elsize == 2 || elsize == 4 || elsize == 8;
    case 'f':
        return elsize == 2 || elsize == 4 || elsize == 8 || elsize == (npy_intp)sizeof(long double);
    case 'c':
        return elsize == 8 || elsize == 16 || elsize == 2 * (npy_intp)sizeof(long double);
    default:
        return false;
    }
}

static inline void
reverse(char *bytes, size_t count)
{
    for (size_t i = 0; i < count / 2; i++) {
        char held = bytes[i];
        bytes[i] = bytes[count - 1 - i];
        bytes[count - 1 - i] = held;
    }
}

/* float16 as a double, without NumPy's C-API, which the program may have patched hooks in. */
static double
half_value(npy_half bits)
{
    int exponent = (bits >> 10) & 31;
    double fraction = bits & 1023;
    double value = exponent == 31  ? (fraction != 0 ? NAN : INFINITY)
                   : exponent == 0 ? ldexp(fraction, -24)
                                   : ldexp(1024 + fraction, exponent - 25);
    return bits & 0x8000 ? -value : value;
}

static long double
float_value(npy_intp size, const char *at)
{
    if (size == 2) {
        npy_half half;
        memcpy(&half, at, sizeof half);
        return half_value(half);
    }
    if (size == 4) {
        float single;
        memcpy(&single, at, sizeof single);
        return single;
    }
    if (size == 8) {
        double plain;
        memcpy(&plain, at, sizeof plain);
        return plain;
    }
    long double wide;
    memcpy(&wide, at, sizeof wide);
    return wide;
}

static uint64_t
unsigned_value(npy_intp size, const char *at)
{
    uint8_t one;
    uint16_t two;
    uint32_t four;
    uint64_t eight;
    switch (size) {
    case 1:
        memcpy(&one, at, 1);
        return one;
    case 2:
        memcpy(&two, at, 2);
        return two;
    case 4:
        memcpy(&four, at, 4);
        return four;
    default:
        memcpy(&eight, at, 8);
        return eight;
    }
}

static int64_t
signed_value(npy_intp size, const char *at)
{
    int unused = 64 - 8 * (int)size;
    return (int64_t)(unsigned_value(size, at) << unused) >> unused;
}

/* The element in the machine's own byte order: `at` itself, or in `room`. */
static const char *
native_bytes(char kind, npy_intp elsize, char byteorder, const char *at, char room[WIDEST])
{
    if (byteorder == '|' || byteorder == NPY_NATBYTE || elsize > WIDEST) {
        return at;
    }
    memcpy(room, at, (size_t)elsize);
    if (kind == 'c') {
        reverse(room, (size_t)elsize / 2);
        reverse(room + elsize / 2, (size_t)elsize / 2);
    } else {
        reverse(room, (size_t)elsize);
    }
    return room;
}

element_number
element_read(char kind, npy_intp elsize, char byteorder, const char *at)
{
    char room[WIDEST];
    at = native_bytes(kind, elsize, byteorder, at, room);
    switch (kind) {
    case 'f':
        return (element_number){float_value(elsize, at), 0};
    case 'c':
        return (element_number){float_value(elsize / 2, at),
                                float_value(elsize / 2, at + elsize / 2)};
    case 'i':
        return (element_number){(long double)signed_value(elsize, at), 0};
    default:
        return (element_number){(long double)unsigned_value(elsize, at), 0};
    }
}

static int
write_wide(const char *at, char *text, size_t room)
{
    long double value = float_value(sizeof value, at);
    int length = 0;
    for (int digits = 1; digits <= 21; digits++) {
        length = snprintf(text, room, "%.*Lg", digits, value);
        if (isnan(value) || strtold(text, NULL) == value) {
            break;
        }
    }
    number_text_point(text);
    return length;
}

/* The shortest text that reads back as the same float of that size; returns its length. */
static int
write_float(npy_intp size, const char *at, bool exact, char *text, size_t room)
{
    if (size > 8) {
        return write_wide(at, text, room);
    }
    double value = (double)float_value(size, at);
    if (exact && fabs(value) < 1e17 && value == floor(value)) {
        return snprintf(text, room, "%.0f", value); /* told from an integer digit by digit */
    }
    int most = size == 2 && !exact ? 5 : size == 4 ? 9 : 17;
    int length = 0;
    for (int digits = 1; digits <= most; digits++) {
        /* CPython's own, which writes a point in every locale. */
        char *written = PyOS_double_to_string(value, 'g', digits, 0, NULL);
        if (written == NULL) {
            break;
        }
        length = snprintf(text, room, "%s", written);
        double back = PyOS_string_to_double(written, NULL, NULL);
        PyMem_Free(written);
        bool same = exact     ? back == value
                    : size == 2   ? fabs(back - value) <= fabs(value) / 8192
                    : size == 4 ? (float)back == (float)value
                                : back == value;
        if (same || isnan(value)) {
            break;
        }
    }
    PyErr_Clear();
    return length;
}

void
element_describe(char kind, npy_intp elsize, char byteorder, const char *at, bool exact,
                 char text[ELEMENT_TEXT])
{
    char room[WIDEST];
    text[0] = '\0';
    if (!elements_are_numbers(kind, elsize)) {
        return;
    }
    PyObject *type, *value, *traceback;
    PyErr_Fetch(&type, &value, &traceback);
    at = native_bytes(kind, elsize, byteorder, at, room);
    if (kind == 'b') {
        snprintf(text, ELEMENT_TEXT, "%s", at[0] ? "True" : "False");
    } else if (kind == 'i') {
        snprintf(text, ELEMENT_TEXT, "%lld", (long long)signed_value(elsize, at));
    } else if (kind == 'u') {
        snprintf(text, ELEMENT_TEXT, "%llu", (unsigned long long)unsigned_value(elsize, at));
    } else if (kind == 'f') {
        write_float(elsize, at, exact, text, ELEMENT_TEXT);
    } else {
        char imaginary[40];
        int used = write_float(elsize / 2, at, exact, text, 40);
        write_float(elsize / 2, at + elsize / 2, exact, imaginary, sizeof imaginary);
        const char *sign = imaginary[0] == '-' ? "" : "+";
        snprintf(text + used, (size_t)(ELEMENT_TEXT - used), "%s%sj", sign, imaginary);
    }
    PyErr_Restore(type, value, traceback);
}

const char *
element_at(const layout *in, npy_intp index)
{
    const char *at = in->data;
    for (int axis = in->ndim - 1; axis >= 0 && index > 0; axis--) {
        npy_intp length = in->shape[axis];
        at += index % length * in->strides[axis];
        index /= length;
    }
    return at;
}

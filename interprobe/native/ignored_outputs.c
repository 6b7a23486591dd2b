/* Books outputs that a callee ignored, and whose result the program drops.
 *
 * An array was given by a keyword that says "write here"; it holds what it held, and the result came back
 * in a fresh array, which the program drops at once.
 */
#include "call_checks.h"
#include "elements.h"
#include "readable_memory.h"
#include "frames.h"

#include <stdio.h>
#include <string.h>

enum { SAMPLED = 32 };

/* `position` is the argument; `value` the bytes of the result that was dropped; `text`, where both have
 * one shape, the first sampled element that differs: "0 instead of 0.5". */
static const char output_ignored[] = "output_ignored";

static const char *const words[] = {"out", "dst", "dest", "output"};

typedef struct {
    int position; /* of the output; -1: the call names none */
    uint64_t contents;
} named_output;

static bool
names_an_output(PyObject *name)
{
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        if (PyUnicode_Check(name) && PyUnicode_CompareWithASCIIString(name, words[i]) == 0) {
            return true;
        }
    }
    return false;
}

/* The position of the argument that is named as an output, or -1. */
static int
position_of_output(const callee *to)
{
    PyObject *names = to->keywords, *name, *value;
    Py_ssize_t count = PyTuple_Check(names) ? PyTuple_GET_SIZE(names) : PyDict_GET_SIZE(names);
    Py_ssize_t first = to->count - count;
    if (to->count >= CALL_ARGUMENTS || first < 0) { /* some may have found no room */
        return -1;
    }
    if (PyTuple_Check(names)) {
        for (Py_ssize_t i = 0; i < count; i++) {
            if (names_an_output(PyTuple_GET_ITEM(names, i))) {
                return (int)(first + i);
            }
        }
        return -1;
    }
    Py_ssize_t at = 0;
    for (Py_ssize_t i = first; PyDict_Next(names, &at, &name, &value); i++) {
        if (names_an_output(name)) {
            return (int)i;
        }
    }
    return -1;
}

/* False where the memory is gone, or nobody may read it. */
static bool
hash_of(const layout *is, uint64_t *out)
{
    uint64_t hash = 0xcbf29ce484222325u;
    npy_intp elements = is->elsize > 0 ? is->nbytes / is->elsize : 0;
    int samples = elements_sampled(elements, SAMPLED);
    size_t size = (size_t)(is->elsize < 8 ? is->elsize : 8);
    const char *pieces[SAMPLED];
    for (int i = 0; i < samples; i++) {
        pieces[i] = element_at(is, elements_index(elements, samples, i));
    }
    if (size == 0 || !memory_pieces_are_readable(pieces, samples, size)) {
        return false;
    }
    for (int i = 0; i < samples; i++) {
        uint64_t word = 0;
        memcpy(&word, pieces[i], size);
        hash = (hash ^ word) * 0xFF51AFD7ED558CCDu;
        hash ^= hash >> 33;
    }
    *out = hash;
    return true;
}

static bool
before_call(const begun_call *call, void *memory)
{
    named_output *output = memory;
    output->position = position_of_output(call->to);
    return output->position >= 0 && output->position < call->given &&
           call->arrays[output->position] != NULL &&
           call->arguments[output->position].given.nbytes > 0 &&
           hash_of(&call->arguments[output->position].given, &output->contents);
}

static bool
same_shape(const layout *a, const layout *b)
{
    bool same = a->ndim == b->ndim;
    for (int axis = 0; same && axis < a->ndim; axis++) {
        same = a->shape[axis] == b->shape[axis];
    }
    return same;
}

/* Describes a sampled element in which the arrays differ; false where they hold the same numbers. */
static bool
differ(const layout *given, const layout *result, char *text, size_t room)
{
    text[0] = '\0';
    if (!same_shape(given, result) || !elements_are_numbers(given->kind, given->elsize) ||
        !elements_are_numbers(result->kind, result->elsize)) {
        return true;
    }
    npy_intp elements = given->nbytes / given->elsize;
    int samples = elements_sampled(elements, SAMPLED);
    for (int i = 0; i < samples; i++) {
        npy_intp index = elements_index(elements, samples, i);
        const char *old = element_at(given, index), *new = element_at(result, index);
        element_number a = element_read(given->kind, given->elsize, given->byteorder, old);
        element_number b = element_read(result->kind, result->elsize, result->byteorder, new);
        if (a.real != b.real || a.imaginary != b.imaginary) {
            char was[ELEMENT_TEXT], came[ELEMENT_TEXT];
            element_describe(given->kind, given->elsize, given->byteorder, old, false, was);
            element_describe(result->kind, result->elsize, result->byteorder, new, false, came);
            snprintf(text, room, "%s instead of %s", was, came);
            return true;
        }
    }
    return false;
}

static void
after_call(const callee *to, const call_ticket *ticket, uint64_t ticks, PyObject *result,
           void *memory)
{
    const named_output *output = memory;
    if (result == NULL || !PyArray_Check(result)) {
        return;
    }
    PyArrayObject *array = to->array_behind(to->arguments[output->position]);
    if (array == NULL) {
        return;
    }
    layout given, came;
    layout_read(&given, array);
    layout_read(&came, (PyArrayObject *)result);
    char text[2 * ELEMENT_TEXT + 16];
    uint64_t contents;
    if (came.nbytes > 0 && !layout_overlap(&given, &came) && hash_of(&given, &contents) &&
        contents == output->contents && differ(&given, &came, text, sizeof text)) {
        frame_outlook outlook;
        frames_look_ahead(&outlook);
        if (outlook.drops_result) {
            ledger_book_fact(&ticket->record,
                             &(fact_event){.kind = output_ignored,
                                           .position = output->position,
                                           .other = -1,
                                           .value = (int64_t)came.nbytes,
                                           .text = text[0] == '\0' ? NULL : text});
        }
    }
    Py_DECREF(array); /* the argument itself still holds it: nothing dies here */
}

static call_check ignored_outputs = {
    .memory = sizeof(named_output),
    .before = before_call,
    .after = after_call,
    .looks_at = {.all = CALL_KEYWORDS | CALL_LIVE},
};
REGISTER_CALL_CHECK(ignored_outputs)

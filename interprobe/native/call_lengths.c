/* Compares the integers of a foreign call with how many elements lie behind its pointers.
 *
 * An integer that is larger than a buffer proves nothing: it may be a seed, a flag or a leading
 * dimension. So facts are booked about pairs of an integer and a pointer, by which the rules learn
 * which integer is the length of what:
 *
 *   length-equal        the integer is the number of elements from the pointer to the end of its
 *                       array; `value`: the largest such, `limit`: bytes
 *   length-equal-least  the same, `value`: minus the smallest such
 *   length-over         that many elements end past the memory that the array lies in; `value`: the
 *                       integer, `limit`: the bytes from the pointer to that memory's end
 *   length-over-shared  the same, but the integer is also the length or a dimension of another
 *                       array of the call
 *   length-nbytes       the integer is the number of bytes up to the array's end, where the declared
 *                       prototype has a pointer to wider elements; `limit`: as in length-over
 *   length-past-array   past the array, though its memory goes on or is not known to end; `limit`:
 *                       the bytes from the pointer to the array's end
 *
 * `position` is the integer's, `other` the pointer's. Elements are those of the pointer's own type,
 * where it has one (POINTER(c_double)), and else the array's. The kinds product-... and triple-... say
 * it of the product of two and three neighbouring integers, `position` being the first one's.
 */
#include "call_history.h"

enum { LARGEST_LENGTH = 48 }; /* bits: nothing longer fits into memory */

enum kind { EQUAL, EQUAL_LEAST, OVER, OVER_SHARED, PAST_ARRAY, NBYTES };

static const char *const kinds[3][6] = {
    {"length-equal", "length-equal-least", "length-over", "length-over-shared", "length-past-array",
     "length-nbytes"},
    {"product-equal", "product-equal-least", "product-over", "product-over-shared",
     "product-past-array", "product-nbytes"},
    {"triple-equal", "triple-equal-least", "triple-over", "triple-over-shared",
     "triple-past-array", "triple-nbytes"},
};

int64_t
stated_elements(const compared_call *now, const stated_length *length)
{
    int64_t product = 1;
    for (int i = length->first; i < length->first + length->factors; i++) {
        int64_t factor = now->values[i];
        /* A factor of 1 makes a product of what is looked at as shorter one already. */
        if (factor < 1 + (length->factors > 1) || __builtin_mul_overflow(product, factor, &product) ||
            product >> LARGEST_LENGTH != 0) {
            return 0;
        }
    }
    return product;
}

static void
book(const compared_call *now, int length, int pointer, enum kind kind, int64_t value, uint64_t limit)
{
    const call_history *history = now->history;
    const stated_length *stated = &history->stated[length];
    const fact_event fact = {
        .kind = kinds[stated->factors - 1][kind],
        .position = history->integer_at[stated->first],
        .other = history->pointer_at[pointer],
        .value = value,
        .limit = (int64_t)limit,
    };
    ledger_book_fact(&now->call->ticket->record, &fact);
}

/* Whether another array of the call has a number as its length or as one of its dimensions. */
static bool
is_shared(const compared_call *now, int pointer, int64_t number)
{
    const call_history *history = now->history;
    for (int i = 0; i < history->pointers; i++) {
        if (i == pointer) {
            continue;
        }
        if (pointer_bytes(now, i) == (uint64_t)number * history->element[i]) {
            return true;
        }
        const layout *given = &pointer_argument(now, i)->given;
        for (int axis = 0; axis < given->ndim; axis++) {
            if (given->shape[axis] == number) {
                return true;
            }
        }
    }
    return false;
}

static void
note_equal(compared_call *now, int length, int pointer, int64_t elements, uint64_t bytes)
{
    length_relation *relation = &now->history->relations[length][pointer];
    if (elements > relation->most_equal) {
        relation->most_equal = elements;
        book(now, length, pointer, EQUAL, elements, bytes);
    }
    if (relation->least_equal == 0 || elements < relation->least_equal) {
        relation->least_equal = elements;
        book(now, length, pointer, EQUAL_LEAST, -elements, bytes);
    }
}

static void
note_over(compared_call *now, int length, int pointer, int64_t elements, uint64_t claimed)
{
    length_relation *relation = &now->history->relations[length][pointer];
    /* A number that is never this buffer's length need not be booked again and again. */
    if (relation->most_equal == 0 && elements <= relation->most_over) {
        return;
    }
    relation->most_over = elements > relation->most_over ? elements : relation->most_over;
    const callee *to = now->call->to;
    int position = now->history->pointer_at[pointer];
    uintptr_t at = now->passed[pointer];
    held_memory memory = memory_behind(now, pointer);
    if ((uint64_t)elements == pointer_bytes(now, pointer) && now->history->element[pointer] > 1 &&
        to->foreign->declared_element != NULL &&
        to->foreign->declared_element(to->callable, position) > 1) {
        book(now, length, pointer, NBYTES, elements,
             memory.high > at ? memory.high - at : pointer_bytes(now, pointer));
    }
    if (memory.high > at && claimed == memory.high - at) {
        return; /* to the end of the block: that is what was meant */
    }
    if (memory.high > at && claimed > memory.high - at) {
        book(now, length, pointer, is_shared(now, pointer, elements) ? OVER_SHARED : OVER, elements,
             memory.high - at);
    } else {
        book(now, length, pointer, PAST_ARRAY, elements, pointer_bytes(now, pointer));
    }
}

static void
compare_pointer(compared_call *now, int pointer, const int64_t *elements)
{
    const call_history *history = now->history;
    uint64_t bytes = pointer_bytes(now, pointer);
    size_t size = history->element[pointer];
    bool accounted = bytes == 0 || size == 0; /* there is nothing to compare */
    for (int i = 0; i < history->lengths && bytes > 0; i++) {
        if (elements[i] > 0 && (uint64_t)elements[i] * size == bytes) {
            note_equal(now, i, pointer, elements[i], bytes);
            accounted = true;
        }
    }
    for (int i = 0; i < history->lengths && !accounted; i++) {
        if (elements[i] > 0 && (uint64_t)elements[i] > bytes / size) {
            uint64_t claimed;
            if (__builtin_mul_overflow((uint64_t)elements[i], (uint64_t)size, &claimed)) {
                claimed = UINT64_MAX;
            }
            note_over(now, i, pointer, elements[i], claimed);
        }
    }
}

void
lengths_compare(compared_call *now)
{
    const call_history *history = now->history;
    if (history->integers == 0) {
        return;
    }
    int64_t elements[CALL_LENGTHS];
    for (int i = 0; i < history->lengths; i++) {
        elements[i] = stated_elements(now, &history->stated[i]);
    }
    for (int i = 0; i < history->pointers; i++) {
        compare_pointer(now, i, elements);
    }
}

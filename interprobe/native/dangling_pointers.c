/* The check of calls that are given a pointer into memory that an array has left. */
#include "allocations.h"
#include "call_checks.h"
#include "quarantine.h"

#include <string.h>

/* Fact of a call: argument `position` leads into the data of an array that was freed. `value`: bytes
 * of the freed block; `limit`: how many blocks NumPy has handed out since; `text`: how the program got
 * the address; `place`: where. */
static const char freed_array[] = "pointer to a freed array";

/* Facts of a call that has the one above.
 * `place` is the line that was running when the array was freed. */
static const char freed_at[] = "array freed";
/* A call was given the address while the array lived. */
static const char passed_before[] = "pointer passed while the array lived";
/* The freed data are not what they were before the call: C has written there. */
static const char written[] = "freed array written";

/* What `before` keeps for `after`. */
typedef struct {
    uint64_t serial; /* of the first freed block that the call leads to; 0: none to compare */
    uint64_t contents; /* hash of its bytes */
    int position;
} kept_contents;

static uint64_t
hash_of(const quarantined_block *block)
{
    const char *data = block->data;
    uint64_t hash = block->bytes, word, at = 0;
    for (; at + sizeof word <= block->bytes; at += sizeof word) {
        memcpy(&word, data + at, sizeof word);
        hash = (hash ^ word) * 0x9E3779B97F4A7C15u;
        hash ^= hash >> 29;
    }
    for (; at < block->bytes; at++) {
        hash = (hash ^ (uint8_t)data[at]) * 0x9E3779B97F4A7C15u;
    }
    return hash;
}

static void
book(const begun_call *call, int position, const quarantined_block *block, kept_contents *contents)
{
    fact_event fact = {.kind = freed_array,
                       .position = position,
                       .other = -1,
                       .value = (int64_t)block->bytes,
                       .limit = (int64_t)(allocations_latest() - block->latest),
                       .text = block->given.gift.manner,
                       .place = block->given.gift.place};
    ledger_book_fact(&call->ticket->record, &fact);
    if (block->given.passed) {
        fact.kind = passed_before;
        ledger_book_fact(&call->ticket->record, &fact);
    }
    fact.kind = freed_at;
    fact.place = block->freed_at;
    ledger_book_fact(&call->ticket->record, &fact);
    if (call->ticket->is_first && contents->serial == 0) {
        *contents = (kept_contents){block->serial, hash_of(block), position};
    }
}

/* The block in which a living array lies: one that was made from a mere address, or that another
 * array's resize() left behind. */
static const quarantined_block *
block_under(PyArrayObject *array)
{
    kept_layout there;
    uintptr_t address = (uintptr_t)PyArray_DATA(array);
    bool found = quarantine_find(address, ADDRESS_INTERIOR, &there);
    return found ? quarantine_get(there.freed) : NULL;
}

static bool
before(const begun_call *call, void *memory)
{
    kept_contents *contents = memory;
    contents->serial = 0;
    if (quarantine_is_empty()) {
        return false;
    }
    int last = -1;
    for (int i = 0; i < call->count; i++) {
        const call_argument *argument = &call->arguments[i];
        const quarantined_block *block = NULL;
        if (argument->freed != 0) {
            block = quarantine_get(argument->freed);
        } else if (call->ticket->is_first && i < call->given && call->arrays[i] != NULL) {
            block = block_under(call->arrays[i]);
        }
        /* One fact for all pointers inside one argument's memory. */
        if (block != NULL && argument->position != last) {
            last = argument->position;
            book(call, argument->position, block, contents);
        }
    }
    return contents->serial != 0;
}

static void
after(const callee *to, const call_ticket *ticket, uint64_t ticks, PyObject *result, void *memory)
{
    (void)to, (void)ticks, (void)result;
    const kept_contents *contents = memory;
    const quarantined_block *block = quarantine_get(contents->serial);
    if (block != NULL && hash_of(block) != contents->contents) {
        const fact_event fact = {.kind = written,
                                 .position = contents->position,
                                 .other = -1,
                                 .value = (int64_t)block->bytes};
        ledger_book_fact(&ticket->record, &fact);
    }
}

static call_check dangling_pointers_check = {
    .memory = sizeof(kept_contents),
    .before = before,
    .after = after,
    .looks_at = {.any = CALL_FREED | CALL_FIRST},
};
REGISTER_CALL_CHECK(dangling_pointers_check)

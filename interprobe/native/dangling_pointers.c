/* The check of calls that are given a pointer into memory that an array has left. */
#include "allocations.h"
#include "call_checks.h"
#include "quarantine.h"

/* Fact of a call: argument `position` leads into the data of an array that was freed. `value`: bytes
 * of the freed block; `limit`: how many blocks NumPy has handed out since; `text`: how the program got
 * the address; `place`: where. */
static const char freed_array[] = "pointer to a freed array";

/* Fact of a call that has the one above: `place` is the line that was running when the array was
 * freed. */
static const char freed_at[] = "array freed";

/* Fact of a call that has the first: a call was given the address while the array lived. */
static const char passed_before[] = "pointer passed while the array lived";

static void
before(const begun_call *call, void *memory)
{
    (void)memory;
    for (int i = 0, last = -1; i < call->count; i++) {
        const call_argument *argument = &call->arguments[i];
        const quarantined_block *block =
            argument->freed == 0 ? NULL : quarantine_get(argument->freed);
        if (block == NULL || argument->position == last) {
            continue;
        }
        last = argument->position; /* one fact for all pointers inside one argument's memory */
        fact_event fact = {.kind = freed_array,
                           .position = argument->position,
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
    }
}

static call_check dangling_pointers_check = {0, before, NULL, 0, NULL};
REGISTER_CALL_CHECK(dangling_pointers_check)

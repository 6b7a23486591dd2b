/* Sees integers that reach C as other numbers, or that another type of C's would not hold.
 *
 *   cut            ctypes took the lower bits of a Python integer, without a word; `value`: the
 *                  integer, `limit`: the bits that C gets, `text`: "signed" or "unsigned", as C is
 *                  told to read them, or "address" where it is the address of live memory
 *   large-integer  an integer beyond 2**31 - 1 that reached C whole; `value`: the largest such
 *   negative       an integer below 0, for a type of at most 32 bits; `value`: minus the least such
 */
#define _GNU_SOURCE
#include "call_history.h"

#include <sys/mman.h>
#include <unistd.h>

#define LOWEST_HEAP ((int64_t)1 << 44) /* below lie lengths, on 64-bit Linux above lies memory */

void
integers_learn(compared_call *now)
{
    call_history *history = now->history;
    const foreign_binding *foreign = now->call->to->foreign;
    for (int i = 0; i < history->integers; i++) {
        int at = history->integer_at[i];
        history->least_fitting[i] = INT64_MIN;
        history->most_fitting[i] = INT64_MAX;
        if (foreign->integer_bits == NULL || !PyLong_CheckExact(now->call->to->arguments[at])) {
            continue; /* a ctypes integer has been cut, if so, when it was made */
        }
        int bits = foreign->integer_bits(now->call->to->callable, at);
        if (bits < 0 && bits > -64) {
            history->least_fitting[i] = -((int64_t)1 << (-bits - 1));
            history->most_fitting[i] = ((int64_t)1 << (-bits - 1)) - 1;
        } else if (bits > 0) {
            /* -1 and its like stand for "all bits" or "none" with unsigned parameters. */
            history->least_fitting[i] = bits < 64 ? -((int64_t)1 << (bits - 1)) : INT64_MIN;
            history->most_fitting[i] = bits < 64 ? ((int64_t)1 << bits) - 1 : INT64_MAX;
        }
    }
}

/* Whether a number is the address of memory that this process has mapped. */
static bool
is_address(int64_t number)
{
    kept_layout found;
    if (number < LOWEST_HEAP) {
        return number > 0 && addresses_find((uintptr_t)number, ADDRESS_INTERIOR, &found);
    }
    uintptr_t page = (uintptr_t)number & ~((uintptr_t)sysconf(_SC_PAGESIZE) - 1);
    unsigned char resident;
    return mincore((void *)page, 1, &resident) == 0;
}

/* Bits of the type that an argument is declared as, below 0 where it is signed; 0: not known. Asked at
 * each such integer, as the prototype may be changed meanwhile. */
static int
declared_bits(const compared_call *now, int integer)
{
    const callee *to = now->call->to;
    int at = now->history->integer_at[integer];
    bool whole = to->foreign->integer_bits == NULL || !PyLong_CheckExact(to->arguments[at]);
    return whole ? 0 : to->foreign->integer_bits(to->callable, at);
}

static void
note_cut(const compared_call *now, int integer)
{
    int at = now->history->integer_at[integer];
    int bits = declared_bits(now, integer);
    int64_t value = now->values[integer];
    int width = bits < 0 ? -bits : bits;
    if (width == 0 || width >= 64) {
        return;
    }
    int64_t kept = (int64_t)((uint64_t)value << (64 - width)) >> (64 - width);
    kept = bits > 0 ? kept & (int64_t)(((uint64_t)1 << width) - 1) : kept;
    if (kept == value) {
        return;
    }
    const fact_event fact = {
        .kind = "cut",
        .position = at,
        .other = -1,
        .value = value,
        .limit = width,
        .text = is_address(value) ? "address" : bits < 0 ? "signed" : "unsigned",
    };
    ledger_book_fact(&now->call->ticket->record, &fact);
}

static void
note_negative(compared_call *now, int integer)
{
    call_history *history = now->history;
    int64_t value = now->values[integer];
    int bits = declared_bits(now, integer);
    if (bits == 0 || bits > 32 || bits < -32 || value >= history->least[integer]) {
        return;
    }
    history->least[integer] = value;
    const fact_event fact = {.kind = "negative",
                             .position = history->integer_at[integer],
                             .other = -1,
                             .value = value == INT64_MIN ? INT64_MAX : -value};
    ledger_book_fact(&now->call->ticket->record, &fact);
}

void
integers_compare(compared_call *now)
{
    call_history *history = now->history;
    for (int i = 0; i < history->integers; i++) {
        int64_t value = now->values[i];
        if (value < 0) {
            note_negative(now, i);
        }
        if (value < history->least_fitting[i] || value > history->most_fitting[i]) {
            note_cut(now, i);
        } else if (value > INT32_MAX && value > history->largest[i] &&
                   !now->call->arguments[history->integer_at[i]].has_layout) {
            history->largest[i] = value;
            const fact_event fact = {.kind = "large-integer",
                                     .position = history->integer_at[i],
                                     .other = -1,
                                     .value = value};
            ledger_book_fact(&now->call->ticket->record, &fact);
        }
    }
}

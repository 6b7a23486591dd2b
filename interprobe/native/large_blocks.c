/* Follows large blocks of array data from the place that made them to their end.
 *
 * A block is one of an expression's own, *passing*, where it ends inside the expression that made it: in
 * the same frame, at an instruction whose source text contains the text of the one that allocated it. In
 * `y = np.sqrt(a * b)` that is so of the product, and not of what `y` held before: storing into `y` is
 * an instruction with the text `y`.
 */
#include "large_blocks.h"

#include "clock.h"
#include "frames.h"
#include "fresh_pages.h"
#include "guard_blocks.h"

#include <stdlib.h>
#include <string.h>

enum { PAUSE = 32 }; /* times as long as a look took, until the next */

typedef struct {
    uint64_t serial; /* 0: empty */
    booked_block is;
} kept_block;

static kept_block *kept; /* open addressing, linear probing; guarded by the ledger's lock */
static size_t kept_size, kept_used;

static inline size_t
home_of(uint64_t serial, size_t size)
{
    return (size_t)(serial * 0x9E3779B97F4A7C15u >> 32) & (size - 1);
}

static bool
grow(void)
{
    size_t size = kept_size ? kept_size * 2 : 64;
    kept_block *grown = calloc(size, sizeof *grown);
    if (grown == NULL) {
        return false;
    }
    for (size_t i = 0; i < kept_size; i++) {
        if (kept[i].serial != 0) {
            size_t slot = home_of(kept[i].serial, size);
            while (grown[slot].serial != 0) {
                slot = (slot + 1) & (size - 1);
            }
            grown[slot] = kept[i];
        }
    }
    free(kept);
    kept = grown;
    kept_size = size;
    return true;
}

/* Asks which pages of a new block are there, or PAGES_UNKNOWN where that would take more than a small
 * share of the program's time: blocks that come and go without being filled cost nothing else. */
static uint64_t
look_at_new(const void *data, uint64_t bytes)
{
    static uint64_t next; /* ticks: not before */
    uint64_t began = clock_ticks();
    if (began < __atomic_load_n(&next, __ATOMIC_RELAXED)) {
        return PAGES_UNKNOWN;
    }
    uint64_t resident = pages_resident(data, bytes);
    uint64_t ended = clock_ticks();
    __atomic_store_n(&next, ended + (ended - began) * PAUSE, __ATOMIC_RELAXED);
    return resident;
}

static bool
is_before(int32_t line, int32_t column, int32_t other_line, int32_t other_column)
{
    return line < other_line || (line == other_line && column <= other_column);
}

/* Whether the source text of one place contains that of another; not where columns are unknown. */
static bool
contains(const place *outer, const place *inner)
{
    return outer->column >= 0 && inner->column >= 0 && outer->end_line > 0 && inner->end_line > 0 &&
           is_before(outer->line, outer->column, inner->line, inner->column) &&
           is_before(inner->end_line, inner->end_column, outer->end_line, outer->end_column) &&
           strcmp(outer->file, inner->file) == 0 && strcmp(outer->function, inner->function) == 0;
}

static bool
ends_inside_its_expression(const booked_block *large)
{
    if (large->user == 0 || !frames_thread_attached()) {
        return false;
    }
    position at;
    frames_locate(&at);
    if (at.user == 0 || at.user_frame != large->user_frame) {
        return false;
    }
    const place *outer = places_get(at.user), *inner = places_get(large->user);
    return outer != NULL && inner != NULL && contains(outer, inner);
}

void
large_blocks_begin(booked_block *large, const void *data, uint64_t bytes, bool attached)
{
    memset(large, 0, sizeof *large);
    large->bytes = bytes;
    /* In guard mode every block is fresh, by our doing. */
    large->resident = guard_blocks_holds(data) ? PAGES_UNKNOWN : look_at_new(data, bytes);
    if (attached) {
        position at;
        frames_locate(&at);
        if (at.own) {
            large->record.count = 4; /* of no ledger's interest */
            return;
        }
        large->here = at.here;
        large->user = at.user;
        large->user_frame = at.user_frame;
    }
}

void
large_blocks_keep(const booked_block *large, uint64_t serial)
{
    if (large->record.count == 0 || large->record.bookings[0].ledger == 0 ||
        ((kept_used + 1) * 2 > kept_size && !grow())) {
        return;
    }
    size_t slot = home_of(serial, kept_size);
    while (kept[slot].serial != 0) {
        slot = (slot + 1) & (kept_size - 1);
    }
    kept[slot].serial = serial;
    kept[slot].is = *large;
    kept_used++;
}

bool
large_blocks_end(uint64_t serial, booked_block *out)
{
    if (kept_used == 0) {
        return false;
    }
    size_t hole = home_of(serial, kept_size);
    while (kept[hole].serial != serial) {
        if (kept[hole].serial == 0) {
            return false;
        }
        hole = (hole + 1) & (kept_size - 1);
    }
    *out = kept[hole].is;
    /* Moves later blocks of its run back, so that no tombstones pile up. */
    for (size_t slot = (hole + 1) & (kept_size - 1); kept[slot].serial != 0;
         slot = (slot + 1) & (kept_size - 1)) {
        size_t home = home_of(kept[slot].serial, kept_size);
        if (((slot - home) & (kept_size - 1)) >= ((slot - hole) & (kept_size - 1))) {
            kept[hole] = kept[slot];
            hole = slot;
        }
    }
    kept[hole].serial = 0;
    kept_used--;
    ledger_large_freed(out, ends_inside_its_expression(out));
    return true;
}

void
large_blocks_look(const booked_block *large, const void *data)
{
    if (large->resident == PAGES_UNKNOWN) {
        return;
    }
    uint64_t now = pages_resident(data, large->bytes);
    if (now == PAGES_UNKNOWN) {
        return;
    }
    ledger_lock();
    ledger_large_touched(large, now > large->resident ? now - large->resident : 0);
    ledger_unlock();
}

void
large_blocks_forget(void)
{
    free(kept);
    kept = NULL;
    kept_size = kept_used = 0;
}

/* Withholds freed array data from reuse, so that a pointer to it is known to lead nowhere.
 *
 * The address of a freed block goes to the next array of that size at once: a pointer that was kept
 * then leads to the wrong, living array, and nothing tells it from a right one. So the block of an
 * array whose address the program was given is not freed for real at first: as long as it lies here no
 * other array can be where it was, and a call that is given an address in it has a dangling pointer,
 * with certainty. The oldest block goes when room is needed. A pointer that keeps its array alive
 * (data_as) may be copied into a structure, which does not; few programs do that, and all use such
 * pointers, so only small blocks are kept for their sake, few enough to stay in the cache.
 */
#include "quarantine.h"

#include "allocations.h"
#include "frames.h"
#include "ledger.h"

#include <string.h>

enum { BLOCKS = 256 }; /* of one ring; power of two */

typedef struct {
    quarantined_block blocks[BLOCKS];
    uintptr_t lows[BLOCKS], highs[BLOCKS]; /* of their memory, apart, for the search; both 0: none */
    uint64_t first, next; /* the oldest, and behind the newest: counted on, modulo BLOCKS */
    uint64_t bytes;
    uint64_t largest; /* bytes that a block may have */
    uint64_t older;   /* bytes that may lie here besides the newest block */
} ring;

static ring bare = {.largest = 32u << 20, .older = 8u << 20};    /* addresses known as numbers */
static ring held = {.largest = 256u << 10, .older = 768u << 10}; /* pointers that may be copied */

static void
give_back_oldest(ring *in)
{
    size_t slot = in->first++ % BLOCKS;
    quarantined_block *block = &in->blocks[slot];
    in->bytes -= block->bytes;
    in->lows[slot] = in->highs[slot] = 0;
    block->serial = 0;
    allocations_give_back(block->data, block->bytes);
}

static bool
take_over(void *data, uint64_t bytes, uint64_t serial)
{
    /* Without the GIL neither the table of addresses may be read nor NumPy's cache of small blocks
     * touched, to which others would have to be given back. */
    if (!ledger_active || bytes > bare.largest || !frames_thread_attached()) {
        return false;
    }
    given_address given;
    if (!addresses_of_block(data, bytes, serial, &given)) {
        return false;
    }
    ring *in = given.gift.hold == ADDRESS_BARE ? &bare : &held;
    if (bytes == 0 || bytes > in->largest) {
        return false;
    }
    while (in->next - in->first == BLOCKS || in->bytes > in->older) {
        give_back_oldest(in);
    }
    size_t slot = in->next++ % BLOCKS;
    quarantined_block *block = &in->blocks[slot];
    addresses_copy_layout(&block->given.kept, &given.kept);
    block->given.gift = given.gift;
    block->given.passed = given.passed;
    block->given.kept.freed = serial;
    block->data = data;
    block->bytes = bytes;
    block->serial = serial;
    block->latest = allocations_latest();
    position at;
    frames_locate(&at);
    block->freed_at = at.user != 0 ? at.user : at.here;
    in->bytes += bytes;
    in->lows[slot] = (uintptr_t)data;
    in->highs[slot] = (uintptr_t)data + bytes;
    return true;
}

bool
quarantine_is_empty(void)
{
    return bare.first == bare.next && held.first == held.next;
}

uint64_t
quarantine_bytes(void)
{
    return bare.bytes + held.bytes;
}

static const quarantined_block *
block_around(const ring *in, uintptr_t address)
{
    for (size_t slot = 0; slot < BLOCKS; slot++) {
        if (address >= in->lows[slot] && address < in->highs[slot]) {
            return &in->blocks[slot];
        }
    }
    return NULL;
}

bool
quarantine_find(uintptr_t address, enum address_match match, kept_layout *out)
{
    if (address <= UINT32_MAX) { /* as likely a plain number */
        return false;
    }
    const quarantined_block *found = bare.bytes == 0 ? NULL : block_around(&bare, address);
    if (found == NULL && held.bytes != 0) {
        found = block_around(&held, address);
    }
    if (found == NULL ||
        (match == ADDRESS_EXACT && address != (uintptr_t)found->given.kept.is.data)) {
        return false;
    }
    addresses_copy_layout(out, &found->given.kept);
    return true;
}

const quarantined_block *
quarantine_get(uint64_t serial)
{
    for (size_t slot = 0; serial != 0 && slot < BLOCKS; slot++) {
        if (bare.blocks[slot].serial == serial) {
            return &bare.blocks[slot];
        }
        if (held.blocks[slot].serial == serial) {
            return &held.blocks[slot];
        }
    }
    return NULL;
}

static void
give_back_all(ring *in)
{
    while (in->first != in->next) {
        give_back_oldest(in);
    }
}

void
quarantine_end(void)
{
    give_back_all(&bare);
    give_back_all(&held);
}

/* Memory is out: the program gets what it would have without us. */
static bool
relent(void)
{
    bool any = frames_thread_attached() && (bare.first != bare.next || held.first != held.next);
    if (any) {
        quarantine_end();
    }
    return any;
}

static block_watcher watcher = {BLOCK_ADDRESS_GIVEN, take_over, relent, NULL};
REGISTER_BLOCK_WATCHER(watcher)

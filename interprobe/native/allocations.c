/* The probe of array data: every block that NumPy's default handler hands out, in every thread.
 *
 * NEP 49's PyDataMem_SetHandler is a context variable, which threads do not inherit; so the function
 * pointers inside the default handler's struct are replaced instead. Blocks are the same malloc'ed
 * memory with and without the probe: arrays made under it can be freed after it, and the reverse.
 * Not seen: a program's own handler, and NumPy memory that is no array data (StringDType's heap).
 */
#include "allocations.h"

#include "frames.h"
#include "guard_blocks.h"
#include "large_blocks.h"
#include "numpy_api.h"
#include "probe.h"

#include <stdlib.h>
#include <string.h>

typedef struct {
    void *data; /* NULL: empty */
    uint64_t bytes;
    uint64_t serial;
    uint64_t booked; /* the ledgers that counted it, a bit each */
    uint64_t marks;  /* enum block_mark */
} block;

static PyDataMemAllocator *patched;  /* inside NumPy's default handler */
static PyDataMemAllocator original;
static block *blocks; /* open addressing, linear probing */
static size_t blocks_size, blocks_used;
static uint64_t serials, ends;
static block_watcher *watchers;
static bool watching; /* the hooks are in place: no end of a block passes unseen */

static inline size_t
home_of(const void *data, size_t size)
{
    uint64_t word = (uint64_t)(uintptr_t)data >> 4; /* malloc aligns to 16 */
    return (size_t)((word * 0x9E3779B97F4A7C15u) >> 20) & (size - 1);
}

static bool
grow(void)
{
    size_t size = blocks_size ? blocks_size * 2 : 1024;
    block *grown = calloc(size, sizeof *grown);
    if (grown == NULL) {
        return false;
    }
    for (size_t i = 0; i < blocks_size; i++) {
        if (blocks[i].data != NULL) {
            size_t slot = home_of(blocks[i].data, size);
            while (grown[slot].data != NULL) {
                slot = (slot + 1) & (size - 1);
            }
            grown[slot] = blocks[i];
        }
    }
    free(blocks);
    blocks = grown;
    blocks_size = size;
    return true;
}

static block *
find(const void *data)
{
    if (blocks_size == 0) {
        return NULL;
    }
    for (size_t slot = home_of(data, blocks_size); blocks[slot].data != NULL;
         slot = (slot + 1) & (blocks_size - 1)) {
        if (blocks[slot].data == data) {
            return &blocks[slot];
        }
    }
    return NULL;
}

/* Empties a slot and moves later blocks of its run back, so that no tombstones pile up. */
static void
forget(block *found)
{
    size_t hole = (size_t)(found - blocks);
    size_t slot = hole;
    for (;;) {
        slot = (slot + 1) & (blocks_size - 1);
        if (blocks[slot].data == NULL) {
            break;
        }
        size_t home = home_of(blocks[slot].data, blocks_size);
        if (((slot - home) & (blocks_size - 1)) >= ((slot - hole) & (blocks_size - 1))) {
            blocks[hole] = blocks[slot];
            hole = slot;
        }
    }
    blocks[hole].data = NULL;
    blocks_used--;
}

/* Returns what was known of the block that ended; `data` is NULL in it where that is nothing. */
static block
note_end(void *data)
{
    block ended = {.data = NULL};
    booked_block large;
    bool is_large = false;
    if (data == NULL || __atomic_load_n(&blocks_used, __ATOMIC_RELAXED) == 0) {
        return ended;
    }
    ledger_lock();
    block *found = find(data);
    if (found != NULL) {
        ended = *found;
        __atomic_store_n(&ends, ends + 1, __ATOMIC_RELAXED);
        ledger_freed(found->serial, found->bytes, found->booked);
        is_large = found->bytes >= LARGE_BLOCK && large_blocks_end(found->serial, &large);
        forget(found);
    }
    ledger_unlock();
    if (is_large) {
        large_blocks_look(&large, data);
    }
    if (guard_blocks_holds(data)) {
        ended.marks &= ~(uint64_t)BLOCK_ADDRESS_GIVEN; /* nobody can touch it once it is freed */
    }
    return ended;
}

/* Tells the watchers of the end of a block; true where one has taken it over. */
static bool
taken_over(const block *ended)
{
    bool taken = false;
    for (block_watcher *each = watchers; each != NULL; each = each->next) {
        if (ended->marks & each->marks) {
            taken = each->ending(ended->data, ended->bytes, ended->serial) || taken;
        }
    }
    return taken;
}

static void
note_start(void *data, size_t bytes)
{
    if (data == NULL || !ledger_active) {
        return;
    }
    bool attached = frames_thread_attached();
    booked_block large;
    booked_block *is_large = bytes >= LARGE_BLOCK ? &large : NULL;
    if (is_large != NULL) {
        large_blocks_begin(&large, data, bytes, attached);
    }
    ledger_lock();
    if ((blocks_used + 1) * 2 <= blocks_size || grow()) {
        size_t slot = home_of(data, blocks_size);
        while (blocks[slot].data != NULL && blocks[slot].data != data) {
            slot = (slot + 1) & (blocks_size - 1);
        }
        if (blocks[slot].data == NULL) {
            blocks_used++;
        } else {
            /* Its end passed no hook (freed by another handler): it is over all the same. */
            ledger_freed(blocks[slot].serial, blocks[slot].bytes, blocks[slot].booked);
            booked_block gone;
            if (blocks[slot].bytes >= LARGE_BLOCK) {
                large_blocks_end(blocks[slot].serial, &gone);
            }
        }
        uint64_t serial = ++serials;
        uint64_t booked = ledger_allocated(serial, bytes, attached, is_large);
        blocks[slot] = (block){data, bytes, serial, booked, 0};
        if (is_large != NULL) {
            large_blocks_keep(&large, serial);
        }
    }
    ledger_unlock();
}

uint64_t
allocations_serial(const void *data)
{
    ledger_lock();
    block *found = find(data);
    uint64_t serial = found == NULL ? 0 : found->serial;
    ledger_unlock();
    return serial;
}

uint64_t
allocations_serial_of_block(const void *data, uint64_t bytes)
{
    uint64_t serial = 0;
    ledger_lock();
    block *found = find(data);
    if (found != NULL) {
        serial = found->serial;
    } else if (watching && ((blocks_used + 1) * 2 <= blocks_size || grow())) {
        size_t slot = home_of(data, blocks_size);
        while (blocks[slot].data != NULL) {
            slot = (slot + 1) & (blocks_size - 1);
        }
        serial = ++serials;
        blocks[slot] = (block){(void *)data, bytes, serial, 0, 0}; /* no ledger counted it */
        blocks_used++;
    }
    ledger_unlock();
    return serial;
}

uint64_t
allocations_bytes(const void *data)
{
    ledger_lock();
    block *found = find(data);
    uint64_t bytes = found == NULL ? 0 : found->bytes;
    ledger_unlock();
    return bytes;
}

bool
allocations_mark(const void *data, uint64_t serial, enum block_mark mark)
{
    ledger_lock();
    block *found = find(data);
    bool known = found != NULL && found->serial == serial;
    if (known) {
        found->marks |= mark;
    }
    ledger_unlock();
    return known;
}

void
block_watcher_register(block_watcher *watcher)
{
    watcher->next = watchers;
    watchers = watcher;
}

/* Where blocks come from: NumPy's own allocator, or in guard mode, as long as there is room, pages of
 * their own. Guarded blocks may end at any time later, so all that end are looked at. */
static void *
backing_malloc(void *ctx, size_t size)
{
    void *data = guard_blocks_on ? guard_blocks_new(size) : NULL;
    return data != NULL ? data : original.malloc(ctx, size);
}

static void *
backing_calloc(void *ctx, size_t nelem, size_t elsize)
{
    size_t size;
    bool guarded = guard_blocks_on && !__builtin_mul_overflow(nelem, elsize, &size);
    void *data = guarded ? guard_blocks_new(size) : NULL; /* of zeros */
    return data != NULL ? data : original.calloc(ctx, nelem, elsize);
}

static void
backing_free(void *ctx, void *data, size_t size)
{
    if (!guard_blocks_holds(data) || !guard_blocks_free(data)) {
        original.free(ctx, data, size);
    }
}

static void *
backing_realloc(void *ctx, void *old, size_t size)
{
    int64_t bytes = guard_blocks_holds(old) ? guard_blocks_bytes(old) : -1;
    if (bytes < 0) {
        return old == NULL ? backing_malloc(ctx, size) : original.realloc(ctx, old, size);
    }
    void *data = backing_malloc(ctx, size);
    if (data != NULL) {
        memcpy(data, old, (size_t)bytes < size ? (size_t)bytes : size);
        guard_blocks_free(old);
    }
    return data;
}

void
allocations_give_back(void *data, uint64_t bytes)
{
    backing_free(NULL, data, bytes);
}

uint64_t
allocations_ended(void)
{
    return __atomic_load_n(&ends, __ATOMIC_RELAXED);
}

uint64_t
allocations_latest(void)
{
    return __atomic_load_n(&serials, __ATOMIC_RELAXED);
}

/* Whether some watcher has made room. */
static bool
watchers_relent(void)
{
    bool any = false;
    for (block_watcher *each = watchers; each != NULL; each = each->next) {
        any = (each->relent != NULL && each->relent()) || any;
    }
    return any;
}

static void *
probed_malloc(void *ctx, size_t size)
{
    void *data = backing_malloc(ctx, size);
    if (data == NULL && watchers_relent()) {
        data = backing_malloc(ctx, size);
    }
    note_start(data, size);
    return data;
}

static void *
probed_calloc(void *ctx, size_t nelem, size_t elsize)
{
    void *data = backing_calloc(ctx, nelem, elsize);
    if (data == NULL && watchers_relent()) {
        data = backing_calloc(ctx, nelem, elsize);
    }
    note_start(data, nelem * elsize);
    return data;
}

/* Whether a realloc has to move the block because its end is waited for. What shrinks stays where it
 * is: a program that goes on using its address must not notice us. */
static bool
must_move(const block *old, size_t size)
{
    return (old->marks & ~(uint64_t)BLOCK_ADDRESS_GIVEN) != 0 ||
           (old->marks != 0 && size > old->bytes);
}

/* A realloc of a block whose end is waited for: into a new one. */
static void *
moved_block(void *ctx, const block *old, size_t size)
{
    void *data = backing_malloc(ctx, size);
    if (data == NULL && watchers_relent()) {
        data = backing_malloc(ctx, size);
    }
    if (data != NULL) {
        memcpy(data, old->data, old->bytes < size ? old->bytes : size);
        if (!taken_over(old)) {
            backing_free(ctx, old->data, old->bytes);
        }
    }
    return data;
}

static void *
probed_realloc(void *ctx, void *old, size_t size)
{
    /* Ended first: once realloc returns, another thread may hold the old address. */
    block ended = note_end(old);
    void *data;
    if (must_move(&ended, size)) {
        data = moved_block(ctx, &ended, size);
    } else {
        data = backing_realloc(ctx, old, size);
        if (data == NULL && watchers_relent()) {
            data = backing_realloc(ctx, old, size);
        }
    }
    if (data != NULL) {
        note_start(data, size);
    } else if (ended.data != NULL) {
        note_start(old, ended.bytes); /* refused: the old block lives on */
    }
    return data;
}

static void
probed_free(void *ctx, void *data, size_t size)
{
    block ended = note_end(data);
    if (ended.marks == 0 || !taken_over(&ended)) {
        backing_free(ctx, data, size);
    }
}

static PyDataMemAllocator *
default_allocator(void)
{
    PyDataMem_Handler *handler = PyCapsule_GetPointer(PyDataMem_DefaultHandler, "mem_handler");
    if (handler == NULL) {
        return NULL;
    }
    if (handler->version != 1) {
        PyErr_Format(PyExc_RuntimeError, "NumPy's memory handler has version %d, not 1",
                     (int)handler->version);
        return NULL;
    }
    return &handler->allocator;
}

static void
restore(void)
{
    release_slot((void **)&patched->malloc, (void *)probed_malloc, (void *)original.malloc);
    release_slot((void **)&patched->calloc, (void *)probed_calloc, (void *)original.calloc);
    if (!guard_blocks_live()) { /* else only our own hooks know how to free what lives */
        release_slot((void **)&patched->realloc, (void *)probed_realloc, (void *)original.realloc);
        release_slot((void **)&patched->free, (void *)probed_free, (void *)original.free);
    }
}

static int
install(void)
{
    patched = default_allocator();
    if (patched == NULL) {
        return -1;
    }
    const char *what = "NumPy's memory handler";
    /* free first: a block must not come in whose end is not seen. */
    if (claim_slot((void **)&patched->free, (void *)probed_free, (void **)&original.free, what) < 0 ||
        claim_slot((void **)&patched->malloc, (void *)probed_malloc, (void **)&original.malloc,
                   what) < 0 ||
        claim_slot((void **)&patched->calloc, (void *)probed_calloc, (void **)&original.calloc,
                   what) < 0 ||
        claim_slot((void **)&patched->realloc, (void *)probed_realloc, (void **)&original.realloc,
                   what) < 0) {
        restore();
        return -1;
    }
    watching = true;
    return 0;
}

static void
uninstall(void)
{
    restore();
    ledger_lock();
    watching = false;
    free(blocks); /* no ledger is open any more: nothing asks for these blocks */
    blocks = NULL;
    blocks_size = blocks_used = 0;
    large_blocks_forget();
    ledger_unlock();
}

static void
visit_slots(slot_visitor visit, void *context)
{
    PyDataMemAllocator *target = default_allocator();
    if (target == NULL) {
        PyErr_Clear();
        return;
    }
    visit("PyDataMem.malloc", (void *)target->malloc, context);
    visit("PyDataMem.calloc", (void *)target->calloc, context);
    visit("PyDataMem.realloc", (void *)target->realloc, context);
    visit("PyDataMem.free", (void *)target->free, context);
}

static probe allocations_probe = {"allocations", install, uninstall, visit_slots, false, NULL};
REGISTER_PROBE(allocations_probe)

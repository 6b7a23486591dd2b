/* Gives array data pages of their own, in a range of addresses that is reserved as a whole.
 *
 * The range is divided into units of 256 pages. A unit holds blocks of one size class, each followed
 * by a page that nobody may touch, or is part of one large block. So the block around any address is
 * found by arithmetic, also by a handler of signals.
 *
 * Pages are closed in one of two ways. A live block costs two mappings at most, its own and the closed
 * rest behind it; a freed block's pages go back to the kernel and become part of that rest. From Linux
 * 6.13 on the blocks of a unit are closed by markers in the page table instead: that takes no mappings
 * and is faster. Large blocks are closed the first way in any case. A freed block's place is used again
 * as late as possible.
 *
 * Data end where the page ends if their size is a multiple of 4: the dtype's own alignment divides
 * the size, so it holds. Other sizes keep malloc's alignment of 16, with canaries behind them. Where
 * accesses before the start are looked for, data begin with their first page instead.
 */
#define _GNU_SOURCE
#include "guard_blocks.h"

#include "frames.h"
#include "guard_faults.h"
#include "guard_records.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#define CANARY 0x7e /* as a number glaring in every type: 1.6e303, 8.5e37, 2122219134 */
#define UNIT_PAGES 256
#define MOST_BLOCKS (1u << 17) /* live and freed; a kernel may allow more mappings than that */
#define FREED_BLOCKS 8192      /* places that are not used again while others can be had */
#define ONE_IN 16              /* blocks that are still guarded where little room is left */
#define HUGE_FROM (1u << 22)   /* bytes of a block for which huge pages are worth their while */
#define MOST_LIVE 65536u       /* of them: each takes a page of memory at least */

/* Of Linux 6.13; C libraries learn of it later. */
#define GUARD_INSTALL 102
#define GUARD_REMOVE 103

static const uint16_t class_pages[] = {1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 63};
enum { CLASSES = sizeof class_pages / sizeof class_pages[0], LARGE = CLASSES };

typedef struct {
    uint32_t first;      /* block: of the unit, or the large one that it is part of; 0: it is free */
    uint16_t size_class;
    uint16_t blocks;
} unit;

typedef struct {
    uint32_t head, tail, length; /* of freed blocks, oldest first */
    uint32_t fresh, fresh_end;   /* blocks of the newest unit that were never used */
} class_queue;

bool guard_blocks_on = false;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static size_t page_bytes, unit_bytes;
static uintptr_t range_low, range_high; /* 0: nothing is reserved yet */
static unit *units;
static uint32_t unit_count, unit_cursor;
static guard_block *blocks; /* from 1; 0 stands for none */
static uint32_t blocks_used = 1;
static class_queue queues[CLASSES + 1]; /* the last one is of large blocks */
static uint32_t freed_total;
static uint32_t unused_large; /* blocks whose units were given to others */
static uint64_t freed_large_units;
static uint64_t live_count, most_live;
static uint64_t mappings, usable_mappings; /* mappings that the blocks may take, at most */
static bool has_markers;
static uint64_t serials, turns;
static bool data_at_start; /* of their pages, not at the end: accesses in front are what is looked for */

static void
lock_for_fork(void)
{
    pthread_mutex_lock(&lock);
}

static void
unlock_after_fork(void)
{
    pthread_mutex_unlock(&lock);
}

static void *
reserved(size_t bytes, int protection)
{
    void *memory = mmap(NULL, bytes, protection, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    return memory == MAP_FAILED ? NULL : memory;
}

static uint64_t
most_mappings(void)
{
    char text[32] = "";
    int file = open("/proc/sys/vm/max_map_count", O_RDONLY | O_CLOEXEC);
    if (file >= 0) {
        ssize_t length = read(file, text, sizeof text - 1);
        text[length > 0 ? length : 0] = '\0';
        close(file);
    }
    long most = strtol(text, NULL, 10);
    return most > 0 ? (uint64_t)most : 65530; /* the kernel's own default */
}

/* 64 GiB of addresses at most; a quarter of what the process may have, where that is limited. */
static uint32_t
most_units(void)
{
    uint32_t most = 1u << 16;
    struct rlimit limit;
    if (getrlimit(RLIMIT_AS, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY) {
        while (most > 1u << 10 && (rlim_t)most * unit_bytes > limit.rlim_cur / 4) {
            most >>= 1;
        }
    }
    return most;
}

static bool
reserve(void)
{
    if (range_low != 0) {
        return true;
    }
    page_bytes = (size_t)sysconf(_SC_PAGESIZE);
    unit_bytes = page_bytes * UNIT_PAGES;
    void *range = NULL;
    /* Addresses only: no memory stands behind them. Less where the process may not have so many. */
    for (unit_count = most_units(); range == NULL && unit_count >= 1u << 10; unit_count >>= 2) {
        range = reserved((size_t)unit_count * unit_bytes, PROT_NONE);
        if (range != NULL) {
            break;
        }
    }
    units = range == NULL ? NULL : reserved(unit_count * sizeof *units, PROT_READ | PROT_WRITE);
    blocks = units == NULL ? NULL : reserved(MOST_BLOCKS * sizeof *blocks, PROT_READ | PROT_WRITE);
    if (blocks == NULL) {
        return false;
    }
    usable_mappings = most_mappings() / 2;
    has_markers = madvise(range, page_bytes, GUARD_INSTALL) == 0 &&
                  madvise(range, page_bytes, GUARD_REMOVE) == 0;
    most_live = has_markers || usable_mappings / 2 > MOST_LIVE ? MOST_LIVE : usable_mappings / 2;
    pthread_atfork(lock_for_fork, unlock_after_fork, unlock_after_fork);
    range_high = (uintptr_t)range + (size_t)unit_count * unit_bytes;
    __atomic_store_n(&range_low, (uintptr_t)range, __ATOMIC_RELEASE);
    return true;
}

bool
guard_blocks_holds(const void *data)
{
    return range_low != 0 && (uintptr_t)data >= range_low && (uintptr_t)data < range_high;
}

/* Consecutive free units, the search going on where the last one ended; -1 where there are none. */
static int64_t
free_units(uint32_t count)
{
    uint32_t run = 0;
    for (uint32_t looked = 0, at = unit_cursor; looked < unit_count + count; looked++, at++) {
        if (at >= unit_count) {
            at = 0;
            run = 0;
        }
        run = units[at].first == 0 ? run + 1 : 0;
        if (run == count) {
            unit_cursor = at + 1;
            return (int64_t)at + 1 - count;
        }
    }
    return -1;
}

static inline uintptr_t
start_of_unit(uint32_t index)
{
    return range_low + (uintptr_t)index * unit_bytes;
}

static uint32_t
oldest_freed(class_queue *queue)
{
    uint32_t id = queue->head;
    queue->head = blocks[id].next;
    queue->length--;
    freed_total--;
    return id;
}

static void
append_freed(class_queue *queue, uint32_t id)
{
    blocks[id].next = 0;
    if (queue->length == 0) {
        queue->head = id;
    } else {
        blocks[queue->tail].next = id;
    }
    queue->tail = id;
    queue->length++;
    freed_total++;
}

/* Mappings that a block takes while it lives. */
static inline unsigned
mappings_of(uint16_t size_class)
{
    return has_markers && size_class != LARGE ? 0 : 2;
}

/* Has pages of a block refused to everybody, and gives their memory back. */
static void
close_pages(uint16_t size_class, uintptr_t at, size_t bytes)
{
    int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED;
    bool closed = has_markers && size_class != LARGE
                      ? madvise((void *)at, bytes, GUARD_INSTALL) == 0 ||
                            (munlock((void *)at, bytes) == 0 && /* the program has locked it */
                             madvise((void *)at, bytes, GUARD_INSTALL) == 0)
                      : mmap((void *)at, bytes, PROT_NONE, flags, -1, 0) != MAP_FAILED;
    if (!closed && madvise((void *)at, bytes, MADV_DONTNEED) != 0) {
        memset((void *)at, 0, bytes); /* zeros for the next block */
    }
}

/* Lets everybody read and write them again; false where there is no memory or no mapping left. */
static bool
open_pages(uint16_t size_class, uintptr_t at, size_t bytes)
{
    return has_markers && size_class != LARGE
               ? madvise((void *)at, bytes, GUARD_REMOVE) == 0
               : mprotect((void *)at, bytes, PROT_READ | PROT_WRITE) == 0;
}

/* Prepares a unit for blocks that are closed by markers. */
static bool
close_unit(uintptr_t at)
{
    if (!has_markers) {
        return true;
    }
    static bool refused = false; /* before: it will be again */
    void *memory = (void *)at;
    if (refused || mappings + 2 > usable_mappings ||
        mprotect(memory, unit_bytes, PROT_READ | PROT_WRITE) != 0) {
        return false;
    }
    madvise(memory, unit_bytes, MADV_NOHUGEPAGE); /* its pages are opened one by one */
    munlock(memory, unit_bytes); /* markers and mlockall do not go together */
    if (madvise(memory, unit_bytes, GUARD_INSTALL) != 0) {
        refused = true;
        mmap(memory, unit_bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED,
             -1, 0); /* gives back what was locked in */
        return false;
    }
    mappings += 2; /* next to large blocks it may be one of its own */
    return true;
}

/* Blocks of a class that were never used: those left over, or those of a new unit. 0: no room. */
static uint32_t
fresh_block(uint16_t size_class)
{
    class_queue *queue = &queues[size_class];
    if (queue->fresh == queue->fresh_end) {
        uint32_t stride = class_pages[size_class] + 1u;
        uint32_t count = (UNIT_PAGES - 1) / stride;
        int64_t at = blocks_used + count > MOST_BLOCKS ? -1 : free_units(1);
        if (at < 0 || !close_unit(start_of_unit((uint32_t)at))) {
            return 0;
        }
        queue->fresh = blocks_used;
        queue->fresh_end = blocks_used += count;
        for (uint32_t i = 0; i < count; i++) {
            blocks[queue->fresh + i].size_class = size_class;
            /* A page that nobody may touch stands at the beginning of the unit as well. */
            blocks[queue->fresh + i].end =
                start_of_unit((uint32_t)at) + ((i + 1) * (uintptr_t)stride) * page_bytes;
        }
        units[at] = (unit){queue->fresh, size_class, (uint16_t)count};
    }
    return queue->fresh++;
}

static uint32_t
small_block(size_t pages)
{
    uint16_t size_class = 0;
    while (class_pages[size_class] < pages) {
        size_class++;
    }
    class_queue *queue = &queues[size_class];
    bool reuse = queue->length > 0 &&
                 (freed_total >= FREED_BLOCKS || queue->length >= FREED_BLOCKS / 4);
    uint32_t id = reuse ? oldest_freed(queue) : fresh_block(size_class);
    return id == 0 && queue->length > 0 ? oldest_freed(queue) : id;
}

/* Has the oldest freed large block forgotten. */
static void
forget_large(void)
{
    uint32_t id = oldest_freed(&queues[LARGE]);
    guard_block *block = &blocks[id];
    for (uint32_t i = 0; i < block->units; i++) {
        units[block->first_unit + i] = (unit){0, 0, 0};
    }
    freed_large_units -= block->units;
    block->state = GUARD_UNUSED;
    block->next = unused_large;
    unused_large = id;
}

static uint32_t
large_block(size_t pages)
{
    /* Behind a large block more is untouchable than a page: a row past its end is found as well. */
    size_t behind = pages < UNIT_PAGES ? pages : UNIT_PAGES;
    uint64_t count = (1 + pages + behind + UNIT_PAGES - 1) / UNIT_PAGES;
    if (count > unit_count / 4) {
        return 0;
    }
    while (queues[LARGE].length > 0 && (freed_large_units + count > unit_count / 4 ||
                                        queues[LARGE].length >= FREED_BLOCKS / 4)) {
        forget_large();
    }
    uint32_t id = unused_large;
    int64_t at = id == 0 && blocks_used == MOST_BLOCKS ? -1 : free_units((uint32_t)count);
    if (at < 0) {
        return 0;
    }
    if (id != 0) {
        unused_large = blocks[id].next;
    } else {
        id = blocks_used++;
    }
    guard_block *block = &blocks[id];
    block->size_class = LARGE;
    block->first_unit = (uint32_t)at;
    block->units = (uint32_t)count;
    block->end = start_of_unit((uint32_t)(at + (int64_t)count)) - behind * page_bytes;
    for (uint32_t i = 0; i < count; i++) {
        units[at + i] = (unit){id, LARGE, 1};
    }
    return id;
}

/* Gives an id back that was taken for a block that could not be made. */
static void
return_block(uint32_t id)
{
    guard_block *block = &blocks[id];
    block->state = GUARD_UNUSED;
    append_freed(&queues[block->size_class], id);
    if (block->size_class == LARGE) {
        freed_large_units += block->units;
    }
}

static guard_block *
block_at(uintptr_t address, guard_block **in_front)
{
    if (in_front != NULL) {
        *in_front = NULL;
    }
    size_t offset = address - range_low;
    const unit *found = &units[offset / unit_bytes];
    if (found->first == 0) {
        return NULL;
    }
    if (found->size_class == LARGE) {
        return &blocks[found->first];
    }
    size_t page = offset % unit_bytes / page_bytes;
    size_t stride = class_pages[found->size_class] + 1u;
    size_t index = page / stride;
    bool between = page % stride == 0; /* the page in front of a block, behind the one before */
    if (between && index > 0 && in_front != NULL) {
        *in_front = &blocks[found->first + index - 1];
    }
    if (index >= found->blocks) {
        return between && index == found->blocks ? &blocks[found->first + index - 1] : NULL;
    }
    return &blocks[found->first + index];
}

guard_block *
guard_blocks_around(uintptr_t address, guard_block **in_front)
{
    *in_front = NULL;
    return guard_blocks_holds((const void *)address) ? block_at(address, in_front) : NULL;
}

static guard_block *
live_block(const void *data)
{
    guard_block *block = guard_blocks_holds(data) ? block_at((uintptr_t)data, NULL) : NULL;
    return block != NULL && block->state == GUARD_LIVE && block->data == (uintptr_t)data ? block
                                                                                         : NULL;
}

int64_t
guard_blocks_bytes(const void *data)
{
    const guard_block *block = live_block(data);
    return block == NULL ? -1 : (int64_t)block->bytes;
}

bool
guard_blocks_live(void)
{
    return __atomic_load_n(&live_count, __ATOMIC_RELAXED) != 0;
}

uint64_t
guard_blocks_most(void)
{
    return most_live;
}

guard_block *
guard_blocks_next_live(uint32_t *at)
{
    while (++*at < blocks_used) {
        if (blocks[*at].state == GUARD_LIVE) {
            return &blocks[*at];
        }
    }
    return NULL;
}

/* The user's line that runs now, or else the innermost one; 0 without the GIL. `own`: interprobe's. */
static place_id
running_place(bool *own)
{
    position at;
    *own = false;
    if (!frames_thread_attached()) {
        return 0;
    }
    frames_locate(&at);
    *own = at.own;
    return at.user != 0 ? at.user : at.here;
}

static inline size_t
bytes_with_padding(size_t bytes)
{
    return bytes % 4 == 0 && bytes > 0 ? bytes : (bytes + 16) & ~(size_t)15;
}

static uint32_t
place_block(size_t bytes)
{
    size_t padded = bytes_with_padding(bytes);
    size_t pages = (padded + page_bytes - 1) / page_bytes;
    uint32_t id = pages <= class_pages[CLASSES - 1] ? small_block(pages) : large_block(pages);
    if (id == 0) {
        return 0;
    }
    guard_block *block = &blocks[id];
    uintptr_t writable = block->end - pages * page_bytes;
    unsigned costs = mappings_of(block->size_class);
    if (mappings + costs > usable_mappings ||
        !open_pages(block->size_class, writable, pages * page_bytes)) {
        return_block(id);
        return 0;
    }
    mappings += costs;
    if (bytes >= HUGE_FROM) {
        madvise((void *)writable, pages * page_bytes, MADV_HUGEPAGE); /* as NumPy does */
    }
    block->writable = writable;
    block->data = data_at_start ? writable : block->end - padded;
    block->bytes = bytes;
    block->serial = ++serials;
    block->freed = 0;
    block->last.count = 0;
    block->last_position = -1;
    block->has_layout = false;
    block->is_disarmed = false;
    memset((void *)writable, CANARY, block->data - writable);
    memset((void *)(block->data + bytes), CANARY, block->end - (block->data + bytes));
    return id;
}

void *
guard_blocks_new(size_t bytes)
{
    bool own;
    place_id place = running_place(&own);
    if (own || bytes > range_high - range_low) {
        return NULL;
    }
    uint32_t id = 0;
    pthread_mutex_lock(&lock);
    uint64_t turn = ++turns;
    if (turn % 8 == 0) {
        guard_faults_refresh(); /* crossings ask as well: this is for calls that nobody watches */
    }
    /* The last quarter is kept for blocks of later: the program goes on after the first arrays. */
    if (guard_blocks_on && live_count < most_live &&
        (live_count < most_live - most_live / 4 || turn % ONE_IN == 0)) {
        id = place_block(bytes);
    }
    if (id != 0) {
        blocks[id].allocated = place;
        __atomic_store_n(&blocks[id].state, GUARD_LIVE, __ATOMIC_RELEASE);
        live_count++;
    }
    guard_records_count(id != 0);
    pthread_mutex_unlock(&lock);
    return id == 0 ? NULL : (void *)blocks[id].data;
}

/* Looks from `from` to `to`, and puts right what is no canary. Returns how many bytes that is. */
static uint64_t
overwritten(uintptr_t from, uintptr_t to, uintptr_t *lowest)
{
    uint64_t count = 0;
    const uint64_t word = CANARY * 0x0101010101010101u;
    for (uintptr_t at = from; at < to;) {
        uint64_t found;
        if (at % 8 == 0 && at + 8 <= to) {
            memcpy(&found, (const void *)at, 8);
            if (found == word) {
                at += 8;
                continue;
            }
        }
        unsigned char *byte = (unsigned char *)at++;
        if (*byte != CANARY) {
            *lowest = count++ == 0 ? (uintptr_t)byte : *lowest;
            *byte = CANARY;
        }
    }
    return count;
}

/* With the lock held. */
static bool
is_damaged(guard_block *block, guard_damage *damage)
{
    uintptr_t before = 0, behind = 0, end_of_data = block->data + block->bytes;
    damage->before_count = overwritten(block->writable, block->data, &before);
    damage->behind_count = overwritten(end_of_data, block->end, &behind);
    damage->before_reach = damage->before_count ? block->data - before : 0;
    damage->behind_reach = damage->behind_count ? behind - end_of_data : 0;
    return damage->before_count != 0 || damage->behind_count != 0;
}

bool
guard_blocks_damaged(guard_block *block, guard_damage *damage)
{
    pthread_mutex_lock(&lock);
    /* A thread without the GIL may have freed it meanwhile. */
    bool damaged = block->state == GUARD_LIVE && is_damaged(block, damage);
    pthread_mutex_unlock(&lock);
    return damaged;
}

bool
guard_blocks_free(void *data)
{
    guard_block *block = live_block(data);
    if (block == NULL) {
        return false;
    }
    int error = errno;
    bool own;
    place_id place = running_place(&own);
    guard_damage damage;
    size_t bytes = block->end - block->writable;
    pthread_mutex_lock(&lock);
    if (guard_blocks_on && is_damaged(block, &damage)) {
        guard_records_damage(block, &damage, GUARD_FOUND_WHEN_FREED, NULL, -1);
    }
    block->freed = place;
    __atomic_store_n(&block->state, GUARD_FREED, __ATOMIC_RELEASE);
    mappings -= mappings_of(block->size_class);
    close_pages(block->size_class, block->writable, bytes + page_bytes); /* the one behind as well */
    append_freed(&queues[block->size_class], (uint32_t)(block - blocks));
    if (block->size_class == LARGE) {
        freed_large_units += block->units;
    }
    live_count--;
    pthread_mutex_unlock(&lock);
    errno = error;
    return true;
}

/* Whether the kernel reads a byte for us: where nobody may, it says so, and no signal is sent. */
static bool
is_readable(int into, uintptr_t address)
{
    return write(into, (const void *)address, 1) == 1;
}

static const char *
self_test(void)
{
    const char *failure = NULL;
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) < 0) {
        return "no pipe could be made to try guard pages with";
    }
    pthread_mutex_lock(&lock);
    uint32_t id = place_block(24);
    blocks[id].state = id != 0 ? GUARD_LIVE : GUARD_UNUSED;
    live_count += id != 0;
    pthread_mutex_unlock(&lock);
    if (id == 0) {
        failure = "the kernel gives no memory with guard pages";
    } else if (!is_readable(ends[1], blocks[id].data + 23) ||
               is_readable(ends[1], blocks[id].data + 24)) {
        failure = "the page behind a guarded block is not refused";
    }
    if (id != 0 && (!guard_blocks_free((void *)blocks[id].data) ||
                    is_readable(ends[1], blocks[id].data))) {
        failure = "a freed block can still be read";
    }
    close(ends[0]);
    close(ends[1]);
    return failure;
}

const char *
guard_blocks_start(bool at_start)
{
    if (!reserve()) {
        return "the process may not reserve the addresses for guarded blocks";
    }
    data_at_start = false;
    const char *failure = self_test();
    data_at_start = at_start;
    __atomic_store_n(&guard_blocks_on, failure == NULL, __ATOMIC_RELEASE);
    return failure;
}

void
guard_blocks_lock(void)
{
    pthread_mutex_lock(&lock);
}

void
guard_blocks_unlock(void)
{
    pthread_mutex_unlock(&lock);
}

void
guard_blocks_stop(void)
{
    pthread_mutex_lock(&lock);
    __atomic_store_n(&guard_blocks_on, false, __ATOMIC_RELEASE);
    for (uint32_t id = 1; id < blocks_used; id++) {
        if (blocks[id].state == GUARD_LIVE && !blocks[id].is_disarmed) {
            blocks[id].is_disarmed = true;
            open_pages(blocks[id].size_class, blocks[id].end, page_bytes);
        }
    }
    pthread_mutex_unlock(&lock);
}

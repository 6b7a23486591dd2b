/* Asks the kernel which pages a process has touched, and measures what it costs to touch new ones.
 *
 * Memory that malloc gets from the system has no pages yet: the first touch of each ends in the kernel,
 * which finds a page, clears it and maps it. mincore tells which pages are there, for memory that is
 * backed by no file and not swapped out.
 */
#define _GNU_SOURCE
#include "fresh_pages.h"

#include "clock.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum {
    PAGES_AT_ONCE = 4096,   /* bytes of C stack that an answer takes */
    LEAST_SAMPLE = 1 << 20,
    MOST_SAMPLE = 64 << 20,
    FEWEST_ROUNDS = 4, /* the first is left out: a virtual machine may get its memory only then */
    MOST_ROUNDS = 16,
    TOUCHED_IN_ALL = 128 << 20, /* bytes, by all rounds, where more than the fewest are possible */
};

static uintptr_t
page_size(void)
{
    static uintptr_t known;
    if (known == 0) {
        known = (uintptr_t)sysconf(_SC_PAGESIZE);
    }
    return known;
}

static uint64_t
count_resident(uintptr_t low, uintptr_t high)
{
    unsigned char there[PAGES_AT_ONCE];
    uintptr_t page = page_size();
    uint64_t count = 0;
    for (uintptr_t at = low; at < high; at += PAGES_AT_ONCE * page) {
        uintptr_t length = high - at < PAGES_AT_ONCE * page ? high - at : PAGES_AT_ONCE * page;
        if (mincore((void *)at, length, there) < 0) {
            return PAGES_UNKNOWN;
        }
        for (uintptr_t i = 0; i < length / page; i++) {
            count += there[i] & 1;
        }
    }
    return count * page;
}

static char *
fresh_memory(size_t bytes)
{
    char *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    return memory == MAP_FAILED ? NULL : memory;
}

/* Whether mincore tells pages that were touched from pages that were not: sandboxes answer yes to all. */
static bool
kernel_tells(void)
{
    static int tells = -1;
    if (tells < 0) {
        /* Apart by more than a huge page. */
        size_t bytes = 8u << 20;
        char *memory = fresh_memory(bytes);
        if (memory == NULL) {
            return false;
        }
        bool none = count_resident((uintptr_t)memory, (uintptr_t)memory + bytes) == 0;
        *(volatile char *)memory = 1;
        uint64_t some = count_resident((uintptr_t)memory, (uintptr_t)memory + bytes);
        munmap(memory, bytes);
        tells = none && some > 0 && some < bytes;
    }
    return tells;
}

uint64_t
pages_resident(const void *data, uint64_t bytes)
{
    uintptr_t page = page_size();
    uintptr_t low = ((uintptr_t)data + page - 1) & ~(page - 1);
    uintptr_t high = ((uintptr_t)data + bytes) & ~(page - 1);
    if (!kernel_tells()) {
        return PAGES_UNKNOWN;
    }
    return high > low ? count_resident(low, high) : 0;
}

static void
touch(char *memory, size_t bytes)
{
    for (size_t at = 0; at < bytes; at += page_size()) {
        ((volatile char *)memory)[at] = 1;
    }
}

static int
by_size(const void *a, const void *b)
{
    uint64_t one = *(const uint64_t *)a, other = *(const uint64_t *)b;
    return (one > other) - (one < other);
}

uint64_t
pages_ticks_per_mebibyte(uint64_t wanted)
{
    bool huge = wanted >= HUGE_PAGES_FROM;
    size_t bytes = wanted > MOST_SAMPLE ? MOST_SAMPLE : wanted < LEAST_SAMPLE ? LEAST_SAMPLE : wanted;
    bytes &= ~(size_t)(LEAST_SAMPLE - 1);
    const char *advice = getenv("NUMPY_MADVISE_HUGEPAGE"); /* read by NumPy */
    uint64_t took[MOST_ROUNDS];
    size_t affordable = TOUCHED_IN_ALL / bytes;
    int rounds = affordable > MOST_ROUNDS     ? MOST_ROUNDS
                 : affordable > FEWEST_ROUNDS ? (int)affordable
                                              : FEWEST_ROUNDS;
    for (int round = 0; round < rounds; round++) {
        uint64_t began = clock_ticks();
        char *memory = fresh_memory(bytes);
        if (memory == NULL) {
            return 0;
        }
#ifdef MADV_HUGEPAGE
        if (huge && (advice == NULL || strcmp(advice, "0") != 0)) {
            madvise(memory, bytes, MADV_HUGEPAGE);
        }
#endif
        touch(memory, bytes);
        uint64_t touched = clock_ticks();
        touch(memory, bytes);
        uint64_t again = clock_ticks();
        munmap(memory, bytes);
        uint64_t all = clock_ticks() - began, spare = 2 * (again - touched);
        took[round] = all > spare ? all - spare : 0;
    }
    int counted = rounds - 1;
    qsort(took + 1, (size_t)counted, sizeof *took, by_size);
    return took[1 + counted / 2] / (bytes >> 20);
}

uint64_t
pages_bytes(void)
{
    return page_size();
}

uint64_t
pages_machine_bytes(void)
{
    long pages = sysconf(_SC_PHYS_PAGES);
    return pages > 0 ? (uint64_t)pages * page_size() : 0;
}

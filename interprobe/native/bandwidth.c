/* Measures memory bandwidth: streams through fresh memory, reading, and reading and writing. */
#include "bandwidth.h"

#include "clock.h"

#include <stddef.h>
#include <sys/mman.h>

/* Several elements at a time: a loop over single ones would wait for its own additions. */
typedef uint64_t words __attribute__((vector_size(64)));
typedef double doubles __attribute__((vector_size(64)));

enum { LEAST_PASSES = 2 }; /* the first meets pages that are not in the tables of addresses yet */

/* Reads all; the sum is returned so that no compiler leaves the reading out. */
static __attribute__((noinline)) uint64_t
read_through(const words *from, size_t count)
{
    words sums[2] = {{0}};
    for (size_t i = 0; i + 1 < count; i += 2) {
        sums[0] += from[i];
        sums[1] += from[i + 1];
    }
    words sum = sums[0] + sums[1];
    return sum[0] + sum[1] + sum[2] + sum[3] + sum[4] + sum[5] + sum[6] + sum[7];
}

static __attribute__((noinline)) void
add_scaled(doubles *to, const doubles *from, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        to[i] += 0.5 * from[i];
    }
}

static double
per_second(uint64_t bytes, uint64_t nanoseconds)
{
    return nanoseconds > 0 ? (double)bytes * 1e9 / (double)nanoseconds : 0.0;
}

int
bandwidth_measure(uint64_t bytes, uint64_t nanoseconds, bandwidth *out)
{
    *out = (bandwidth){0.0, 0.0};
    size_t half = (size_t)(bytes / 2) / (2 * sizeof(words)) * (2 * sizeof(words)), size = 2 * half;
    if (half == 0) {
        return 0;
    }
    uint64_t began = clock_nanoseconds();
    /* All pages at once, which takes a third of the time that a fault for each would. */
    char *memory = mmap(NULL, size, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
    if (memory == MAP_FAILED) {
        return -1;
    }
    volatile uint64_t kept = 0;
    uint64_t longest = 0, last = clock_nanoseconds();
    for (int pass = 0; pass < LEAST_PASSES || last + longest < began + nanoseconds; pass++) {
        kept += read_through((const words *)memory, size / sizeof(words));
        uint64_t between = clock_nanoseconds();
        add_scaled((doubles *)memory, (const doubles *)(memory + half), half / sizeof(doubles));
        uint64_t ended = clock_nanoseconds();
        double read = per_second(size, between - last);
        double copy = per_second(3 * (uint64_t)half, ended - between);
        out->read = read > out->read ? read : out->read;
        out->copy = copy > out->copy ? copy : out->copy;
        longest = ended - last > longest ? ended - last : longest;
        last = ended;
    }
    munmap(memory, size);
    return 0;
}

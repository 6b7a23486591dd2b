/* Preloaded: counts the heap blocks of each size, as an independent witness of array allocations.
 *
 * Only sizes from MALLOC_LOG_LEAST bytes on are kept. At exit "size count" lines go to the file that
 * MALLOC_LOG names. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>

#define KINDS 4096

static size_t sizes[KINDS];
static unsigned long counts[KINDS];
static size_t least = 1 << 16;
static char lock;

static void note(size_t size)
{
    if (size < least) {
        return;
    }
    while (__atomic_test_and_set(&lock, __ATOMIC_ACQUIRE)) {
    }
    for (int i = 0; i < KINDS; i++) {
        if (sizes[i] == size || sizes[i] == 0) {
            sizes[i] = size;
            counts[i]++;
            break;
        }
    }
    __atomic_clear(&lock, __ATOMIC_RELEASE);
}

extern void *__libc_malloc(size_t);
extern void *__libc_calloc(size_t, size_t);

void *malloc(size_t size)
{
    note(size);
    return __libc_malloc(size);
}

void *calloc(size_t count, size_t size)
{
    note(count * size);
    return __libc_calloc(count, size);
}

__attribute__((destructor)) static void finish(void)
{
    const char *path = getenv("MALLOC_LOG");
    FILE *file = path == NULL ? NULL : fopen(path, "w");
    if (file == NULL) {
        return;
    }
    for (int i = 0; i < KINDS && sizes[i] != 0; i++) {
        fprintf(file, "%zu %lu\n", sizes[i], counts[i]);
    }
    fclose(file);
}

/* Preloaded: counts the heap blocks of each size, as an independent witness of array allocations.
 *
 * Only sizes from 64 KiB on are kept. At exit "size count" lines go to the file that
 * MALLOC_LOG names.
 *
 * MALLOC_LOG_CALLER: part of a library's file name; only blocks that this library asks for are kept. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define KINDS 4096

static size_t sizes[KINDS];
static unsigned long counts[KINDS];
static size_t least = 1 << 16;
static char lock;

static int of_no_interest(const void *caller)
{
    const char *wanted = getenv("MALLOC_LOG_CALLER");
    Dl_info found;
    return wanted != NULL &&
           (dladdr(caller, &found) == 0 || strstr(found.dli_fname, wanted) == NULL);
}

static void note(size_t size, const void *caller)
{
    if (size < least || of_no_interest(caller)) {
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
    note(size, __builtin_return_address(0));
    return __libc_malloc(size);
}

void *calloc(size_t count, size_t size)
{
    note(count * size, __builtin_return_address(0));
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

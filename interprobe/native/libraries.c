/* Looks addresses up among the loaded shared objects and keeps the lists of what is watched. */
#define _GNU_SOURCE
#include "libraries.h"

#include <fcntl.h>
#include <link.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static char *boundary_names, *left_alone_names, *never_paths;
static uint32_t epoch = 1;
static native_library *known;       /* newest first; never freed: records point to paths */
static native_library *last_found;  /* most questions in a row are about one library */

static char *
duplicate_list(const char *list)
{
    const char *end = list;
    while (*end != '\0') {
        end += strlen(end) + 1;
    }
    size_t length = (size_t)(end - list) + 1;
    char *copy = malloc(length);
    return copy == NULL ? NULL : memcpy(copy, list, length);
}

int
libraries_configure(const char *boundary, const char *no_boundary, const char *never)
{
    char *lists[3] = {duplicate_list(boundary), duplicate_list(no_boundary), duplicate_list(never)};
    if (lists[0] == NULL || lists[1] == NULL || lists[2] == NULL) {
        free(lists[0]);
        free(lists[1]);
        free(lists[2]);
        return -1;
    }
    free(boundary_names);
    free(left_alone_names);
    free(never_paths);
    boundary_names = lists[0];
    left_alone_names = lists[1];
    never_paths = lists[2];
    epoch++;
    return 0;
}

/* Whether `text` is an entry of the list, or continues one behind `separator`. */
static bool
covers(const char *list, const char *text, char separator)
{
    for (const char *entry = list; entry != NULL && *entry != '\0'; entry += strlen(entry) + 1) {
        size_t length = strlen(entry);
        if (strncmp(text, entry, length) == 0 &&
            (text[length] == '\0' || text[length] == separator)) {
            return true;
        }
    }
    return false;
}

bool
libraries_boundary(const char *module)
{
    return covers(boundary_names, module, '.');
}

bool
libraries_has_boundary(void)
{
    return boundary_names != NULL && boundary_names[0] != '\0';
}

bool
libraries_left_alone(const char *module)
{
    return covers(left_alone_names, module, '.');
}

typedef struct {
    uintptr_t address;
    uintptr_t low, high;
    const char *path; /* the dynamic linker's */
} search;

static int
visit_object(struct dl_phdr_info *info, size_t size, void *context)
{
    search *wanted = context;
    uintptr_t low = UINTPTR_MAX, high = 0;
    bool inside = false;
    for (int i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *part = &info->dlpi_phdr[i];
        if (part->p_type != PT_LOAD) {
            continue;
        }
        uintptr_t from = info->dlpi_addr + part->p_vaddr, to = from + part->p_memsz;
        inside = inside || (wanted->address >= from && wanted->address < to);
        low = from < low ? from : low;
        high = to > high ? to : high;
    }
    if (inside) {
        wanted->low = low;
        wanted->high = high;
        wanted->path = info->dlpi_name;
    }
    return inside;
}

native_library *
library_at(const void *address)
{
    uintptr_t at = (uintptr_t)address;
    if (last_found != NULL && at >= last_found->low && at < last_found->high) {
        return last_found;
    }
    search wanted = {.address = at};
    if (address == NULL || dl_iterate_phdr(visit_object, &wanted) == 0 || wanted.path == NULL) {
        return NULL;
    }
    native_library *library = known;
    while (library != NULL && (library->low != wanted.low || strcmp(library->path, wanted.path))) {
        library = library->next;
    }
    if (library == NULL) {
        library = calloc(1, sizeof *library);
        if (library == NULL || (library->path = strdup(wanted.path)) == NULL) {
            free(library);
            return NULL;
        }
        library->low = wanted.low;
        library->high = wanted.high;
        library->next = known;
        known = library;
    }
    last_found = library;
    return library;
}

bool
library_is_never_watched(native_library *library)
{
    if (library->epoch != epoch) {
        const char *name = strrchr(library->path, '/');
        name = name == NULL ? library->path : name + 1;
        char *real = realpath(library->path, NULL);
        /* The program itself has no path; Python's own functions lie in one of these two. */
        library->never = library->path[0] == '\0' || strncmp(name, "libpython", 9) == 0 ||
                         covers(never_paths, library->path, '/') ||
                         (real != NULL && covers(never_paths, real, '/'));
        library->epoch = epoch;
        free(real);
    }
    return library->never;
}

const char *
library_toolkit(native_library *library)
{
    if (library->toolkit != NULL) {
        return library->toolkit;
    }
    library->toolkit = "C API";
    struct stat status;
    int file = open(library->path, O_RDONLY | O_CLOEXEC);
    if (file < 0) {
        return library->toolkit;
    }
    size_t size = fstat(file, &status) == 0 ? (size_t)status.st_size : 0;
    char *text = size == 0 ? MAP_FAILED : mmap(NULL, size, PROT_READ, MAP_PRIVATE, file, 0);
    close(file);
    if (text != MAP_FAILED) {
        /* Names that each toolkit's own support code looks up while the program runs. */
        if (memmem(text, size, "cython_runtime", 14) != NULL) {
            library->toolkit = "Cython";
        } else if (memmem(text, size, "swig_runtime_data", 17) != NULL) {
            library->toolkit = "SWIG";
        } else if (memmem(text, size, "pyo3_runtime", 12) != NULL) {
            library->toolkit = "PyO3";
        } else if (memmem(text, size, "failed to initialize intent(", 28) != NULL) {
            library->toolkit = "f2py";
        }
        munmap(text, size);
    }
    return library->toolkit;
}

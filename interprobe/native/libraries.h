/* Shared objects: which one an address lies in, and whether its functions are to be watched. */
#ifndef INTERPROBE_LIBRARIES_H
#define INTERPROBE_LIBRARIES_H

#include <stdbool.h>
#include <stdint.h>

typedef struct native_library {
    uintptr_t low, high;   /* mapped addresses, first and behind the last */
    char *path;            /* as the dynamic linker names it; lives as long as the process */
    const char *toolkit;   /* what its extension module was made with; NULL: not looked at yet */
    char *module;          /* of the extension module that it is, or NULL */
    int64_t modules_then;  /* how many modules there were when no such module was found */
    bool never;            /* lies in a folder that is never watched */
    uint32_t epoch;        /* of the lists, when `never` was decided */
    struct native_library *next;
} native_library;

/* Sets what is watched. Each argument is a NUL-separated list that ends with an empty string: module
 * names that are watched wherever they are imported, names that are never watched, and folders or
 * files whose functions are not watched unless named. Returns 0, or -1 when memory is out. */
int libraries_configure(const char *boundary, const char *no_boundary, const char *never);

/* Whether `module` is one of the boundary's packages, or in one. */
bool libraries_boundary(const char *module);
bool libraries_has_boundary(void);

/* Whether `module` is, or is in, a package that is to be left alone. */
bool libraries_left_alone(const char *module);

/* The shared object that maps `address`, or NULL. GIL held. */
native_library *library_at(const void *address);

/* Whether it lies in one of the folders that are never watched. */
bool library_is_never_watched(native_library *library);

/* "Cython", "SWIG", "PyO3", "f2py" or "C API", from what is written in the file. */
const char *library_toolkit(native_library *library);

#endif

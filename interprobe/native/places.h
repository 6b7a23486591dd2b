/* Code positions as small integers: interned once per process, never tied to a live code object. */
#ifndef INTERPROBE_PLACES_H
#define INTERPROBE_PLACES_H

#include <stdbool.h>
#include <stdint.h>

typedef uint32_t place_id; /* 0: no Python frame, or no frame of the user's own */

typedef struct {
    char *file;     /* UTF-8, owned by the table */
    char *function; /* qualified name, UTF-8, owned by the table */
    int32_t line;   /* 1-based; -1 where CPython recorded none */
    int32_t column; /* UTF-8 bytes from 0; -1 where CPython recorded none */
    int32_t end_line;
    int32_t end_column;
} place;

/* Whose code a file is. */
enum ownership {
    OWNED_BY_USER = 0,
    OWNED_BY_LIBRARY = 1,    /* standard library, site-packages, generated code */
    OWNED_BY_INTERPROBE = 2, /* the profiler itself: nothing it does is recorded */
};

/* Returns the id of a position, the same for equal positions; 0 when memory is out. GIL held. */
place_id places_intern(const place *position);

/* The position behind an id; NULL for 0. The pointer is valid until the next places_intern. */
const place *places_get(place_id id);

/* Sets the path prefixes that decide ownership; each argument is a NUL-separated list that ends with
 * an empty string. The user's prefixes win over the others. Returns 0, or -1 when memory is out. */
int ownership_set(const char *user, const char *library, const char *interprobe);

enum ownership ownership_of(const char *file);

/* Grows whenever the prefixes change, so that cached answers can be told stale. */
extern uint32_t ownership_epoch;

#endif

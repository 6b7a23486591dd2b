/* Walks the C stack with the unwinder, up to CPython's evaluation loop, in search of an extension.
 *
 * A return address alone names an extension only when it called NumPy directly; an extension that
 * goes through Python's call machinery (Cython's np.asarray(x)) leaves an address in libpython.
 */
#define _GNU_SOURCE
#include "origin.h"

#include "frames.h"

#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>
#include <unwind.h>

#define MAXIMUM_DEPTH 64

static const void *passed_over[5]; /* load addresses */
static int passed_over_count;

static const void *
load_address(const void *address)
{
    Dl_info info;
    return address != NULL && dladdr(address, &info) != 0 ? info.dli_fbase : NULL;
}

static void
pass_over(const void *address)
{
    const void *base = load_address(address);
    if (base != NULL && passed_over_count < 5) {
        passed_over[passed_over_count++] = base;
    }
}

void
origin_initialise(const void *numpy_core_address, const void *ctypes_address)
{
    passed_over_count = 0;
    pass_over((const void *)&passed_over_count); /* interprobe */
    pass_over(frames_evaluation_loop());         /* libpython, or the interpreter itself */
    pass_over(numpy_core_address);
    pass_over(ctypes_address);
}

typedef struct {
    const char *library;
    uint64_t callers[ORIGIN_CALLERS];
    int count; /* of callers */
    int depth;
} search;

static _Unwind_Reason_Code
look_at(struct _Unwind_Context *context, void *data)
{
    search *found = data;
    uintptr_t ip = _Unwind_GetIP(context);
    if (ip == 0 || ++found->depth > MAXIMUM_DEPTH) {
        return _URC_END_OF_STACK;
    }
    /* A return address may lie behind the last instruction of its function: look one byte earlier. */
    Dl_info info;
    if (dladdr((const void *)(ip - 1), &info) == 0 || info.dli_fname == NULL) {
        return _URC_NO_REASON;
    }
    for (int i = 0; i < passed_over_count; i++) {
        if (info.dli_fbase == passed_over[i]) {
            if (found->library != NULL) {
                return _URC_END_OF_STACK;
            }
            const void *function = _Unwind_FindEnclosingFunction((void *)(ip - 1));
            return function == frames_evaluation_loop() ? _URC_END_OF_STACK : _URC_NO_REASON;
        }
    }
    const char *name = strrchr(info.dli_fname, '/');
    name = name == NULL ? info.dli_fname : name + 1;
    if (strncmp(name, "libffi", 6) == 0 || strncmp(name, "libc.so", 7) == 0) {
        return _URC_NO_REASON;
    }
    if (strncmp(name, "_greenlet.", 10) == 0) {
        return _URC_END_OF_STACK; /* below lies the stack of whoever is switched in there now */
    }
    if (found->library != NULL && strcmp(found->library, info.dli_fname) != 0) {
        return _URC_END_OF_STACK;
    }
    found->library = info.dli_fname;
    found->callers[found->count++] = ip - 1 - (uintptr_t)info.dli_fbase;
    return found->count < ORIGIN_CALLERS ? _URC_NO_REASON : _URC_END_OF_STACK;
}

/* Paths seen, each with its origin: open addressing, bounded so that a callee whose stack depth
 * varies without end cannot fill the memory. */
#define MAXIMUM_PATHS (1u << 16)

typedef struct {
    uint64_t path;
    uint32_t place;
    uint32_t origin; /* 0: none; the slot is empty where path and place are 0 too */
} known_path;

static known_path *paths;
static uint32_t paths_size, paths_used;
static origin *origins; /* origins[id - 1] */
static uint32_t origins_used;

static inline uint32_t
home_of(uint64_t path, uint32_t place, uint32_t size)
{
    uint64_t hash = (path ^ ((uint64_t)place << 40)) * 0x9E3779B97F4A7C15u;
    return (uint32_t)(hash >> 32) & (size - 1);
}

static uint32_t
free_slot(const known_path *table, uint32_t size, uint64_t path, uint32_t place)
{
    uint32_t slot = home_of(path, place, size);
    while ((table[slot].path | table[slot].place) != 0 &&
           (table[slot].path != path || table[slot].place != place)) {
        slot = (slot + 1) & (size - 1);
    }
    return slot;
}

static bool
grow_paths(void)
{
    uint32_t size = paths_size ? paths_size * 2 : 256;
    known_path *grown = calloc(size, sizeof *grown);
    if (grown == NULL) {
        return false;
    }
    for (uint32_t i = 0; i < paths_size; i++) {
        if ((paths[i].path | paths[i].place) != 0) {
            grown[free_slot(grown, size, paths[i].path, paths[i].place)] = paths[i];
        }
    }
    free(paths);
    paths = grown;
    paths_size = size;
    return true;
}

static uint32_t
intern_origin(const search *found)
{
    for (uint32_t id = 1; id <= origins_used; id++) {
        const origin *known = &origins[id - 1];
        if (memcmp(known->callers, found->callers, sizeof found->callers) == 0 &&
            strcmp(known->library, found->library) == 0) {
            return id;
        }
    }
    origin *grown = realloc(origins, (origins_used + 1) * sizeof *grown);
    if (grown == NULL) {
        return 0;
    }
    origins = grown;
    const char *library = NULL;
    for (uint32_t i = 0; i < origins_used && library == NULL; i++) {
        library = strcmp(origins[i].library, found->library) == 0 ? origins[i].library : NULL;
    }
    library = library == NULL ? strdup(found->library) : library; /* it may be unloaded later */
    if (library == NULL) {
        return 0;
    }
    origin *added = &origins[origins_used++];
    added->library = library;
    memcpy(added->callers, found->callers, sizeof added->callers);
    return origins_used;
}

uint32_t
origin_of(uint64_t path, uint32_t place)
{
    if ((paths_used + 1) * 2 > paths_size && !grow_paths()) {
        return 0;
    }
    uint32_t slot = free_slot(paths, paths_size, path, place);
    if ((paths[slot].path | paths[slot].place) != 0) {
        return paths[slot].origin;
    }
    if (paths_used == MAXIMUM_PATHS) {
        return 0;
    }
    search found = {NULL, {0}, 0, 0};
    _Unwind_Backtrace(look_at, &found);
    uint32_t id = found.library == NULL ? 0 : intern_origin(&found);
    paths[slot] = (known_path){path, place, id};
    paths_used++;
    return id;
}

uint32_t
origin_at(const void *code)
{
    Dl_info info;
    if (dladdr(code, &info) == 0 || info.dli_fname == NULL) {
        return 0;
    }
    uint64_t address = (uint64_t)((const char *)code - (const char *)info.dli_fbase);
    const search found = {info.dli_fname, address, 0};
    return intern_origin(&found);
}

const origin *
origin_get(uint32_t id)
{
    return id == 0 || id > origins_used ? NULL : &origins[id - 1];
}

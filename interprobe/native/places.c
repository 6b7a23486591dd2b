/* The process-wide table of code positions, and the prefixes that say whose code a file is. */
#include "places.h"

#include <stdlib.h>
#include <string.h>

static place *table;         /* table[id - 1] */
static uint32_t table_used;  /* ids given out */
static uint32_t table_room;  /* places that fit into table */
static uint32_t *index_slots; /* open addressing: an id, or 0 for empty */
static uint32_t index_size;  /* a power of two */

static char *prefixes_user;
static char *prefixes_library;
static char *prefixes_interprobe;
uint32_t ownership_epoch = 1;

static uint64_t
hash_text(uint64_t hash, const char *text)
{
    for (; *text != '\0'; text++) {
        hash = (hash ^ (unsigned char)*text) * 0x100000001b3u; /* FNV-1a */
    }
    return hash;
}

static uint64_t
hash_place(const place *p)
{
    uint64_t hash = hash_text(hash_text(0xcbf29ce484222325u, p->file), p->function);
    const int32_t numbers[4] = {p->line, p->column, p->end_line, p->end_column};
    for (int i = 0; i < 4; i++) {
        hash = (hash ^ (uint32_t)numbers[i]) * 0x100000001b3u;
    }
    return hash ^ (hash >> 29);
}

static bool
same_place(const place *a, const place *b)
{
    return a->line == b->line && a->column == b->column && a->end_line == b->end_line &&
           a->end_column == b->end_column && strcmp(a->file, b->file) == 0 &&
           strcmp(a->function, b->function) == 0;
}

static int
grow_index(void)
{
    uint32_t size = index_size ? index_size * 2 : 256;
    uint32_t *slots = calloc(size, sizeof *slots);
    if (slots == NULL) {
        return -1;
    }
    for (uint32_t id = 1; id <= table_used; id++) {
        uint32_t slot = (uint32_t)hash_place(&table[id - 1]) & (size - 1);
        while (slots[slot] != 0) {
            slot = (slot + 1) & (size - 1);
        }
        slots[slot] = id;
    }
    free(index_slots);
    index_slots = slots;
    index_size = size;
    return 0;
}

place_id
places_intern(const place *position)
{
    if ((table_used + 1) * 2 > index_size && grow_index() < 0) {
        return 0;
    }
    uint32_t slot = (uint32_t)hash_place(position) & (index_size - 1);
    while (index_slots[slot] != 0) {
        if (same_place(&table[index_slots[slot] - 1], position)) {
            return index_slots[slot];
        }
        slot = (slot + 1) & (index_size - 1);
    }
    if (table_used == table_room) {
        uint32_t room = table_room ? table_room * 2 : 128;
        place *grown = realloc(table, room * sizeof *grown);
        if (grown == NULL) {
            return 0;
        }
        table = grown;
        table_room = room;
    }
    place copy = *position;
    copy.file = strdup(position->file);
    copy.function = strdup(position->function);
    if (copy.file == NULL || copy.function == NULL) {
        free(copy.file);
        free(copy.function);
        return 0;
    }
    table[table_used++] = copy;
    index_slots[slot] = table_used;
    return table_used;
}

const place *
places_get(place_id id)
{
    return id == 0 || id > table_used ? NULL : &table[id - 1];
}

static size_t
list_length(const char *list)
{
    const char *end = list;
    while (*end != '\0') {
        end += strlen(end) + 1;
    }
    return (size_t)(end - list) + 1;
}

static char *
list_duplicate(const char *list)
{
    size_t length = list_length(list);
    char *copy = malloc(length);
    if (copy != NULL) {
        memcpy(copy, list, length);
    }
    return copy;
}

static bool
list_covers(const char *list, const char *file)
{
    if (list == NULL) {
        return false;
    }
    for (const char *prefix = list; *prefix != '\0'; prefix += strlen(prefix) + 1) {
        size_t length = strlen(prefix);
        if (strncmp(file, prefix, length) == 0 &&
            (file[length] == '\0' || file[length] == '/' || prefix[length - 1] == '/')) {
            return true;
        }
    }
    return false;
}

int
ownership_set(const char *user, const char *library, const char *interprobe)
{
    char *lists[3] = {list_duplicate(user), list_duplicate(library), list_duplicate(interprobe)};
    if (lists[0] == NULL || lists[1] == NULL || lists[2] == NULL) {
        free(lists[0]);
        free(lists[1]);
        free(lists[2]);
        return -1;
    }
    free(prefixes_user);
    free(prefixes_library);
    free(prefixes_interprobe);
    prefixes_user = lists[0];
    prefixes_library = lists[1];
    prefixes_interprobe = lists[2];
    ownership_epoch++;
    return 0;
}

enum ownership
ownership_of(const char *file)
{
    if (list_covers(prefixes_user, file)) {
        return OWNED_BY_USER;
    }
    if (list_covers(prefixes_interprobe, file)) {
        return OWNED_BY_INTERPROBE;
    }
    if (list_covers(prefixes_library, file) || strstr(file, "/site-packages/") != NULL ||
        strstr(file, "/dist-packages/") != NULL) {
        return OWNED_BY_LIBRARY;
    }
    /* "<stdin>" and a notebook's cells are the user's; these are not. "<string>" is what namedtuple,
     * dataclass and many a library compile for themselves: the line that runs it tells whose it is. */
    if (strncmp(file, "<frozen ", 8) == 0 || strncmp(file, "<__array_function__", 19) == 0 ||
        strncmp(file, "<attrs generated", 16) == 0 || strcmp(file, "<string>") == 0) {
        return OWNED_BY_LIBRARY;
    }
    return OWNED_BY_USER;
}

/* A hash map from addresses (or other words that are not 0) to words; it grows and never shrinks. */
#ifndef INTERPROBE_ADDRESS_MAP_H
#define INTERPROBE_ADDRESS_MAP_H

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

typedef struct {
    uint64_t key; /* 0: empty */
    uint64_t value;
} address_pair;

typedef struct {
    address_pair *pairs; /* open addressing */
    uint32_t size;       /* a power of two, or 0 */
    uint32_t used;
} address_map;

static inline uint32_t
address_slot(const address_map *map, uint64_t key)
{
    uint32_t slot = (uint32_t)((key * 0x9E3779B97F4A7C15u) >> 32) & (map->size - 1);
    while (map->pairs[slot].key != 0 && map->pairs[slot].key != key) {
        slot = (slot + 1) & (map->size - 1);
    }
    return slot;
}

/* The value of `key`, or 0 where it is not in the map. */
static inline uint64_t
address_map_get(const address_map *map, uint64_t key)
{
    return map->size == 0 ? 0 : map->pairs[address_slot(map, key)].value;
}

/* Sets the value of `key`; false when memory is out. */
static inline bool
address_map_set(address_map *map, uint64_t key, uint64_t value)
{
    if ((map->used + 1) * 2 > map->size) {
        address_map grown = {NULL, map->size ? map->size * 2 : 64, map->used};
        grown.pairs = calloc(grown.size, sizeof *grown.pairs);
        if (grown.pairs == NULL) {
            return false;
        }
        for (uint32_t i = 0; i < map->size; i++) {
            if (map->pairs[i].key != 0) {
                grown.pairs[address_slot(&grown, map->pairs[i].key)] = map->pairs[i];
            }
        }
        free(map->pairs);
        *map = grown;
    }
    address_pair *pair = &map->pairs[address_slot(map, key)];
    map->used += pair->key == 0;
    *pair = (address_pair){key, value};
    return true;
}

static inline void
address_map_clear(address_map *map)
{
    free(map->pairs);
    *map = (address_map){NULL, 0, 0};
}

#endif

/* Reads memory that may have become unreadable: its pages unmapped or protected since it was met. */
#ifndef INTERPROBE_READABLE_MEMORY_H
#define INTERPROBE_READABLE_MEMORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Whether every page of the memory can be read now: nothing but this process can change that. */
bool memory_is_readable(const void *low, uint64_t bytes);

/* Whether each of `count` pieces of `size` bytes can be read. */
bool memory_pieces_are_readable(const char *const *pieces, int count, size_t size);

#endif

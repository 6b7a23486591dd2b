/* Which pages of memory are there already, and what a page costs that is touched for the first time. */
#ifndef INTERPROBE_FRESH_PAGES_H
#define INTERPROBE_FRESH_PAGES_H

#include <stdbool.h>
#include <stdint.h>

/* NumPy asks the kernel for huge pages for blocks of this size and more: numpy/_core/src/multiarray/alloc.c. */
#define HUGE_PAGES_FROM (4u << 20)

#define PAGES_UNKNOWN UINT64_MAX

/* Bytes of the whole pages inside a piece of memory that the process has touched, or PAGES_UNKNOWN where
 * the kernel does not say. It takes the kernel some 2 ns a page. Any thread. */
uint64_t pages_resident(const void *data, uint64_t bytes);

/* What a MiB of fresh memory costs in ticks, in pieces of `bytes` bytes: to get it, to have its pages
 * cleared at the first touch, and to give it back, beside what touching it again costs. 0 where that
 * cannot be measured. Takes milliseconds: for the time after a recording. */
uint64_t pages_ticks_per_mebibyte(uint64_t bytes);

/* Bytes of a small page. */
uint64_t pages_bytes(void);

/* Bytes of the machine's memory; 0 where that is not known. */
uint64_t pages_machine_bytes(void);

#endif

/* How much memory the C heap has handed out. */
#ifndef INTERPROBE_C_HEAP_H
#define INTERPROBE_C_HEAP_H

#include <stdint.h>

/* Bytes in use of all that malloc has handed out, in every thread; -1 where the C library does not say. */
int64_t c_heap_bytes_in_use(void);

#endif

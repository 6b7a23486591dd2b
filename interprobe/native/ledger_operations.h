/* Records of NumPy's own operations whose operands' layouts may be what made them slow. */
#ifndef INTERPROBE_LEDGER_OPERATIONS_H
#define INTERPROBE_LEDGER_OPERATIONS_H

#include "ledger.h"

#define LEDGER_OPERANDS 8 /* operands described per operation; further ones are passed over */

typedef struct {
    uint64_t operation; /* identifies its name */
    uint64_t operands;  /* hash of their types and orders */
    place_id place;
    place_id user_place;
} operation_key;

typedef struct {
    int32_t position; /* among the arguments, from 0; -1: the array that the program has it write */
    uint32_t padding;
    /* Then the stored layout. */
} operand_entry;

typedef struct {
    entry_head head;
    operation_key key;
    entry_offset place;
    entry_offset user_place;
    entry_offset operation;
    uint32_t operand_count;
    uint64_t count;
    uint64_t ticks;
    uint64_t ticks_max;
    uint64_t bytes; /* of all operands */
    uint64_t largest;
    /* Then operand_count operand entries, of the largest instance. */
} operation_entry;

typedef struct {
    operation_key key;
    const char *operation;
    int count;
    const int *positions;
    const layout *layouts;
    uint64_t ticks;
    uint64_t ended; /* ticks */
} operation_event;

/* Books an operation of NumPy's own; `ticket` gets its records. Returns as ledger_end_call does. */
calls_so_far ledger_book_operation(const operation_event *event, record_ticket *ticket);

#endif

/* What guard mode has seen, in each ledger that it is on for: written also while the process dies. */
#ifndef INTERPROBE_GUARD_RECORDS_H
#define INTERPROBE_GUARD_RECORDS_H

#include "guard_blocks.h"

#include <stdbool.h>
#include <stdint.h>

enum guard_kind { GUARD_PAST_END = 1, GUARD_BEFORE_START = 2, GUARD_AFTER_FREE = 3 };

enum guard_access { GUARD_UNKNOWN_ACCESS = 0, GUARD_READ = 1, GUARD_WRITE = 2 };

/* How it was found. */
enum guard_discovery {
    GUARD_FAULT = 1,             /* the kernel refused the access: the instruction is known */
    GUARD_FOUND_AFTER_CALL = 2,  /* canaries beside an argument's data: the call overwrote them */
    GUARD_FOUND_BEFORE_CALL = 3, /* they were overwritten already when the call began */
    GUARD_FOUND_WHEN_FREED = 4,
    GUARD_FOUND_AT_END = 5,      /* of the recording */
};

#define GUARD_VIOLATIONS 32 /* different ones that a ledger keeps */
#define GUARD_FRAMES 16     /* of the C stack, innermost first */

typedef struct {
    uint32_t file, function; /* where their text begins in the record's texts; 0: there is none */
    int32_t line, column, end_line, end_column;
} guard_place;

typedef struct {
    uint64_t address; /* from the library's load address; of the instruction, or of the call in it */
    uint32_t library; /* where its path begins in the texts; 0: it lies in none */
    uint32_t padding;
} guard_frame;

typedef struct {
    entry_head head;
    uint64_t guarded;   /* blocks */
    uint64_t unguarded; /* blocks, for which there was no room */
    uint64_t most;      /* that can be guarded at one time */
    uint64_t dropped;   /* violations for which there was no room */
} guard_entry;

typedef struct {
    entry_head head;
    uint32_t state; /* 0: empty; 1: being written; 2: can be read */
    uint8_t kind, access, discovery, has_layout;
    uint64_t count;
    uint64_t distance; /* PAST_END: from the end to the first byte touched; BEFORE_START: from the first
                        * byte of the data back to the lowest one touched; AFTER_FREE: into the data */
    uint64_t extent;   /* bytes found overwritten; 0 where the access was refused */
    uint64_t block_bytes;
    uint64_t block_serial;
    int32_t position;      /* of the argument, from 0; -1: none leads to the block */
    int32_t last_position; /* in the last call that was given the block */
    entry_offset call, last_call; /* 0: none */
    guard_place allocated, freed, running;
    uint32_t frame_count;
    uint32_t texts_used;
    guard_frame frames[GUARD_FRAMES];
    guard_layout layout;
    char texts[3072]; /* begin with a NUL */
} violation_entry;

typedef struct {
    enum guard_kind kind;
    enum guard_access access;
    enum guard_discovery discovery;
    uint64_t distance, extent;
    const guard_block *block;
    const record_ticket *call; /* NULL: none is known */
    bool call_unknown;         /* `call` is NULL, and the one call in flight in all threads is it */
    int position;
} guard_violation;

/* Begins to keep records in a ledger: -1 where it has no room. GIL held. */
int guard_records_begin(ledger *book);

/* No ledger keeps records of guard mode: nobody would see them. */
bool guard_records_nobody(void);

/* `book` keeps no more. */
void guard_records_end(ledger *book);

bool guard_records_keeps(const ledger *book);

/* Goes on in the regions that ledgers have in a forked child; those in memory are over. */
void guard_records_go_on_in_child(void);

/* Counts a block that was made. */
void guard_records_count(bool guarded);

#define GUARD_BOOKS 4 /* ledgers at once */

/* Writes a violation into all ledgers: no lock, no memory, no Python; for handlers of signals as well.
 * `written` gets the record in each where it is new; returns how many. */
int guard_records_write(const guard_violation *seen, violation_entry *written[GUARD_BOOKS]);

/* Writes what `guard_blocks_damaged` has found. */
void guard_records_damage(const guard_block *block, const guard_damage *damage,
                          enum guard_discovery discovery, const record_ticket *call, int position);

/* Adds a text to a record; returns where it begins, 0 where there is no room. */
uint32_t guard_records_text(violation_entry *entry, const char *text);

/* Says in a record which position in the program ran. */
void guard_records_place(violation_entry *entry, guard_place *out, place_id id);

#endif

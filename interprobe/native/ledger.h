/* The ledger: what one recording has seen, aggregated by place and layout in one flat region.
 *
 * The region is position-independent: entries refer to each other by offset, strings are written at
 * first sight, so a reader (interprobe/ledger.py) needs nothing but the bytes. Its size grows with
 * the number of distinct places and layouts, never with the number of events.
 */
#ifndef INTERPROBE_LEDGER_H
#define INTERPROBE_LEDGER_H

#include "layout.h"
#include "origin.h"
#include "places.h"

#define LEDGER_MAGIC "IPLEDGER"
#define LEDGER_VERSION 4
#define LEDGER_REGION (16u << 20) /* address space and file size; pages are touched only when used */
#define LEDGER_BINS 64            /* timeline bins */
#define LEDGER_SHAPES 9           /* distinct shapes kept per copy record */
#define LEDGER_THREADS 64         /* threads whose crossing in flight is kept; later ones share */

enum entry_type {
    ENTRY_STRING = 1, ENTRY_PLACE = 2, ENTRY_COPY = 3, ENTRY_CALL = 4, ENTRY_BORROW = 5,
    ENTRY_DESCRIPTION = 6, /* a string entry: what the recorder says of the run, as JSON */
    ENTRY_TEMPORARY = 7,
    ENTRY_FACT = 8,
    ENTRY_GUARD = 9, ENTRY_VIOLATION = 10, /* guard_records.h */
    ENTRY_OPERATION = 11, /* ledger_operations.h */
    ENTRY_ALLOCATION = 20, ENTRY_PAGES = 21, /* ledger_allocations.h */
};

typedef uint32_t entry_offset; /* from the start of the region; 0: none */

typedef struct {
    uint32_t type; /* enum entry_type */
    uint32_t size; /* bytes, head included; a multiple of 8 */
} entry_head;

typedef struct {
    uint64_t highest; /* bytes of live array data at most, in this bin */
    uint64_t last;    /* at the end of the bin */
    uint64_t events;  /* 0: the bin repeats what the one before ended with */
} timeline_bin;

typedef struct {
    char magic[8];
    uint32_t version;
    uint32_t header_size;
    uint64_t used;    /* bytes of the region that hold data, header included */
    uint64_t pid;
    uint64_t parent;  /* pid of the process that forked this one off while recording, or 0 */
    uint64_t sealed;  /* 1 once the recording ended in good order */
    uint64_t dropped; /* events without a record, because the region was full */
    uint64_t started_ticks;
    uint64_t started_nanoseconds; /* CLOCK_MONOTONIC */
    uint64_t now_ticks;           /* at the last snapshot, or at the end; 0: neither was */
    uint64_t now_nanoseconds;
    uint64_t last_ticks;       /* of the latest event: the end of a process that died unsealed */
    uint64_t ticks_per_second; /* rough: only for such a process */
    uint64_t active_ticks; /* recorded time, pauses left out, up to the last pause */
    uint64_t allocations;
    uint64_t allocated_bytes;
    uint64_t live_bytes;
    uint64_t peak_bytes;
    uint32_t peak_place; /* entry_offset of the line that was running at the peak */
    uint32_t bin_shift;  /* a bin spans 1 << bin_shift ticks */
    timeline_bin timeline[LEDGER_BINS];
    entry_offset in_flight[LEDGER_THREADS]; /* call entries that native code is inside of; 0: none */
} ledger_header;

typedef struct {
    entry_head head;
    uint32_t length; /* without the NUL */
    char text[];
} string_entry;

typedef struct {
    entry_head head;
    entry_offset file;
    entry_offset function;
    int32_t line;
    int32_t column;
    int32_t end_line;
    int32_t end_column;
} place_entry;

enum copy_kind {
    KIND_STRIDED = 1, KIND_CAST = 2, KIND_BYTESWAP = 4, KIND_ALIGN = 8, KIND_BROADCAST = 16,
    KIND_DUPLICATE = 32, KIND_SEQUENCE = 64, KIND_UNKNOWN = 128,
    KIND_OVERLAP = 256, KIND_WRITEBACK = 512, KIND_GATHER = 1024,
};

enum requirement {
    UNMET_DTYPE = 1, UNMET_C = 2, UNMET_F = 4, UNMET_ALIGNED = 8, UNMET_NOTSWAPPED = 16,
    UNMET_WRITEABLE = 32, UNMET_OWNDATA = 64, UNMET_ENSUREARRAY = 128,
};

/* What makes two copies one record; compared as bytes, so padding is explicit and zero. */
typedef struct {
    uint64_t origin; /* origin.h's number of the native call that asked; 0 none */
    uint64_t mechanism; /* address of the static name */
    place_id place;
    place_id user_place;
    uint32_t source_elsize;
    uint32_t result_elsize;
    uint16_t kind;
    uint16_t unmet;
    char source_kind, source_byteorder, source_order, result_kind, result_byteorder, result_order;
    uint8_t source_ndim, result_ndim;
    uint8_t source_aligned, source_writeable, has_source, is_explicit;
} copy_key;

typedef struct {
    entry_head head;
    copy_key key;
    entry_offset place;
    entry_offset user_place;
    entry_offset mechanism;
    entry_offset library; /* native library that asked, or 0 */
    uint64_t callers[ORIGIN_CALLERS]; /* in that library: origin.h */
    uint64_t count;
    uint64_t bytes;
    uint64_t ticks;
    uint64_t ticks_min;
    uint64_t nbytes_min;
    uint64_t nbytes_max;
    uint64_t repeated;    /* instances that read what the one before read */
    uint64_t last_source; /* identity of that buffer: its allocation */
    uint64_t last_contents; /* hash of what was sampled of it */
    uint64_t other_shapes;  /* instances whose shape is none of those kept */
    uint64_t shape_counts[LEDGER_SHAPES];
    /* Then, each 8-aligned: the stored source layout (if any), the stored result layout, and
     * LEDGER_SHAPES shapes of result_ndim lengths. */
} copy_entry;

typedef struct {
    copy_key key;
    const char *mechanism;
    const layout *source; /* NULL for a sequence */
    const layout *result;
    uint64_t bytes; /* written to the destination */
    uint64_t ticks;
    uint64_t source_identity; /* 0: unknown */
    uint64_t contents;
    uint64_t ended; /* ticks */
} copy_event;

typedef struct {
    uint64_t function; /* address of the native function */
    uint64_t arguments; /* hash of what kind of thing each argument is */
    place_id place;
    place_id user_place;
} call_key;

/* The records that an event was booked in, so that more can be said of them later. */
typedef struct {
    uint64_t ledger; /* its serial: a ledger may be closed since */
    int slot;
    entry_offset entry;
} record_booking;

typedef struct {
    int count;
    record_booking bookings[4]; /* ledgers of recordings nested deeper are left out */
} record_ticket;

#define CALL_ARGUMENTS 24 /* arguments described per call; further ones are passed over */

typedef struct {
    const char *declared; /* type name, or NULL */
    bool has_layout;
    int position; /* of the argument in the call, from 0 */
    int offset;   /* of a pointer inside that argument's memory; -1: the argument itself */
    char member[40]; /* what the pointer inside is called: .field, [3]; "" for the argument itself */
    layout given;
    /* quarantine.h's number of the freed block that it leads into; then `given` is what lay there,
     * and has_layout is false. 0: none. */
    uint64_t freed;
} call_argument;

typedef struct {
    call_key key;
    const char *binding;
    const char *library;  /* or NULL */
    const char *function; /* or NULL */
    int argument_count;
    const call_argument *arguments;
    uint64_t bytes_borrowed;
} call_event;

/* A call that has begun: its record in each ledger that was active then. */
typedef struct {
    record_ticket record;
    entry_offset outer[4]; /* in flight before, in this thread, by booking */
    bool is_first;         /* one of the records has not seen a call to its end */
    bool measures_resident;
    uint64_t ticks_before;    /* of the record's earlier calls, in the first ledger */
    uint64_t resident_before; /* bytes */
    uint64_t faults_before;   /* of this thread */
} call_ticket;

typedef struct {
    entry_offset declared;
    entry_offset member; /* 0: the argument itself */
    uint32_t position;
    uint32_t has_layout; /* 1: of a live array, 2: of one that was freed */
    /* Then the stored layout, if any. */
} argument_entry;

typedef struct {
    entry_head head;
    call_key key;
    entry_offset place;
    entry_offset user_place;
    entry_offset binding;
    entry_offset library;
    entry_offset function;
    uint32_t argument_count;
    uint64_t count;
    uint64_t ticks;
    uint64_t ticks_self;
    uint64_t ticks_min;
    uint64_t ticks_max;
    uint64_t bytes_borrowed;
    uint64_t bytes_copied;
    uint64_t largest; /* bytes lent by the largest instance, whose layouts are kept */
    uint64_t resident_growth; /* bytes of resident memory gained in instances that were measured */
    uint64_t page_faults; /* in those: of pages that the thread touched and that were not there */
    uint64_t faulting;    /* instances with 256 of these and more */
    uint64_t was_long;        /* the last instance took over a millisecond: the next is measured */
    /* Then argument_count argument entries. */
} call_entry;

typedef struct {
    uint64_t origin;   /* who borrowed: origin.h's number, or 0 for Python itself */
    uint64_t manner;   /* address of the static name of the way in */
    place_id place;
    place_id user_place;
    uint32_t requested; /* PyBUF_* flags, where the way in has such */
    uint32_t elsize;
    char kind, byteorder, order;
    uint8_t ndim, aligned, writeable, padding[2];
} borrow_key;

typedef struct {
    entry_head head;
    borrow_key key;
    entry_offset place;
    entry_offset user_place;
    entry_offset manner;
    entry_offset library;
    uint64_t callers[ORIGIN_CALLERS];
    uint64_t count;
    uint64_t bytes;
    uint64_t largest;
    /* Then the stored layout of the largest instance. */
} borrow_entry;

typedef struct {
    borrow_key key;
    const char *manner; /* buffer protocol, ctypes.data, __dlpack__, ... */
    const layout *given;
} borrow_event;

typedef struct {
    uint64_t mechanism; /* address of the static name of the ufunc */
    place_id place;     /* where the ufunc was called */
    place_id user_place;
    uint32_t elsize;
    char kind;
    uint8_t ndim, padding[2];
} temporary_key;

typedef struct {
    entry_head head;
    temporary_key key;
    entry_offset place;
    entry_offset user_place;
    entry_offset mechanism;
    uint32_t padding;
    uint64_t count;
    uint64_t bytes;
    uint64_t ticks; /* of the calls that filled them */
    uint64_t largest;
    /* Then the stored layout of the largest instance. */
} temporary_entry;

typedef struct {
    temporary_key key;
    const char *mechanism;
    const layout *is;
    uint64_t ticks;
    uint64_t ended; /* ticks */
} temporary_event;

/* What makes two facts one record; compared as bytes. */
typedef struct {
    uint64_t kind;      /* address of the static name */
    entry_offset about; /* the record that it is a fact of */
    int32_t position;   /* of the argument, from 0; -1: of all */
    int32_t other;      /* of a second argument; -1: none */
    uint32_t padding;
} fact_key;

typedef struct {
    entry_head head;
    fact_key key;
    entry_offset kind;
    entry_offset text;
    entry_offset place;
    uint32_t padding;
    uint64_t count;
    int64_t value; /* of the instance in which it is highest, or a sum */
    int64_t limit; /* of that instance */
} fact_entry;

/* Something that was observed of a record's instances, for the rules to judge: the file that
 * books a kind says above its name what the members mean in it. */
typedef struct {
    const char *kind; /* a static string */
    int position, other; /* of arguments, from 0; -1: none */
    int64_t value, limit;
    bool adds;         /* `value` is added up, and is not the highest one */
    bool drops_strays; /* with `adds`: instances far beyond the average are left out */
    const char *text; /* or NULL; that of the first instance is kept */
    place_id place;   /* or 0 */
} fact_event;

/* All functions below need the GIL, except those that are called with the lock. In a forked
 * child, ledgers in files go on in files of the child's own; others end. */

typedef struct ledger ledger;

/* A ledger in memory (path NULL) or in a new file, which outlives the process however it ends. A
 * forked child then writes to a file of its own: PATH.PID. NULL with errno when that cannot be. */
ledger *ledger_new(const char *path);
void ledger_delete(ledger *book);

/* Starts or stops writing into `book`; idempotent. */
void ledger_resume(ledger *book);
void ledger_pause(ledger *book);

/* Keeps what the recorder says of the run; later descriptions replace earlier ones. */
void ledger_describe(ledger *book, const char *json);

/* Marks the ledger as ended in good order. */
void ledger_seal(ledger *book);

/* Brings the header's clocks up to date and returns the region. */
const void *ledger_snapshot(ledger *book, size_t *size);

/* Books that are being written to. Hooks pass straight through while it is 0. */
extern int ledger_active;

/* In a process that was forked to be thrown away: nothing is booked from now on. Its pages of ledgers may be
 * shared with the program. */
void ledger_forget_all(void);

/* Books the event in every active ledger. `ticket` gets the records; NULL where nobody asks. */
void ledger_book_copy(const copy_event *event, record_ticket *ticket);
void ledger_book_borrow(const borrow_event *event, record_ticket *ticket);
void ledger_book_temporary(const temporary_event *event);

/* Books a fact about the records of a ticket, now or later; ledgers that were closed since, or are
 * another process's by now, are passed over. */
void ledger_book_fact(const record_ticket *about, const fact_event *fact);

/* Books the beginning of a call. `resolve` fills library, function and declared names; it is called
 * only where a ledger meets the key first. */
void ledger_begin_call(call_event *event, call_ticket *ticket,
                       void (*resolve)(call_event *, void *), void *context);

/* What its thread is inside of once a call has ended. Calls end in another order than they began
 * where the program switches stacks. */
typedef enum {
    STILL_IN_OUTER, /* in what it was inside of before the call */
    OUTER_ENDED,    /* that has ended: in nothing that is known */
    STILL_IN_INNER, /* in a call that began later */
} call_remainder;

/* Ticks that a copy record's instances have taken in all; 0 where it is in no open ledger. */
uint64_t ledger_copy_ticks(const record_ticket *of);

/* What a record's calls, or operations, have taken in all. */
typedef struct {
    uint64_t ticks, count;
} calls_so_far;

/* Returns what the first of its records says of all calls; zeros where there is none. */
calls_so_far ledger_end_call(const call_ticket *ticket, call_remainder remainder, uint64_t ended,
                             uint64_t ticks, uint64_t ticks_self, uint64_t bytes_copied);


/* Array data may come and go in threads without the GIL: they and whatever opens, closes, starts or
 * stops a ledger take turns. Held for a few instructions, never across Python code. */
void ledger_lock(void);
void ledger_unlock(void);

#endif

/* Crossings in flight: one chain per thread, so that nested ones can be told apart. */
#ifndef INTERPROBE_CROSSINGS_H
#define INTERPROBE_CROSSINGS_H

#include "addresses.h"
#include "call_integers.h"
#include "ledger.h"
#include "record_text.h"

#include <stdbool.h>
#include <stdint.h>

/* An array that an argument leads to though no live array stands behind it. */
typedef struct {
    kept_layout kept;
    int offset; /* of the pointer in the memory that the argument hands over; -1: it is the pointer */
} pointed_layout;

#define POINTED_LAYOUTS 16 /* of one call */

struct callee;
struct bare_call;

/* How a binding of plain C functions hands arguments over, for checks that compare them. All run with
 * the GIL and no Python code, and leave a set exception set, unless they say otherwise. */
typedef struct {
    /* The address that C gets for an argument with an array behind it; 0: that of its first element. */
    uintptr_t (*address)(PyObject *argument);
    /* Whether an argument is an integer, and which. */
    bool (*integer)(PyObject *argument, int64_t *value);
    /* Bytes of an element by the argument's own type, double * for instance; 0: it names none. */
    size_t (*element)(PyObject *argument);
    /* The same by the callee's declared prototype; 0: it has none, or takes raw memory. NULL: always. */
    size_t (*declared_element)(PyObject *callable, Py_ssize_t position);
    /* Bits that C gets of a Python integer at this position, below 0 where signed; 0: as many as it
     * has, or the binding refuses it. NULL: always 0. */
    int (*integer_bits)(PyObject *callable, Py_ssize_t position);
    /* Whether C may call Python back through an argument. */
    bool (*calls_back)(PyObject *argument);
    /* Whether Python code runs in the call, after C's: ctypes' errcheck. NULL: never. */
    bool (*runs_python)(PyObject *callable);
    /* Whether the declaration of this position converts arguments in a way of its own, so that C may get
     * another array than the call was given. NULL: never. */
    bool (*converts)(PyObject *callable, Py_ssize_t position);
    /* An argument like this one that points to another array's first element: a new reference, or NULL
     * where it cannot be made; an exception may be set. May run Python code. NULL: never. */
    PyObject *(*pointing_at)(PyObject *argument, PyArrayObject *array);
    /* An argument of the type of this one, which is an integer by `integer`, with another value: a new
     * reference, or NULL where it cannot be made; an exception may be set. NULL: never. */
    PyObject *(*integer_like)(PyObject *argument, int64_t value);
    /* Adds the integers in an argument that is no array, and behind it. */
    void (*integers_behind)(PyObject *argument, call_integers *out);
    /* The value of an argument that is a float of the binding's own making; NULL: it has none such. */
    bool (*float_of)(PyObject *argument, double *value);
    /* Writes the layout of the struct that an argument of a call is declared to point to; false where it
     * is none. May run Python code, and a set exception does not stay set: for first calls. */
    bool (*declared_record)(const struct callee *to, int position, record_text *out);
    /* Converts the arguments of a call once, for calls as C makes them; false where that cannot be done. May
     * run Python code: for a replay's child. NULL: never. */
    bool (*bare)(const struct callee *to, struct bare_call *out);
} foreign_binding;

/* What a binding knows of a call that is about to begin. */
typedef struct callee {
    const char *binding; /* ctypes, pybind11, ...: a static string */
    uint64_t function;   /* identifies the callee: its address, or that of its definition */
    PyObject *callable;
    PyObject *const *arguments; /* borrowed, `count` long */
    Py_ssize_t count;
    PyObject *keywords; /* a tuple or dict of names, of the last arguments in its order; or NULL */
    /* The array behind an argument: a new reference, or NULL. Runs no Python code. */
    PyArrayObject *(*array_behind)(PyObject *argument);
    /* Fills `out`, up to `room`, for an argument without a live array, and returns how many; the
     * argument's own pointer comes first. NULL where the binding follows no addresses. Runs no
     * Python code. */
    int (*layouts_behind)(PyObject *argument, pointed_layout *out, int room);
    const foreign_binding *foreign; /* NULL: the callee takes Python objects */
    /* Calls the original function again with other arguments in the places of these: a new reference, or
     * NULL with an exception. NULL: it cannot be repeated. `repeats` is what that needs to know. */
    PyObject *(*repeat)(const struct callee *to, PyObject *const *arguments);
    const void *repeats;
    /* Names library, function and the arguments' declared types; called once per record. The event's
     * names must stay valid until it returns to the caller. */
    void (*resolve)(call_event *event, void *callee);
} callee;

#define CALL_CHECKS_MEMORY 1024 /* bytes that call_checks.h's checks keep of a crossing */

/* Lives on the C stack of the trampoline for as long as the crossing lasts. */
typedef struct {
    const callee *to;
    uint64_t started; /* ticks */
    uint64_t serial;  /* of its link in the thread's chain */
    int depth;        /* that link's place; 0: nested too deeply to have one */
    unsigned traits;  /* call_checks.h's */
    unsigned looking; /* checks that want to see its end, as bits */
    bool ends_turn;   /* call_turns.h: what it takes is to be booked */
    call_ticket ticket;
    uint64_t checks_memory[CALL_CHECKS_MEMORY / sizeof(uint64_t)];
} crossing;

/* Books the beginning of a crossing. `to` must stay until crossing_end. Returns false, and needs no
 * crossing_end, where it is none of the program's: interprobe's own code makes it. An exception that is
 * set stays set. GIL held. */
bool crossing_begin(crossing *now, const callee *to);

/* Books its end; `result` is NULL where the callee raised, and its exception stays set. The callee that
 * crossing_begin was given must still be there. GIL held. */
void crossing_end(crossing *now, PyObject *result);

/* Adds a copy to the crossing that the thread is inside of, if any. */
void crossings_count_copy(uint64_t bytes);

/* Tells the thread's innermost crossing in flight from every other of it; 0: there is none. */
uint64_t crossings_innermost(void);

/* Where the thread numbers its crossings: the address tells it from all other threads, and the numbers
 * are none of another's. NULL when memory is out. */
const uint64_t *crossings_counter(void);

#endif

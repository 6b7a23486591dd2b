/* Keeps each thread's chain of crossings in flight and books them with their arguments. */
#include "crossings.h"

#include "call_checks.h"
#include "call_turns.h"
#include "clock.h"
#include "frames.h"
#include "replay.h"
#include "thread_local.h"

#include <string.h>

#define MILESTONES 1000000 /* ns: a record's time that is worth a look */

enum { CHAIN = 128 }; /* links per thread; the copies of deeper ones count for the deepest link */

/* What a crossing in flight gathers. Not on the C stack: a program that switches stacks (greenlet)
 * ends crossings in another order than it began them, and what lay there is then something else. */
typedef struct {
    uint64_t serial;       /* 0: it has ended */
    uint64_t nested_ticks; /* spent in crossings inside this one */
    uint64_t bytes_copied; /* while it was in flight, nested crossings included */
} chain_link;

typedef struct {
    int innermost; /* 0: no crossing is in flight */
    uint64_t serials;
    chain_link links[CHAIN + 1]; /* from 1 */
} chain_of_thread;

static THREAD_LOCAL chain_of_thread *in_flight; /* NULL: no crossing yet */

static chain_of_thread *
new_chain(void)
{
    static uint64_t threads;
    chain_of_thread *chain = thread_local_make((void **)&in_flight, sizeof *in_flight);
    if (chain != NULL) {
        chain->serials = __atomic_fetch_add(&threads, 1, __ATOMIC_RELAXED) << 40;
    }
    return chain;
}

/* The chain of this thread, or NULL when memory is out. */
static inline chain_of_thread *
chain_of_this_thread(void)
{
    return in_flight != NULL ? in_flight : new_chain();
}

static inline uint64_t
mix(uint64_t hash, uint64_t word)
{
    hash = (hash ^ word) * 0xFF51AFD7ED558CCDu;
    return hash ^ (hash >> 32);
}

#define FREED 1 /* in a key: no living array is there */

static uint64_t
class_of(const layout *is)
{
    return mix((uint64_t)is->elsize,
               (uint64_t)(uint8_t)is->kind << 40 | (uint64_t)(uint8_t)is->byteorder << 32 |
                   (uint64_t)(uint8_t)is->order << 24 | (uint64_t)is->ndim << 8 |
                   (uint64_t)is->aligned << 1 | (uint64_t)is->writeable);
}

/* What checks may want to know of an array among the arguments. */
static inline unsigned
traits_of(const layout *is)
{
    unsigned traits = CALL_LAYOUT;
    traits |= is->order == LAYOUT_STRIDED ? CALL_STRIDED : 0;
    traits |= is->writeable ? 0 : CALL_READ_ONLY;
    return traits | (is->hidden > 0 ? CALL_SUBCLASS : 0);
}

static inline unsigned
traits_of_result(PyObject *result)
{
    if (result == NULL) {
        return CALL_RAISED;
    }
    PyTypeObject *type = Py_TYPE(result);
    if (type == &PyFloat_Type || type == &PyLong_Type || result == Py_None) {
        return 0;
    }
    return type == &PyTuple_Type || PyArray_Check(result) ? CALL_RETURNS_ARRAYS : 0;
}

/* Whether the time of a record's calls has passed a power of two: some twenty of its calls do. */
static inline unsigned
traits_of_time(uint64_t before, uint64_t ticks)
{
    uint64_t after = before + ticks;
    bool doubled = (before ^ after) > (before & after);
    return doubled && clock_is_longer(after, MILESTONES) ? CALL_MILESTONE : 0;
}

static void
look_before(crossing *now, const begun_call *call)
{
    for (unsigned left = call_checks_before[now->traits]; left != 0; left &= left - 1) {
        const call_check *check = call_checks[__builtin_ctz(left)];
        bool looks = check->before(call, (char *)now->checks_memory + check->offset);
        now->looking |= looks ? left & -left : 0;
    }
}

bool
crossing_begin(crossing *now, const callee *to)
{
    uint64_t entered = call_turn_started == 0 ? 0 : clock_ticks();
    position at;
    frames_locate(&at);
    chain_of_thread *chain = chain_of_this_thread();
    if (at.own || chain == NULL) {
        return false;
    }
    call_argument arguments[CALL_ARGUMENTS];
    PyArrayObject *held[CALL_ARGUMENTS];
    pointed_layout pointed[POINTED_LAYOUTS];
    call_event event;
    memset(&event, 0, sizeof event);
    event.key.function = to->function;
    event.key.place = at.here;
    event.key.user_place = at.user;
    event.binding = to->binding;
    event.arguments = arguments;
    int given = (int)(to->count < CALL_ARGUMENTS ? to->count : CALL_ARGUMENTS);
    event.argument_count = given;
    uint64_t hash = (uint64_t)to->count;
    int used = 0; /* of `pointed` */
    unsigned traits = to->foreign != NULL ? CALL_FOREIGN : 0;
    traits |= to->keywords != NULL ? CALL_KEYWORDS : 0;
    for (int i = 0; i < given; i++) {
        held[i] = to->array_behind(to->arguments[i]);
        arguments[i].declared = NULL;
        arguments[i].freed = 0;
        arguments[i].has_layout = held[i] != NULL;
        arguments[i].position = i;
        arguments[i].offset = -1;
        arguments[i].member[0] = '\0';
        hash = mix(hash, (uint64_t)(uintptr_t)Py_TYPE(to->arguments[i]));
        if (held[i] != NULL) {
            layout_read(&arguments[i].given, held[i]);
            traits |= CALL_LIVE | (PyArray_CheckExact(held[i]) ? 0 : CALL_SUBCLASS);
        } else if (to->layouts_behind != NULL) {
            int found = to->layouts_behind(to->arguments[i], pointed + used, POINTED_LAYOUTS - used);
            for (int k = used; k < used + found; k++) {
                call_argument *argument = &arguments[i];
                if (pointed[k].offset >= 0) {
                    if (event.argument_count == CALL_ARGUMENTS) {
                        break;
                    }
                    argument = &arguments[event.argument_count++];
                    *argument = (call_argument){.position = i, .offset = pointed[k].offset};
                    hash = mix(hash, (uint64_t)pointed[k].offset);
                    hash = mix(hash, class_of(&pointed[k].kept.is));
                    uint64_t lent = (uint64_t)pointed[k].kept.is.nbytes;
                    event.bytes_borrowed += pointed[k].kept.freed == 0 ? lent : 0;
                }
                argument->has_layout = pointed[k].kept.freed == 0;
                argument->freed = pointed[k].kept.freed;
                argument->given = pointed[k].kept.is;
                traits |= argument->freed != 0 ? CALL_FREED : traits_of(&argument->given);
                if (argument->freed != 0) {
                    /* Where the binding names no types, that much is known. */
                    argument->declared = PyLong_CheckExact(to->arguments[i]) ? "int" : NULL;
                    hash = mix(mix(hash, class_of(&argument->given)), FREED);
                }
            }
            used += found;
        }
        if (arguments[i].has_layout) {
            event.bytes_borrowed += (uint64_t)arguments[i].given.nbytes;
            hash = mix(hash, class_of(&arguments[i].given));
            traits |= traits_of(&arguments[i].given);
        }
    }
    event.key.arguments = hash;
    ledger_begin_call(&event, &now->ticket, to->resolve, (void *)to);
    now->to = to;
    now->serial = ++chain->serials;
    traits |= now->ticket.measures_resident ? CALL_LASTING : 0;
    now->traits = traits | (now->ticket.is_first ? CALL_FIRST : 0);
    now->looking = 0;
    now->ends_turn = entered != 0 && call_turn_reach(to, &now->ticket, at.frame, entered);
    if (call_checks_before[now->traits] != 0) {
        const begun_call call = {.to = to,
                                 .serial = now->serial,
                                 .ticket = &now->ticket,
                                 .count = event.argument_count,
                                 .given = given,
                                 .arguments = arguments,
                                 .arrays = held};
        look_before(now, &call);
    }
    for (int i = 0; i < given && (traits & CALL_LIVE) != 0; i++) {
        Py_XDECREF(held[i]); /* the argument itself still holds it: nothing dies here */
    }
    now->depth = chain->innermost < CHAIN ? ++chain->innermost : 0;
    if (now->depth != 0) {
        chain->links[now->depth] = (chain_link){now->serial, 0, 0};
    }
    now->started = clock_ticks(); /* last: its own set-up is not the callee's time */
    return true;
}

void
crossing_end(crossing *now, PyObject *result)
{
    uint64_t ended = clock_ticks();
    uint64_t ticks = ended - now->started;
    if (now->ends_turn) {
        call_turn_end(now->to, &now->ticket, result == NULL ? 0 : ticks);
    }
    unsigned traits = now->traits | traits_of_result(result);
    traits |= traits_of_time(now->ticket.ticks_before, ticks);
    unsigned left = now->looking | call_checks_after[traits];
    for (; left != 0; left &= left - 1) {
        const call_check *check = call_checks[__builtin_ctz(left)];
        check->after(now->to, &now->ticket, ticks, result,
                     (char *)now->checks_memory + check->offset);
    }
    chain_of_thread *chain = in_flight; /* as it was begun, unless the thread is at its end */
    chain_link gathered = {0, 0, 0};
    if (chain == NULL) {
        ledger_end_call(&now->ticket, STILL_IN_OUTER, ended, ticks, ticks, 0);
        return;
    }
    if (now->depth != 0 && chain->links[now->depth].serial == now->serial) {
        gathered = chain->links[now->depth];
        chain->links[now->depth].serial = 0;
    }
    bool in_order = now->depth == chain->innermost || now->depth == 0;
    while (chain->innermost > 0 && chain->links[chain->innermost].serial == 0) {
        chain->innermost--;
    }
    chain_link *outer = chain->innermost > 0 ? &chain->links[chain->innermost] : NULL;
    if (in_order && outer != NULL) {
        outer->nested_ticks += ticks;
        outer->bytes_copied += gathered.bytes_copied;
    }
    uint64_t own = ticks > gathered.nested_ticks ? ticks - gathered.nested_ticks : 0;
    call_remainder remainder = !in_order ? STILL_IN_INNER
                               : chain->innermost < now->depth - 1 ? OUTER_ENDED
                                                                   : STILL_IN_OUTER;
    calls_so_far all = ledger_end_call(&now->ticket, remainder, ended, ticks, own, gathered.bytes_copied);
    if (all.ticks >= replay_threshold || replay_fed_crossing == now->serial) {
        traits |= gathered.bytes_copied > 0 ? CALL_COPIED : 0;
        replay_consider(now->to, &now->ticket, now->serial, traits, ticks, all);
    }
    if (all.count % TURNS_PER_SAMPLE == 0 && result != NULL) {
        call_turn_begin(&now->ticket);
    }
}

void
crossings_count_copy(uint64_t bytes)
{
    chain_of_thread *chain = in_flight;
    if (chain != NULL && chain->innermost > 0) {
        chain->links[chain->innermost].bytes_copied += bytes;
    }
}

uint64_t
crossings_innermost(void)
{
    const chain_of_thread *chain = in_flight;
    return chain != NULL && chain->innermost > 0 ? chain->links[chain->innermost].serial : 0;
}

const uint64_t *
crossings_counter(void)
{
    chain_of_thread *chain = chain_of_this_thread();
    return chain == NULL ? NULL : &chain->serials;
}

/* Keeps each thread's chain of crossings in flight and books them with their arguments. */
#include "crossings.h"

#include "clock.h"
#include "copies.h"
#include "frames.h"

#include <string.h>

static __thread crossing *innermost = NULL;

static inline uint64_t
mix(uint64_t hash, uint64_t word)
{
    hash = (hash ^ word) * 0xFF51AFD7ED558CCDu;
    return hash ^ (hash >> 32);
}

static uint64_t
class_of(const layout *is)
{
    return (uint64_t)is->elsize << 32 | (uint64_t)(uint8_t)is->kind << 24 |
           (uint64_t)(uint8_t)is->byteorder << 16 | (uint64_t)(uint8_t)is->order << 8 |
           (uint64_t)is->ndim << 2 | (uint64_t)is->aligned << 1 | (uint64_t)is->writeable;
}

bool
crossing_begin(crossing *now, const callee *to)
{
    position at;
    frames_locate(&at);
    if (at.own) {
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
    for (int i = 0; i < given; i++) {
        held[i] = to->array_behind(to->arguments[i]);
        arguments[i].declared = NULL;
        arguments[i].has_layout = held[i] != NULL;
        arguments[i].position = i;
        arguments[i].offset = -1;
        arguments[i].member[0] = '\0';
        hash = mix(hash, (uint64_t)(uintptr_t)Py_TYPE(to->arguments[i]));
        if (held[i] != NULL) {
            layout_read(&arguments[i].given, held[i]);
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
                    event.bytes_borrowed += (uint64_t)pointed[k].kept.is.nbytes;
                }
                argument->has_layout = true;
                argument->given = pointed[k].kept.is;
            }
            used += found;
        }
        if (arguments[i].has_layout) {
            event.bytes_borrowed += (uint64_t)arguments[i].given.nbytes;
            hash = mix(hash, class_of(&arguments[i].given));
        }
    }
    event.key.arguments = hash;
    ledger_begin_call(&event, &now->ticket, to->resolve, (void *)to);
    for (int i = 0; i < given; i++) {
        Py_XDECREF(held[i]); /* the argument itself still holds it: nothing dies here */
    }
    now->outer = innermost;
    now->nested_ticks = 0;
    now->bytes_copied = 0;
    now->outer_copied = copies_in_flight;
    copies_in_flight = &now->bytes_copied;
    innermost = now;
    now->started = clock_ticks(); /* last: its own set-up is not the callee's time */
    return true;
}

void
crossing_end(crossing *now)
{
    uint64_t ended = clock_ticks();
    uint64_t ticks = ended - now->started;
    innermost = now->outer;
    copies_in_flight = now->outer_copied;
    if (now->outer != NULL) {
        now->outer->nested_ticks += ticks;
        now->outer->bytes_copied += now->bytes_copied;
    }
    uint64_t own = ticks > now->nested_ticks ? ticks - now->nested_ticks : 0;
    ledger_end_call(&now->ticket, ended, ticks, own, now->bytes_copied);
}

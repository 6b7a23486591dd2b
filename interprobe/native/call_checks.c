/* Keeps the call checks, and which of them look at which kind of call. */
#include "call_checks.h"

#include <stdio.h>
#include <stdlib.h>

const call_check *call_checks[CALL_CHECKS];
uint16_t call_checks_before[CALL_KINDS], call_checks_after[CALL_KINDS];
static int checks;
static size_t memory_used;

static bool
is_of(unsigned traits, const call_kind *kind)
{
    return (traits & kind->all) == kind->all && (kind->any == 0 || (traits & kind->any) != 0);
}

static void
note_kinds(const call_check *check, uint16_t bit)
{
    for (unsigned traits = 0; traits < CALL_KINDS; traits++) {
        bool begins = check->before != NULL && is_of(traits, &check->looks_at);
        bool ends = check->before == NULL && is_of(traits, &check->ends_at);
        call_checks_before[traits] &= (uint16_t)~bit;
        call_checks_after[traits] &= (uint16_t)~bit;
        call_checks_before[traits] |= begins && !check->is_off ? bit : 0;
        call_checks_after[traits] |= ends && !check->is_off ? bit : 0;
    }
}

void
call_check_switch(call_check *check, bool on)
{
    check->is_off = !on;
    for (int i = 0; i < checks; i++) {
        if (call_checks[i] == check) {
            note_kinds(check, (uint16_t)(1u << i));
        }
    }
}

void
call_check_register(call_check *check)
{
    check->offset = memory_used;
    memory_used += (check->memory + 7) & ~(size_t)7;
    if (memory_used > CALL_CHECKS_MEMORY || checks == CALL_CHECKS) {
        fputs("interprobe: there is too little room for all call checks\n", stderr);
        abort(); /* met by whoever adds a check, never by a user */
    }
    note_kinds(check, (uint16_t)(1u << checks));
    call_checks[checks++] = check;
}

/* Keeps the list of call checks. */
#include "call_checks.h"

#include <stdio.h>
#include <stdlib.h>

call_check *call_checks;
static size_t memory_used;

void
call_check_register(call_check *check)
{
    check->offset = memory_used;
    memory_used += (check->memory + 7) & ~(size_t)7;
    if (memory_used > CALL_CHECKS_MEMORY) {
        fputs("interprobe: CALL_CHECKS_MEMORY is too small for all call checks\n", stderr);
        abort(); /* met by whoever adds a check, never by a user */
    }
    check->next = call_checks;
    call_checks = check;
}

/* Checks records that go to foreign functions: what lies where, and what the pointer is declared as.
 *
 * What it says holds for all calls of a record, so only the first is looked at; it runs Python code.
 */
#include "call_checks.h"

#include "record_text.h"

#include <stdio.h>

/* The layout of the records of the array behind `position`, and that of the struct which the pointer to
 * it is declared with: record_text.h's lines, as "C:LINE|A:LINE" (the declared one first; "C:" alone where
 * none is declared). Either may be cut at a member for want of room, which "..." at its end says.
 * `value`: bytes of a record. */
static const char RECORD_LAYOUTS[] = "record-layouts";

static bool
before(const begun_call *call, void *memory)
{
    (void)memory;
    for (int i = 0; i < call->given; i++) {
        const layout *is = &call->arguments[i].given;
        if (!call->arguments[i].has_layout || is->kind != 'V' || is->nbytes == 0 ||
            call_converts(call, i)) {
            continue;
        }
        PyArrayObject *array = call->arrays[i];
        record_text declared = {.used = 0}, given = {.used = 0};
        if (!call->to->foreign->declared_record(call->to, i, &declared)) {
            declared.used = 0; /* the callee's own prototype may tell, when the run is over */
            declared.is_cut = false;
            declared.text[0] = '\0';
        }
        if (array != NULL && PyDataType_HASFIELDS(PyArray_DESCR(array))) {
            record_text_of_dtype(&given, PyArray_DESCR(array));
        } else if (array == NULL) {
            given.is_cut = true; /* an address remembers no fields */
            record_text_size(&given, is->elsize);
        } else {
            continue; /* raw memory, which the struct gives its meaning */
        }
        char text[2 * sizeof declared.text + 16];
        snprintf(text, sizeof text, "C:%s%s|A:%s%s", declared.text, declared.is_cut ? "..." : "",
                 given.text, given.is_cut ? "..." : "");
        const fact_event fact = {.kind = RECORD_LAYOUTS, .position = i, .other = -1,
                                 .value = is->elsize, .text = text};
        ledger_book_fact(&call->ticket->record, &fact);
    }
    return false;
}

static call_check record_check = {
    .before = before,
    .looks_at = {.all = CALL_FIRST | CALL_FOREIGN | CALL_LAYOUT},
};
REGISTER_CALL_CHECK(record_check)

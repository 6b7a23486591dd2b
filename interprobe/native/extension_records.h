/* What is known of a watched function, and how a call of it becomes a crossing. */
#ifndef INTERPROBE_EXTENSION_RECORDS_H
#define INTERPROBE_EXTENSION_RECORDS_H

#include "cffi_objects.h"
#include "crossings.h"
#include "extension_functions.h"

/* What a record says of a function. */
typedef struct {
    const char *binding;     /* NULL: the library's toolkit tells */
    native_library *library; /* lives as long as the process */
    char *name;              /* owned */
    bool takes_self;         /* the first argument is the object that it is a method of */
} function_facts;

/* The call that is about to be booked, with what its record will say. */
typedef struct {
    callee to; /* first: resolve is given its address */
    const function_facts *facts;
} watched_call;

extern const char cffi_binding[]; /* the binding of a cffi `lib`'s functions, by its address */

extern uint64_t extension_unwatched; /* functions that found no place, since the installation */

/* Names library and function of a watched_call: for callee.resolve. */
void extension_resolve(call_event *event, void *context);

/* The same for functions of a cffi `lib`, which is their calls' callable, with the types declared. */
void cffi_resolve_lib_call(call_event *event, void *context);

/* Positional and keyword arguments of a call in one row of CALL_ARGUMENTS; those that find no room are
 * left out. Returns how many there are. The row holds what was passed by keyword, since the callee may
 * take it out of the dict: extension_release_row lets go of it. */
Py_ssize_t extension_in_a_row(PyObject **row, PyObject *args, PyObject *keywords);
void extension_release_row(PyObject **row, Py_ssize_t count, PyObject *args);

/* The reverse, for calls whose keywords are a dict or none: new references, `keywords` may be NULL. 0, or
 * -1 with an exception. */
int extension_out_of_row(const callee *to, PyObject *const *row, PyObject **args, PyObject **keywords);

/* What a function gets when a call is repeated: the object that it is a method of, and the arguments. */
typedef struct {
    callee to;                 /* the call, with that object among its arguments */
    PyObject *const *arguments; /* of `to`, in `row` where there is an object */
    PyObject *row[CALL_ARGUMENTS + 1];
    PyObject *fresh; /* owned: what a constructor is called with, or NULL */
} whole_call;

/* Fills in a repeated call with these arguments. A constructor gets an object of its own, since one that
 * exists may return at once. 0, or -1 with an exception. extension_whole_call_end lets go of it. */
int extension_whole_call(const callee *to, const function_facts *facts, PyObject *const *arguments,
                         whole_call *out);
void extension_whole_call_end(whole_call *call);

/* "name" or "Class.name", to be freed; `own` is the function's own name, or NULL. NULL: memory is out. */
char *extension_qualified_name(const found_in *where, const char *own);

/* Unpatches all definitions; then lets go of what kept them alive, which may run the program's code. */
void extension_definitions_unpatch(void);
void extension_definitions_release(void);
void extension_definitions_visit(slot_visitor visit, void *context);

/* Begins a crossing; `call` is the caller's storage, which must stay until crossing_end. */
static inline bool
extension_begin(crossing *now, watched_call *call, const function_facts *facts, uint64_t identity,
                PyObject *callable, PyObject *const *arguments, Py_ssize_t count, PyObject *keywords)
{
    bool foreign = facts->binding == cffi_binding;
    Py_ssize_t selves = facts->takes_self && count > 0 ? 1 : 0;
    *call = (watched_call){
        .to = {
            .binding = facts->binding != NULL ? facts->binding : "C API",
            .function = identity,
            .callable = callable,
            .arguments = arguments + selves,
            .count = count - selves,
            .keywords = keywords,
            .array_behind = extension_array_behind,
            .layouts_behind = extension_layouts_behind,
            .foreign = foreign ? &cffi_handing_over : NULL,
            .resolve = extension_resolve,
        },
        .facts = facts,
    };
    if (facts->binding == cffi_binding) {
        call->to.layouts_behind = cffi_layouts_behind;
        call->to.resolve = cffi_resolve_lib_call;
    }
    return crossing_begin(now, &call->to);
}

#endif

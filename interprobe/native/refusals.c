/* Books the exceptions with which callees turned a call down that had arrays among its arguments. */
#include "refusals.h"

#include "call_checks.h"

#include <string.h>

/* A fact of a call record; position and other: -1, of the call as a whole.
 * count: calls that raised. text: "TypeName: message" of the first one. */
static const char raised[] = "raised";

/* A fact of a call record, beside `raised`; its text likewise. count: exceptions of this record that
 * nothing handled, so that the program ended with them. */
static const char unhandled[] = "unhandled";

enum { TEXT = 2048, REMEMBERED = 4, CAUSES = 16 };

/* The latest exceptions, so that the one that ends the program can be told to be one of them. */
typedef struct {
    record_ticket record;
    const PyObject *exception; /* compared, never followed; NULL: it was no object yet (Python 3.11) */
    uint64_t text_hash;        /* 0: the entry is empty */
} remembered;

static remembered latest[REMEMBERED];
static unsigned next_of_latest;

static uint64_t
hash_text(const char *text)
{
    uint64_t hash = 0xCBF29CE484222325u;
    for (; *text != '\0'; text++) {
        hash = (hash ^ (uint8_t)*text) * 0x100000001B3u;
    }
    return hash | 1;
}

/* Appends a string's characters as ASCII; PyUnicode_AsUTF8 would leave a copy inside the object. */
static size_t
append_string(char *out, size_t used, PyObject *string)
{
#if PY_VERSION_HEX < 0x030C0000
    if (!PyUnicode_IS_READY(string)) {
        return used;
    }
#endif
    Py_ssize_t length = PyUnicode_GET_LENGTH(string);
    int kind = (int)PyUnicode_KIND(string);
    const void *data = PyUnicode_DATA(string);
    for (Py_ssize_t i = 0; i < length && used < TEXT - 1; i++) {
        Py_UCS4 character = PyUnicode_READ(kind, data, i);
        out[used++] = character == '\n' || (character >= ' ' && character < 127) ? (char)character
                                                                                 : '?';
    }
    return used;
}

/* "TypeName: message" of an exception, read from its members alone: its own __str__ might be written
 * in Python. False where its first argument is no plain string. `value` may be what CPython 3.11 has
 * instead of the object until somebody looks at it: the message, the arguments, or NULL. */
static bool
read_text(char *out, PyTypeObject *type, PyObject *value)
{
    PyObject *message = value;
    if (value != NULL && PyExceptionInstance_Check(value)) {
        message = ((PyBaseExceptionObject *)value)->args;
    }
    if (message != NULL && PyTuple_CheckExact(message)) {
        message = PyTuple_GET_SIZE(message) > 0 ? PyTuple_GET_ITEM(message, 0) : NULL;
    }
    if (message == NULL || !PyUnicode_CheckExact(message)) {
        return false;
    }
    const char *last = strrchr(type->tp_name, '.');
    const char *name = last == NULL ? type->tp_name : last + 1;
    size_t used = strnlen(name, 100);
    memcpy(out, name, used);
    memcpy(out + used, ": ", 2);
    used = append_string(out, used + 2, message);
    out[used] = '\0';
    return true;
}

static bool
has_array(const callee *to)
{
    Py_ssize_t count = to->count < CALL_ARGUMENTS ? to->count : CALL_ARGUMENTS;
    for (Py_ssize_t i = 0; i < count; i++) {
        PyArrayObject *array = to->array_behind(to->arguments[i]);
        if (array != NULL) {
            Py_DECREF(array); /* the argument itself still holds it: nothing dies here */
            return true;
        }
    }
    return false;
}

static void
book(const record_ticket *record, const char *kind, const char *text)
{
    const fact_event fact = {.kind = kind, .position = -1, .other = -1, .text = text};
    ledger_book_fact(record, &fact);
}

static void
after(const callee *to, const call_ticket *ticket, uint64_t ticks, PyObject *result, void *memory)
{
    (void)ticks;
    (void)memory;
    if (result != NULL || ticket->record.count == 0) {
        return;
    }
    char text[TEXT];
    /* Fetching and restoring moves the thread's pointers out and in again, and nothing else. */
#if PY_VERSION_HEX >= 0x030C0000
    PyObject *exception = PyErr_GetRaisedException();
    bool told = exception != NULL && has_array(to) && read_text(text, Py_TYPE(exception), exception);
    const PyObject *object = exception;
    PyErr_SetRaisedException(exception);
#else
    PyObject *type, *value, *traceback;
    PyErr_Fetch(&type, &value, &traceback);
    bool told = type != NULL && PyType_Check(type) && has_array(to) &&
                read_text(text, (PyTypeObject *)type, value);
    const PyObject *object = value != NULL && PyExceptionInstance_Check(value) ? value : NULL;
    PyErr_Restore(type, value, traceback);
#endif
    if (!told) {
        return;
    }
    book(&ticket->record, raised, text);
    latest[next_of_latest++ % REMEMBERED] = (remembered){ticket->record, object, hash_text(text)};
}

/* The latest call that raised this exception, or NULL. Python 3.12 and later keep one object all the
 * way from the callee to the end of the program. */
static const remembered *
call_that_raised(PyObject *exception, const char *text)
{
    uint64_t hash = hash_text(text);
    for (unsigned i = 1; i <= REMEMBERED; i++) {
        const remembered *known = &latest[(next_of_latest - i) % REMEMBERED];
        if (known->text_hash == hash &&
            (known->exception == exception || known->exception == NULL)) {
            return known;
        }
    }
    return NULL;
}

void
refusals_note_unhandled(PyObject *exception)
{
    char text[TEXT];
    for (int i = 0; i < CAUSES && exception != NULL && PyExceptionInstance_Check(exception); i++) {
        const remembered *known = read_text(text, Py_TYPE(exception), exception)
                                      ? call_that_raised(exception, text)
                                      : NULL;
        if (known != NULL) {
            book(&known->record, unhandled, text);
            return;
        }
        /* Not its __context__: what fails while an exception is handled is another failure. */
        exception = ((PyBaseExceptionObject *)exception)->cause;
    }
}

static call_check refusals_check = {.after = after, .ends_at = {.all = CALL_RAISED}};
REGISTER_CALL_CHECK(refusals_check)

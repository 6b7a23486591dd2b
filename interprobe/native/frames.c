/* Reads CPython's internal frames: the one file that knows their layout, per minor version.
 *
 * PyEval_GetFrame would create a frame object for every fresh frame (103-123 ns where measured,
 * against 32-42 for the internal frame). The layout belongs to the minor version whose headers this
 * file is compiled with; frames are compared with sys._getframe when the probes are installed.
 */
#define PY_SSIZE_T_CLEAN
#define Py_BUILD_CORE 1
#include <Python.h>
#include "internal/pycore_frame.h"
#undef Py_BUILD_CORE

#include "frames.h"

#include <opcode.h>
#include <string.h>

#if PY_VERSION_HEX < 0x030B0000 || PY_VERSION_HEX >= 0x030E0000
#error "interprobe reads the frames of CPython 3.11, 3.12 and 3.13"
#endif

/* What is remembered about one code object, in its co_extra slot: freed with the code object, so
 * that code made by exec() in a loop does not pile up. */
typedef struct {
    uint32_t epoch;    /* ownership_epoch when `owner` was decided */
    uint8_t owner;     /* enum ownership */
    uint32_t length;   /* code units */
    place_id places[]; /* per code unit; 0: not seen yet */
} code_notes;

#define WALK_LIMIT 512 /* frames looked at for the user's own line; deeper ones stay unknown */

static Py_ssize_t extra_index = -1;
static PyInterpreterState *main_interpreter;

int
frames_initialise(void)
{
    if (extra_index < 0) {
#if PY_VERSION_HEX >= 0x030C0000
        extra_index = PyUnstable_Eval_RequestCodeExtraIndex(PyMem_RawFree);
#else
        extra_index = _PyEval_RequestCodeExtraIndex(PyMem_RawFree);
#endif
        if (extra_index < 0) {
            PyErr_SetString(PyExc_RuntimeError, "CPython has no free co_extra slot");
            return -1;
        }
    }
    main_interpreter = PyInterpreterState_Main();
    return 0;
}

static inline PyThreadState *
attached_thread(void)
{
#if PY_VERSION_HEX >= 0x030D0000
    PyThreadState *thread = PyThreadState_GetUnchecked();
#else
    PyThreadState *thread = _PyThreadState_UncheckedGet();
#endif
#if PY_VERSION_HEX < 0x030C0000
    /* On 3.11 that is the thread that holds the GIL, whoever asks: it may end at any moment, and is not
     * looked into unless it is this very thread's own. */
    if (thread != PyGILState_GetThisThreadState()) {
        return NULL;
    }
#endif
    /* co_extra slots are numbered per interpreter: in others, ours may be another tool's. */
    return thread != NULL && thread->interp == main_interpreter ? thread : NULL;
}

bool
frames_thread_attached(void)
{
    return attached_thread() != NULL;
}

const void *
frames_current(void)
{
    PyThreadState *thread = attached_thread();
#if PY_VERSION_HEX >= 0x030D0000
    return thread == NULL ? NULL : thread->current_frame;
#else
    return thread == NULL ? NULL : thread->cframe->current_frame;
#endif
}

static inline _PyInterpreterFrame *
complete_frame(_PyInterpreterFrame *frame)
{
    while (frame != NULL && _PyFrame_IsIncomplete(frame)) {
        frame = frame->previous;
    }
    return frame;
}

static inline PyCodeObject *
code_of(_PyInterpreterFrame *frame)
{
#if PY_VERSION_HEX >= 0x030D0000
    return (PyCodeObject *)frame->f_executable;
#else
    return frame->f_code;
#endif
}

/* What a code object's co_extra points to: private to CPython, and the same since 3.6. */
typedef struct {
    Py_ssize_t size;
    void *slots[1];
} code_extras;

static bool extras_are_known; /* true once a slot read this way has held what was set */

static inline code_notes *
known_notes(PyCodeObject *code)
{
    void *found = NULL;
    if (extras_are_known) {
        const code_extras *extras = code->co_extra;
        return extras != NULL && extra_index < extras->size ? extras->slots[extra_index] : NULL;
    }
#if PY_VERSION_HEX >= 0x030C0000
    PyUnstable_Code_GetExtra((PyObject *)code, extra_index, &found);
#else
    _PyCode_GetExtra((PyObject *)code, extra_index, &found);
#endif
    return found;
}

static inline position_key
key_of(_PyInterpreterFrame *frame)
{
    if (frame == NULL) {
        return (position_key){NULL, NULL};
    }
#if PY_VERSION_HEX >= 0x030D0000
    return (position_key){frame, frame->instr_ptr};
#else
    return (position_key){frame, frame->prev_instr};
#endif
}

position_key
frames_position_key(void)
{
    return key_of(complete_frame((_PyInterpreterFrame *)frames_current()));
}

static code_notes *
take_notes(PyCodeObject *code)
{
    uint32_t length = (uint32_t)Py_SIZE(code);
    code_notes *notes = PyMem_RawCalloc(1, sizeof *notes + length * sizeof notes->places[0]);
    if (notes == NULL) {
        return NULL;
    }
    notes->length = length;
    PyObject *type, *value, *traceback; /* an allocation may run while an exception is set */
    PyErr_Fetch(&type, &value, &traceback);
#if PY_VERSION_HEX >= 0x030C0000
    int status = PyUnstable_Code_SetExtra((PyObject *)code, extra_index, notes);
#else
    int status = _PyCode_SetExtra((PyObject *)code, extra_index, notes);
#endif
    PyErr_Restore(type, value, traceback); /* and forget what SetExtra may have raised */
    if (status < 0) {
        PyMem_RawFree(notes);
        return NULL;
    }
    const code_extras *extras = code->co_extra;
    extras_are_known = extras != NULL && extra_index < extras->size &&
                       extras->slots[extra_index] == (void *)notes;
    return notes;
}

/* UTF-8 of a str; undecodable names (lone surrogates from odd file names) keep their other letters. */
static void
copy_text(PyObject *text, char *buffer, size_t size)
{
    PyObject *type, *value, *traceback; /* an allocation may run while an exception is set */
    PyErr_Fetch(&type, &value, &traceback);
    const char *utf8 = PyUnicode_AsUTF8(text);
    PyErr_Restore(type, value, traceback);
    if (utf8 != NULL) {
        strncpy(buffer, utf8, size - 1);
        buffer[size - 1] = '\0';
        return;
    }
    size_t used = 0;
    Py_ssize_t length = PyUnicode_GetLength(text);
    for (Py_ssize_t i = 0; i < length && used + 1 < size; i++) {
        Py_UCS4 letter = PyUnicode_ReadChar(text, i);
        buffer[used++] = letter < 0x80 ? (char)letter : '?';
    }
    buffer[used] = '\0';
}

/* Finds out whose code it is. */
static __attribute__((noinline)) code_notes *
renew_notes(PyCodeObject *code, code_notes *notes)
{
    if (notes == NULL && (notes = take_notes(code)) == NULL) {
        return NULL;
    }
    char file[4096];
    copy_text(code->co_filename, file, sizeof file);
    notes->owner = (uint8_t)ownership_of(file);
    notes->epoch = ownership_epoch;
    return notes;
}

static inline code_notes *
notes_of(PyCodeObject *code)
{
    code_notes *notes = known_notes(code);
    if (notes != NULL && notes->epoch == ownership_epoch) {
        return notes;
    }
    return renew_notes(code, notes);
}

static __attribute__((noinline)) place_id
new_place(PyCodeObject *code, code_notes *notes, int unit)
{
    char file[4096];
    char function[1024];
    int line = -1, column = -1, end_line = -1, end_column = -1;
    copy_text(code->co_filename, file, sizeof file);
    copy_text(code->co_qualname, function, sizeof function);
    PyCode_Addr2Location(code, unit * (int)sizeof(_Py_CODEUNIT), &line, &column, &end_line,
                         &end_column);
    const place seen = {file, function, line, column, end_line, end_column};
    notes->places[unit] = places_intern(&seen);
    return notes->places[unit];
}

static inline place_id
place_at(PyCodeObject *code, code_notes *notes, int unit)
{
    if (unit < 0 || (uint32_t)unit >= notes->length) {
        unit = 0;
    }
    return notes->places[unit] != 0 ? notes->places[unit] : new_place(code, notes, unit);
}

void
frames_locate(position *out)
{
    memset(out, 0, sizeof *out);
    PyThreadState *thread = attached_thread();
    if (thread == NULL) {
        return;
    }
#if PY_VERSION_HEX >= 0x030D0000
    _PyInterpreterFrame *frame = complete_frame(thread->current_frame);
#else
    _PyInterpreterFrame *frame = complete_frame(thread->cframe->current_frame);
    out->eval_stack = (uintptr_t)thread->cframe;
#endif
    if (frame == NULL) {
        return;
    }
#if PY_VERSION_HEX >= 0x030D0000
    /* The evaluation loop keeps its entry frame on its C stack. */
    _PyInterpreterFrame *entry = thread->current_frame;
    for (int depth = 0; entry != NULL && depth < WALK_LIMIT; depth++, entry = entry->previous) {
        if (entry->owner == FRAME_OWNED_BY_CSTACK) {
            out->eval_stack = (uintptr_t)entry;
            break;
        }
    }
#endif
    PyCodeObject *code = code_of(frame);
    code_notes *notes = notes_of(code);
    if (notes == NULL) {
        return;
    }
    out->code = code;
    out->frame = frame;
    out->own = notes->owner == OWNED_BY_INTERPROBE;
    out->here = place_at(code, notes, _PyInterpreterFrame_LASTI(frame));
    if (notes->owner == OWNED_BY_USER) {
        out->user = out->here;
        out->user_frame = frame;
        return;
    }
    for (int depth = 0; depth < WALK_LIMIT; depth++) {
        frame = complete_frame(frame->previous);
        if (frame == NULL) {
            return;
        }
        code = code_of(frame);
        notes = notes_of(code);
        if (notes != NULL && notes->owner == OWNED_BY_USER) {
            out->user = place_at(code, notes, _PyInterpreterFrame_LASTI(frame));
            out->user_frame = frame;
            return;
        }
    }
}

PyObject *
frames_local(const position *at, int index)
{
    _PyInterpreterFrame *frame = at->frame;
    if (frame == NULL || index < 0 || index >= at->code->co_nlocalsplus) {
        return NULL;
    }
    return frame->localsplus[index];
}

enum { VARIABLES_LOOKED_AT = 4096 };

static bool
any_of_dict(PyObject *names, bool (*is)(PyObject *, void *), void *context)
{
    PyObject *key, *value;
    Py_ssize_t at = 0;
    for (int i = 0; i < VARIABLES_LOOKED_AT && PyDict_Next(names, &at, &key, &value); i++) {
        if (is(value, context)) {
            return true;
        }
    }
    return false;
}

bool
frames_user_holds(const position *at, bool (*is)(PyObject *, void *), void *context)
{
    _PyInterpreterFrame *frame = at->user_frame;
    if (frame == NULL) {
        return false;
    }
    PyCodeObject *code = code_of(frame);
    for (int i = 0; i < code->co_nlocalsplus; i++) {
        PyObject *value = frame->localsplus[i];
        if (value != NULL && PyCell_Check(value)) {
            value = PyCell_GET(value);
        }
        if (value != NULL && is(value, context)) {
            return true;
        }
    }
    PyObject *own = frame->f_locals, *global = frame->f_globals;
    return (own != NULL && own != global && PyDict_Check(own) && any_of_dict(own, is, context)) ||
           (global != NULL && PyDict_Check(global) && any_of_dict(global, is, context));
}

/* Instructions that look at no variable: what may stand between a call and the frame's end. */
static bool
looks_at_nothing(int opcode)
{
    switch (opcode) {
    case CACHE:
    case NOP:
    case POP_TOP:
    case PUSH_NULL:
    case COPY:
    case SWAP:
    case LOAD_CONST:
    case LOAD_GLOBAL: /* of the exception that reports a status */
    case LOAD_ASSERTION_ERROR:
    case UNARY_NOT:
    case BUILD_STRING:
    case RAISE_VARARGS:
    case RETURN_VALUE:
#ifdef PRECALL
    case PRECALL:
#endif
#ifdef KW_NAMES
    case KW_NAMES:
#endif
#ifdef RETURN_CONST
    case RETURN_CONST:
#endif
#ifdef TO_BOOL
    case TO_BOOL:
#endif
#ifdef FORMAT_VALUE
    case FORMAT_VALUE:
#endif
#ifdef FORMAT_SIMPLE
    case FORMAT_SIMPLE:
#endif
#ifdef POP_JUMP_IF_FALSE
    case POP_JUMP_IF_FALSE:
    case POP_JUMP_IF_TRUE:
    case POP_JUMP_IF_NONE:
    case POP_JUMP_IF_NOT_NONE:
#endif
#ifdef POP_JUMP_FORWARD_IF_FALSE
    case POP_JUMP_FORWARD_IF_FALSE:
    case POP_JUMP_FORWARD_IF_TRUE:
    case POP_JUMP_FORWARD_IF_NONE:
    case POP_JUMP_FORWARD_IF_NOT_NONE:
#endif
        return true;
    default:
        return false;
    }
}

/* Whether what follows looks at nothing but the variable that the result is put into, to the end. */
static bool
only_returns(const unsigned char *bytes, Py_ssize_t units, Py_ssize_t next)
{
    int status = -1; /* the result's variable */
    int functions = 0, constants = 0; /* loaded since: others lie on the stack from before */
    bool first = true;
    for (Py_ssize_t i = next; i < units; i++) {
        int opcode = bytes[2 * i], argument = bytes[2 * i + 1];
        if (opcode == CACHE || opcode == NOP) {
            continue;
        }
        if (opcode == STORE_FAST && first) {
            status = argument;
#ifdef STORE_FAST_LOAD_FAST
        } else if (opcode == STORE_FAST_LOAD_FAST && first && argument >> 4 == (argument & 15)) {
            status = argument & 15;
#endif
        } else if (opcode == CALL) {
            if (functions-- <= 0) {
                return false;
            }
        } else if (opcode == COMPARE_OP || opcode == IS_OP) {
            if (constants-- <= 0) {
                return false;
            }
        } else if (!(opcode == LOAD_FAST && argument == status) && !looks_at_nothing(opcode)) {
            return false;
        }
        functions += opcode == LOAD_GLOBAL;
        constants += opcode == LOAD_CONST;
        first = false;
    }
    return !first;
}

void
frames_look_ahead(frame_outlook *out)
{
    memset(out, 0, sizeof *out);
    _PyInterpreterFrame *frame = complete_frame((_PyInterpreterFrame *)frames_current());
    if (frame == NULL) {
        return;
    }
    out->caller = key_of(complete_frame(frame->previous));
    PyObject *type, *value, *traceback;
    PyErr_Fetch(&type, &value, &traceback);
    PyCodeObject *code = code_of(frame);
    PyObject *plain = PyCode_GetCode(code); /* without what the interpreter specialised */
    if (plain != NULL && PyBytes_Check(plain)) {
        const unsigned char *bytes = (const unsigned char *)PyBytes_AS_STRING(plain);
        Py_ssize_t units = PyBytes_GET_SIZE(plain) / 2;
        Py_ssize_t next = _PyInterpreterFrame_LASTI(frame) + 1;
        while (next > 0 && next < units && bytes[2 * next] == CACHE) {
            next++;
        }
        if (next > 0 && next < units) {
            out->drops_result = bytes[2 * next] == POP_TOP;
            out->returns = only_returns(bytes, units, next);
        }
    }
    Py_XDECREF(plain);
    PyErr_Restore(type, value, traceback);
}

const void *
frames_evaluation_loop(void)
{
    return (const void *)_PyEval_EvalFrameDefault;
}

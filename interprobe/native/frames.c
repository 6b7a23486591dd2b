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

position_key
frames_position_key(void)
{
    _PyInterpreterFrame *frame = complete_frame((_PyInterpreterFrame *)frames_current());
    if (frame == NULL) {
        return (position_key){NULL, NULL};
    }
#if PY_VERSION_HEX >= 0x030D0000
    return (position_key){frame, frame->instr_ptr};
#else
    return (position_key){frame, frame->prev_instr};
#endif
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

const void *
frames_evaluation_loop(void)
{
    return (const void *)_PyEval_EvalFrameDefault;
}

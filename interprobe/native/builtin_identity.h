/* Keeps builtins equal to themselves while the C function in their definition is another. */
#ifndef INTERPROBE_BUILTIN_IDENTITY_H
#define INTERPROBE_BUILTIN_IDENTITY_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include "probe.h"

#include <stdbool.h>

/* A builtin's hash and equality are made of PyMethodDef.ml_meth: a dictionary that holds one from
 * before it was patched would not find it again. From the first hold on, both are computed with the
 * function that a noted definition had; the last release puts the type's slots back. GIL held.
 * hold returns 0, or -1 with an exception. */
int builtin_identity_hold(void);
void builtin_identity_release(void);

/* Remembers the C function of a definition that is about to be patched. False: memory is out. */
bool builtin_identity_note(PyMethodDef *definition, PyCFunction original);
void builtin_identity_forget(PyMethodDef *definition);

void builtin_identity_visit(slot_visitor visit, void *context);

/* Puts `hook` in the place of a definition's C function, as claim_slot does; the builtins made of it
 * hash and compare as before. -1 with an exception, and nothing changed. */
int builtin_claim(PyMethodDef *definition, PyCFunction hook, PyCFunction *original, const char *what);

/* Puts the C function back. The original stays known: a call may still be inside the hook. */
void builtin_release(PyMethodDef *definition, PyCFunction hook, PyCFunction original);

#endif

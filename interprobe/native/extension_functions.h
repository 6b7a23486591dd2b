/* Functions of extension modules whose calls are watched, and how they are found and patched. */
#ifndef INTERPROBE_EXTENSION_FUNCTIONS_H
#define INTERPROBE_EXTENSION_FUNCTIONS_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include "crossings.h"
#include "libraries.h"
#include "numpy_api.h"
#include "probe.h"

#include <stdbool.h>
#include <stdint.h>

/* Where a function was found. */
typedef struct {
    const char *module; /* name of the module */
    const char *file;   /* of that module, if it is an extension; NULL: a module written in Python */
    PyTypeObject *type; /* the class that holds it, or NULL */
    const char *name;   /* that it was found under */
    bool is_static;     /* inside a staticmethod */
    bool bound_late;    /* inside an instancemethod: a builtin whose first argument is its object */
} found_in;

/* Patches `function` if it is a native callable of a known kind and may be watched; does nothing
 * where it is none or is watched already. Needs the GIL; leaves no exception. */
void extension_function_watch(PyObject *function, const found_in *where);

/* Patches the definition behind a builtin; `keeper` owns it. `binding` NULL: see the library. */
void extension_definition_watch(PyMethodDef *definition, PyObject *keeper, const char *binding,
                                const found_in *where);

/* Patches a definition of interprobe's own, whatever may be watched. */
void extension_definition_try(PyMethodDef *definition, PyObject *keeper);

/* Puts every pointer back and lets go of what was held. */
void extension_functions_restore(void);

void extension_functions_visit(slot_visitor visit, void *context);

/* Functions found while no thunk was left for them. */
uint64_t extension_functions_unwatched(void);

/* Readies what patching needs. Returns 0, or -1 with an exception. */
int extension_functions_prepare(void);

/* Calls one builtin per calling convention through a thunk; -1 with an exception where they differ. */
int extension_functions_self_test(void);

/* Looks for functions in a module that the program imports by name: all of an extension module, what
 * stands directly in one written in Python. */
void extension_scan_module(PyObject *module);

/* Looks at one object of a module that the program imports by name. */
void extension_scan_object(PyObject *module, PyObject *name, PyObject *object);

/* Looks at what an import statement names: `name` is absolute, `names` the tuple behind `from`, or
 * None. False where a module is not complete yet, and should be looked at again. */
bool extension_scan_statement(PyObject *name, PyObject *names);

/* Looks at what stands in the user's own modules, and at the boundary's modules: of these, false where
 * one is not complete yet. */
void extension_scan_loaded(void);
bool extension_scan_boundary(void);

/* Whether functions of `library`, found there, are to be watched; `library` may be NULL. */
bool extension_scan_may_watch(native_library *library, const found_in *where);

/* Forgets what was scanned. */
void extension_scan_forget(void);

/* Sees every import statement that is carried out, from then on. */
int import_statements_watch(void);
void import_statements_restore(void);
void import_statements_visit(slot_visitor visit, void *context);

/* The calls of functions that cffi makes at run time. */
/* Does nothing until _cffi_backend is imported, and when it was done. False while it is half-way there. */
bool cffi_calls_arrive(void);
extern const foreign_binding cffi_handing_over;
void cffi_calls_restore(void);
void cffi_calls_visit(slot_visitor visit, void *context);

/* The array behind an argument of an extension function: a new reference, or NULL. */
PyArrayObject *extension_array_behind(PyObject *argument);

/* The freed array to whose memory a number or a cffi pointer leads: see callee.layouts_behind. A number
 * that is the address of a living array is taken for a number. */
int extension_layouts_behind(PyObject *argument, pointed_layout *out, int room);

#endif

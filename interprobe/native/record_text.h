/* The layout of records as a line of text: NumPy's dtypes and C's structs in one form.
 *
 * "id@0:i4 value@8:f8 =16": a member of 4 bytes at offset 0, ..., and the size of all. Members of members
 * are written with a dot, arrays as "xyz@0:f8*3". Kinds are NumPy's letters, and p for a pointer, x for
 * bits; ">" before one says that its bytes are in foreign order.
 */
#ifndef INTERPROBE_RECORD_TEXT_H
#define INTERPROBE_RECORD_TEXT_H

#include "numpy_api.h"

#include <stdbool.h>

#define RECORD_DEPTH 6 /* of records in records */

typedef struct {
    char text[900];
    size_t used;
    bool is_cut; /* there was no room for all */
} record_text;

/* Adds "name@offset:". `outer` names the record that holds it, or is "". */
void record_text_member(record_text *to, const char *outer, const char *name, Py_ssize_t offset);
/* Adds what the member is, behind its name. */
void record_text_kind(record_text *to, bool foreign, char kind, Py_ssize_t size, Py_ssize_t count);
/* Ends the record. */
void record_text_size(record_text *to, Py_ssize_t size);

/* The name of a member of a member, in `out`. */
void record_text_path(char *out, size_t room, const char *outer, const char *name);

/* The whole record of a NumPy dtype with fields. A set exception stays set. */
void record_text_of_dtype(record_text *to, PyArray_Descr *descr);

#endif

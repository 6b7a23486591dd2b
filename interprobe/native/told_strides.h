/* Which plain integers of a foreign call are the strides of its arrays, where that is beyond doubt.
 *
 * A pointer says nothing of strides, but C may be told them beside it. Then it can be given an array that
 * lies otherwise, and the integers that go with that. Where one of them is something else, C would read
 * outside of the array: in doubt, none is a stride.
 */
#ifndef INTERPROBE_TOLD_STRIDES_H
#define INTERPROBE_TOLD_STRIDES_H

#include "what_if.h"

typedef enum {
    EVERY_STRIDE,      /* of axes of more than one element: all may become others */
    ALL_BUT_NEIGHBOURS /* the stride of an axis whose elements are neighbours stays as it is */
} changed_strides;

/* Whether the array behind an argument may be replaced by one with other strides: its callee takes objects,
 * or is told each stride that would change, and the lengths. Runs no Python code, sets no exception. */
bool strides_may_change(const ended_call *call, int position, changed_strides which);

typedef enum {
    STRIDES_KEPT,     /* no integer is another one than before */
    STRIDES_RETOLD,   /* `arguments` holds the new strides */
    STRIDES_PERHAPS,  /* likewise, but one of the old ones may as well be the size of elements or of rows */
    STRIDES_NOT_TOLD, /* C would not know of a change; an exception may be set */
} retold;

/* In the child: puts into `arguments` the strides of the arrays that now stand behind them. */
retold retell_strides(const ended_call *call, PyArrayObject *const *behind, PyObject **arguments);

#endif

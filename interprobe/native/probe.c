/* The list of native probes, and the one guarded way to change a pointer that is not ours. */
#define _GNU_SOURCE
#include "probe.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

probe *probes_registered = NULL;

/* Writes a pointer where it may be read-only memory: -1 with an exception instead of a crash. */
static int
patch_pointer(void **slot, void *value, const char *what)
{
    /* The kernel writes into the slot for us: where it may not, read() fails with EFAULT. The write
     * is of one aligned word, so no other thread sees half of it. */
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) < 0) {
        PyErr_Format(PyExc_RuntimeError, "%s cannot be changed safely: %s", what, strerror(errno));
        return -1;
    }
    bool done = write(ends[1], &value, sizeof value) == (ssize_t)sizeof value;
    done = done && read(ends[0], slot, sizeof *slot) == (ssize_t)sizeof *slot;
    close(ends[0]);
    close(ends[1]);
    if (!done) {
        PyErr_Format(PyExc_RuntimeError, "%s lies in memory that cannot be written", what);
        return -1;
    }
    return 0;
}

int
claim_slot(void **slot, void *hook, void **original, const char *what)
{
    if (*slot == hook) {
        return 0; /* another tool has put back what it found while the hook was in place */
    }
    if (*original == NULL) {
        *original = *slot;
    } else if (*slot != *original) {
        PyErr_Format(PyExc_RuntimeError, "another tool has replaced %s since it was first recorded",
                     what);
        return -1;
    }
    return patch_pointer(slot, hook, what);
}

void
release_slot(void **slot, void *hook, void *original)
{
    if (*slot == hook) {
        *slot = original;
    }
}

/* The list of native probes, and the one guarded way to change a pointer that is not ours. */
#include "probe.h"

#include <unistd.h>

probe *probes_registered = NULL;

int
patch_pointer(void **slot, void *value, const char *what)
{
    /* The kernel writes into the slot for us: where it may not, read() fails with EFAULT. The write
     * is of one aligned word, so no other thread sees half of it. */
    int ends[2];
    if (pipe(ends) < 0) {
        PyErr_SetFromErrno(PyExc_OSError);
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

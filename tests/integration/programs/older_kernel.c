/* Preloaded: makes madvise() refuse guard markers, as a kernel before Linux 6.13 does. */
#define _GNU_SOURCE
#include <errno.h>
#include <sys/syscall.h>
#include <unistd.h>

int
madvise(void *address, size_t length, int advice)
{
    if (advice == 102 || advice == 103) {
        errno = EINVAL;
        return -1;
    }
    return (int)syscall(SYS_madvise, address, length, advice);
}

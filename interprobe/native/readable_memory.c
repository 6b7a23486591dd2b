/* Asks the kernel to read, which answers where an access of our own would end the process.
 *
 * An array can outlive its memory: a callee protects its pages (guard pages, sodium_mprotect), a base is
 * resized under its views, a mapping is taken away. process_vm_readv of this very process reads without
 * a fault. Where a sandbox forbids it, nothing counts as readable: what is not read is not judged.
 */
#define _GNU_SOURCE
#include "readable_memory.h"

#include <errno.h>
#include <sys/uio.h>
#include <unistd.h>

enum { PIECES = 64, PAGE = 4096 /* at most: a larger page is asked for several times */ };

/* One byte of each address, in one call of the kernel. */
static bool
read_bytes(struct iovec *from, int count)
{
    char bytes[PIECES];
    struct iovec to = {bytes, (size_t)count};
    int saved = errno; /* the program's own: ctypes hands it on */
    ssize_t got = process_vm_readv(getpid(), &to, 1, from, (unsigned long)count, 0);
    errno = saved;
    return got == count;
}

bool
memory_is_readable(const void *low, uint64_t bytes)
{
    struct iovec from[PIECES];
    uintptr_t at = (uintptr_t)low, end = at + bytes;
    int count = 0;
    while (at < end) {
        from[count++] = (struct iovec){(void *)at, 1};
        at = (at & ~(uintptr_t)(PAGE - 1)) + PAGE;
        if ((count == PIECES || at >= end) && !read_bytes(from, count)) {
            return false;
        }
        count = count == PIECES ? 0 : count;
    }
    return true;
}

bool
memory_pieces_are_readable(const char *const *pieces, int count, size_t size)
{
    struct iovec from[PIECES];
    int used = 0;
    uintptr_t known = 0; /* the page that was asked for last */
    for (int i = 0; i < count; i++) {
        uintptr_t first = (uintptr_t)pieces[i], last = first + size - 1;
        for (uintptr_t at = first;; at = last) {
            if ((at & ~(uintptr_t)(PAGE - 1)) != known) {
                if (used == PIECES) {
                    if (!read_bytes(from, used)) {
                        return false;
                    }
                    used = 0;
                }
                known = at & ~(uintptr_t)(PAGE - 1);
                from[used++] = (struct iovec){(void *)at, 1};
            }
            if (at == last) {
                break;
            }
        }
    }
    return used == 0 || read_bytes(from, used);
}

/* Asks the kernel to read, which answers where an access of our own would end the process.
 *
 * An array can outlive its memory: a callee protects its pages (guard pages, sodium_mprotect), a base is
 * resized under its views, a mapping is taken away. process_vm_readv of this very process reads without
 * a fault, one page after the other. Where a sandbox forbids it, nothing counts as readable: what is not
 * read is not judged. Linux 6.11 and later also name the mapping that an address lies in: private memory
 * of no file is readable where the mapping is, and a large array is asked about at once.
 */
#define _GNU_SOURCE
#include "readable_memory.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/uio.h>
#include <unistd.h>

enum {
    PIECES = 64,
    PAGE = 4096,         /* at most: a larger page is asked for several times */
    MANY_PAGES = 16 * PAGE, /* bytes from which on mappings are asked for */
    MAPPINGS = 64,       /* of one array; more are read page by page */
};

/* The kernel's struct procmap_query (linux/fs.h), which older headers lack. */
typedef struct {
    uint64_t size, query_flags, query_addr;
    uint64_t vma_start, vma_end, vma_flags, vma_page_size, vma_offset, inode;
    uint32_t dev_major, dev_minor, vma_name_size, build_id_size;
    uint64_t vma_name_addr, build_id_addr;
} mapping_query;

#define ASK_FOR_MAPPING _IOWR('f', 17, mapping_query) /* PROCMAP_QUERY */
#define MAPPING_READABLE 1                            /* PROCMAP_QUERY_VMA_READABLE */

/* Whether memory of no file can be read throughout; false where the kernel does not say so. */
static bool
mappings_are_readable(uintptr_t at, uintptr_t end)
{
    static bool unknown;
    int saved = errno; /* the program's own: ctypes hands it on */
    int file = unknown ? -1 : open("/proc/self/maps", O_RDONLY | O_CLOEXEC);
    for (int i = 0; file >= 0 && i < MAPPINGS && at < end; i++) {
        mapping_query query = {.size = sizeof query, .query_addr = at};
        if (ioctl(file, ASK_FOR_MAPPING, &query) != 0) {
            unknown = errno == ENOTTY || errno == EINVAL;
            break;
        }
        if ((query.vma_flags & MAPPING_READABLE) == 0 || query.inode != 0 || query.vma_end <= at) {
            break;
        }
        at = query.vma_end;
    }
    if (file >= 0) {
        close(file);
    }
    errno = saved;
    return at >= end;
}

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
    if (bytes >= MANY_PAGES && mappings_are_readable(at, end)) {
        return true;
    }
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

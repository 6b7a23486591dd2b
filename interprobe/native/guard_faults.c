/* Handles SIGSEGV in front of the program's own handler, which it calls next.
 *
 * Each time a foreign handler is found in our place, a further entry function is put in front of it,
 * which passes on to that one. So each handler keeps finding behind itself what was there when it was
 * installed (faulthandler puts that back before it raises the signal anew), and a handler that is taken
 * away again takes ours in front of it with it. Entries take over the mask and the flags of the handler
 * that they pass on to, alternate stack included; without one, the default action does what it always
 * does: the access is repeated, and the kernel ends the program.
 *
 * What belongs to the fault is written in steps. The record itself takes nothing but memory that was
 * there before; then the C stack is walked and the loaded libraries are read from /proc, during which a
 * second fault leads back to the handler, and not to an early end.
 */
#define _GNU_SOURCE
#include "guard_faults.h"

#include "frames.h"
#include "guard_crossings.h"
#include "guard_records.h"
#include "thread_local.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <string.h>
#include <ucontext.h>
#include <unistd.h>
#include <unwind.h>

enum { LAYERS = 8 }; /* handlers in front of each other */
#define FARTHEST (1u << 30) /* bytes from an argument's data within which a wild access is laid to it */

static struct sigaction passed_on[LAYERS]; /* what each of our entries passes on to */
static int layers_used;  /* entries that may be somebody's handler by now */
static int layer = -1;   /* of them, the one that is installed; -1: none */
static char refreshing;  /* one thread at a time */
static char analysing;
static THREAD_LOCAL sigjmp_buf *escape; /* where a second fault leads to, while one is analysed */

static uintptr_t
instruction_of(const ucontext_t *at)
{
#if defined(__x86_64__)
    return (uintptr_t)at->uc_mcontext.gregs[REG_RIP];
#elif defined(__aarch64__)
    return (uintptr_t)at->uc_mcontext.pc;
#else
    return 0;
#endif
}

static enum guard_access
access_of(const ucontext_t *at)
{
#if defined(__x86_64__)
    return at->uc_mcontext.gregs[REG_ERR] & 2 ? GUARD_WRITE : GUARD_READ;
#else
    return GUARD_UNKNOWN_ACCESS;
#endif
}

/* What an access at `address` has to do with a live block: fills kind and distance. */
static bool
leads_out_of(const guard_block *block, uintptr_t address, guard_violation *seen)
{
    uintptr_t end = block->data + block->bytes;
    if (block->state != GUARD_LIVE || (address >= block->data && address < end)) {
        return false;
    }
    seen->kind = address >= end ? GUARD_PAST_END : GUARD_BEFORE_START;
    seen->distance = address >= end ? address - end : block->data - address;
    seen->block = block;
    return true;
}

/* The argument of the innermost call whose live block lies nearest to the address. */
static bool
nearest_argument(const guarded_crossing *call, uintptr_t address, uint64_t farthest,
                 guard_violation *seen)
{
    bool found = false;
    for (int i = 0; call != NULL && i < call->count; i++) {
        guard_violation candidate = *seen;
        const guarded_argument *argument = &call->arguments[i];
        if (argument->block->serial == argument->serial &&
            leads_out_of(argument->block, address, &candidate) &&
            candidate.distance < (found ? seen->distance : farthest)) {
            *seen = candidate;
            seen->position = argument->position;
            found = true;
        }
    }
    return found;
}

static int
position_of(const guarded_crossing *call, const guard_block *block)
{
    for (int i = 0; call != NULL && i < call->count; i++) {
        if (call->arguments[i].block == block && call->arguments[i].serial == block->serial) {
            return call->arguments[i].position;
        }
    }
    return -1;
}

/* Lays an access to a block: false where it is nothing that guard mode knows of. */
static bool
lay_to_block(uintptr_t address, const guarded_crossing *call, guard_violation *seen)
{
    guard_block *in_front;
    guard_block *block = guard_blocks_around(address, &in_front);
    if (!guard_blocks_holds((const void *)address)) {
        return false;
    }
    /* In a page between two blocks it may be past the end of one or before the start of the other. */
    guard_violation before = *seen, behind = *seen;
    bool out_of_block = block != NULL && leads_out_of(block, address, &before);
    bool out_of_front = in_front != NULL && leads_out_of(in_front, address, &behind);
    before.position = out_of_block ? position_of(call, block) : -1;
    behind.position = out_of_front ? position_of(call, in_front) : -1;
    if (out_of_block && out_of_front) {
        bool one_is_given = (before.position >= 0) != (behind.position >= 0);
        bool is_behind = one_is_given ? behind.position >= 0 : behind.distance <= before.distance;
        out_of_front = is_behind;
        out_of_block = !is_behind;
    }
    if ((out_of_front && behind.position >= 0) || (out_of_block && before.position >= 0)) {
        *seen = out_of_front ? behind : before;
        return true;
    }
    bool freed = block != NULL && block->state == GUARD_FREED && address >= block->writable &&
                 address < block->end;
    if (freed && (block->last.count > 0 || position_of(call, block) >= 0 ||
                  !nearest_argument(call, address, FARTHEST, seen))) {
        seen->kind = GUARD_AFTER_FREE;
        seen->block = block;
        seen->distance = address > block->data ? address - block->data : 0;
        seen->position = position_of(call, block);
        return true;
    }
    if (freed) {
        return true; /* nobody was ever given that block: an argument's index went astray */
    }
    if (out_of_front || out_of_block) {
        guard_violation found = out_of_front ? behind : before;
        if (found.block->last.count > 0 || !nearest_argument(call, address, FARTHEST, seen)) {
            *seen = found; /* by a pointer that was kept, or by a view that goes too far */
        }
        return true;
    }
    return nearest_argument(call, address, FARTHEST, seen);
}

typedef struct {
    uintptr_t instruction;
    uint64_t frames[GUARD_FRAMES];
    int count;
    int depth;
} stack_walk;

static _Unwind_Reason_Code
step(struct _Unwind_Context *context, void *data)
{
    stack_walk *walk = data;
    int before_instruction = 0;
    uintptr_t at = _Unwind_GetIPInfo(context, &before_instruction);
    if (at == 0 || ++walk->depth > 64 || walk->count == GUARD_FRAMES) {
        return _URC_END_OF_STACK;
    }
    if (at == walk->instruction) {
        walk->count = 0; /* what came before were our own frames */
    }
    if (at == walk->instruction || walk->count > 0) {
        /* A return address may lie behind the last instruction of its function. */
        walk->frames[walk->count++] = at - (before_instruction ? 0 : 1);
    }
    return _URC_NO_REASON;
}

static uintptr_t
hexadecimal(const char **text)
{
    uintptr_t number = 0;
    for (;; ++*text) {
        char letter = **text;
        int digit = letter >= '0' && letter <= '9'   ? letter - '0'
                    : letter >= 'a' && letter <= 'f' ? letter - 'a' + 10
                                                     : -1;
        if (digit < 0) {
            return number;
        }
        number = number * 16 + (uintptr_t)digit;
    }
}

typedef struct {
    char path[1024];
    uintptr_t base; /* of the library of that path */
} mapped_file;

/* Looks at one line of /proc/self/maps: names the frames that lie in that part of a file. */
static void
look_at_mapping(char *line, mapped_file *last, const uint64_t *frames, int count,
                violation_entry *const *written, int records)
{
    const char *cursor = line;
    uintptr_t low = hexadecimal(&cursor);
    cursor += *cursor == '-';
    uintptr_t high = hexadecimal(&cursor);
    char *path = strchr(line, '/');
    if (path == NULL || strlen(path) >= sizeof last->path) {
        return;
    }
    char *deleted = strstr(path, " (deleted)");
    if (deleted != NULL) {
        *deleted = '\0';
    }
    if (strcmp(path, last->path) != 0) {
        strcpy(last->path, path);
        last->base = low;
    }
    for (int i = 0; i < count; i++) {
        if (frames[i] < low || frames[i] >= high) {
            continue;
        }
        for (int r = 0; r < records; r++) {
            written[r]->frames[i].address = frames[i] - last->base;
            written[r]->frames[i].library = guard_records_text(written[r], path);
        }
    }
}

/* Names the libraries of the frames: the dynamic linker cannot be asked in a handler of signals. */
static void
name_libraries(const uint64_t *frames, int count, violation_entry *const *written, int records)
{
    static char text[16384];
    static mapped_file last;
    for (int i = 0; i < count; i++) {
        for (int r = 0; r < records; r++) {
            written[r]->frames[i].address = frames[i];
        }
    }
    last.path[0] = '\0';
    int file = open("/proc/self/maps", O_RDONLY | O_CLOEXEC);
    size_t used = 0;
    ssize_t length;
    while (file >= 0 && (length = read(file, text + used, sizeof text - 1 - used)) > 0) {
        used += (size_t)length;
        text[used] = '\0';
        char *line = text, *end;
        while ((end = strchr(line, '\n')) != NULL) {
            *end = '\0';
            look_at_mapping(line, &last, frames, count, written, records);
            line = end + 1;
        }
        used = used == sizeof text - 1 && line == text ? 0 : used - (size_t)(line - text);
        memmove(text, line, used);
    }
    if (file >= 0) {
        close(file);
    }
}

/* Adds where it happened: the C stack, and the line of the program where it is no call's. */
static void
add_stack(uintptr_t instruction, bool in_call, violation_entry *const *written, int records)
{
    stack_walk walk = {.instruction = instruction};
    _Unwind_Backtrace(step, &walk);
    if (walk.count == 0) {
        walk.frames[walk.count++] = instruction;
    }
    name_libraries(walk.frames, walk.count, written, records);
    for (int i = 0; i < records; i++) {
        written[i]->frame_count = (uint32_t)walk.count;
    }
    if (!in_call && frames_thread_attached()) {
        position at;
        frames_locate(&at);
        for (int i = 0; i < records; i++) {
            guard_records_place(written[i], &written[i]->running, at.user ? at.user : at.here);
        }
    }
}

static void
look_at_fault(uintptr_t address, const ucontext_t *at)
{
    const guarded_crossing *call = guard_crossings_innermost();
    guard_violation seen = {
        .discovery = GUARD_FAULT,
        .access = access_of(at),
        .call = call == NULL ? NULL : &call->record,
        .call_unknown = call == NULL && !frames_thread_attached(),
        .position = -1,
    };
    violation_entry *written[GUARD_BOOKS];
    if (guard_records_nobody() || !lay_to_block(address, call, &seen)) {
        return;
    }
    int records = guard_records_write(&seen, written);
    if (records == 0 || __atomic_test_and_set(&analysing, __ATOMIC_ACQUIRE)) {
        return;
    }
    sigjmp_buf back;
    sigset_t faults, before;
    sigemptyset(&faults);
    sigaddset(&faults, SIGSEGV);
    pthread_sigmask(SIG_UNBLOCK, &faults, &before);
    escape = &back;
    if (sigsetjmp(back, 0) == 0) {
        add_stack(instruction_of(at), call != NULL || seen.call_unknown, written, records);
    }
    escape = NULL;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    __atomic_clear(&analysing, __ATOMIC_RELEASE);
}

static void
handle(int number, siginfo_t *info, void *context, const struct sigaction *next)
{
    int error = errno;
    bool by_kernel = info->si_code > 0;
    if (by_kernel && escape != NULL) {
        siglongjmp(*escape, 1);
    }
    if (by_kernel) {
        look_at_fault((uintptr_t)info->si_addr, context);
    }
    errno = error;
    if (next->sa_flags & SA_RESETHAND) {
        const struct sigaction standard = {.sa_handler = SIG_DFL};
        sigaction(number, &standard, NULL);
    }
    if (next->sa_flags & SA_SIGINFO) {
        next->sa_sigaction(number, info, context);
    } else if (next->sa_handler == SIG_DFL || (next->sa_handler == SIG_IGN && by_kernel)) {
        const struct sigaction standard = {.sa_handler = SIG_DFL};
        sigaction(number, &standard, NULL);
        if (!by_kernel) {
            raise(number); /* as soon as this handler has returned */
        }
    } else if (next->sa_handler != SIG_IGN) {
        next->sa_handler(number);
    }
}

/* The fault that each entry passed on last, in this thread, and where its stack frame lay. */
static THREAD_LOCAL const void *faults[LAYERS], *frames[LAYERS];

/* Passes a fault on to what was installed before. A library that takes our entry for its predecessor
 * leads back here from its own handler, further down the stack: then it has had its turn, and what stood
 * there before everybody is next. */
static void
enter(int own, int number, siginfo_t *info, void *context)
{
    static const struct sigaction standard = {.sa_handler = SIG_DFL};
    const char *frame = __builtin_frame_address(0);
    bool again = faults[own] == context && frame < (const char *)frames[own];
    if (again) {
        handle(number, info, context, own == 0 ? &standard : &passed_on[0]);
        return;
    }
    faults[own] = context;
    frames[own] = frame;
    handle(number, info, context, &passed_on[own]);
}

#define ENTRY(n)                                                      \
    static void entry_##n(int number, siginfo_t *info, void *context) \
    {                                                                 \
        enter(n, number, info, context);                              \
    }
ENTRY(0) ENTRY(1) ENTRY(2) ENTRY(3) ENTRY(4) ENTRY(5) ENTRY(6) ENTRY(7)
static void (*const entries[LAYERS])(int, siginfo_t *, void *) = {
    entry_0, entry_1, entry_2, entry_3, entry_4, entry_5, entry_6, entry_7};

/* Which of our entries a handler is; -1: it is somebody else's. */
static int
layer_of(const struct sigaction *action)
{
    for (int i = 0; (action->sa_flags & SA_SIGINFO) && i < layers_used; i++) {
        if (action->sa_sigaction == entries[i]) {
            return i;
        }
    }
    return -1;
}

static bool
is_same_handler(const struct sigaction *one, const struct sigaction *other)
{
    return one->sa_sigaction == other->sa_sigaction && one->sa_flags == other->sa_flags;
}

static void
put_in_front_of(const struct sigaction *theirs)
{
    int wanted = 0;
    while (wanted < layers_used && !is_same_handler(&passed_on[wanted], theirs)) {
        wanted++;
    }
    if (wanted == LAYERS) {
        return; /* theirs stays in front: a fault is theirs alone */
    }
    passed_on[wanted] = *theirs;
    layers_used = wanted == layers_used ? layers_used + 1 : layers_used;
    struct sigaction ours = *theirs;
    bool calls_nobody = !(theirs->sa_flags & SA_SIGINFO) &&
                        (theirs->sa_handler == SIG_DFL || theirs->sa_handler == SIG_IGN);
    ours.sa_flags = calls_nobody ? SA_ONSTACK : theirs->sa_flags & ~SA_RESETHAND;
    ours.sa_flags |= SA_SIGINFO;
    ours.sa_sigaction = entries[wanted];
    if (sigaction(SIGSEGV, &ours, NULL) == 0) {
        layer = wanted;
    }
}

void
guard_faults_refresh(void)
{
    struct sigaction now;
    if (sigaction(SIGSEGV, NULL, &now) != 0 ||
        (layer >= 0 && now.sa_sigaction == entries[layer]) ||
        __atomic_test_and_set(&refreshing, __ATOMIC_ACQUIRE)) {
        return;
    }
    int known = layer_of(&now);
    if (known >= 0) {
        layer = known; /* a handler in front of which we stood was taken away */
    } else {
        put_in_front_of(&now);
    }
    __atomic_clear(&refreshing, __ATOMIC_RELEASE);
}

void
guard_faults_end(void)
{
    struct sigaction now;
    if (sigaction(SIGSEGV, NULL, &now) == 0) {
        int known = layer_of(&now);
        if (known >= 0) {
            sigaction(SIGSEGV, &passed_on[known], NULL);
        }
    }
    layer = -1;
}

/* Keeps a forked child from changing anything outside of itself.
 *
 * What a native function does is not known. So the child gives away what it inherited: its copies of the
 * parent's descriptors are closed (which leaves the parent's open files, their offsets and locks alone),
 * its standard streams lead to /dev/null, and memory that it shares with other processes becomes
 * read-only in it. Then a filter of system calls (seccomp) admits those alone that stay within the process
 * or only read: whatever else the function tries ends the child, not a part of what it tried.
 */
#define _GNU_SOURCE
#include "replay_sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#if defined(__x86_64__)
#define ARCHITECTURE AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define ARCHITECTURE AUDIT_ARCH_AARCH64
#else
#define ARCHITECTURE 0
#endif

int
replay_sandbox_exists(void)
{
    /* valgrind carries out only the clone calls of fork and pthread_create. */
    const char *preloaded = getenv("LD_PRELOAD");
    return ARCHITECTURE != 0 && (preloaded == NULL || strstr(preloaded, "vgpreload") == NULL);
}

/* --- system calls --------------------------------------------------------------------------- */

/* Calls that read, or change nothing but this process. */
static const int harmless[] = {
    SYS_read, SYS_readv, SYS_pread64, SYS_write, SYS_writev, SYS_close, SYS_lseek, SYS_fstat,
    SYS_newfstatat, SYS_statx, SYS_statfs, SYS_readlinkat, SYS_faccessat, SYS_getdents64, SYS_getcwd,
    SYS_mmap, SYS_munmap, SYS_mprotect, SYS_mremap, SYS_madvise, SYS_mincore, SYS_brk, SYS_membarrier,
    SYS_futex, SYS_sched_yield, SYS_sched_getaffinity, SYS_getcpu, SYS_set_robust_list,
    SYS_clock_gettime, SYS_clock_getres, SYS_clock_nanosleep, SYS_nanosleep, SYS_gettimeofday,
    SYS_times, SYS_getrusage, SYS_sysinfo, SYS_uname, SYS_getpid, SYS_getppid, SYS_gettid, SYS_getuid,
    SYS_geteuid, SYS_getgid, SYS_getegid, SYS_getrandom, SYS_rt_sigaction, SYS_rt_sigprocmask,
    SYS_rt_sigreturn, SYS_sigaltstack, SYS_restart_syscall, SYS_set_tid_address, SYS_exit,
    SYS_exit_group, SYS_process_vm_readv,
#ifdef SYS_rseq
    SYS_rseq,
#endif
#if defined(__x86_64__)
    SYS_stat, SYS_lstat, SYS_readlink, SYS_access, SYS_time, SYS_arch_prctl,
#endif
};

enum { HARMLESS = sizeof harmless / sizeof harmless[0], INSTRUCTIONS = 2 * HARMLESS + 48 };

#define LOW_HALF(argument) (offsetof(struct seccomp_data, args) + 8 * (argument)) /* little endian */

typedef struct {
    struct sock_filter code[INSTRUCTIONS];
    unsigned short length;
} filter;

static void
add(filter *to, struct sock_filter instruction)
{
    to->code[to->length++] = instruction;
}

/* If the call is `number`, what follows as `count` instructions is carried out. */
static void
add_case(filter *to, int number, uint8_t count)
{
    add(to, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)number, 0, count));
}

static void
add_answer(filter *to, uint32_t answer)
{
    add(to, (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, answer));
}

/* The call is admitted where `bits` of an argument are `wanted`, else the process ends. */
static void
add_condition(filter *to, int number, unsigned argument, uint32_t bits, uint32_t wanted)
{
    add_case(to, number, 5);
    add(to, (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, LOW_HALF(argument)));
    add(to, (struct sock_filter)BPF_STMT(BPF_ALU | BPF_AND | BPF_K, bits));
    add(to, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, wanted, 0, 1));
    add_answer(to, SECCOMP_RET_ALLOW);
    add_answer(to, SECCOMP_RET_KILL_PROCESS);
}

static int
filter_calls(void)
{
    static filter made; /* one child, one filter */
    filter *to = &made;
    to->length = 0;
    add(to, (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch)));
    add(to, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ARCHITECTURE, 1, 0));
    add_answer(to, SECCOMP_RET_KILL_PROCESS);
    add(to, (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)));
    for (int i = 0; i < HARMLESS; i++) {
        add_case(to, harmless[i], 1);
        add_answer(to, SECCOMP_RET_ALLOW);
    }
    const uint32_t writing = O_ACCMODE | O_CREAT | O_TRUNC | O_APPEND | O_NONBLOCK;
    add_condition(to, SYS_openat, 2, writing & ~(uint32_t)O_NONBLOCK, O_RDONLY);
#if defined(__x86_64__)
    add_condition(to, SYS_open, 1, writing & ~(uint32_t)O_NONBLOCK, O_RDONLY);
#endif
    add_condition(to, SYS_clone, 0, CLONE_THREAD | CLONE_VM, CLONE_THREAD | CLONE_VM);
    add_condition(to, SYS_prctl, 0, ~0u, PR_SET_NAME);
    add_condition(to, SYS_tgkill, 0, ~0u, (uint32_t)getpid()); /* abort() */
    /* Where this is missing, the C library makes threads by clone, whose flags can be read here. */
    add_case(to, SYS_clone3, 1);
    add_answer(to, SECCOMP_RET_ERRNO | ENOSYS);
    add_case(to, SYS_ioctl, 1); /* is it a terminal? */
    add_answer(to, SECCOMP_RET_ERRNO | ENOTTY);
    add_answer(to, SECCOMP_RET_KILL_PROCESS);
    const struct sock_fprog program = {.len = to->length, .filter = to->code};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) {
        return -1;
    }
#ifdef SECCOMP_FILTER_FLAG_SPEC_ALLOW
    /* Before Linux 5.16 a filter would also slow down loads after stores (against Spectre), and with them
     * the kernels that are timed here. */
    if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_SPEC_ALLOW, &program) == 0) {
        return 0;
    }
#endif
    return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0);
}

/* --- what was inherited --------------------------------------------------------------------- */

/* Makes memory read-only that other processes see. NULL, or why the process must not go on. */
static const char *
protect_shared_memory(const void *own, size_t size, volatile int *shares_memory)
{
    uintptr_t kept = (uintptr_t)own, kept_end = kept + size;
    FILE *file = fopen("/proc/self/maps", "re");
    if (file == NULL) {
        return "what memory is shared cannot be told";
    }
    const char *why = NULL;
    char line[512];
    while (why == NULL && fgets(line, sizeof line, file) != NULL) {
        unsigned long low, high;
        char rights[8], path[256] = "";
        if (sscanf(line, "%lx-%lx %7s %*s %*s %*s %255s", &low, &high, rights, path) < 3 ||
            rights[1] != 'w' || rights[3] != 's' || (low < kept_end && kept < high)) {
            continue;
        }
        bool device = strncmp(path, "/dev/", 5) == 0 && strncmp(path, "/dev/shm/", 9) != 0 &&
                      strcmp(path, "/dev/zero") != 0;
        if (device) {
            why = "a device is in use, whose state cannot be copied";
        } else if (mprotect((void *)low, high - low, PROT_READ) != 0) {
            why = "shared memory cannot be protected";
        }
        *shares_memory |= strstr(path, "interprobe") == NULL; /* the ledger is nobody else's affair */
    }
    fclose(file);
    return why;
}

static void
reset_signals(void)
{
    static const int deadly[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGSYS, SIGTRAP, SIGTERM};
    static const int of_the_terminal[] = {SIGINT, SIGQUIT, SIGHUP, SIGTSTP};
    struct sigaction action = {.sa_handler = SIG_DFL};
    sigset_t all;
    for (size_t i = 0; i < sizeof deadly / sizeof deadly[0]; i++) {
        sigaction(deadly[i], &action, NULL);
    }
    action.sa_handler = SIG_IGN; /* they reach the whole group; the parent answers, and ends this one */
    for (size_t i = 0; i < sizeof of_the_terminal / sizeof of_the_terminal[0]; i++) {
        sigaction(of_the_terminal[i], &action, NULL);
    }
    sigemptyset(&all);
    sigprocmask(SIG_SETMASK, &all, NULL);
}

static int
close_files(void)
{
    int nowhere = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (nowhere < 0) {
        return -1;
    }
    for (int file = 0; file < 3; file++) {
        if (nowhere != file && dup2(nowhere, file) < 0) {
            return -1;
        }
    }
#ifdef SYS_close_range
    if (syscall(SYS_close_range, 3u, ~0u, 0u) == 0) {
        return 0;
    }
#endif
    struct rlimit most = {.rlim_cur = 1024};
    getrlimit(RLIMIT_NOFILE, &most);
    for (rlim_t file = 3; file < most.rlim_cur && file < 1 << 20; file++) {
        close((int)file);
    }
    return 0;
}

/* Where memory runs out, this process is to be killed, and not the program. */
static void
offer_to_out_of_memory_killer(void)
{
    int file = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
    if (file >= 0) {
        ssize_t written = write(file, "1000", 4);
        (void)written; /* what cannot be changed stays */
        close(file);
    }
}

const char *
replay_sandbox_enter(const void *own, size_t size, volatile int *shares_memory)
{
    const struct rlimit none = {0, 0};
    setrlimit(RLIMIT_CORE, &none);
    reset_signals();
    offer_to_out_of_memory_killer();
    const char *why = protect_shared_memory(own, size, shares_memory);
    if (why != NULL) {
        return why;
    }
    if (close_files() != 0) {
        return "its files could not be closed in the child";
    }
    return filter_calls() == 0 ? NULL : "system calls cannot be filtered here (seccomp)";
}

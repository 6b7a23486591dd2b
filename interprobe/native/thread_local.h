/* Variables of which each thread has its own. */
#ifndef INTERPROBE_THREAD_LOCAL_H
#define INTERPROBE_THREAD_LOCAL_H

/* Read at every hook: with this model one instruction does it, where a library that is loaded late
 * would otherwise call the dynamic linker. Such variables come out of a reserve of some 500 bytes that
 * all libraries of a process share: pointers and numbers only. */
#define THREAD_LOCAL __thread __attribute__((tls_model("initial-exec")))

#endif

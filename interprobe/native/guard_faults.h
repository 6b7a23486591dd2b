/* The handler of SIGSEGV in guard mode: says which block a refused access belongs to, and passes on. */
#ifndef INTERPROBE_GUARD_FAULTS_H
#define INTERPROBE_GUARD_FAULTS_H

/* Puts our handler in front of whatever handles SIGSEGV now; does nothing where it stands there. A
 * program may put in a handler of its own at any time (faulthandler.enable), so this is called again
 * and again while guard mode is on. Any thread. */
void guard_faults_refresh(void);

/* Takes our handler away, unless another one has been put in front of it. */
void guard_faults_end(void);

#endif

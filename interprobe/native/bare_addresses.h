/* The property `data` of what x.ctypes returns: an array's address as a bare number. */
#ifndef INTERPROBE_BARE_ADDRESSES_H
#define INTERPROBE_BARE_ADDRESSES_H

#include "probe.h"

/* Watches the property, where NumPy has it as it is known; else such addresses count as pointers
 * that keep their array alive. A set exception does not stay set. */
void bare_addresses_install(void);

void bare_addresses_uninstall(void);

void bare_addresses_visit(slot_visitor visit, void *context);

#endif

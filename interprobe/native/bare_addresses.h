/* Addresses that keep no array alive: x.ctypes.data, and pointers in the fields of structures. */
#ifndef INTERPROBE_BARE_ADDRESSES_H
#define INTERPROBE_BARE_ADDRESSES_H

#include "probe.h"

/* Watches both where they are as they are known; else such addresses count as pointers that keep their
 * array alive. A set exception does not stay set. */
void bare_addresses_install(void);

void bare_addresses_uninstall(void);

void bare_addresses_visit(slot_visitor visit, void *context);

#endif

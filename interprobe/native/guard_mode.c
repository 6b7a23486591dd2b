/* Starts and ends the parts of guard mode in their order. */
#include "guard_mode.h"

#include "guard_blocks.h"
#include "guard_crossings.h"
#include "guard_faults.h"
#include "guard_records.h"

const char *
guard_mode_begin(ledger *book, bool at_start)
{
    const char *failure = guard_blocks_on ? NULL : guard_blocks_start(at_start);
    if (failure != NULL) {
        return failure;
    }
    if (guard_records_begin(book) < 0) {
        guard_mode_end(book);
        return "too many recordings use it at once";
    }
    guard_faults_refresh();
    guard_crossings_watch(true);
    return NULL;
}

void
guard_mode_end(ledger *book)
{
    guard_block *block;
    guard_damage damage;
    uint32_t at = 0;
    while (guard_records_keeps(book) && (block = guard_blocks_next_live(&at)) != NULL) {
        if (guard_blocks_damaged(block, &damage)) {
            guard_records_damage(block, &damage, GUARD_FOUND_AT_END, NULL, -1);
        }
    }
    guard_blocks_lock(); /* threads without the GIL write to it while they hold that */
    guard_records_end(book);
    guard_blocks_unlock();
    if (guard_blocks_on && guard_records_nobody()) {
        guard_crossings_watch(false);
        guard_blocks_stop();
        guard_faults_end();
    }
}

void
guard_mode_in_child(void)
{
    guard_records_go_on_in_child();
    if (guard_records_nobody()) {
        guard_blocks_on = false; /* blocks of the parent's stay as they are */
    }
}

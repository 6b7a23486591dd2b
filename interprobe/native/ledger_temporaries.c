/* Books temporaries: arrays that one ufunc made for the next to read, one record per place. */
#include "ledger_region.h"

static entry_offset
new_temporary(ledger *book, const temporary_event *event)
{
    const temporary_key *key = &event->key;
    entry_offset place = region_place(book, key->place);
    entry_offset user_place = region_place(book, key->user_place);
    entry_offset mechanism = region_string(book, event->mechanism);
    entry_offset offset = region_append(book, ENTRY_TEMPORARY,
                                        sizeof(temporary_entry) + layout_stored_size(key->ndim));
    if (offset != 0) {
        temporary_entry *entry = (temporary_entry *)(book->region + offset);
        entry->key = *key;
        entry->place = place;
        entry->user_place = user_place;
        entry->mechanism = mechanism;
    }
    return offset;
}

void
ledger_book_temporary(const temporary_event *event)
{
    for (int i = 0; i < ledger_active; i++) {
        ledger *book = ledger_active_books[i];
        entry_offset *slot = region_slot(book, &book->temporaries, &event->key, sizeof event->key);
        if (slot != NULL && *slot == 0) {
            *slot = new_temporary(book, event);
            book->temporaries.used += *slot != 0;
        }
        if (slot == NULL || *slot == 0) {
            region_header(book)->dropped++;
            continue;
        }
        temporary_entry *entry = (temporary_entry *)(book->region + *slot);
        uint64_t bytes = (uint64_t)event->is->nbytes;
        if (bytes > entry->largest || entry->count == 0) {
            entry->largest = bytes;
            layout_store((stored_layout *)(entry + 1), event->is);
        }
        entry->bytes += bytes;
        entry->ticks += event->ticks;
        region_header(book)->last_ticks = event->ended;
        entry->count++; /* last: an entry that counts is whole */
    }
}

/* Books borrows: native code that reads an array's buffer where it lies. */
#include "ledger_region.h"
#include "origin.h"

static entry_offset
new_borrow(ledger *book, const borrow_event *event)
{
    const borrow_key *key = &event->key;
    const origin *borrower = origin_get((uint32_t)key->origin);
    entry_offset place = region_place(book, key->place);
    entry_offset user_place = region_place(book, key->user_place);
    entry_offset manner = region_string(book, event->manner);
    entry_offset library = borrower == NULL ? 0 : region_string(book, borrower->library);
    entry_offset offset =
        region_append(book, ENTRY_BORROW, sizeof(borrow_entry) + layout_stored_size(key->ndim));
    if (offset != 0) {
        borrow_entry *entry = (borrow_entry *)(book->region + offset);
        entry->key = *key;
        entry->place = place;
        entry->user_place = user_place;
        entry->manner = manner;
        entry->library = library;
        if (borrower != NULL) {
            memcpy(entry->callers, borrower->callers, sizeof entry->callers);
        }
    }
    return offset;
}

void
ledger_book_borrow(const borrow_event *event, record_ticket *ticket)
{
    if (ticket != NULL) {
        ticket->count = 0;
    }
    for (int i = 0; i < ledger_active; i++) {
        ledger *book = ledger_active_books[i];
        entry_offset *slot = region_slot(book, &book->borrows, &event->key, sizeof event->key);
        if (slot != NULL && *slot == 0) {
            *slot = new_borrow(book, event);
            book->borrows.used += *slot != 0;
        }
        if (slot == NULL || *slot == 0) {
            region_header(book)->dropped++;
            continue;
        }
        borrow_entry *entry = (borrow_entry *)(book->region + *slot);
        uint64_t bytes = (uint64_t)event->given->nbytes;
        if (bytes > entry->largest || entry->count == 0) {
            entry->largest = bytes;
            layout_store((stored_layout *)(entry + 1), event->given);
        }
        entry->bytes += bytes;
        entry->count++;
        record_note(ticket, book, *slot);
    }
}

/* Books NumPy's own operations over arrays whose layouts may be what made them slow. */
#include "ledger_operations.h"

#include "ledger_region.h"

static entry_offset
new_operation(ledger *book, const operation_event *event)
{
    entry_offset place = region_place(book, event->key.place);
    entry_offset user_place = region_place(book, event->key.user_place);
    entry_offset operation = region_string(book, event->operation);
    size_t size = sizeof(operation_entry);
    for (int i = 0; i < event->count; i++) {
        size += sizeof(operand_entry) + layout_stored_size(event->layouts[i].ndim);
    }
    entry_offset offset = region_append(book, ENTRY_OPERATION, size);
    if (offset == 0) {
        return 0;
    }
    operation_entry *entry = (operation_entry *)(book->region + offset);
    entry->key = event->key;
    entry->place = place;
    entry->user_place = user_place;
    entry->operation = operation;
    entry->operand_count = (uint32_t)event->count;
    char *cursor = (char *)(entry + 1);
    for (int i = 0; i < event->count; i++) {
        ((operand_entry *)cursor)->position = event->positions[i];
        cursor += sizeof(operand_entry);
        layout_store((stored_layout *)cursor, &event->layouts[i]);
        cursor += layout_stored_size(event->layouts[i].ndim);
    }
    return offset;
}

static void
keep_operands(operation_entry *entry, const operation_event *event)
{
    char *cursor = (char *)(entry + 1);
    for (int i = 0; i < event->count && i < (int)entry->operand_count; i++) {
        stored_layout *kept = (stored_layout *)(cursor + sizeof(operand_entry));
        /* The key is a hash: never write more than the entry has room for. */
        if (event->layouts[i].ndim != kept->ndim) {
            return;
        }
        layout_store(kept, &event->layouts[i]);
        cursor = (char *)kept + layout_stored_size(kept->ndim);
    }
}

static uint64_t
bytes_of(const operation_event *event)
{
    uint64_t bytes = 0;
    for (int i = 0; i < event->count; i++) {
        bytes += (uint64_t)event->layouts[i].nbytes;
    }
    return bytes;
}

calls_so_far
ledger_book_operation(const operation_event *event, record_ticket *ticket)
{
    calls_so_far all = {0, 0};
    uint64_t bytes = bytes_of(event);
    for (int i = 0; i < ledger_active; i++) {
        ledger *book = ledger_active_books[i];
        entry_offset *slot = region_slot(book, &book->operations, &event->key, sizeof event->key);
        if (slot != NULL && *slot == 0) {
            *slot = new_operation(book, event);
            book->operations.used += *slot != 0;
        }
        if (slot == NULL || *slot == 0) {
            region_header(book)->dropped++;
            continue;
        }
        operation_entry *entry = (operation_entry *)(book->region + *slot);
        if (bytes > entry->largest) {
            keep_operands(entry, event);
            entry->largest = bytes;
        }
        entry->bytes += bytes;
        entry->ticks += event->ticks;
        entry->ticks_max = event->ticks > entry->ticks_max ? event->ticks : entry->ticks_max;
        region_header(book)->last_ticks = event->ended;
        entry->count++; /* last: an entry that counts is whole */
        if (ticket->count == 0) {
            all = (calls_so_far){entry->ticks, entry->count};
        }
        record_note(ticket, book, *slot);
    }
    return all;
}

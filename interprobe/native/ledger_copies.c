/* Books copies: one record per place, mechanism, cause and class of layouts. */
#include "ledger_region.h"
#include "origin.h"

static inline size_t
source_size(const copy_key *key)
{
    return key->has_source ? layout_stored_size(key->source_ndim) : 0;
}

static inline int64_t *
shapes_of(copy_entry *entry)
{
    return (int64_t *)((char *)(entry + 1) + source_size(&entry->key) +
                       layout_stored_size(entry->key.result_ndim));
}

static entry_offset
new_copy(ledger *book, const copy_event *event)
{
    const copy_key *key = &event->key;
    entry_offset place = region_place(book, key->place);
    entry_offset user_place = region_place(book, key->user_place);
    entry_offset mechanism = region_string(book, event->mechanism);
    const origin *asked = origin_get((uint32_t)key->origin);
    entry_offset library = asked == NULL ? 0 : region_string(book, asked->library);
    size_t size = sizeof(copy_entry) + source_size(key) + layout_stored_size(key->result_ndim) +
                  LEDGER_SHAPES * key->result_ndim * sizeof(int64_t);
    entry_offset offset = region_append(book, ENTRY_COPY, size);
    if (offset == 0) {
        return 0;
    }
    copy_entry *entry = (copy_entry *)(book->region + offset);
    entry->key = *key;
    entry->place = place;
    entry->user_place = user_place;
    entry->mechanism = mechanism;
    entry->library = library;
    if (asked != NULL) {
        memcpy(entry->callers, asked->callers, sizeof entry->callers);
    }
    entry->nbytes_min = UINT64_MAX;
    entry->ticks_min = UINT64_MAX;
    return offset;
}

static void
count_shape(copy_entry *entry, const layout *result)
{
    int64_t *shape = shapes_of(entry);
    for (int i = 0; i < LEDGER_SHAPES; i++, shape += result->ndim) {
        if (entry->shape_counts[i] == 0) {
            for (int d = 0; d < result->ndim; d++) {
                shape[d] = result->shape[d];
            }
        }
        int same = 1;
        for (int d = 0; d < result->ndim; d++) {
            same &= shape[d] == result->shape[d];
        }
        if (same) {
            entry->shape_counts[i]++;
            return;
        }
    }
    entry->other_shapes++;
}

static void
add_copy(copy_entry *entry, const copy_event *event)
{
    if (event->bytes > entry->nbytes_max || entry->count == 0) {
        entry->nbytes_max = event->bytes;
        stored_layout *stored = (stored_layout *)(entry + 1);
        if (event->source != NULL) {
            layout_store(stored, event->source);
            stored = (stored_layout *)((char *)stored + source_size(&entry->key));
        }
        layout_store(stored, event->result);
    }
    if (event->bytes < entry->nbytes_min) {
        entry->nbytes_min = event->bytes;
    }
    count_shape(entry, event->result);
    entry->bytes += event->bytes;
    entry->ticks += event->ticks;
    if (event->ticks < entry->ticks_min) {
        entry->ticks_min = event->ticks;
    }
    if (entry->count > 0 && event->source_identity != 0 &&
        entry->last_source == event->source_identity && entry->last_contents == event->contents) {
        entry->repeated++;
    }
    entry->last_source = event->source_identity;
    entry->last_contents = event->contents;
    entry->count++; /* last: an entry that counts is whole */
}

void
ledger_book_copy(const copy_event *event, record_ticket *ticket)
{
    if (ticket != NULL) {
        ticket->count = 0;
    }
    for (int i = 0; i < ledger_active; i++) {
        ledger *book = ledger_active_books[i];
        entry_offset *slot = region_slot(book, &book->copies, &event->key, sizeof event->key);
        if (slot != NULL && *slot == 0) {
            *slot = new_copy(book, event);
            book->copies.used += *slot != 0;
        }
        if (slot == NULL || *slot == 0) {
            region_header(book)->dropped++;
            continue;
        }
        add_copy((copy_entry *)(book->region + *slot), event);
        record_note(ticket, book, *slot);
        region_header(book)->last_ticks = event->ended;
    }
}

uint64_t
ledger_copy_ticks(const record_ticket *of)
{
    const ledger *book = of->count == 0 ? NULL : record_ledger(&of->bookings[0]);
    return book == NULL ? 0 : ((const copy_entry *)(book->region + of->bookings[0].entry))->ticks;
}

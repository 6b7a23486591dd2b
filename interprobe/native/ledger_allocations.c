/* Books large blocks of array data by the place that made them, and which of them made the peak.
 *
 * What was alive at the highest peak is known without copying the books at each new one: an entry's
 * live_bytes are those of the peak until the entry changes next, and are put aside just then.
 */
#include "ledger_region.h"

#include "fresh_pages.h"

enum { WORTH_MEASURING = 16 << 20 }; /* bytes touched first: what less costs nobody asks */

/* The ledger's entry about pages, made at first sight; NULL where there is no room. */
static pages_entry *
pages_of(ledger *book)
{
    if (book->pages == 0) {
        book->pages = region_append(book, ENTRY_PAGES, sizeof(pages_entry));
        if (book->pages == 0) {
            return NULL;
        }
        pages_entry *pages = (pages_entry *)(book->region + book->pages);
        pages->peaks = book->peaks;
        pages->machine_bytes = pages_machine_bytes();
        pages->page_bytes = pages_bytes();
        pages->held_before = book->held_before;
    }
    return (pages_entry *)(book->region + book->pages);
}

static entry_offset
new_allocation(ledger *book, const allocation_key *key)
{
    if (pages_of(book) == NULL) {
        return 0;
    }
    entry_offset place = region_place(book, key->place);
    entry_offset user_place = region_place(book, key->user_place);
    entry_offset offset = region_append(book, ENTRY_ALLOCATION, sizeof(allocation_entry));
    if (offset != 0) {
        allocation_entry *entry = (allocation_entry *)(book->region + offset);
        entry->key = *key;
        entry->place = place;
        entry->user_place = user_place;
    }
    return offset;
}

/* Puts aside what was alive at the latest peak, before the entry changes. */
static void
keep_peak(const ledger *book, allocation_entry *entry)
{
    if (entry->peak != book->peaks) {
        entry->peak = book->peaks;
        entry->peak_bytes = entry->live_bytes;
        entry->passing_bytes = 0;
    }
}

void
region_book_large(ledger *book, const booked_block *large, record_ticket *record)
{
    const allocation_key key = {
        .place = large->here,
        .user_place = large->user,
        .size_class = 63u - (uint32_t)__builtin_clzll(large->bytes),
    };
    entry_offset *slot = NULL;
    /* Its tables are rebuilt by threads that hold the GIL alone. */
    if (large->here != 0) {
        slot = region_slot(book, &book->allocations, &key, sizeof key);
    }
    if (slot != NULL && *slot == 0) {
        *slot = new_allocation(book, &key);
        book->allocations.used += *slot != 0;
    }
    if (slot == NULL || *slot == 0) {
        region_header(book)->dropped += large->here != 0;
        return;
    }
    allocation_entry *entry = (allocation_entry *)(book->region + *slot);
    keep_peak(book, entry);
    entry->bytes += large->bytes;
    entry->largest = large->bytes > entry->largest ? large->bytes : entry->largest;
    entry->live_bytes += large->bytes;
    entry->live_count++;
    entry->live_most = entry->live_count > entry->live_most ? entry->live_count : entry->live_most;
    entry->count++;
    record_note(record, book, *slot);
}

void
ledger_large_freed(const booked_block *large, bool passing)
{
    for (int i = 0; i < large->record.count; i++) {
        ledger *book = record_ledger(&large->record.bookings[i]);
        if (book == NULL) {
            continue;
        }
        allocation_entry *entry =
            (allocation_entry *)(book->region + large->record.bookings[i].entry);
        keep_peak(book, entry);
        if (passing && large->seen_from[i] <= book->peaks) {
            entry->passing_bytes += large->bytes;
        } else if (!passing && large->bytes > entry->kept_largest) {
            entry->kept_largest = large->bytes;
        }
        entry->live_bytes -= large->bytes;
        entry->live_count--;
        entry->ended++;
    }
}

void
ledger_large_touched(const booked_block *large, uint64_t bytes)
{
    for (int i = 0; i < large->record.count; i++) {
        ledger *book = record_ledger(&large->record.bookings[i]);
        if (book != NULL) {
            allocation_entry *entry =
                (allocation_entry *)(book->region + large->record.bookings[i].entry);
            entry->touched_bytes += bytes;
            entry->looked_at++;
        }
    }
}

/* Of blocks that NumPy asked huge pages for, or of the others. */
typedef struct {
    uint64_t bytes;   /* touched first */
    uint64_t largest; /* of these blocks */
} touched_memory;

static touched_memory
touched_in(const ledger *book, bool huge)
{
    touched_memory all = {0, 0};
    for (uint32_t i = 0; i < book->allocations.size; i++) {
        if (book->allocations.slots[i] != 0) {
            const allocation_entry *entry =
                (const allocation_entry *)(book->region + book->allocations.slots[i]);
            bool is_huge = (1ull << entry->key.size_class) >= HUGE_PAGES_FROM;
            if (is_huge == huge && entry->touched_bytes > 0) {
                all.bytes += entry->touched_bytes;
                all.largest = entry->largest > all.largest ? entry->largest : all.largest;
            }
        }
    }
    return all;
}

/* Bytes of the pages that calls touched first, where these were measured. */
static uint64_t
faulted_bytes(const ledger *book)
{
    uint64_t faults = 0;
    for (uint32_t i = 0; i < book->calls.size; i++) {
        if (book->calls.slots[i] != 0) {
            faults += ((const call_entry *)(book->region + book->calls.slots[i]))->page_faults;
        }
    }
    return faults * pages_bytes();
}

void
region_measure_pages(ledger *book)
{
    touched_memory large = touched_in(book, true);
    bool huge = large.bytes >= WORTH_MEASURING;
    bool small = touched_in(book, false).bytes >= WORTH_MEASURING ||
                 faulted_bytes(book) >= WORTH_MEASURING;
    pages_entry *pages = small || huge ? pages_of(book) : NULL;
    if (pages == NULL) {
        return;
    }
    if (small && pages->small_ticks == 0) {
        pages->small_ticks = pages_ticks_per_mebibyte(HUGE_PAGES_FROM / 2);
    }
    if (huge && pages->huge_ticks == 0) {
        pages->huge_ticks = pages_ticks_per_mebibyte(large.largest);
    }
}

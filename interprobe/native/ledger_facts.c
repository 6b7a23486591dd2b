/* Books facts: what was observed of a record's instances beyond their number, size and time. */
#include "ledger_region.h"

static entry_offset
new_fact(ledger *book, const fact_key *key, const fact_event *fact)
{
    entry_offset kind = region_string(book, fact->kind);
    entry_offset text = region_string(book, fact->text);
    entry_offset place = region_place(book, fact->place);
    entry_offset offset = region_append(book, ENTRY_FACT, sizeof(fact_entry));
    if (offset != 0) {
        fact_entry *entry = (fact_entry *)(book->region + offset);
        entry->key = *key;
        entry->kind = kind;
        entry->text = text;
        entry->place = place;
    }
    return offset;
}

/* Whether a value is so far from the others that something else was at work: an interrupt, for a time. */
static bool
is_stray(const fact_entry *entry, int64_t value)
{
    enum { ENOUGH = 8, TIMES = 4 };
    int64_t count = (int64_t)entry->count;
    return count >= ENOUGH && value > entry->value / count * TIMES;
}

void
ledger_book_fact(const record_ticket *about, const fact_event *fact)
{
    for (int i = 0; i < about->count; i++) {
        ledger *book = record_ledger(&about->bookings[i]);
        if (book == NULL) {
            continue;
        }
        const fact_key key = {.kind = (uint64_t)(uintptr_t)fact->kind,
                              .about = about->bookings[i].entry,
                              .position = fact->position,
                              .other = fact->other};
        entry_offset *slot = region_slot(book, &book->facts, &key, sizeof key);
        if (slot != NULL && *slot == 0) {
            *slot = new_fact(book, &key, fact);
            book->facts.used += *slot != 0;
        }
        if (slot == NULL || *slot == 0) {
            region_header(book)->dropped++;
            continue;
        }
        fact_entry *entry = (fact_entry *)(book->region + *slot);
        if (fact->drops_strays && is_stray(entry, fact->value)) {
            continue;
        }
        if (fact->adds) {
            entry->value += fact->value;
            entry->limit = fact->limit;
        } else if (entry->count == 0 || fact->value > entry->value) {
            entry->value = fact->value;
            entry->limit = fact->limit;
        }
        entry->count++;
    }
}

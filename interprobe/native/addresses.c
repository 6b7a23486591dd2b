/* A bounded table of layouts by address, each good for as long as its memory provably lives.
 *
 * NumPy gives a freed block's address to the next array of that size at once, so an address alone
 * proves nothing. A layout is trusted while the block has the serial number that it had when the
 * address was given away (allocations.h); memory that NumPy did not allocate, while the array that
 * holds it lives, which a weak reference tells.
 */
#include "addresses.h"

#include "allocations.h"
#include "masks.h"
#include "quarantine.h"

#include <string.h>

#define SETS 64 /* power of two */
#define WAYS 4  /* addresses per set; the least recently given away gives way */
#define LOWEST_ADDRESS 0x10000u /* below lies what programs pass as plain numbers */

typedef struct {
    given_address given;
    const void *block; /* start of the memory's allocation, or of the holder's data */
    uint64_t serial;   /* of that allocation; 0: `holder` tells */
    PyObject *holder;  /* weak reference, owned: the array that holds memory not of NumPy; or NULL */
    uint64_t noted;    /* when, in calls of addresses_note; 1: what it spoke of is gone */
    bool is_read_only; /* the holder was, so that nobody else may write the memory either */
} known_address;

static uint16_t ways[SETS * WAYS]; /* of each set, where in `known`, from 1; 0: empty */
static known_address known[SETS * WAYS]; /* the first known_used ones, in order of appearance */
static size_t known_used;
/* The memory of each, apart, because interior addresses are searched for in all. */
static uintptr_t lows[SETS * WAYS], highs[SETS * WAYS];
static uintptr_t lowest = UINTPTR_MAX, highest = 0; /* of all so far */
static uint64_t notes;

/* Addresses known to lie in no array's memory, by their hash: handles that are passed again and
 * again are not searched for again and again. */
#define MISSES 64
static uintptr_t misses[MISSES];

static inline size_t
hash_of(uintptr_t address)
{
    return (size_t)(((uint64_t)address * 0x9E3779B97F4A7C15u) >> 40);
}

static inline size_t
first_way(uintptr_t address)
{
    return (hash_of(address) & (SETS - 1)) * WAYS;
}

/* The array behind a weak reference, or NULL. Borrowed: it stays as long as no other code runs. */
static PyArrayObject *
live_holder(PyObject *reference)
{
#if PY_VERSION_HEX >= 0x030D0000
    PyObject *object = NULL;
    if (PyWeakref_GetRef(reference, &object) != 1) {
        return NULL;
    }
    Py_DECREF(object); /* whatever kept it alive until now still does: the GIL is held */
    return (PyArrayObject *)object;
#else
    PyObject *object = PyWeakref_GET_OBJECT(reference);
    return object == Py_None ? NULL : (PyArrayObject *)object;
#endif
}

static bool
still_lives(const known_address *entry)
{
    if (entry->serial != 0) {
        return allocations_serial(entry->block) == entry->serial;
    }
    PyArrayObject *holder = live_holder(entry->holder);
    return holder != NULL && PyArray_DATA(holder) == entry->block;
}

static inline bool
same_kind(const layout *a, const layout *b)
{
    return a->kind == b->kind && a->elsize == b->elsize && a->byteorder == b->byteorder &&
           a->order == b->order && a->aligned == b->aligned;
}

static bool
same_layout(const layout *kept, const layout *now)
{
    if (!same_kind(kept, now) || kept->ndim != now->ndim || kept->writeable != now->writeable) {
        return false;
    }
    for (int i = 0; i < now->ndim; i++) {
        if (kept->shape[i] != now->shape[i] || kept->strides[i] != now->strides[i]) {
            return false;
        }
    }
    switch (now->kind) {
    case 'b': case 'i': case 'u': case 'f': case 'c': case 'O':
        return true; /* kind and size say all */
    }
    char name[sizeof known[0].given.kept.type_name];
    layout_type_name(now, name, sizeof name);
    return strcmp(kept->name, name) == 0;
}

void
addresses_copy_layout(kept_layout *to, const kept_layout *from)
{
    to->is = from->is;
    to->is.name = to->type_name;
    to->is.shape = to->extents;
    to->is.strides = to->extents + from->is.ndim;
    memcpy(to->extents, from->extents, 2 * (size_t)from->is.ndim * sizeof(npy_intp));
    memcpy(to->type_name, from->type_name, sizeof to->type_name);
    to->freed = from->freed;
}

void
addresses_keep_steps(kept_layout *to, const layout *now)
{
    to->is = *now;
    to->is.descr = NULL;
    to->is.name = NULL;
    to->is.shape = to->extents;
    to->is.strides = to->extents + now->ndim;
    for (int i = 0; i < now->ndim; i++) {
        to->extents[i] = now->shape[i];
        to->extents[now->ndim + i] = now->strides[i];
    }
    to->freed = 0;
}

void
addresses_keep_layout(kept_layout *to, const layout *now)
{
    addresses_keep_steps(to, now);
    to->is.name = to->type_name;
    layout_type_name(now, to->type_name, sizeof to->type_name);
}

/* The array whose memory `array` shows. */
static PyArrayObject *
holder_of(PyArrayObject *array)
{
    while (PyArray_BASE(array) != NULL && PyArray_Check(PyArray_BASE(array))) {
        array = (PyArrayObject *)PyArray_BASE(array);
    }
    return array;
}

/* Whether the end of the holder's memory passes the allocation probe. */
static bool
is_watched(PyArrayObject *holder)
{
    return PyArray_BASE(holder) == NULL && PyArray_CHKFLAGS(holder, NPY_ARRAY_OWNDATA) &&
           PyArray_HANDLER(holder) == PyDataMem_DefaultHandler;
}

/* A new weak reference; NULL, with no exception of its own, where the object takes none. */
static PyObject *
weak_reference(PyArrayObject *holder)
{
    PyObject *type, *value, *traceback;
    PyErr_Fetch(&type, &value, &traceback);
    PyObject *reference = PyWeakref_NewRef((PyObject *)holder, NULL);
    PyErr_Restore(type, value, traceback);
    return reference;
}

static void
remember_memory(size_t index, const layout *now)
{
    const char *low, *high;
    layout_extent(now, &low, &high);
    lows[index] = (uintptr_t)low;
    highs[index] = (uintptr_t)high;
    lowest = lows[index] < lowest ? lows[index] : lowest;
    highest = highs[index] > highest ? highs[index] : highest;
    for (int i = 0; i < MISSES; i++) {
        if (misses[i] >= lows[index] && misses[i] < highs[index]) {
            misses[i] = 0;
        }
    }
}

/* Remembers how the program got an address, where that leaves it freer than it was. */
static void
note_gift(known_address *entry, const address_gift *gift)
{
    if (gift->hold <= entry->given.gift.hold) {
        return;
    }
    if (entry->given.gift.hold == ADDRESS_KEPT && entry->serial != 0) {
        allocations_mark(entry->block, entry->serial, BLOCK_ADDRESS_GIVEN);
    }
    entry->given.gift = *gift;
}

void
addresses_note(PyArrayObject *array, const layout *given, const address_gift *gift)
{
    if (given->nbytes == 0 || PyArray_NDIM(array) > ADDRESS_DIMENSIONS) {
        return;
    }
    PyArrayObject *holder = holder_of(array);
    const void *block = PyArray_DATA(holder);
    uint64_t serial = 0;
    PyObject *reference = NULL;
    if (is_watched(holder)) {
        serial = allocations_serial_of_block(block, (uint64_t)PyArray_NBYTES(holder));
    }
    if (serial == 0 && (reference = weak_reference(holder)) == NULL) {
        return;
    }
    layout now = *given;
    if (reference != NULL) {
        layout_read(&now, array); /* making the reference may have set off a collection: any code */
    }
    mask_extent hidden;
    now.hidden = !PyArray_CheckExact(array) && masks_read((PyObject *)array, &hidden) ? hidden.hidden : 0;
    size_t first = first_way((uintptr_t)now.data), chosen = first;
    for (size_t i = first; i < first + WAYS; i++) {
        known_address *entry = ways[i] == 0 ? NULL : &known[ways[i] - 1];
        if (entry == NULL) {
            chosen = i;
            break;
        }
        if (entry->given.kept.is.data == now.data) {
            /* Of what was given away here, only layouts of the same, live memory still count. */
            bool same_memory = entry->block == block && entry->serial == serial &&
                               entry->holder == reference;
            if (same_memory && same_layout(&entry->given.kept.is, &now)) {
                entry->noted = ++notes;
                entry->given.kept.is.hidden = now.hidden;
                entry->is_read_only = !PyArray_ISWRITEABLE(holder);
                note_gift(entry, gift);
                Py_XDECREF(reference);
                return;
            }
            entry->noted = same_memory ? entry->noted : 1;
        }
        if (entry->noted < known[ways[chosen] - 1].noted) {
            chosen = i;
        }
    }
    bool fresh = ways[chosen] == 0;
    if (fresh) {
        ways[chosen] = (uint16_t)++known_used;
    }
    size_t index = (size_t)ways[chosen] - 1;
    known_address *entry = &known[index];
    PyObject *replaced = entry->holder;
    if (fresh || entry->given.kept.is.data != now.data ||
        !same_layout(&entry->given.kept.is, &now)) {
        addresses_keep_layout(&entry->given.kept, &now);
        remember_memory(index, &now);
    }
    entry->block = block;
    entry->serial = serial;
    entry->holder = reference;
    entry->is_read_only = !PyArray_ISWRITEABLE(holder);
    entry->noted = notes = notes < 2 ? 2 : notes + 1;
    entry->given.gift.hold = ADDRESS_KEPT;
    entry->given.passed = false;
    note_gift(entry, gift);
    Py_XDECREF(replaced);
}

void
addresses_note_bare(uintptr_t address, const char *manner)
{
    size_t first = first_way(address);
    for (size_t i = first; i < first + WAYS && ways[i] != 0; i++) {
        known_address *entry = &known[ways[i] - 1];
        if ((uintptr_t)entry->given.kept.is.data == address &&
            entry->given.gift.hold != ADDRESS_BARE && still_lives(entry)) {
            const address_gift gift = {manner, ADDRESS_BARE, entry->given.gift.place};
            note_gift(entry, &gift);
        }
    }
}

/* Of two arrays in one block, the better known: the larger, and the freer its address is. */
static const known_address *
better_known(const known_address *one, const known_address *other)
{
    if (one == NULL || one->given.gift.hold != other->given.gift.hold) {
        return one == NULL || one->given.gift.hold < other->given.gift.hold ? other : one;
    }
    return one->given.kept.is.nbytes < other->given.kept.is.nbytes ? other : one;
}

bool
addresses_of_block(const void *block, uint64_t bytes, uint64_t serial, given_address *out)
{
    const known_address *best = NULL;
    size_t first = first_way((uintptr_t)block);
    for (size_t i = first; i < first + WAYS && ways[i] != 0; i++) { /* mostly the block's own start */
        const known_address *entry = &known[ways[i] - 1];
        best = entry->serial == serial ? better_known(best, entry) : best;
    }
    uintptr_t start = (uintptr_t)block;
    for (size_t i = 0; best == NULL && i < known_used; i++) {
        if (lows[i] - start < bytes && known[i].serial == serial) {
            best = &known[i];
        }
    }
    if (best == NULL || best->given.gift.hold == ADDRESS_KEPT) {
        return false;
    }
    out->gift = best->given.gift;
    out->passed = best->given.passed;
    addresses_copy_layout(&out->kept, &best->given.kept);
    return true;
}

/* Whether entry `index` may speak for an address beside `best`, the largest that did so far. */
static bool
agree(known_address **best, size_t index)
{
    known_address *entry = &known[index];
    if (!still_lives(entry)) {
        return true;
    }
    if (*best != NULL && !same_kind(&(*best)->given.kept.is, &entry->given.kept.is)) {
        return false;
    }
    if (*best == NULL || entry->given.kept.is.nbytes > (*best)->given.kept.is.nbytes) {
        *best = entry;
    }
    return true;
}

static bool
find_exact(uintptr_t address, known_address **best)
{
    size_t first = first_way(address);
    for (size_t i = first; i < first + WAYS; i++) {
        if (ways[i] == 0) {
            break;
        }
        size_t index = (size_t)ways[i] - 1;
        if ((uintptr_t)known[index].given.kept.is.data == address && !agree(best, index)) {
            return false;
        }
    }
    return true;
}

static bool
find_interior(uintptr_t address, known_address **best)
{
    uintptr_t *miss = &misses[hash_of(address) & (MISSES - 1)];
    if (address < lowest || address >= highest || *miss == address) {
        return true;
    }
    bool within = false;
    for (size_t i = 0; i < known_used; i++) {
        if (address >= lows[i] && address < highs[i]) {
            within = true;
            if (!agree(best, i)) {
                return false;
            }
        }
    }
    if (!within) {
        *miss = address;
    }
    return true;
}

bool
addresses_find(uintptr_t address, enum address_match match, kept_layout *out)
{
    if (address < LOWEST_ADDRESS || notes == 0) {
        return false;
    }
    known_address *best = NULL;
    bool clear = find_exact(address, &best);
    if (clear && best == NULL && match == ADDRESS_INTERIOR) {
        clear = find_interior(address, &best);
    }
    if (best == NULL) {
        return quarantine_find(address, match, out);
    }
    if (!clear) {
        return false;
    }
    best->given.passed = true;
    addresses_copy_layout(out, &best->given.kept);
    return true;
}

uintptr_t
addresses_memory_end(uintptr_t address, bool *read_only)
{
    uintptr_t end = 0;
    uint64_t noted = 0;
    for (size_t i = 0; i < known_used; i++) {
        const known_address *entry = &known[i];
        if (address < lows[i] || address >= highs[i] || entry->serial == 0 || entry->noted < noted ||
            !still_lives(entry)) {
            continue;
        }
        uint64_t bytes = allocations_bytes(entry->block);
        if (bytes != 0) {
            end = (uintptr_t)entry->block + bytes;
            noted = entry->noted;
            *read_only = entry->is_read_only;
        }
    }
    return end;
}

void
addresses_forget(void)
{
    quarantine_end();
    for (size_t i = 0; i < known_used; i++) {
        Py_CLEAR(known[i].holder);
    }
    memset(ways, 0, sizeof ways);
    memset(misses, 0, sizeof misses);
    lowest = UINTPTR_MAX;
    highest = notes = known_used = 0;
}

/* What if the arrays had been as the callee converted them? Then no conversion is needed. */
#include "replay.h"

#include "crossings.h"

enum { NOTED = 8 };

/* A conversion inside of a crossing: of which object, and to what. */
typedef struct {
    uint64_t crossing;
    const void *source; /* only compared with */
    const char *data;   /* where its elements were; NULL: it was no array */
    int type;           /* NumPy's number of the element type */
    bool fortran;
} conversion_noted;

static conversion_noted noted[NOTED]; /* the latest ones */
static unsigned next_noted;

void
replay_note_conversion(const void *source, const char *source_data, const PyArray_Descr *to, bool fortran)
{
    uint64_t crossing = replay_mode == REPLAY_OFF ? 0 : crossings_innermost();
    if (crossing == 0 || PyTypeNum_ISFLEXIBLE(to->type_num) || PyTypeNum_ISUSERDEF(to->type_num) ||
        PyDataType_REFCHK(to) || !PyDataType_ISNOTSWAPPED(to)) {
        return;
    }
    noted[next_noted++ % NOTED] = (conversion_noted){
        .crossing = crossing,
        .source = source,
        .data = source_data,
        .type = to->type_num,
        .fortran = fortran,
    };
}

/* The latest conversion of an argument inside the call; NULL: there was none. */
static const conversion_noted *
conversion_of(const ended_call *call, int position)
{
    const void *argument = call->to->arguments[position];
    const char *data = call->arrays[position] == NULL ? NULL : call->layouts[position].data;
    for (unsigned i = 1; i <= NOTED; i++) {
        const conversion_noted *each = &noted[(next_noted - i) % NOTED];
        bool same = each->source == argument || (data != NULL && each->data == data);
        if (each->crossing == call->serial && each->crossing != 0 && same) {
            return each;
        }
    }
    return NULL;
}

static uint32_t
applies(const ended_call *call)
{
    uint32_t positions = 0;
    for (int i = 0; i < call->count; i++) {
        positions |= conversion_of(call, i) != NULL ? 1u << i : 0;
    }
    return positions;
}

static PyArrayObject *
instead(const ended_call *call, int position)
{
    const conversion_noted *to = conversion_of(call, position);
    PyArray_Descr *descr = to == NULL ? NULL : PyArray_DescrFromType(to->type);
    if (descr == NULL) {
        return NULL;
    }
    int flags = (to->fortran ? NPY_ARRAY_F_CONTIGUOUS : NPY_ARRAY_C_CONTIGUOUS) | NPY_ARRAY_ALIGNED |
                NPY_ARRAY_FORCECAST | NPY_ARRAY_ENSURECOPY;
    return (PyArrayObject *)PyArray_FromAny(call->to->arguments[position], descr, 0, 0, flags, NULL);
}

static what_if conforming = {
    .change = "conforming",
    .concerns = {.all = CALL_COPIED},
    .applies = applies,
    .instead = instead,
};
REGISTER_WHAT_IF(conforming)

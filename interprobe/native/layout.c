/* Reads, compares and stores array layouts. */
#include "layout.h"

#include <stdio.h>
#include <string.h>

static char
explicit_byteorder(const PyArray_Descr *descr, npy_intp elsize)
{
    switch (descr->byteorder) {
    case '<':
    case '>':
        return descr->byteorder;
    case '=':
        return elsize > 1 ? NPY_NATBYTE : '|';
    default:
        return '|';
    }
}

void
layout_read(layout *out, PyArrayObject *array)
{
    out->descr = PyArray_DESCR(array);
    out->name = NULL;
    out->shape = PyArray_DIMS(array);
    out->strides = PyArray_STRIDES(array);
    out->data = PyArray_DATA(array);
    out->ndim = PyArray_NDIM(array);
    out->elsize = PyDataType_ELSIZE(out->descr);
    npy_intp elements = 1;
    for (int i = 0; i < out->ndim; i++) {
        elements *= out->shape[i];
    }
    out->nbytes = elements * out->elsize;
    out->hidden = 0;
    out->kind = out->descr->kind;
    out->byteorder = explicit_byteorder(out->descr, out->elsize);
    int flags = PyArray_FLAGS(array);
    out->contiguous_c = (flags & NPY_ARRAY_C_CONTIGUOUS) != 0;
    out->contiguous_f = (flags & NPY_ARRAY_F_CONTIGUOUS) != 0;
    out->aligned = (flags & NPY_ARRAY_ALIGNED) != 0;
    out->writeable = (flags & NPY_ARRAY_WRITEABLE) != 0;
    out->order = out->contiguous_c ? LAYOUT_C : out->contiguous_f ? LAYOUT_F : LAYOUT_STRIDED;
}

PyArrayObject *
layout_holder(PyArrayObject *array)
{
    while (PyArray_BASE(array) != NULL && PyArray_Check(PyArray_BASE(array))) {
        array = (PyArrayObject *)PyArray_BASE(array);
    }
    return array;
}

void
layout_of_bytes(layout *out, char *data, npy_intp nbytes, npy_intp *extent, npy_intp *step)
{
    *extent = nbytes;
    *step = 1;
    *out = (layout){
        .descr = NULL, .shape = extent, .strides = step, .data = data, .nbytes = nbytes,
        .elsize = 1, .ndim = 1, .kind = 'S', .byteorder = '|', .order = LAYOUT_C,
        .contiguous_c = true, .contiguous_f = true, .aligned = true, .writeable = false,
    };
}

static bool
is_contiguous(const layout *in, int first, int step)
{
    npy_intp expected = in->elsize;
    for (int i = 0, axis = first; i < in->ndim; i++, axis += step) {
        if (in->shape[axis] != 1 && in->strides[axis] != expected) {
            return false;
        }
        expected *= in->shape[axis];
    }
    return true;
}

void
layout_of_elements(layout *out, PyArray_Descr *descr, const char *data, int ndim,
                   const npy_intp *shape, const npy_intp *strides)
{
    *out = (layout){
        .descr = descr, .shape = shape, .strides = strides, .data = (char *)data, .ndim = ndim,
        .elsize = PyDataType_ELSIZE(descr), .kind = descr->kind, .writeable = true,
    };
    out->byteorder = explicit_byteorder(descr, out->elsize);
    npy_intp elements = 1;
    uintptr_t places = (uintptr_t)data;
    for (int i = 0; i < ndim; i++) {
        elements *= shape[i];
        places |= shape[i] > 1 ? (uintptr_t)strides[i] : 0;
    }
    out->nbytes = elements * out->elsize;
    npy_intp alignment = PyDataType_ALIGNMENT(descr);
    out->aligned = alignment <= 1 || (places & (uintptr_t)(alignment - 1)) == 0;
    out->contiguous_c = is_contiguous(out, ndim - 1, -1);
    out->contiguous_f = is_contiguous(out, 0, 1);
    out->order = out->contiguous_c ? LAYOUT_C : out->contiguous_f ? LAYOUT_F : LAYOUT_STRIDED;
}

/* Only for NumPy's own datetime types: a user's type may have the kind letter but not the metadata. */
static const PyArray_DatetimeMetaData *
datetime_metadata(const PyArray_Descr *descr)
{
    return &((PyArray_DatetimeDTypeMetaData *)PyDataType_C_METADATA(descr))->meta;
}

bool
layout_same_type(const layout *a, const layout *b)
{
    if (a->descr == b->descr) {
        return true;
    }
    if (a->kind != b->kind || a->elsize != b->elsize) {
        return false;
    }
    if (a->kind != '\0' && strchr("biufcO", a->kind) != NULL) {
        return true; /* kind and size say all: NPY_LONG and NPY_LONGLONG are one type here */
    }
    if (a->descr == NULL || b->descr == NULL) {
        return false;
    }
    if (a->kind == 'S' || a->kind == 'U') {
        return true;
    }
    if (PyTypeNum_ISDATETIME(a->descr->type_num) && PyTypeNum_ISDATETIME(b->descr->type_num)) {
        const PyArray_DatetimeMetaData *one = datetime_metadata(a->descr);
        const PyArray_DatetimeMetaData *other = datetime_metadata(b->descr);
        return one->base == other->base && one->num == other->num;
    }
    return a->byteorder == b->byteorder && PyArray_EquivTypes(a->descr, b->descr);
}

bool
layout_same_memory(const layout *a, const layout *b)
{
    if (a->data != b->data || a->ndim != b->ndim || a->byteorder != b->byteorder ||
        !layout_same_type(a, b)) {
        return false;
    }
    for (int i = 0; i < a->ndim; i++) {
        if (a->shape[i] != b->shape[i] || a->strides[i] != b->strides[i]) {
            return false;
        }
    }
    return true;
}

bool
layout_is_broadcast(const layout *a)
{
    for (int i = 0; i < a->ndim; i++) {
        if (a->strides[i] == 0 && a->shape[i] > 1) {
            return true;
        }
    }
    return false;
}

void
layout_extent(const layout *in, const char **low, const char **high)
{
    if (in->nbytes == 0) {
        *low = *high = in->data;
        return;
    }
    const char *first = in->data, *last = in->data;
    for (int i = 0; i < in->ndim; i++) {
        npy_intp reach = (in->shape[i] - 1) * in->strides[i];
        if (reach < 0) {
            first += reach;
        } else {
            last += reach;
        }
    }
    *low = first;
    *high = last + in->elsize;
}

bool
layout_overlap(const layout *a, const layout *b)
{
    if (a->nbytes == 0 || b->nbytes == 0) {
        return false;
    }
    if (a->data == b->data) {
        return true;
    }
    const char *low_a, *high_a, *low_b, *high_b;
    layout_extent(a, &low_a, &high_a);
    layout_extent(b, &low_b, &high_b);
    return low_a < high_b && low_b < high_a;
}

/* As NumPy writes it: "ns", "25s"; false for the generic unit. */
static bool
datetime_unit(const PyArray_Descr *descr, char *text, size_t size)
{
    static const char *const names[] = {"Y", "M", "W", NULL, "D", "h", "m", "s",
                                        "ms", "us", "ns", "ps", "fs", "as"};
    const PyArray_DatetimeMetaData *meta = datetime_metadata(descr);
    int base = (int)meta->base;
    if (base < 0 || base >= (int)(sizeof names / sizeof names[0]) || names[base] == NULL) {
        return false;
    }
    int used = meta->num == 1 ? 0 : snprintf(text, size, "%d", meta->num);
    snprintf(text + used, size - (size_t)used, "%s", names[base]);
    return true;
}

void
layout_type_name(const layout *in, char *name, size_t size)
{
    long long bits = (long long)in->elsize * 8;
    if (in->descr == NULL) {
        snprintf(name, size, "%s", in->name == NULL ? "bytes" : in->name);
        return;
    }
    switch (in->kind) {
    case 'b':
        snprintf(name, size, "bool");
        break;
    case 'i':
        snprintf(name, size, "int%lld", bits);
        break;
    case 'u':
        snprintf(name, size, "uint%lld", bits);
        break;
    case 'f':
        snprintf(name, size, "float%lld", bits);
        break;
    case 'c':
        snprintf(name, size, "complex%lld", bits);
        break;
    case 'M':
    case 'm': {
        const char *stem = in->kind == 'M' ? "datetime64" : "timedelta64";
        char unit[16];
        if (PyTypeNum_ISDATETIME(in->descr->type_num) && datetime_unit(in->descr, unit, sizeof unit)) {
            snprintf(name, size, "%s[%s]", stem, unit);
        } else {
            snprintf(name, size, "%s", stem);
        }
        break;
    }
    case 'O':
        snprintf(name, size, "object");
        break;
    case 'S':
        snprintf(name, size, "bytes%lld", bits);
        break;
    case 'U':
        snprintf(name, size, "str%lld", bits);
        break;
    case 'V':
        snprintf(name, size, "void%lld", bits);
        break;
    case 'T':
        snprintf(name, size, "StringDType");
        break;
    default: /* a type of the user's own */
        snprintf(name, size, "%s", Py_TYPE(in->descr)->tp_name);
    }
}

void
layout_store(stored_layout *out, const layout *in)
{
    memset(out->dtype, 0, sizeof out->dtype);
    layout_type_name(in, out->dtype, sizeof out->dtype);
    out->byteorder = in->byteorder;
    out->order = in->order;
    out->aligned = in->aligned;
    out->writeable = in->writeable;
    out->ndim = in->ndim;
    out->nbytes = in->nbytes;
    int64_t *dims = (int64_t *)(out + 1);
    for (int i = 0; i < in->ndim; i++) {
        dims[i] = in->shape[i];
        dims[in->ndim + i] = in->strides[i];
    }
}

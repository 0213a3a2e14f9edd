/* Tensors: a checked view of where their elements are, and how those are read
 * and replaced. Files beside the model are external.c's. */
#include <string.h>

#include "core/alloc.h"
#include "core/checked.h"
#include "core/half.h"
#include "onnx/onnx_internal.h"

/* The field of TensorProto that holds a type's elements when raw_data does
 * not, and how many entries an element takes there (onnx.proto, TensorProto).
 */
struct typed_field {
    enum cz_proto_data field;
    size_t entry_bytes;
    size_t entries;
};

static struct typed_field typed_field(enum cz_dtype dtype)
{
    switch (dtype) {
    case CZ_DTYPE_FLOAT:
        return (struct typed_field){CZ_PROTO_DATA_FLOAT, 4, 1};
    case CZ_DTYPE_COMPLEX64:
        return (struct typed_field){CZ_PROTO_DATA_FLOAT, 4, 2};
    case CZ_DTYPE_DOUBLE:
        return (struct typed_field){CZ_PROTO_DATA_DOUBLE, 8, 1};
    case CZ_DTYPE_COMPLEX128:
        return (struct typed_field){CZ_PROTO_DATA_DOUBLE, 8, 2};
    case CZ_DTYPE_INT64:
        return (struct typed_field){CZ_PROTO_DATA_INT64, 8, 1};
    case CZ_DTYPE_UINT32:
    case CZ_DTYPE_UINT64:
        return (struct typed_field){CZ_PROTO_DATA_UINT64, 8, 1};
    case CZ_DTYPE_STRING:
        return (struct typed_field){CZ_PROTO_DATA_STRING, 0, 1};
    default:
        return (struct typed_field){CZ_PROTO_DATA_INT32, 4, 1};
    }
}

/* Bytes of `count` packed elements; 4-bit types lie two in a byte. */
static bool packed_bytes(enum cz_dtype dtype, size_t count, size_t *bytes)
{
    size_t bits = cz_dtype_bits(dtype);
    if (bits != 4)
        return cz_mul_size(count, bits / 8, bytes);
    *bytes = count / 2 + count % 2;
    return true;
}

static enum cz_status check_amount(const struct cz_tensor *t,
                                   struct cz_error *err)
{
    size_t want, got;
    const char *unit = "bytes";
    if (t->storage == CZ_STORAGE_RAW) {
        if (!packed_bytes(t->dtype, t->count, &want))
            return cz_error_set(err, CZ_ESHAPE,
                                "tensor '%.100s': its size overflows", t->name);
        got = cz_proto_tensor_data_count(t->proto, CZ_PROTO_DATA_RAW);
    } else {
        struct typed_field field = typed_field(t->dtype);
        unit = "values";
        want = cz_dtype_bits(t->dtype) == 4 ? t->count / 2 + t->count % 2
                                            : t->count * field.entries;
        got = cz_proto_tensor_data_count(t->proto, field.field);
    }
    if (got == want)
        return CZ_OK;
    return cz_error_set(
        err, CZ_ESHAPE,
        "tensor '%.100s': %zu %s elements need %zu %s, the file "
        "has %zu",
        t->name, t->count, cz_dtype_name(t->dtype), want, unit, got);
}

static enum cz_status check_dims(struct cz_tensor *t, struct cz_error *err)
{
    for (size_t i = 0; i < t->rank; i++) {
        if (t->dims[i] < 0 || t->dims[i] > CZ_DIM_MAX)
            return cz_error_set(
                err, CZ_ESHAPE,
                "tensor '%.100s': dimension %zu is %lld, want 0 "
                "to %d",
                t->name, i, (long long)t->dims[i], CZ_DIM_MAX);
    }
    size_t bytes;
    if (!cz_dims_count(t->dims, t->rank, &t->count) ||
        !cz_mul_size(t->count, 16, &bytes))
        return cz_error_set(err, CZ_ESHAPE,
                            "tensor '%.100s': the product of its dimensions "
                            "overflows",
                            t->name);
    return CZ_OK;
}

static enum cz_status new_tensor(struct cz_tensor **tensor,
                                 struct cz_model *model, void *proto,
                                 struct cz_error *err)
{
    struct cz_tensor *t = cz_arena_alloc(&model->arena, 1, sizeof *t);
    if (!t)
        return cz_error_nomem(err);
    t->model = model;
    t->proto = proto;
    t->name = "";
    *tensor = t;
    return CZ_OK;
}

enum cz_status cz_tensor_view(struct cz_tensor **tensor, struct cz_model *model,
                              void *proto, struct cz_error *err)
{
    CZ_TRY(new_tensor(tensor, model, proto, err));
    struct cz_tensor *t = *tensor;
    CZ_TRY(cz_model_text(&t->name, model, cz_proto_tensor_name(proto), err));
    int dtype = cz_proto_tensor_dtype(proto);
    if (dtype <= CZ_DTYPE_UNDEFINED || dtype > CZ_DTYPE_FLOAT4E2M1)
        return cz_error_set(err, CZ_EUNSUPPORTED,
                            "tensor '%.100s': data type %d is not known",
                            t->name, dtype);
    t->dtype = (enum cz_dtype)dtype;
    const int64_t *dims = cz_proto_tensor_dims(proto, &t->rank);
    int64_t *copy = cz_arena_alloc(&model->arena, t->rank, sizeof *copy);
    if (!copy)
        return cz_error_nomem(err);
    for (size_t i = 0; i < t->rank; i++)
        copy[i] = dims[i];
    t->dims = copy; /* shapes of values share them, and outlive the message */
    CZ_TRY(check_dims(t, err));
    if (cz_proto_tensor_is_external(proto)) {
        t->storage = CZ_STORAGE_EXTERNAL;
        return cz_external_attach(t, err);
    }
    t->storage =
        cz_proto_tensor_has_raw(proto) ? CZ_STORAGE_RAW : CZ_STORAGE_TYPED;
    return check_amount(t, err);
}

enum cz_status cz_tensor_view_attr(struct cz_tensor **tensor,
                                   struct cz_model *model, void *proto,
                                   struct cz_error *err)
{
    CZ_TRY(new_tensor(tensor, model, proto, err));
    struct cz_tensor *t = *tensor;
    int kind = cz_proto_attr_kind(proto);
    bool is_list = kind == CZ_ATTR_FLOATS || kind == CZ_ATTR_INTS;
    int64_t *dim = cz_arena_alloc(&model->arena, 1, sizeof *dim);
    if (!dim)
        return cz_error_nomem(err);
    t->storage = CZ_STORAGE_ATTR;
    t->dtype = kind == CZ_ATTR_FLOAT || kind == CZ_ATTR_FLOATS ? CZ_DTYPE_FLOAT
                                                               : CZ_DTYPE_INT64;
    t->count = cz_proto_attr_count(proto);
    t->rank = is_list ? 1 : 0;
    *dim = (int64_t)t->count;
    t->dims = dim;
    return CZ_OK;
}

/* A single number has no array in the message: it gets one of its own, which
 * is read-only in effect. */
static enum cz_status attr_data(const struct cz_tensor *t, void **data,
                                struct cz_error *err)
{
    switch (cz_proto_attr_kind(t->proto)) {
    case CZ_ATTR_FLOATS:
        *data = cz_proto_attr_floats(t->proto);
        return CZ_OK;
    case CZ_ATTR_INTS:
        *data = cz_proto_attr_ints(t->proto);
        return CZ_OK;
    default:
        break;
    }
    *data = cz_arena_alloc(&t->model->arena, 1, sizeof(int64_t));
    if (!*data)
        return cz_error_nomem(err);
    if (t->dtype == CZ_DTYPE_FLOAT)
        *(float *)*data = cz_proto_attr_float(t->proto);
    else
        *(int64_t *)*data = cz_proto_attr_int(t->proto);
    return CZ_OK;
}

enum cz_status cz_tensor_elements(struct cz_tensor *tensor,
                                  struct cz_elements *elements,
                                  struct cz_error *err)
{
    *elements = (struct cz_elements){
        .count = tensor->count,
        .stride = cz_dtype_bits(tensor->dtype) / 8,
        .dtype = tensor->dtype,
    };
    if (tensor->is_dropped)
        return cz_error_set(err, CZ_EINVAL, "tensor '%.100s' was dropped",
                            tensor->name);
    switch (tensor->storage) {
    case CZ_STORAGE_RAW:
        elements->data = cz_proto_tensor_data(tensor->proto, CZ_PROTO_DATA_RAW);
        return CZ_OK;
    case CZ_STORAGE_TYPED: {
        struct typed_field field = typed_field(tensor->dtype);
        elements->data = cz_proto_tensor_data(tensor->proto, field.field);
        if (elements->stride)
            elements->stride = field.entry_bytes * field.entries;
        return CZ_OK;
    }
    case CZ_STORAGE_EXTERNAL:
        CZ_TRY(cz_external_load(tensor->external, err));
        elements->data = tensor->external->bytes;
        return CZ_OK;
    case CZ_STORAGE_ATTR:
        return attr_data(tensor, &elements->data, err);
    }
    return cz_error_set(err, CZ_EINTERNAL, "unknown storage");
}

void cz_tensor_drop(struct cz_tensor *tensor)
{
    if (tensor->storage == CZ_STORAGE_EXTERNAL) {
        cz_free(tensor->external->bytes);
        tensor->external->bytes = NULL;
    } else if (tensor->storage != CZ_STORAGE_ATTR) {
        cz_proto_tensor_clear(tensor->proto);
        tensor->is_dropped = true;
    }
}

double cz_elements_get(const struct cz_elements *elements, size_t i)
{
    const char *at = (const char *)elements->data + i * elements->stride;
    union {
        float f;
        double d;
        uint8_t u8;
        int8_t i8;
        uint16_t u16;
        int16_t i16;
        uint32_t u32;
        int32_t i32;
        uint64_t u64;
        int64_t i64;
    } v;
    size_t bits = cz_dtype_bits(elements->dtype);
    if (bits < 8 || bits > 64)
        return 0;
    memcpy(&v, at, bits / 8);
    switch (elements->dtype) {
    case CZ_DTYPE_FLOAT:
        return (double)v.f;
    case CZ_DTYPE_DOUBLE:
        return v.d;
    case CZ_DTYPE_FLOAT16:
        return (double)cz_half_to_float(v.u16);
    case CZ_DTYPE_BFLOAT16:
        return (double)cz_bfloat16_to_float(v.u16);
    case CZ_DTYPE_UINT8:
    case CZ_DTYPE_BOOL:
        return v.u8;
    case CZ_DTYPE_INT8:
        return v.i8;
    case CZ_DTYPE_UINT16:
        return v.u16;
    case CZ_DTYPE_INT16:
        return v.i16;
    case CZ_DTYPE_UINT32:
        return v.u32;
    case CZ_DTYPE_INT32:
        return v.i32;
    case CZ_DTYPE_UINT64:
        return (double)v.u64;
    case CZ_DTYPE_INT64:
        return (double)v.i64;
    default:
        return 0;
    }
}

enum cz_status cz_tensor_floats(struct cz_tensor *tensor, float **floats,
                                struct cz_error *err)
{
    struct cz_elements elements;
    CZ_TRY(cz_tensor_elements(tensor, &elements, err));
    *floats = cz_realloc_array(NULL, elements.count + 1, sizeof **floats);
    if (!*floats)
        return cz_error_nomem(err);
    for (size_t i = 0; i < elements.count; i++)
        (*floats)[i] = (float)cz_elements_get(&elements, i);
    return CZ_OK;
}

void cz_elements_set(const struct cz_elements *elements, size_t i, float number)
{
    char *at = (char *)elements->data + i * elements->stride;
    if (elements->dtype == CZ_DTYPE_FLOAT) {
        memcpy(at, &number, sizeof number);
        return;
    }
    const uint16_t half = elements->dtype == CZ_DTYPE_FLOAT16
                              ? cz_half_from_float(number)
                              : cz_bfloat16_from_float(number);
    memcpy(at, &half, sizeof half);
}

int64_t cz_elements_get_int(const struct cz_elements *elements, size_t i)
{
    const char *at = (const char *)elements->data + i * elements->stride;
    int64_t wide;
    int32_t narrow;
    if (elements->dtype == CZ_DTYPE_INT64) {
        memcpy(&wide, at, sizeof wide);
        return wide;
    }
    memcpy(&narrow, at, sizeof narrow);
    return narrow;
}

void cz_tensor_touch(struct cz_tensor *tensor)
{
    if (tensor->storage == CZ_STORAGE_EXTERNAL)
        tensor->model->externals_changed = true;
}

/* The attribute of a Constant that held plain numbers holds `t` now. */
static enum cz_status view_as_tensor(struct cz_tensor *t, struct cz_error *err)
{
    struct cz_tensor **tensors =
        cz_arena_alloc(&t->model->arena, 1, sizeof *tensors);
    if (!tensors)
        return cz_error_nomem(err);
    tensors[0] = t;
    *t->attr = (struct cz_attr){.name = "value",
                                .kind = CZ_ATTR_TENSOR,
                                .count = 1,
                                .tensors = tensors};
    return CZ_OK;
}

/* Gives a tensor that is not packed float32 its float16 content. */
static enum cz_status replace_by_half(struct cz_tensor *t, const void *half,
                                      struct cz_error *err)
{
    if (t->storage == CZ_STORAGE_ATTR) {
        void *proto;
        CZ_TRY(cz_proto_attr_make_tensor(&proto, t->proto, "value", err));
        t->proto = proto;
        CZ_TRY(cz_proto_tensor_put_dims(proto, t->dims, t->rank, err));
    }
    t->storage = CZ_STORAGE_RAW;
    CZ_TRY(cz_proto_tensor_put_raw(t->proto, half, t->count * 2, err));
    return t->attr ? view_as_tensor(t, err) : CZ_OK;
}

enum cz_status cz_tensor_to_half(struct cz_tensor *tensor,
                                 struct cz_half_counts *counts,
                                 struct cz_error *err)
{
    struct cz_elements e;
    CZ_TRY(cz_tensor_elements(tensor, &e, err));
    if (e.dtype != CZ_DTYPE_FLOAT)
        return cz_error_set(err, CZ_EINTERNAL, "tensor '%.100s' is not float32",
                            tensor->name);
    cz_half_from_floats(e.data, e.data, e.count, counts);
    switch (tensor->storage) {
    case CZ_STORAGE_RAW:
        cz_proto_tensor_cut_raw(tensor->proto, e.count * 2);
        break;
    case CZ_STORAGE_EXTERNAL:
        cz_tensor_touch(tensor);
        break;
    case CZ_STORAGE_TYPED:
    case CZ_STORAGE_ATTR:
        CZ_TRY(replace_by_half(tensor, e.data, err));
        break;
    }
    tensor->dtype = CZ_DTYPE_FLOAT16;
    cz_proto_tensor_set_dtype(tensor->proto, CZ_DTYPE_FLOAT16);
    return CZ_OK;
}

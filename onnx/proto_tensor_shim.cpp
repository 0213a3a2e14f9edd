/* The tensors of proto_shim.h: types, dims, elements, external data. */
#include "onnx/proto_shim.h"

#include <algorithm>

#include "onnx/proto_shim_internal.h"

using google::protobuf::RepeatedField;
using onnx::SparseTensorProto;
using onnx::StringStringEntryProto;
using onnx::TensorProto;

namespace
{

template <typename Entries>
StringStringEntryProto *entry(Entries *entries, const char *key)
{
    for (auto &e : *entries)
        if (e.key() == key)
            return &e;
    auto *added = entries->Add();
    added->set_key(key);
    return added;
}

} // namespace

cz_proto_text cz_proto_tensor_name(const void *tensor) noexcept
{
    return text_of(tensor_of(tensor).name());
}

int cz_proto_tensor_dtype(const void *tensor) noexcept
{
    return tensor_of(tensor).data_type();
}

const int64_t *cz_proto_tensor_dims(const void *tensor, size_t *rank) noexcept
{
    const auto &dims = tensor_of(tensor).dims();
    *rank = static_cast<size_t>(dims.size());
    return dims.data();
}

bool cz_proto_tensor_has_raw(const void *tensor) noexcept
{
    return tensor_of(tensor).has_raw_data();
}

size_t cz_proto_tensor_data_count(const void *tensor,
                                  cz_proto_data field) noexcept
{
    const TensorProto &t = tensor_of(tensor);
    int count = 0;
    switch (field) {
    case CZ_PROTO_DATA_RAW:
        return t.raw_data().size();
    case CZ_PROTO_DATA_FLOAT:
        count = t.float_data_size();
        break;
    case CZ_PROTO_DATA_INT32:
        count = t.int32_data_size();
        break;
    case CZ_PROTO_DATA_INT64:
        count = t.int64_data_size();
        break;
    case CZ_PROTO_DATA_UINT64:
        count = t.uint64_data_size();
        break;
    case CZ_PROTO_DATA_DOUBLE:
        count = t.double_data_size();
        break;
    case CZ_PROTO_DATA_STRING:
        count = t.string_data_size();
        break;
    }
    return static_cast<size_t>(count);
}

void *cz_proto_tensor_data(void *tensor, cz_proto_data field) noexcept
{
    auto *t = static_cast<TensorProto *>(tensor);
    switch (field) {
    case CZ_PROTO_DATA_RAW:
        return &(*t->mutable_raw_data())[0];
    case CZ_PROTO_DATA_FLOAT:
        return t->mutable_float_data()->mutable_data();
    case CZ_PROTO_DATA_INT32:
        return t->mutable_int32_data()->mutable_data();
    case CZ_PROTO_DATA_INT64:
        return t->mutable_int64_data()->mutable_data();
    case CZ_PROTO_DATA_UINT64:
        return t->mutable_uint64_data()->mutable_data();
    case CZ_PROTO_DATA_DOUBLE:
        return t->mutable_double_data()->mutable_data();
    case CZ_PROTO_DATA_STRING:
        break;
    }
    return nullptr;
}

void *cz_proto_sparse_values(void *sparse) noexcept
{
    auto *s = static_cast<SparseTensorProto *>(sparse);
    return s->has_values() ? s->mutable_values() : nullptr;
}

void *cz_proto_sparse_indices(void *sparse) noexcept
{
    auto *s = static_cast<SparseTensorProto *>(sparse);
    return s->has_indices() ? s->mutable_indices() : nullptr;
}

bool cz_proto_tensor_is_external(const void *tensor) noexcept
{
    return tensor_of(tensor).data_location() == TensorProto::EXTERNAL;
}

size_t cz_proto_tensor_external_count(const void *tensor) noexcept
{
    return static_cast<size_t>(tensor_of(tensor).external_data_size());
}

void cz_proto_tensor_external(const void *tensor, size_t i, cz_proto_text *key,
                              cz_proto_text *value) noexcept
{
    const auto &e = tensor_of(tensor).external_data(static_cast<int>(i));
    *key = text_of(e.key());
    *value = text_of(e.value());
}

cz_status cz_proto_tensor_put_external(void *tensor, const char *key,
                                       const char *value,
                                       cz_error *err) noexcept
{
    return guarded(err, [&] {
        auto *t = static_cast<TensorProto *>(tensor);
        entry(t->mutable_external_data(), key)->set_value(value);
        return CZ_OK;
    });
}

void cz_proto_tensor_drop_external(void *tensor, const char *key) noexcept
{
    auto *entries = static_cast<TensorProto *>(tensor)->mutable_external_data();
    auto gone = std::remove_if(entries->begin(), entries->end(),
                               [&](const auto &e) { return e.key() == key; });
    entries->erase(gone, entries->end());
}

void cz_proto_tensor_set_dtype(void *tensor, int dtype) noexcept
{
    static_cast<TensorProto *>(tensor)->set_data_type(dtype);
}

void cz_proto_tensor_cut_raw(void *tensor, size_t size) noexcept
{
    static_cast<TensorProto *>(tensor)->mutable_raw_data()->resize(size);
}

void cz_proto_tensor_clear(void *tensor) noexcept
{
    auto *t = static_cast<TensorProto *>(tensor);
    delete t->release_raw_data(); /* clear_...() would keep the memory */
    RepeatedField<float>().Swap(t->mutable_float_data());
    RepeatedField<int32_t>().Swap(t->mutable_int32_data());
    RepeatedField<int64_t>().Swap(t->mutable_int64_data());
    RepeatedField<uint64_t>().Swap(t->mutable_uint64_data());
    RepeatedField<double>().Swap(t->mutable_double_data());
}

cz_status cz_proto_tensor_put_raw(void *tensor, const void *bytes, size_t size,
                                  cz_error *err) noexcept
{
    return guarded(err, [&] {
        auto *t = static_cast<TensorProto *>(tensor);
        t->set_raw_data(bytes, size); /* `bytes` may lie in a field below */
        t->clear_float_data();
        t->clear_int32_data();
        t->clear_int64_data();
        t->clear_uint64_data();
        t->clear_double_data();
        return CZ_OK;
    });
}

cz_status cz_proto_tensor_put_dims(void *tensor, const int64_t *dims,
                                   size_t rank, cz_error *err) noexcept
{
    return guarded(err, [&] {
        auto *list = static_cast<TensorProto *>(tensor)->mutable_dims();
        list->Clear();
        list->Add(dims, dims + rank);
        return CZ_OK;
    });
}

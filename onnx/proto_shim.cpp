/* See proto_shim.h. Field access only; every exception of the libraries ends
 * here. */
#include "onnx/proto_shim.h"

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstring>
#include <exception>
#include <memory>
#include <new>
#include <string>
#include <vector>

#include <unistd.h>

#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/io/zero_copy_stream_impl.h>
#include <google/protobuf/stubs/logging.h>
#include <onnx/onnx_pb.h>

using google::protobuf::RepeatedField;
using google::protobuf::io::ArrayInputStream;
using google::protobuf::io::CodedInputStream;
using google::protobuf::io::CopyingOutputStreamAdaptor;
using google::protobuf::io::FileInputStream;
using google::protobuf::io::ZeroCopyInputStream;
using onnx::AttributeProto;
using onnx::GraphProto;
using onnx::ModelProto;
using onnx::NodeProto;
using onnx::SparseTensorProto;
using onnx::StringStringEntryProto;
using onnx::TensorProto;
using onnx::ValueInfoProto;

namespace
{

/* Fits in the caches, and is allocated without a mapping of its own. */
constexpr int kBufferBytes = 64 * 1024;

/* FileOutputStream of protobuf 3.21 ignores its block size and writes 8 KB at
 * a time. */
class FileWriter final : public google::protobuf::io::CopyingOutputStream
{
    int fd;

  public:
    int error = 0;

    explicit FileWriter(int to) : fd(to)
    {
    }

    bool Write(const void *bytes, int size) override
    {
        auto *at = static_cast<const char *>(bytes);
        while (size > 0) {
            ssize_t written = write(fd, at, static_cast<size_t>(size));
            if (written < 0 && errno == EINTR)
                continue;
            if (written < 0) {
                error = errno;
                return false;
            }
            at += written;
            size -= static_cast<int>(written);
        }
        return true;
    }
};

const ModelProto &model_of(const void *p)
{
    return *static_cast<const ModelProto *>(p);
}

const GraphProto &graph_of(const void *p)
{
    return *static_cast<const GraphProto *>(p);
}

const NodeProto &node_of(const void *p)
{
    return *static_cast<const NodeProto *>(p);
}

const AttributeProto &attr_of(const void *p)
{
    return *static_cast<const AttributeProto *>(p);
}

const TensorProto &tensor_of(const void *p)
{
    return *static_cast<const TensorProto *>(p);
}

const ValueInfoProto &info_of(const void *p)
{
    return *static_cast<const ValueInfoProto *>(p);
}

cz_proto_text text_of(const std::string &s)
{
    return {s.c_str(), s.size()};
}

/* Runs `body`, turning what it throws into a status. */
template <typename Body> cz_status guarded(cz_error *err, Body body) noexcept
{
    try {
        return body();
    } catch (const std::bad_alloc &) {
        return cz_error_set(err, CZ_ENOMEM, "out of memory");
    } catch (const std::exception &e) {
        return cz_error_set(err, CZ_EINTERNAL, "%s", e.what());
    } catch (...) {
        return cz_error_set(err, CZ_EINTERNAL, "unknown C++ exception");
    }
}

cz_status parse_stream(void **model, ZeroCopyInputStream *stream, cz_error *err)
{
    google::protobuf::LogSilencer silence;
    auto message = std::make_unique<ModelProto>();
    CodedInputStream coded(stream);
    coded.SetTotalBytesLimit(INT_MAX);
    if (!message->ParsePartialFromCodedStream(&coded) ||
        !coded.ConsumedEntireMessage()) {
        return cz_error_set(err, CZ_EPARSE,
                            "not an ONNX file, or cut short (protobuf cannot "
                            "parse it)");
    }
    *model = message.release();
    return CZ_OK;
}

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

/* ---- model ------------------------------------------------------------ */

cz_status cz_proto_model_read(void **model, int fd, cz_error *err) noexcept
{
    return guarded(err, [&] {
        FileInputStream stream(fd, kBufferBytes);
        cz_status status = parse_stream(model, &stream, err);
        if (stream.GetErrno() == 0)
            return status;
        if (status == CZ_OK)
            cz_proto_model_free(*model);
        return cz_error_set(err, CZ_EIO, "cannot read: %s",
                            strerror(stream.GetErrno()));
    });
}

cz_status cz_proto_model_parse(void **model, const void *bytes, size_t size,
                               cz_error *err) noexcept
{
    return guarded(err, [&] {
        if (size > INT_MAX)
            return cz_error_set(err, CZ_EPARSE, "larger than 2 GB");
        ArrayInputStream stream(bytes, static_cast<int>(size));
        return parse_stream(model, &stream, err);
    });
}

cz_status cz_proto_model_write(const void *model, int fd,
                               cz_error *err) noexcept
{
    return guarded(err, [&] {
        if (model_of(model).ByteSizeLong() > INT_MAX)
            return cz_error_set(err, CZ_EUNSUPPORTED,
                                "larger than protobuf's 2 GB");
        FileWriter file(fd);
        CopyingOutputStreamAdaptor stream(&file, kBufferBytes);
        if (model_of(model).SerializePartialToZeroCopyStream(&stream) &&
            stream.Flush())
            return CZ_OK;
        return cz_error_set(err, CZ_EIO, "cannot write: %s",
                            strerror(file.error));
    });
}

void cz_proto_model_free(void *model) noexcept
{
    delete static_cast<ModelProto *>(model);
}

int64_t cz_proto_model_ir_version(const void *model) noexcept
{
    return model_of(model).ir_version();
}

cz_proto_text cz_proto_model_producer(const void *model) noexcept
{
    return text_of(model_of(model).producer_name());
}

bool cz_proto_model_has_graph(const void *model) noexcept
{
    return model_of(model).has_graph();
}

void *cz_proto_model_graph(void *model) noexcept
{
    return static_cast<ModelProto *>(model)->mutable_graph();
}

size_t cz_proto_model_function_count(const void *model) noexcept
{
    return static_cast<size_t>(model_of(model).functions_size());
}

size_t cz_proto_model_opset_count(const void *model) noexcept
{
    return static_cast<size_t>(model_of(model).opset_import_size());
}

int64_t cz_proto_model_opset(const void *model, size_t i,
                             cz_proto_text *domain) noexcept
{
    const auto &opset = model_of(model).opset_import(static_cast<int>(i));
    *domain = text_of(opset.domain());
    return opset.version();
}

size_t cz_proto_model_metadata_count(const void *model) noexcept
{
    return static_cast<size_t>(model_of(model).metadata_props_size());
}

void cz_proto_model_metadata(const void *model, size_t i, cz_proto_text *key,
                             cz_proto_text *value) noexcept
{
    const auto &prop = model_of(model).metadata_props(static_cast<int>(i));
    *key = text_of(prop.key());
    *value = text_of(prop.value());
}

/* ---- graph ------------------------------------------------------------ */

cz_proto_text cz_proto_graph_name(const void *graph) noexcept
{
    return text_of(graph_of(graph).name());
}

size_t cz_proto_graph_count(const void *graph, cz_proto_list list) noexcept
{
    const GraphProto &g = graph_of(graph);
    int count = 0;
    switch (list) {
    case CZ_PROTO_NODE:
        count = g.node_size();
        break;
    case CZ_PROTO_INITIALIZER:
        count = g.initializer_size();
        break;
    case CZ_PROTO_SPARSE_INITIALIZER:
        count = g.sparse_initializer_size();
        break;
    case CZ_PROTO_INPUT:
        count = g.input_size();
        break;
    case CZ_PROTO_OUTPUT:
        count = g.output_size();
        break;
    case CZ_PROTO_VALUE_INFO:
        count = g.value_info_size();
        break;
    }
    return static_cast<size_t>(count);
}

void *cz_proto_graph_item(void *graph, cz_proto_list list, size_t i) noexcept
{
    auto *g = static_cast<GraphProto *>(graph);
    int at = static_cast<int>(i);
    switch (list) {
    case CZ_PROTO_NODE:
        return g->mutable_node(at);
    case CZ_PROTO_INITIALIZER:
        return g->mutable_initializer(at);
    case CZ_PROTO_SPARSE_INITIALIZER:
        return g->mutable_sparse_initializer(at);
    case CZ_PROTO_INPUT:
        return g->mutable_input(at);
    case CZ_PROTO_OUTPUT:
        return g->mutable_output(at);
    case CZ_PROTO_VALUE_INFO:
        return g->mutable_value_info(at);
    }
    return nullptr;
}

cz_status cz_proto_graph_add_node(void **node, void *graph, const char *op_type,
                                  cz_error *err) noexcept
{
    return guarded(err, [&] {
        NodeProto *added = static_cast<GraphProto *>(graph)->add_node();
        *node = added;
        added->set_op_type(op_type);
        return CZ_OK;
    });
}

cz_status cz_proto_graph_order(void *graph, void *const *nodes, size_t count,
                               cz_error *err) noexcept
{
    return guarded(err, [&] {
        auto *list = static_cast<GraphProto *>(graph)->mutable_node();
        if (static_cast<size_t>(list->size()) != count)
            return cz_error_set(err, CZ_EINTERNAL, "%d nodes, %zu ordered",
                                list->size(), count);
        std::vector<NodeProto *> released(count);
        list->UnsafeArenaExtractSubrange(0, list->size(), released.data());
        for (size_t i = 0; i < count; i++)
            list->UnsafeArenaAddAllocated(static_cast<NodeProto *>(nodes[i]));
        return CZ_OK;
    });
}

cz_status cz_proto_graph_add_copy(void **copy, void *graph, const void *tensor,
                                  const char *name, cz_error *err) noexcept
{
    return guarded(err, [&] {
        TensorProto *added =
            static_cast<GraphProto *>(graph)->add_initializer();
        *copy = added;
        added->CopyFrom(tensor_of(tensor));
        added->set_name(name);
        return CZ_OK;
    });
}

/* ---- value info ------------------------------------------------------- */

cz_proto_text cz_proto_info_name(const void *info) noexcept
{
    return text_of(info_of(info).name());
}

int cz_proto_info_dtype(const void *info) noexcept
{
    const auto &type = info_of(info).type();
    return type.has_tensor_type() ? type.tensor_type().elem_type() : 0;
}

void cz_proto_info_set_dtype(void *info, int dtype) noexcept
{
    auto *type = static_cast<ValueInfoProto *>(info)->mutable_type();
    type->mutable_tensor_type()->set_elem_type(dtype);
}

bool cz_proto_info_rank(const void *info, size_t *rank) noexcept
{
    const auto &type = info_of(info).type();
    if (!type.has_tensor_type() || !type.tensor_type().has_shape())
        return false;
    *rank = static_cast<size_t>(type.tensor_type().shape().dim_size());
    return true;
}

int64_t cz_proto_info_dim(const void *info, size_t i) noexcept
{
    const auto &shape = info_of(info).type().tensor_type().shape();
    const auto &dim = shape.dim(static_cast<int>(i));
    return dim.has_dim_value() ? dim.dim_value() : -1;
}

/* ---- node ------------------------------------------------------------- */

cz_proto_text cz_proto_node_text(const void *node,
                                 cz_proto_node_field field) noexcept
{
    switch (field) {
    case CZ_PROTO_NODE_NAME:
        return text_of(node_of(node).name());
    case CZ_PROTO_NODE_OP_TYPE:
        return text_of(node_of(node).op_type());
    case CZ_PROTO_NODE_DOMAIN:
        return text_of(node_of(node).domain());
    }
    return {"", 0};
}

size_t cz_proto_node_input_count(const void *node) noexcept
{
    return static_cast<size_t>(node_of(node).input_size());
}

size_t cz_proto_node_output_count(const void *node) noexcept
{
    return static_cast<size_t>(node_of(node).output_size());
}

cz_proto_text cz_proto_node_input(const void *node, size_t i) noexcept
{
    return text_of(node_of(node).input(static_cast<int>(i)));
}

cz_proto_text cz_proto_node_output(const void *node, size_t i) noexcept
{
    return text_of(node_of(node).output(static_cast<int>(i)));
}

size_t cz_proto_node_attr_count(const void *node) noexcept
{
    return static_cast<size_t>(node_of(node).attribute_size());
}

void *cz_proto_node_attr(void *node, size_t i) noexcept
{
    auto *n = static_cast<NodeProto *>(node);
    return n->mutable_attribute(static_cast<int>(i));
}

cz_status cz_proto_node_put_input(void *node, size_t i, const char *name,
                                  cz_error *err) noexcept
{
    return guarded(err, [&] {
        auto *n = static_cast<NodeProto *>(node);
        int at = static_cast<int>(i);
        *(at < n->input_size() ? n->mutable_input(at) : n->add_input()) = name;
        return CZ_OK;
    });
}

cz_status cz_proto_node_put_output(void *node, size_t i, const char *name,
                                   cz_error *err) noexcept
{
    return guarded(err, [&] {
        auto *n = static_cast<NodeProto *>(node);
        int at = static_cast<int>(i);
        *(at < n->output_size() ? n->mutable_output(at) : n->add_output()) =
            name;
        return CZ_OK;
    });
}

cz_status cz_proto_node_put_int(void **attr, void *node, const char *name,
                                int64_t number, cz_error *err) noexcept
{
    return guarded(err, [&] {
        auto *attrs = static_cast<NodeProto *>(node)->mutable_attribute();
        auto found =
            std::find_if(attrs->begin(), attrs->end(),
                         [&](const auto &a) { return a.name() == name; });
        AttributeProto *a = found == attrs->end() ? attrs->Add() : &*found;
        a->set_name(name);
        a->set_type(AttributeProto::INT);
        a->set_i(number);
        *attr = a;
        return CZ_OK;
    });
}

/* ---- attribute -------------------------------------------------------- */

cz_proto_text cz_proto_attr_name(const void *attr) noexcept
{
    return text_of(attr_of(attr).name());
}

int cz_proto_attr_kind(const void *attr) noexcept
{
    return attr_of(attr).type();
}

size_t cz_proto_attr_count(const void *attr) noexcept
{
    const AttributeProto &a = attr_of(attr);
    int count = 0;
    switch (a.type()) {
    case AttributeProto::FLOAT:
    case AttributeProto::INT:
    case AttributeProto::STRING:
        count = 1; /* a missing field reads as its default */
        break;
    case AttributeProto::TENSOR:
        count = a.has_t();
        break;
    case AttributeProto::GRAPH:
        count = a.has_g();
        break;
    case AttributeProto::FLOATS:
        count = a.floats_size();
        break;
    case AttributeProto::INTS:
        count = a.ints_size();
        break;
    case AttributeProto::STRINGS:
        count = a.strings_size();
        break;
    case AttributeProto::TENSORS:
        count = a.tensors_size();
        break;
    case AttributeProto::GRAPHS:
        count = a.graphs_size();
        break;
    default:
        break;
    }
    return static_cast<size_t>(count);
}

float cz_proto_attr_float(const void *attr) noexcept
{
    return attr_of(attr).f();
}

int64_t cz_proto_attr_int(const void *attr) noexcept
{
    return attr_of(attr).i();
}

float *cz_proto_attr_floats(void *attr) noexcept
{
    return static_cast<AttributeProto *>(attr)
        ->mutable_floats()
        ->mutable_data();
}

int64_t *cz_proto_attr_ints(void *attr) noexcept
{
    return static_cast<AttributeProto *>(attr)->mutable_ints()->mutable_data();
}

cz_proto_text cz_proto_attr_string(const void *attr, size_t i) noexcept
{
    const AttributeProto &a = attr_of(attr);
    bool single = a.type() == AttributeProto::STRING;
    return text_of(single ? a.s() : a.strings(static_cast<int>(i)));
}

void *cz_proto_attr_tensor(void *attr, size_t i) noexcept
{
    auto *a = static_cast<AttributeProto *>(attr);
    if (a->type() == AttributeProto::TENSOR)
        return a->mutable_t();
    return a->mutable_tensors(static_cast<int>(i));
}

void *cz_proto_attr_graph(void *attr, size_t i) noexcept
{
    auto *a = static_cast<AttributeProto *>(attr);
    if (a->type() == AttributeProto::GRAPH)
        return a->mutable_g();
    return a->mutable_graphs(static_cast<int>(i));
}

size_t cz_proto_attr_sparse_count(const void *attr) noexcept
{
    const AttributeProto &a = attr_of(attr);
    return static_cast<size_t>(a.has_sparse_tensor()) +
           static_cast<size_t>(a.sparse_tensors_size());
}

void *cz_proto_attr_sparse(void *attr, size_t i) noexcept
{
    auto *a = static_cast<AttributeProto *>(attr);
    if (a->has_sparse_tensor() && i == 0)
        return a->mutable_sparse_tensor();
    size_t single = a->has_sparse_tensor();
    return a->mutable_sparse_tensors(static_cast<int>(i - single));
}

cz_status cz_proto_attr_make_tensor(void **tensor, void *attr, const char *name,
                                    cz_error *err) noexcept
{
    return guarded(err, [&] {
        auto *a = static_cast<AttributeProto *>(attr);
        a->clear_f();
        a->clear_i();
        a->clear_floats();
        a->clear_ints();
        a->set_name(name);
        a->set_type(AttributeProto::TENSOR);
        *tensor = a->mutable_t();
        return CZ_OK;
    });
}

/* ---- tensor ----------------------------------------------------------- */

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

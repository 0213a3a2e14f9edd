/* See proto_shim.h. Field access only; every exception of the libraries ends
 * here. Tensors are proto_tensor_shim.cpp's. */
#include "onnx/proto_shim.h"

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstring>
#include <memory>
#include <vector>

#include <unistd.h>

#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/io/zero_copy_stream_impl.h>
#include <google/protobuf/stubs/logging.h>

#include "onnx/proto_shim_internal.h"

using google::protobuf::RepeatedPtrField;
using google::protobuf::io::ArrayInputStream;
using google::protobuf::io::CodedInputStream;
using google::protobuf::io::CopyingOutputStreamAdaptor;
using google::protobuf::io::FileInputStream;
using google::protobuf::io::ZeroCopyInputStream;
using onnx::AttributeProto;
using onnx::GraphProto;
using onnx::ModelProto;
using onnx::NodeProto;
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

/* Memory is asked for before anything changes. */
template <typename Item>
void retain(RepeatedPtrField<Item> *list, void *const *items, size_t count)
{
    std::vector<const void *> kept(items, items + count);
    std::vector<Item *> released(static_cast<size_t>(list->size()));
    std::sort(kept.begin(), kept.end());
    list->UnsafeArenaExtractSubrange(0, list->size(), released.data());
    for (size_t i = 0; i < count; i++)
        list->UnsafeArenaAddAllocated(static_cast<Item *>(items[i]));
    for (Item *item : released) {
        if (!std::binary_search(kept.begin(), kept.end(), item))
            delete item;
    }
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

void cz_proto_model_set_ir_version(void *model, int64_t version) noexcept
{
    static_cast<ModelProto *>(model)->set_ir_version(version);
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

void cz_proto_model_set_opset(void *model, size_t i, int64_t version) noexcept
{
    auto *m = static_cast<ModelProto *>(model);
    m->mutable_opset_import(static_cast<int>(i))->set_version(version);
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

cz_status cz_proto_graph_retain(void *graph, cz_proto_list list,
                                void *const *items, size_t count,
                                cz_error *err) noexcept
{
    return guarded(err, [&] {
        auto *g = static_cast<GraphProto *>(graph);
        switch (list) {
        case CZ_PROTO_NODE:
            retain(g->mutable_node(), items, count);
            break;
        case CZ_PROTO_INITIALIZER:
            retain(g->mutable_initializer(), items, count);
            break;
        case CZ_PROTO_INPUT:
            retain(g->mutable_input(), items, count);
            break;
        case CZ_PROTO_OUTPUT:
            retain(g->mutable_output(), items, count);
            break;
        case CZ_PROTO_VALUE_INFO:
            retain(g->mutable_value_info(), items, count);
            break;
        case CZ_PROTO_SPARSE_INITIALIZER:
            break;
        }
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

cz_status cz_proto_graph_add_tensor(void **tensor, void *graph,
                                    const char *name, cz_error *err) noexcept
{
    return guarded(err, [&] {
        TensorProto *added =
            static_cast<GraphProto *>(graph)->add_initializer();
        *tensor = added;
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

void cz_proto_info_set_dim(void *info, size_t i, int64_t dim) noexcept
{
    size_t rank;
    if (!cz_proto_info_rank(info, &rank) || i >= rank)
        return;
    auto *type = static_cast<ValueInfoProto *>(info)->mutable_type();
    auto *shape = type->mutable_tensor_type()->mutable_shape();
    shape->mutable_dim(static_cast<int>(i))->set_dim_value(dim);
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

cz_status cz_proto_node_set_op_type(void *node, const char *op_type,
                                    cz_error *err) noexcept
{
    return guarded(err, [&] {
        static_cast<NodeProto *>(node)->set_op_type(op_type);
        return CZ_OK;
    });
}

cz_status cz_proto_node_put_attr(void **attr, void *node, const char *name,
                                 int kind, cz_error *err) noexcept
{
    return guarded(err, [&] {
        auto *attrs = static_cast<NodeProto *>(node)->mutable_attribute();
        auto found =
            std::find_if(attrs->begin(), attrs->end(),
                         [&](const auto &a) { return a.name() == name; });
        AttributeProto *a = found == attrs->end() ? attrs->Add() : &*found;
        a->clear_f();
        a->clear_i();
        a->clear_s();
        a->clear_floats();
        a->clear_ints();
        a->clear_strings();
        a->set_name(name);
        a->set_type(static_cast<AttributeProto::AttributeType>(kind));
        *attr = a;
        return CZ_OK;
    });
}

void cz_proto_node_drop_attr(void *node, const char *name) noexcept
{
    auto *attrs = static_cast<NodeProto *>(node)->mutable_attribute();
    for (int i = attrs->size(); i-- > 0;) {
        if (attrs->Get(i).name() == name)
            attrs->DeleteSubrange(i, 1);
    }
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

cz_status cz_proto_attr_add_float(void *attr, float number,
                                  cz_error *err) noexcept
{
    return guarded(err, [&] {
        auto *a = static_cast<AttributeProto *>(attr);
        if (a->type() == AttributeProto::FLOAT)
            a->set_f(number);
        else
            a->add_floats(number);
        return CZ_OK;
    });
}

cz_status cz_proto_attr_add_int(void *attr, int64_t number,
                                cz_error *err) noexcept
{
    return guarded(err, [&] {
        auto *a = static_cast<AttributeProto *>(attr);
        if (a->type() == AttributeProto::INT)
            a->set_i(number);
        else
            a->add_ints(number);
        return CZ_OK;
    });
}

cz_status cz_proto_attr_add_string(void *attr, cz_proto_text text,
                                   cz_error *err) noexcept
{
    return guarded(err, [&] {
        auto *a = static_cast<AttributeProto *>(attr);
        if (a->type() == AttributeProto::STRING)
            a->set_s(text.data, text.size);
        else
            a->add_strings(text.data, text.size);
        return CZ_OK;
    });
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

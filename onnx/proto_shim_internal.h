/* What the files behind proto_shim.h share: handles as messages, and exceptions
 * as statuses. C++ only. */
#ifndef CZ_ONNX_PROTO_SHIM_INTERNAL_H
#define CZ_ONNX_PROTO_SHIM_INTERNAL_H

#include <exception>
#include <new>
#include <string>

#include <onnx/onnx_pb.h>

#include "onnx/proto_shim.h"

inline const onnx::ModelProto &model_of(const void *p)
{
    return *static_cast<const onnx::ModelProto *>(p);
}

inline const onnx::GraphProto &graph_of(const void *p)
{
    return *static_cast<const onnx::GraphProto *>(p);
}

inline const onnx::NodeProto &node_of(const void *p)
{
    return *static_cast<const onnx::NodeProto *>(p);
}

inline const onnx::AttributeProto &attr_of(const void *p)
{
    return *static_cast<const onnx::AttributeProto *>(p);
}

inline const onnx::TensorProto &tensor_of(const void *p)
{
    return *static_cast<const onnx::TensorProto *>(p);
}

inline const onnx::ValueInfoProto &info_of(const void *p)
{
    return *static_cast<const onnx::ValueInfoProto *>(p);
}

inline cz_proto_text text_of(const std::string &s)
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

#endif

/* libonnx's protobuf classes for C.
 *
 * Handles are pointers to messages, owned by the model's: a model is
 * onnx::ModelProto, a graph GraphProto, a node NodeProto, and so on. Indices
 * must be in range. Nothing here decides anything: it reads and writes
 * fields. */
#ifndef CZ_ONNX_PROTO_SHIM_H
#define CZ_ONNX_PROTO_SHIM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/error.h"

#ifdef __cplusplus
extern "C" {
#endif

/* A string field: not owned, NUL-terminated, may hold NULs inside. */
struct cz_proto_text {
    const char *data;
    size_t size;
};

/* ---- model ------------------------------------------------------------ */

/* Parses all that can be read from `fd`, in pieces. CZ_EPARSE, CZ_ENOMEM or
 * CZ_EIO; free with cz_proto_model_free(). */
enum cz_status cz_proto_model_read(void **model, int fd,
                                   struct cz_error *err) CZ_NOEXCEPT;
enum cz_status cz_proto_model_parse(void **model, const void *bytes,
                                    size_t size,
                                    struct cz_error *err) CZ_NOEXCEPT;
enum cz_status cz_proto_model_write(const void *model, int fd,
                                    struct cz_error *err) CZ_NOEXCEPT;
void cz_proto_model_free(void *model) CZ_NOEXCEPT;

int64_t cz_proto_model_ir_version(const void *model) CZ_NOEXCEPT;
void cz_proto_model_set_ir_version(void *model, int64_t version) CZ_NOEXCEPT;
struct cz_proto_text cz_proto_model_producer(const void *model) CZ_NOEXCEPT;
bool cz_proto_model_has_graph(const void *model) CZ_NOEXCEPT;
void *cz_proto_model_graph(void *model) CZ_NOEXCEPT;
size_t cz_proto_model_function_count(const void *model) CZ_NOEXCEPT;

size_t cz_proto_model_opset_count(const void *model) CZ_NOEXCEPT;
int64_t cz_proto_model_opset(const void *model, size_t i,
                             struct cz_proto_text *domain) CZ_NOEXCEPT;
void cz_proto_model_set_opset(void *model, size_t i,
                              int64_t version) CZ_NOEXCEPT;

size_t cz_proto_model_metadata_count(const void *model) CZ_NOEXCEPT;
void cz_proto_model_metadata(const void *model, size_t i,
                             struct cz_proto_text *key,
                             struct cz_proto_text *value) CZ_NOEXCEPT;

/* ---- graph ------------------------------------------------------------ */

enum cz_proto_list {
    CZ_PROTO_NODE,
    CZ_PROTO_INITIALIZER,
    CZ_PROTO_SPARSE_INITIALIZER,
    CZ_PROTO_INPUT,
    CZ_PROTO_OUTPUT,
    CZ_PROTO_VALUE_INFO,
};

struct cz_proto_text cz_proto_graph_name(const void *graph) CZ_NOEXCEPT;
size_t cz_proto_graph_count(const void *graph,
                            enum cz_proto_list list) CZ_NOEXCEPT;
void *cz_proto_graph_item(void *graph, enum cz_proto_list list,
                          size_t i) CZ_NOEXCEPT;

enum cz_status cz_proto_graph_add_node(void **node, void *graph,
                                       const char *op_type,
                                       struct cz_error *err) CZ_NOEXCEPT;

/* Leaves those `items` in the list, in this order, and frees the others; not
 * for sparse initializers. */
enum cz_status cz_proto_graph_retain(void *graph, enum cz_proto_list list,
                                     void *const *items, size_t count,
                                     struct cz_error *err) CZ_NOEXCEPT;

/* Adds an initializer `name`, otherwise a copy of `tensor`. */
enum cz_status cz_proto_graph_add_copy(void **copy, void *graph,
                                       const void *tensor, const char *name,
                                       struct cz_error *err) CZ_NOEXCEPT;

/* Adds an initializer `name` without type, dims and elements. */
enum cz_status cz_proto_graph_add_tensor(void **tensor, void *graph,
                                         const char *name,
                                         struct cz_error *err) CZ_NOEXCEPT;

/* ---- value info ------------------------------------------------------- */

struct cz_proto_text cz_proto_info_name(const void *info) CZ_NOEXCEPT;

/* 0 where it is no tensor or says nothing. */
int cz_proto_info_dtype(const void *info) CZ_NOEXCEPT;
void cz_proto_info_set_dtype(void *info, int dtype) CZ_NOEXCEPT;

/* False when no shape is declared. */
bool cz_proto_info_rank(const void *info, size_t *rank) CZ_NOEXCEPT;

/* A dimension; -1 when it is symbolic or not given. */
int64_t cz_proto_info_dim(const void *info, size_t i) CZ_NOEXCEPT;

/* Sets a dimension where a shape that has it is declared. */
void cz_proto_info_set_dim(void *info, size_t i, int64_t dim) CZ_NOEXCEPT;

/* ---- node ------------------------------------------------------------- */

enum cz_proto_node_field {
    CZ_PROTO_NODE_NAME,
    CZ_PROTO_NODE_OP_TYPE,
    CZ_PROTO_NODE_DOMAIN,
};

struct cz_proto_text
cz_proto_node_text(const void *node,
                   enum cz_proto_node_field field) CZ_NOEXCEPT;
size_t cz_proto_node_input_count(const void *node) CZ_NOEXCEPT;
size_t cz_proto_node_output_count(const void *node) CZ_NOEXCEPT;
struct cz_proto_text cz_proto_node_input(const void *node,
                                         size_t i) CZ_NOEXCEPT;
struct cz_proto_text cz_proto_node_output(const void *node,
                                          size_t i) CZ_NOEXCEPT;
size_t cz_proto_node_attr_count(const void *node) CZ_NOEXCEPT;
void *cz_proto_node_attr(void *node, size_t i) CZ_NOEXCEPT;

/* Sets an input or output; i may be one beyond the last. */
enum cz_status cz_proto_node_put_input(void *node, size_t i, const char *name,
                                       struct cz_error *err) CZ_NOEXCEPT;
enum cz_status cz_proto_node_put_output(void *node, size_t i, const char *name,
                                        struct cz_error *err) CZ_NOEXCEPT;

enum cz_status cz_proto_node_set_op_type(void *node, const char *op_type,
                                         struct cz_error *err) CZ_NOEXCEPT;

/* Gives an attribute `name` of this kind (AttributeType) with no content,
 * adding it where it is missing. */
enum cz_status cz_proto_node_put_attr(void **attr, void *node, const char *name,
                                      int kind,
                                      struct cz_error *err) CZ_NOEXCEPT;
void cz_proto_node_drop_attr(void *node, const char *name) CZ_NOEXCEPT;

/* ---- attribute -------------------------------------------------------- */

struct cz_proto_text cz_proto_attr_name(const void *attr) CZ_NOEXCEPT;
int cz_proto_attr_kind(const void *attr) CZ_NOEXCEPT;

/* How many values of its kind it holds: 0 or 1 for a single one. */
size_t cz_proto_attr_count(const void *attr) CZ_NOEXCEPT;

float cz_proto_attr_float(const void *attr) CZ_NOEXCEPT;
int64_t cz_proto_attr_int(const void *attr) CZ_NOEXCEPT;
float *cz_proto_attr_floats(void *attr) CZ_NOEXCEPT;
int64_t *cz_proto_attr_ints(void *attr) CZ_NOEXCEPT;
struct cz_proto_text cz_proto_attr_string(const void *attr,
                                          size_t i) CZ_NOEXCEPT;
void *cz_proto_attr_tensor(void *attr, size_t i) CZ_NOEXCEPT;
void *cz_proto_attr_graph(void *attr, size_t i) CZ_NOEXCEPT;

/* Set the content of a single value, or add to a list. */
enum cz_status cz_proto_attr_add_float(void *attr, float number,
                                       struct cz_error *err) CZ_NOEXCEPT;
enum cz_status cz_proto_attr_add_int(void *attr, int64_t number,
                                     struct cz_error *err) CZ_NOEXCEPT;
enum cz_status cz_proto_attr_add_string(void *attr, struct cz_proto_text text,
                                        struct cz_error *err) CZ_NOEXCEPT;

/* Sparse tensors, single or in a list. */
size_t cz_proto_attr_sparse_count(const void *attr) CZ_NOEXCEPT;
void *cz_proto_attr_sparse(void *attr, size_t i) CZ_NOEXCEPT;

/* Turns the attribute into a single tensor called `name` with no content;
 * gives the tensor. */
enum cz_status cz_proto_attr_make_tensor(void **tensor, void *attr,
                                         const char *name,
                                         struct cz_error *err) CZ_NOEXCEPT;

/* ---- tensor ----------------------------------------------------------- */

enum cz_proto_data {
    CZ_PROTO_DATA_RAW, /* counted in bytes */
    CZ_PROTO_DATA_FLOAT,
    CZ_PROTO_DATA_INT32,
    CZ_PROTO_DATA_INT64,
    CZ_PROTO_DATA_UINT64,
    CZ_PROTO_DATA_DOUBLE,
    CZ_PROTO_DATA_STRING, /* only counted */
};

struct cz_proto_text cz_proto_tensor_name(const void *tensor) CZ_NOEXCEPT;
int cz_proto_tensor_dtype(const void *tensor) CZ_NOEXCEPT;
const int64_t *cz_proto_tensor_dims(const void *tensor,
                                    size_t *rank) CZ_NOEXCEPT;
bool cz_proto_tensor_has_raw(const void *tensor) CZ_NOEXCEPT;
size_t cz_proto_tensor_data_count(const void *tensor,
                                  enum cz_proto_data field) CZ_NOEXCEPT;

/* The array of a field, for reading and for changes in place. */
void *cz_proto_tensor_data(void *tensor, enum cz_proto_data field) CZ_NOEXCEPT;

/* The values and the indices of a sparse tensor; NULL where it has none. */
void *cz_proto_sparse_values(void *sparse) CZ_NOEXCEPT;
void *cz_proto_sparse_indices(void *sparse) CZ_NOEXCEPT;

bool cz_proto_tensor_is_external(const void *tensor) CZ_NOEXCEPT;
size_t cz_proto_tensor_external_count(const void *tensor) CZ_NOEXCEPT;
void cz_proto_tensor_external(const void *tensor, size_t i,
                              struct cz_proto_text *key,
                              struct cz_proto_text *value) CZ_NOEXCEPT;

/* Sets the entry `key` of external_data, adding it where it is missing. */
enum cz_status cz_proto_tensor_put_external(void *tensor, const char *key,
                                            const char *value,
                                            struct cz_error *err) CZ_NOEXCEPT;
void cz_proto_tensor_drop_external(void *tensor, const char *key) CZ_NOEXCEPT;

void cz_proto_tensor_set_dtype(void *tensor, int dtype) CZ_NOEXCEPT;

/* Cuts raw_data to its first `size` bytes. */
void cz_proto_tensor_cut_raw(void *tensor, size_t size) CZ_NOEXCEPT;

/* Frees what all fields with elements hold. */
void cz_proto_tensor_clear(void *tensor) CZ_NOEXCEPT;

/* Replaces the content by `size` packed bytes in raw_data. */
enum cz_status cz_proto_tensor_put_raw(void *tensor, const void *bytes,
                                       size_t size,
                                       struct cz_error *err) CZ_NOEXCEPT;
enum cz_status cz_proto_tensor_put_dims(void *tensor, const int64_t *dims,
                                        size_t rank,
                                        struct cz_error *err) CZ_NOEXCEPT;

#ifdef __cplusplus
}
#endif

#endif

/* What the files of onnx/ share: the model's insides, and the steps that
 * build the view. */
#ifndef CZ_ONNX_INTERNAL_H
#define CZ_ONNX_INTERNAL_H

#include "core/alloc.h"
#include "core/output.h"
#include "onnx/onnx.h"
#include "onnx/proto_shim.h"

/* The opsets of ONNX's own domain that the rules of this folder know. */
#define CZ_OPSET_MIN 9
#define CZ_OPSET_MAX 22

/* Larger dimensions are refused wherever they come from, so that two of them
 * can be multiplied. */
#define CZ_DIM_MAX INT32_MAX

/* A tensor whose elements lie in a file beside the model. */
struct cz_external {
    struct cz_external *next;
    struct cz_tensor *tensor;
    const char *location; /* relative to the model's folder */
    uint64_t offset;
    size_t size; /* bytes in the file */
    void *bytes; /* read when first asked for; cz_free() */
    bool is_dropped;
};

struct cz_model {
    void *proto;
    struct cz_arena arena;
    struct cz_graph *graph;
    const char *name;   /* the file, for messages */
    const char *folder; /* of external data; NULL: none is allowed */
    struct cz_external *externals;
    struct cz_external **externals_end;
    bool externals_changed;
    const char **files; /* [n_files], see cz_model_files() */
    size_t n_files;
    size_t n_made; /* names that edits made; counts on */
    void *names;   /* a tsearch() tree of values: the names of all graphs */
};

/* ---- tensor.c --------------------------------------------------------- */

/* A view of the TensorProto `proto`, with its type, dims and the amount of its
 * data checked. */
enum cz_status cz_tensor_view(struct cz_tensor **tensor, struct cz_model *model,
                              void *proto, struct cz_error *err);

/* A view of the numbers in a Constant's attribute (value_float, value_ints,
 * ...). */
enum cz_status cz_tensor_view_attr(struct cz_tensor **tensor,
                                   struct cz_model *model, void *proto,
                                   struct cz_error *err);

/* Element i of an int32 or int64 tensor. */
int64_t cz_elements_get_int(const struct cz_elements *elements, size_t i);

/* ---- external.c ------------------------------------------------------- */

/* Reads external_data of `tensor` and checks it against the file. */
enum cz_status cz_external_attach(struct cz_tensor *tensor,
                                  struct cz_error *err);
enum cz_status cz_external_load(struct cz_external *external,
                                struct cz_error *err);

/* The elements of `from` become those of `copy`, a tensor of the same size:
 * they may have been changed since they were read. */
enum cz_status cz_external_copy(struct cz_external *copy,
                                const struct cz_external *from,
                                struct cz_error *err);

/* Opens the file and sees that it holds the elements. */
enum cz_status cz_external_open(int *fd, const struct cz_external *external,
                                struct cz_error *err);

/* Is it the first of its model's tensors in its file? */
bool cz_external_is_first(const struct cz_external *external);

/* Forgets those that are marked as dropped. */
void cz_externals_sweep(struct cz_model *model);

/* ---- external_save.c -------------------------------------------------- */

/* Data files that are being written. Zero-initialise; end with _fini, which
 * removes what was not committed. */
struct cz_external_files {
    struct cz_output *outputs; /* [count] */
    size_t count;
    bool in_place; /* the model itself is replaced, and its data with it */
};

/* Writes the data files that the model needs beside `path`, still under
 * temporary names, and lets the message refer to them. */
enum cz_status cz_external_write(struct cz_external_files *files,
                                 struct cz_model *model, const char *path,
                                 bool overwrite, struct cz_error *err);
enum cz_status cz_external_commit(struct cz_external_files *files,
                                  struct cz_error *err);
void cz_external_files_fini(struct cz_external_files *files);

/* ---- model.c ---------------------------------------------------------- */

/* `a`, `b` and `c` in one string of the model's arena. */
enum cz_status cz_model_join(char **text, struct cz_model *model, const char *a,
                             const char *b, const char *c,
                             struct cz_error *err);

/* ---- edit.c ----------------------------------------------------------- */

/* `stem` with `suffix`, and with a number behind it where something in the
 * model has that name. */
enum cz_status cz_model_unique_name(const char **name, struct cz_model *model,
                                    const char *stem, const char *suffix,
                                    struct cz_error *err);

/* Makes the node another operator of ONNX's own domain. */
enum cz_status cz_node_set_op_type(struct cz_node *node, const char *op_type,
                                   struct cz_error *err);

/* ---- build.c ---------------------------------------------------------- */

/* Views the graph `proto` and all below it. `parent` is the node that holds a
 * subgraph, or NULL. */
enum cz_status cz_graph_build(struct cz_graph **graph, struct cz_model *model,
                              void *proto, struct cz_node *parent,
                              struct cz_error *err);

/* Views an attribute, and a graph that it holds. */
enum cz_status cz_attr_build(struct cz_attr *attr, struct cz_node *node,
                             void *proto, struct cz_error *err);

/* Views the content of an initializer called like `value`, which gets it. */
enum cz_status cz_tensor_view_initializer(struct cz_value *value, void *proto,
                                          struct cz_error *err);

/* A new value with this name, which nothing else in the graph may have. */
enum cz_status cz_graph_add_value(struct cz_value **value,
                                  struct cz_graph *graph, const char *name,
                                  struct cz_error *err);

/* Takes the name of `value` from its graph; none of the model may get it. */
void cz_graph_forget_name(struct cz_value *value);

/* Frees what the arena does not hold, subgraphs included. */
void cz_graph_fini(struct cz_graph *graph);
void cz_names_fini(void **names);

/* Whether some value of some graph has this name. */
bool cz_model_has_name(const struct cz_model *model, const char *name);

enum cz_status cz_value_add_use(struct cz_value *value, struct cz_node *node,
                                size_t input, struct cz_error *err);

/* A copy in the model's arena; CZ_EPARSE when a NUL is inside. */
enum cz_status cz_model_text(const char **copy, struct cz_model *model,
                             struct cz_proto_text text, struct cz_error *err);

#endif

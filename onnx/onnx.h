/* ONNX models as a plain C graph.
 *
 * cz_model_load() parses a file with libonnx's protobuf classes and keeps the
 * parsed message. What is below here is a view of it: names, shapes and
 * attributes are small copies that live as long as the model; the elements of
 * tensors are not copied, cz_tensor_elements() points into the message. Edits
 * change the message in place and the view with it, so what nobody touched is
 * saved as it came: unknown fields, doc strings, functions, external data.
 *
 * Pointers to nodes, values and tensors stay valid until cz_model_free(), also
 * after edits; what an edit removed must not be used again. Strings are UTF-8
 * and may hold control characters: clean them before a terminal shows them.
 *
 * One thread uses a model at a time: reading, too, may load external data and
 * fill in the view. Elements of different tensors may be read and changed by
 * different threads once cz_tensor_elements() was called for each. */
#ifndef CZ_ONNX_ONNX_H
#define CZ_ONNX_ONNX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/error.h"

/* ---- element types ---------------------------------------------------- */

/* TensorProto.DataType, same numbers. */
enum cz_dtype {
    CZ_DTYPE_UNDEFINED = 0,
    CZ_DTYPE_FLOAT = 1,
    CZ_DTYPE_UINT8 = 2,
    CZ_DTYPE_INT8 = 3,
    CZ_DTYPE_UINT16 = 4,
    CZ_DTYPE_INT16 = 5,
    CZ_DTYPE_INT32 = 6,
    CZ_DTYPE_INT64 = 7,
    CZ_DTYPE_STRING = 8,
    CZ_DTYPE_BOOL = 9,
    CZ_DTYPE_FLOAT16 = 10,
    CZ_DTYPE_DOUBLE = 11,
    CZ_DTYPE_UINT32 = 12,
    CZ_DTYPE_UINT64 = 13,
    CZ_DTYPE_COMPLEX64 = 14,
    CZ_DTYPE_COMPLEX128 = 15,
    CZ_DTYPE_BFLOAT16 = 16,
    CZ_DTYPE_FLOAT8E4M3FN = 17,
    CZ_DTYPE_FLOAT8E4M3FNUZ = 18,
    CZ_DTYPE_FLOAT8E5M2 = 19,
    CZ_DTYPE_FLOAT8E5M2FNUZ = 20,
    CZ_DTYPE_UINT4 = 21,
    CZ_DTYPE_INT4 = 22,
    CZ_DTYPE_FLOAT4E2M1 = 23,
    CZ_DTYPE_COUNT
};

/* "float32", "float16", ...; "unknown" for a number that is not above. */
const char *cz_dtype_name(enum cz_dtype dtype);

/* Bits of one packed element; 0 for strings and unknown types. */
size_t cz_dtype_bits(enum cz_dtype dtype);

/* float16, bfloat16, float32 or double. */
bool cz_dtype_is_float(enum cz_dtype dtype);

/* ---- the graph -------------------------------------------------------- */

struct cz_model;
struct cz_graph;
struct cz_node;
struct cz_value;

/* Where the elements of a tensor are. */
enum cz_storage {
    CZ_STORAGE_RAW,      /* raw_data, packed little-endian */
    CZ_STORAGE_TYPED,    /* float_data, int32_data, ... */
    CZ_STORAGE_EXTERNAL, /* a file beside the model */
    CZ_STORAGE_ATTR,     /* value_float(s) or value_int(s) of a Constant */
};

struct cz_tensor {
    const char *name; /* "" for the content of a Constant node */
    enum cz_dtype dtype;
    size_t rank;
    const int64_t *dims; /* [rank], none negative */
    size_t count;        /* product of dims */
    enum cz_storage storage;
    bool is_dropped; /* see cz_tensor_drop() */
    struct cz_model *model;
    struct cz_external *external; /* for onnx/ only, as are the next */
    struct cz_attr *attr;         /* that holds the numbers, or NULL */
    void *proto;
};

/* A shape as far as it is known; a dimension that is not known is -1. */
struct cz_shape {
    bool known; /* false: not even the rank */
    size_t rank;
    const int64_t *dims;
};

struct cz_use {
    struct cz_node *node;
    size_t input; /* node->inputs[input] is the value */
};

/* A name of the graph: what one node makes and others read. */
struct cz_value {
    const char *name;
    struct cz_graph *graph; /* the one that defines it */
    size_t id;              /* graph->values[id] is this value */
    enum cz_dtype dtype;    /* UNDEFINED when nothing declares it; see
                               cz_graph_infer() */
    struct cz_shape shape;
    struct cz_node *producer;   /* NULL for graph inputs and initializers */
    struct cz_tensor *constant; /* an initializer, or what the Constant node
                                   that produces it holds; else NULL */
    struct cz_use *uses;        /* by nodes of this graph and of subgraphs,
                                   in no order after edits */
    size_t n_uses, use_capacity;
    bool is_input;   /* of its graph; with `constant`: a default value */
    bool is_output;  /* of its graph */
    bool is_dropped; /* this and below: for onnx/ only */
    void **protos;   /* where its type is declared */
    size_t n_protos, proto_capacity;
};

/* AttributeProto.AttributeType, same numbers. */
enum cz_attr_kind {
    CZ_ATTR_UNDEFINED = 0,
    CZ_ATTR_FLOAT = 1,
    CZ_ATTR_INT = 2,
    CZ_ATTR_STRING = 3,
    CZ_ATTR_TENSOR = 4,
    CZ_ATTR_GRAPH = 5,
    CZ_ATTR_FLOATS = 6,
    CZ_ATTR_INTS = 7,
    CZ_ATTR_STRINGS = 8,
    CZ_ATTR_TENSORS = 9,
    CZ_ATTR_GRAPHS = 10,
    CZ_ATTR_SPARSE_TENSOR = 11, /* not viewed: count is 0 */
    CZ_ATTR_SPARSE_TENSORS = 12,
    CZ_ATTR_TYPE = 13,
    CZ_ATTR_TYPES = 14,
};

struct cz_bytes {
    const char *data; /* a NUL follows, and may also be inside */
    size_t size;
};

/* One attribute; a single value is a list of one. */
struct cz_attr {
    const char *name;
    enum cz_attr_kind kind;
    size_t count;
    union {
        const float *floats;
        const int64_t *ints;
        const struct cz_bytes *strings;
        struct cz_tensor *const *tensors;
        struct cz_graph *const *graphs;
    };
};

struct cz_node {
    const char *name; /* may be ""; see cz_node_label() */
    const char *op_type;
    const char *domain; /* "" for ONNX's own operators */
    struct cz_graph *graph;
    size_t position; /* graph->nodes[position] is this node */
    size_t id;       /* in its graph, below n_nodes; of all edits, only
                        cz_model_drop_unused() changes it */
    size_t n_inputs, n_outputs, n_attrs;
    struct cz_value **inputs;  /* NULL where an optional one is left out */
    struct cz_value **outputs; /* likewise */
    struct cz_attr *attrs;
    bool is_dropped;                /* this and below: for onnx/ only */
    struct cz_node *before, *after; /* its neighbours between edits */
    void *proto;
};

struct cz_graph {
    const char *name;
    struct cz_model *model;
    struct cz_node *parent; /* the node that holds this subgraph, or NULL */
    size_t n_nodes, n_values, n_inputs, n_outputs;
    struct cz_node **nodes; /* in topological order, but see
                               cz_graph_edit_begin() */
    struct cz_value **values;
    struct cz_value **inputs; /* as declared, defaults included */
    struct cz_value **outputs;
    size_t node_capacity, value_capacity; /* this and below: for onnx/ only */
    struct cz_node *first;                /* between edits */
    bool is_edited;
    void *names; /* a tsearch() tree of values */
    void *proto;
};

/* ---- models ----------------------------------------------------------- */

/* Reads `path` and checks it (see cz_model_check()'s list, of which only
 * libonnx's checker is left out here). Errors: CZ_EIO, CZ_EPARSE, CZ_ESHAPE,
 * CZ_EUNSUPPORTED (opset), each naming the file and the place. */
enum cz_status cz_model_load(struct cz_model **model, const char *path,
                             struct cz_error *err);

/* The same from memory; external data is looked for in `folder` (NULL: a
 * model with external data is refused). `name` stands for the file in error
 * messages. */
enum cz_status cz_model_parse(struct cz_model **model, const void *bytes,
                              size_t size, const char *name, const char *folder,
                              struct cz_error *err);

void cz_model_free(struct cz_model *model);

/* Writes the model to `path`, whole or not at all. External tensors stay
 * external: while none of them was changed they keep file name, offset and
 * length, and the data files are copied when `path` is in another folder;
 * when one was changed, or files in subfolders would have to be copied, all
 * of them are written to `path`.data. `overwrite` applies to data files too;
 * a file that the model was read from is never replaced by one. The data files
 * get their names first: should the model's rename fail then, they stay. */
enum cz_status cz_model_save(struct cz_model *model, const char *path,
                             bool overwrite, struct cz_error *err);

/* The files that the model was last loaded from or saved to: [*count], the
 * model itself and then its data files. None after cz_model_parse(). */
const char *const *cz_model_files(const struct cz_model *model, size_t *count);

/* Has libonnx's checker read the model where it knows the opset (up to 17) and
 * the IR version (up to 8); `*checked` says whether it did. Not for a model
 * with edits: nodes that were added have their place in the message only once
 * it was saved. CZ_EPARSE with what it found. */
enum cz_status cz_model_check(const struct cz_model *model, bool *checked,
                              struct cz_error *err);

struct cz_graph *cz_model_graph(struct cz_model *model);
int64_t cz_model_ir_version(const struct cz_model *model);
const char *cz_model_producer(const struct cz_model *model);

/* The version of the operator set that the model imports for `domain` ("" is
 * ONNX's own), or 0. */
int64_t cz_model_opset(const struct cz_model *model, const char *domain);

size_t cz_model_function_count(const struct cz_model *model);

/* metadata_props by key, as exporters write "names" and "stride"; NULL when
 * there is no such key. */
const char *cz_model_metadata(const struct cz_model *model, const char *key);

/* ---- reading ---------------------------------------------------------- */

/* The node's name or, without one, that of its first output. */
const char *cz_node_label(const struct cz_node *node);

/* True for operators of ONNX's own domain with this type. */
bool cz_node_is(const struct cz_node *node, const char *op_type);

/* The input's value, or NULL when it is left out or beyond the last. */
struct cz_value *cz_node_input(const struct cz_node *node, size_t i);

const struct cz_attr *cz_node_attr(const struct cz_node *node,
                                   const char *name);
int64_t cz_node_attr_int(const struct cz_node *node, const char *name,
                         int64_t otherwise);

/* A float attribute, or the first of a list. */
float cz_node_attr_float(const struct cz_node *node, const char *name,
                         float otherwise);

/* A string attribute. */
const char *cz_node_attr_string(const struct cz_node *node, const char *name,
                                const char *otherwise);

/* A list of ints; `*count` is 0 and NULL comes back when there is none. */
const int64_t *cz_node_attr_ints(const struct cz_node *node, const char *name,
                                 size_t *count);

/* The value called `name` as seen from `graph`, outer graphs included, or
 * NULL. */
struct cz_value *cz_graph_find(const struct cz_graph *graph, const char *name);

/* Calls visit() for every node of `graph` and of the subgraphs below it,
 * outer nodes before those inside them, until it returns something other than
 * CZ_OK, which is then returned. */
enum cz_status cz_graph_visit(struct cz_graph *graph,
                              enum cz_status (*visit)(void *user,
                                                      struct cz_node *node),
                              void *user);

/* The elements of a tensor. Element i lies at data + i * stride, in its low
 * bytes where the typed field is wider (float16 in int32_data: stride 4).
 * Not necessarily aligned: read and write with memcpy(). */
struct cz_elements {
    void *data;
    size_t count;
    size_t stride; /* bytes; 0 for packed 4-bit types and strings */
    enum cz_dtype dtype;
};

/* Points `elements` into the message. Reads external data when it is asked
 * for the first time (CZ_EIO, or CZ_EPARSE where the file is too short). */
enum cz_status cz_tensor_elements(struct cz_tensor *tensor,
                                  struct cz_elements *elements,
                                  struct cz_error *err);

/* Frees the elements of `tensor`, which nobody will ask for again: the model
 * can be read, but not be saved. Those in a file beside it are read anew. */
void cz_tensor_drop(struct cz_tensor *tensor);

/* Element i as a double; floats and integers of at least 8 bits. */
double cz_elements_get(const struct cz_elements *elements, size_t i);

/* Sets element i of float32, float16 or bfloat16 to the nearest of its type;
 * the caller declares it with cz_tensor_touch(). */
void cz_elements_set(const struct cz_elements *elements, size_t i,
                     float number);

/* Copies a tensor's elements, floats and integers of at least 8 bits, into a
 * new array, [count]: the caller's, to cz_free(). Errors as
 * cz_tensor_elements(). */
enum cz_status cz_tensor_floats(struct cz_tensor *tensor, float **floats,
                                struct cz_error *err);

/* ---- editing ---------------------------------------------------------- */

/* Declares that the caller changed elements of `tensor` in place: one thread of
 * each model at a time. */
void cz_tensor_touch(struct cz_tensor *tensor);

/* Turns a float32 tensor into a float16 one, in place where the storage
 * allows it; values out of range as cz_half_from_floats() has them. */
struct cz_half_counts;
enum cz_status cz_tensor_to_half(struct cz_tensor *tensor,
                                 struct cz_half_counts *counts,
                                 struct cz_error *err);

/* Declares another element type for a value: its value info, its graph input
 * or output. The shape stays. */
void cz_value_set_dtype(struct cz_value *value, enum cz_dtype dtype);

/* Gives one dimension of a value's shape, which has to be known, another size,
 * in its declarations too. */
enum cz_status cz_value_set_dim(struct cz_value *value, size_t axis,
                                int64_t size, struct cz_error *err);

/* A new initializer in value->graph with the content of value->constant; it
 * is called like the value, with `suffix` (and a number where that is taken).
 * Not for models of IR version 3, which list initializers as inputs, nor for
 * Constants of plain numbers: CZ_EUNSUPPORTED where _can_clone() is false. */
bool cz_value_can_clone(const struct cz_value *value);
enum cz_status cz_value_clone_constant(struct cz_value **clone,
                                       struct cz_value *value,
                                       const char *suffix,
                                       struct cz_error *err);

/* A tensor that an edit adds. */
struct cz_tensor_spec {
    enum cz_dtype dtype;
    size_t rank;
    const int64_t *dims;
    const void *data; /* packed, little-endian */
    size_t size_bytes;
};

/* A new initializer of `graph` with a copy of the content; it is called `stem`
 * with `suffix` behind it (and a number where that is taken). Not for models
 * of IR version 3: see cz_model_raise_ir(). CZ_ESHAPE where the size is not
 * what type and dims need. */
enum cz_status cz_graph_add_tensor(struct cz_value **value,
                                   struct cz_graph *graph, const char *stem,
                                   const char *suffix,
                                   const struct cz_tensor_spec *spec,
                                   struct cz_error *err);

/* Gives the model at least this IR version. Version 3 lists initializers as
 * inputs; later ones take such inputs for defaults that a caller can replace,
 * and so they leave the inputs of the main graph. */
enum cz_status cz_model_raise_ir(struct cz_model *model, int64_t version,
                                 struct cz_error *err);

/* Lets node->inputs[input] read `value`, which must be defined before the
 * node; NULL leaves the input out. `input` may be beyond the last. */
enum cz_status cz_node_set_input(struct cz_node *node, size_t input,
                                 struct cz_value *value, struct cz_error *err);

/* Lets the reader value->uses[use] read `to` instead; the last use takes its
 * place in the list. */
enum cz_status cz_value_move_use(struct cz_value *value, size_t use,
                                 struct cz_value *to, struct cz_error *err);

/* Gives the node a copy of `attr` in place of one with the same name; no
 * tensors and graphs. */
enum cz_status cz_node_set_attr(struct cz_node *node,
                                const struct cz_attr *attr,
                                struct cz_error *err);
enum cz_status cz_node_set_attr_int(struct cz_node *node, const char *name,
                                    int64_t number, struct cz_error *err);

/* Removes an attribute, if it is there, that holds no tensors and graphs. */
void cz_node_drop_attr(struct cz_node *node, const char *name);

/* A node with one output that an edit adds. Zero what is not needed. */
struct cz_node_spec {
    const char *op_type;
    const char *stem;             /* of the new value's name; NULL: the name of
                                     the value that is given */
    const char *suffix;           /* behind it */
    enum cz_dtype dtype;          /* of the new value */
    const struct cz_shape *shape; /* of the new value; NULL: as the given's */
    struct cz_value *const *operands; /* [n_operands] inputs behind the first,
                                         NULL where one is left out; all
                                         defined before the node: initializers,
                                         say */
    size_t n_operands;
    const struct cz_attr *attrs; /* [n_attrs] as for cz_node_set_attr() */
    size_t n_attrs;
};

/* Adds a node that reads `value` and makes a new value, right after the
 * producer of `value` (first of the graph where it has none). The new value is
 * node->outputs[0]. */
enum cz_status cz_value_append(struct cz_node **node, struct cz_value *value,
                               const struct cz_node_spec *spec,
                               struct cz_error *err);

/* Adds a node between `value` and its producer: the producer now makes the
 * new value, node->inputs[0], and the node makes `value` of it. Readers of
 * `value` keep reading it. */
enum cz_status cz_value_interpose(struct cz_node **node, struct cz_value *value,
                                  const struct cz_node_spec *spec,
                                  struct cz_error *err);

/* Adds a node between reader->inputs[input] and that one reader, right before
 * it and in its graph: the node reads the value, and the reader reads the new
 * one, node->outputs[0]. */
enum cz_status cz_node_interpose(struct cz_node **node, struct cz_node *reader,
                                 size_t input, const struct cz_node_spec *spec,
                                 struct cz_error *err);

/* Putting a node into its place takes time in proportion to the graph. Between
 * these two it takes none: new nodes then stand at the end of graph->nodes
 * with their `position` there, and the second puts all of them into their
 * places. Once begun, it may be begun again. */
void cz_graph_edit_begin(struct cz_graph *graph);
void cz_graph_edit_end(struct cz_graph *graph);

/* Removes what nobody reads, from all graphs: ONNX's own operators of whose
 * outputs none is read or an output of the graph, and initializers, in the
 * model and in the view. Operators with subgraphs or sparse tensors stay, and
 * so do graph inputs. Nodes and values get other ids. */
enum cz_status cz_model_drop_unused(struct cz_model *model,
                                    struct cz_error *err);

/* ---- raising ---------------------------------------------------------- */

#define CZ_OPSET_RAISED 19

struct cz_raise_report {
    int64_t from, to; /* opsets; the same where nothing was to be done */
    size_t nodes;     /* that got another form */
};

/* Turns a model of an opset below `wanted` into one of opset 13 (IR version 7
 * at least) or, where `wanted` is beyond, of CZ_OPSET_RAISED (9) that gives the
 * same numbers: all graphs, ONNX's own domain. Other models stay as they are,
 * but for IR version 3 (see cz_model_raise_ir()). Shapes and types are inferred
 * on the way; those of added values may not be known before the next
 * cz_graph_infer(). CZ_EUNSUPPORTED names the operator that has no such form,
 * CZ_EINVAL: `wanted` is beyond CZ_OPSET_RAISED. After an error the model can
 * only be freed. */
enum cz_status cz_model_raise_opset(struct cz_model *model, int64_t wanted,
                                    struct cz_raise_report *report,
                                    struct cz_error *err);

/* ---- counting --------------------------------------------------------- */

struct cz_stats {
    size_t nodes;        /* of all graphs */
    uint64_t parameters; /* elements of all cz_value_is_parameter(), and
                            cz_value_is_codes() */
    enum cz_dtype dtype; /* that most of them have; UNDEFINED without any */
    uint64_t macs;       /* multiply-accumulates of one frame */
    size_t macs_unknown; /* operators missing in `macs`: their shape or weight
                            is not known */
};

/* Wants the shapes of cz_graph_infer(). */
void cz_model_count(struct cz_stats *stats, struct cz_model *model);

/* How often each weight of a Conv, ConvTranspose, Gemm or MatMul is used for
 * one frame (an open batch dimension counts as 1): its MACs are this times
 * the number of weights. False where shapes are not known. */
bool cz_node_weight_reuse(const struct cz_node *node, uint64_t *times);

/* The MACs of the node for one frame; false where they are not known. */
bool cz_node_macs(const struct cz_node *node, uint64_t *macs);

/* What a detector's outputs are, told from their shapes and the operators of
 * the decode tail. */
enum cz_head {
    CZ_HEAD_UNKNOWN,
    CZ_HEAD_ANCHOR_FREE,  /* [N,4+C,A] boxes in pixels, then scores */
    CZ_HEAD_ANCHORS,      /* [N,A,5+C] decoded: box, objectness, scores */
    CZ_HEAD_GRID,         /* [N,A,5+C] offsets in grid cells (YOLOX) */
    CZ_HEAD_END_TO_END,   /* [N,K,6] boxes after NMS or one-to-one matching */
    CZ_HEAD_FEATURE_MAPS, /* three or more raw maps, one for each stride */
};

/* Wants the shapes of cz_graph_infer(). `*classes` is 0 when not known. */
enum cz_head cz_graph_head(const struct cz_graph *graph, int64_t *classes);

/* ---- inference -------------------------------------------------------- */

/* Fills in the dtype and shape of every value that the declared ones
 * determine, by the rules of the operators (ONNX operator specification); what
 * depends on data or on operators not known here stays unknown. Declared
 * types stand; CZ_ESHAPE where operands contradict each other. */
enum cz_status cz_graph_infer(struct cz_graph *graph, struct cz_error *err);

/* ---- patterns --------------------------------------------------------- */

/* The tensor behind input 1 of a Conv (or ConvTranspose, Gemm, MatMul),
 * through Constant nodes and through operators that keep the elements and
 * their order (Identity, Reshape, Squeeze, Unsqueeze, Flatten, Cast between
 * float types); NULL when it is computed or not a float type. `*value` gets
 * the constant's value. */
struct cz_tensor *cz_node_weight(const struct cz_node *node,
                                 struct cz_value **value);

/* A node that reads the constant `weight` other than as the weight of a Conv
 * (reshapes in between as above), or makes a graph output of it; NULL when
 * there is none. */
const struct cz_node *cz_weight_other_reader(const struct cz_value *weight);

/* The node of value->graph that is use number `use` of the value, or holds the
 * subgraph with it. */
const struct cz_node *cz_value_reader(const struct cz_value *value, size_t use);

/* A Conv that turns the distribution of a box side into its mean: 1x1, one
 * output channel, weights 0, 1, 2, ... (Li et al., Generalized Focal Loss,
 * NeurIPS 2020, section 3.2). It holds no learned weight. */
bool cz_node_is_dfl(const struct cz_node *node);

/* Operators whose constant operand was trained: Conv but for DFL,
 * ConvTranspose, Gemm and MatMul with a constant matrix (of floats, or of codes
 * that are dequantized), BatchNormalization. */
bool cz_node_is_learned(const struct cz_node *node);

/* A constant of a float type that a learned operator or a DFL Conv has as its
 * weight, bias, scale, ... */
bool cz_value_is_parameter(const struct cz_value *value);

/* A constant of integers of which a DequantizeLinear that reads it makes such a
 * weight, bias, ... */
bool cz_value_is_codes(const struct cz_value *value);

/* The integers of which the second operand of a node is made so, reshapes in
 * between; NULL: it is not. */
const struct cz_tensor *cz_node_codes(const struct cz_node *node);

/* Marks (calloc'ed by the caller, one for each node of `graph` in order)
 * those from which no learned operator can be reached: the decode tail behind
 * the last convolutions of the head. Subgraphs count with the node that holds
 * them. */
void cz_graph_mark_tail(const struct cz_graph *graph, bool *tail);

#endif

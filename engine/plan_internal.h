/* What the parts of the engine share: arrays, steps, operators, kernels.
 *
 * A plan is a list of steps. A step is one operator with its inputs and
 * outputs, which are arrays. The graph is translated once (build.c): for each
 * node the operator reads its attributes (parse), tells the shapes of its
 * outputs (shape) and, where all inputs are known at compile time, computes
 * them at once (run). Passes then rewrite the list, kernels.c picks an
 * implementation for each step, memory.c a place for each array.
 *
 * Element types: float16 and bfloat16 exist only at the plan's ports; inside
 * they are widened to float32. */
#ifndef CZ_ENGINE_PLAN_INTERNAL_H
#define CZ_ENGINE_PLAN_INTERNAL_H

#include "core/alloc.h"
#include "engine/engine.h"

struct cz_step;
struct cz_exec;

/* ---- arrays ----------------------------------------------------------- */

enum cz_layout {
    CZ_LAYOUT_PLAIN,  /* dense, row-major */
    CZ_LAYOUT_BLOCKED /* [N,C,H,W] as [N, C/b, H, W, b], b = cz_plan_block();
                         the channels beyond C in the last block are 0, in
                         codes anything */
};

/* What a step reads or makes. */
struct cz_array {
    const char *name; /* the value's in the model */
    enum cz_dtype dtype;
    struct cz_dims dims;
    enum cz_layout layout;
    /* Its elements, plain, where they are known at compile time (whether or
     * not a step makes them again at run time); from when a dynamic step that
     * reads it is first shaped at run time, those of the frame. Else NULL. */
    const void *known;
    bool is_constant;         /* data == known, and no step makes it */
    struct cz_tensor *tensor; /* of the model, where a constant's data are */
    void *own;       /* memory for what was known or computed when compiling */
    bool is_dynamic; /* dims are not known before its step has run */
    bool is_input, is_kept;   /* kept: output or tap, read after the frame */
    struct cz_step *producer; /* NULL: an input or a constant */
    size_t n_uses;            /* by steps, plus 1 where it is kept */
    struct cz_step *reader;   /* one of them */
    struct cz_array *twin; /* the same in the other layout; for pass_layout.c */
    struct cz_array *same; /* to be read instead; for pass_identity.c */
    /* The step that computed it, where that was at compile time. */
    struct cz_step *folded;
    const struct cz_coding *coding; /* for pass_fuse_codes.c */
    void *data;                     /* where it is while the plan runs */
    /* For memory.c: its bytes are those of `root` from `offset` on. */
    struct cz_array *root;
    size_t n_tied; /* arrays of which it is the root, itself apart */
    size_t offset, size_bytes, capacity_bytes;
    size_t first_step, last_step; /* between which it must keep its place */
    size_t id;
};

size_t cz_array_count(const struct cz_array *array);

/* Bytes of one element of `dtype`; 0 for types that the engine does not
 * compute with (the float16s, strings, ...). */
size_t cz_element_bytes(enum cz_dtype dtype);

/* float16 or bfloat16: only at the ports, and in the model's constants. */
static inline bool cz_is_half(enum cz_dtype dtype)
{
    return dtype == CZ_DTYPE_FLOAT16 || dtype == CZ_DTYPE_BFLOAT16;
}

/* The type inside of the plan. */
static inline enum cz_dtype cz_inner_dtype(enum cz_dtype dtype)
{
    return cz_is_half(dtype) ? CZ_DTYPE_FLOAT : dtype;
}

/* ---- steps ------------------------------------------------------------ */

/* What is applied to each element of a step's output before it is stored;
 * only to float32. */
enum cz_activation_kind {
    CZ_ACT_NONE,
    CZ_ACT_RELU,
    CZ_ACT_LEAKY_RELU,   /* alpha: slope below 0 */
    CZ_ACT_CLIP,         /* alpha..beta */
    CZ_ACT_SIGMOID,      /* 1 / (1 + exp(-x)) */
    CZ_ACT_SILU,         /* x * sigmoid(x) */
    CZ_ACT_HARD_SIGMOID, /* clip(alpha * x + beta, 0, 1) */
    CZ_ACT_HARD_SWISH,   /* x * clip(x / 6 + 0.5, 0, 1) */
    CZ_ACT_TANH,
    CZ_ACT_MISH, /* x * tanh(log(1 + exp(x))) */
    CZ_ACT_ELU,  /* alpha * (exp(x) - 1) below 0 */
    CZ_ACT_GELU, /* x / 2 * (1 + erf(x / sqrt(2))) */
    CZ_ACT_COUNT
};

struct cz_activation {
    enum cz_activation_kind kind;
    float alpha, beta;
};

struct cz_step {
    const struct cz_op *op;
    const char *name;  /* cz_node_label() of the node */
    const char *label; /* "Conv+Silu+Add", once the passes are done */
    int64_t opset;
    size_t n_inputs, n_outputs;
    struct cz_array **inputs;  /* NULL where an optional one is left out */
    struct cz_array **outputs; /* NULL where nobody reads it */
    void *params;              /* op->params_size bytes, made by op->parse() */
    /* Fused in by passes, applied in this order: the activation, then the
     * sum with `residual` (an input more, of the output's shape). */
    struct cz_activation activation;
    struct cz_array *residual;
    bool is_dynamic; /* shaped anew in each frame */
    bool is_dead;    /* a pass has no use for it any more */
    /* Chosen by kernels.c. */
    const struct cz_kernel *kernel;
    void *state; /* the kernel's: packed weights and the like */
    /* Set by prepare() where the state has all that run() needs of the
     * constants behind the first input. */
    bool is_packed;
};

/* ---- operators -------------------------------------------------------- */

enum {
    /* Reads only the shape of its inputs, so that its output is known even if
     * their elements are not: Shape, Size. */
    CZ_OP_OF_SHAPE = 1,
    /* Output 0 has the bytes of input 0 in the same order: Reshape, ... */
    CZ_OP_VIEW = 2,
    /* Works element by element on operands of the same shape, whatever the
     * layout, and keeps zeros finite. */
    CZ_OP_ELEMENTWISE = 4,
    /* run() knows both layouts: those that convert between them. */
    CZ_OP_ANY_LAYOUT = 8,
};

/* The operators that passes put in, and how the names of all of them begin. */
#define CZ_OP_OWN "cz."
#define CZ_OP_ACTIVATION "cz.Activation"
#define CZ_OP_TO_BLOCKED "cz.ToBlocked"
#define CZ_OP_TO_PLAIN "cz.ToPlain"

/* An operator of ONNX's own domain, as it is from opset `since` on (until the
 * row of the same name with a larger one). */
struct cz_op {
    const char *op_type;
    unsigned since;
    unsigned flags;
    size_t min_inputs, max_inputs; /* SIZE_MAX: any number */
    size_t params_size;

    /* Reads the attributes into step->params, which is zeroed; defaults are
     * its job too. NULL: there are none. */
    enum cz_status (*parse)(struct cz_step *step, const struct cz_node *node,
                            struct cz_error *err);

    /* Sets dtype and dims of the outputs that are not NULL, with
     * cz_step_output(), from those of the inputs and the `known` elements of
     * operands such as Reshape's shape; checks what run() relies on: ranks,
     * types, sizes that fit together. Where elements that it needs are not
     * known, or the result depends on data, it calls cz_step_set_dynamic() and
     * returns CZ_OK; it is called again, with all inputs known, before run().
     * CZ_ESHAPE or CZ_EUNSUPPORTED through cz_step_error(). */
    enum cz_status (*shape)(struct cz_step *step, struct cz_error *err);

    /* Computes the outputs: the reference kernel, plain C, any legal case, all
     * layouts plain. A dynamic step may make its outputs' dims smaller than
     * shape() said. Errors only where data are wrong (an index outside). */
    enum cz_status (*run)(struct cz_step *step, const struct cz_exec *exec,
                          struct cz_error *err);
};

/* The row for an operator of ONNX's domain at `opset`, or NULL. */
const struct cz_op *cz_op_find(const char *op_type, int64_t opset);

/* The tables, each ended by a row without op_type. */
extern const struct cz_op cz_ops_pointwise[]; /* op_pointwise.c */
extern const struct cz_op cz_ops_clip[];      /* op_clip.c */
extern const struct cz_op cz_ops_cast[];      /* op_cast.c */
extern const struct cz_op cz_ops_binary[];    /* op_binary.c */
extern const struct cz_op cz_ops_logic[];     /* op_logic.c */
extern const struct cz_op cz_ops_reduce[];    /* op_reduce.c */
extern const struct cz_op cz_ops_arg[];       /* op_arg.c: ArgMax, ArgMin */
extern const struct cz_op cz_ops_softmax[];   /* op_softmax.c */
extern const struct cz_op cz_ops_view[];      /* op_view.c */
extern const struct cz_op cz_ops_move[];      /* op_move.c */
extern const struct cz_op cz_ops_index[];     /* op_index.c: Shape, ... */
extern const struct cz_op cz_ops_select[];    /* op_select.c: NonZero, ... */
extern const struct cz_op cz_ops_conv[];      /* op_conv.c */
extern const struct cz_op cz_ops_pool[];      /* op_pool.c */
extern const struct cz_op cz_ops_roi[];       /* op_roi.c: RoiAlign, ... */
extern const struct cz_op cz_ops_resize[];    /* op_resize.c */
extern const struct cz_op cz_ops_sample[];    /* op_sample.c: GridSample */
extern const struct cz_op cz_ops_matrix[];    /* op_matrix.c */
extern const struct cz_op cz_ops_einsum[];    /* op_einsum.c */
extern const struct cz_op cz_ops_norm[];      /* op_norm.c */
extern const struct cz_op cz_ops_lrn[];       /* op_lrn.c */
extern const struct cz_op cz_ops_quant[];     /* op_quant.c */
extern const struct cz_op cz_ops_integer[];   /* op_integer.c: QLinearConv, */
extern const struct cz_op cz_ops_join[];      /* op_join.c: Concat, Split */
extern const struct cz_op cz_ops_slice[];     /* op_slice.c: Slice, Pad */
extern const struct cz_op cz_ops_gather[];    /* op_gather.c */
extern const struct cz_op cz_ops_scatter[];   /* op_scatter.c */
extern const struct cz_op cz_ops_topk[];      /* op_topk.c */
extern const struct cz_op cz_ops_nms[];       /* op_nms.c */
extern const struct cz_op cz_ops_unique[];    /* op_unique.c */
extern const struct cz_op cz_ops_internal[]; /* op_internal.c: made by passes */
extern const struct cz_op cz_ops_codes[];    /* op_codes.c: the same */

/* ---- running ---------------------------------------------------------- */

struct cz_exec {
    size_t threads;
    struct cz_team *team;       /* NULL: the calling thread alone */
    struct cz_scratch *scratch; /* for kernels, see storage_internal.h */
};

/* Calls work(user, i) once for each i in [0, count), spread over the team's
 * threads; returns when all are done. Not nested. */
void cz_team_for(const struct cz_exec *exec, size_t count,
                 void (*work)(void *user, size_t i), void *user);

/* ---- help for operators ----------------------------------------------- */

/* CZ_ESHAPE with "Conv 'name': " before the message. */
enum cz_status cz_step_error(const struct cz_step *step, struct cz_error *err,
                             const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* The same with CZ_EUNSUPPORTED. */
enum cz_status cz_step_unsupported(const struct cz_step *step,
                                   struct cz_error *err, const char *format,
                                   ...) __attribute__((format(printf, 3, 4)));

/* Input i, or NULL when it is left out or beyond the last. */
struct cz_array *cz_step_input(const struct cz_step *step, size_t i);

/* Sets dtype and dims of output i where somebody reads it. CZ_ESHAPE where a
 * dimension is negative or the bytes are absurd. */
enum cz_status cz_step_output(struct cz_step *step, size_t i,
                              enum cz_dtype dtype, const struct cz_dims *dims,
                              struct cz_error *err);

/* The step's outputs are sized by data: shape() runs again before each run().
 */
void cz_step_set_dynamic(struct cz_step *step);

/* Room for integers, and how many there are. */
struct cz_int_room {
    int64_t *ints; /* [capacity] */
    size_t capacity, count;
    bool is_known;
};

/* Puts the integers (int64 or int32) of input i into `room`. is_known becomes
 * false, with CZ_OK, when they are not known yet; an absent input gives
 * is_known and a count of 0. */
enum cz_status cz_step_ints(struct cz_int_room *room,
                            const struct cz_step *step, size_t i,
                            struct cz_error *err);

/* Brings an axis of -rank..rank-1 into 0..rank-1. */
enum cz_status cz_step_axis(const struct cz_step *step, int64_t number,
                            size_t rank, size_t *axis, struct cz_error *err);

/* The input must have this dtype, or this rank. */
enum cz_status cz_step_want_dtype(const struct cz_step *step, size_t i,
                                  enum cz_dtype dtype, struct cz_error *err);
enum cz_status cz_step_want_rank(const struct cz_step *step, size_t i,
                                 size_t rank, struct cz_error *err);

/* Numpy's rules: *result = the common shape of a and b; false where they do
 * not fit. */
bool cz_dims_broadcast(struct cz_dims *result, const struct cz_dims *a,
                       const struct cz_dims *b);
bool cz_dims_equal(const struct cz_dims *a, const struct cz_dims *b);

/* Products of dims [from, to). The dims were checked: no overflow. */
size_t cz_dims_product(const struct cz_dims *dims, size_t from, size_t to);

/* Strides in elements of a dense row-major array. */
void cz_dims_strides(const struct cz_dims *dims, size_t strides[CZ_RANK_MAX]);

/* Strides for reading an array of `dims` as if it had the shape `as`: 0 where
 * it is broadcast. */
void cz_dims_broadcast_strides(const struct cz_dims *dims,
                               const struct cz_dims *as,
                               size_t strides[CZ_RANK_MAX]);

/* "[1,3,640,640]" */
#define CZ_DIMS_TEXT_BYTES 192
const char *cz_dims_text(const struct cz_dims *dims,
                         char text[CZ_DIMS_TEXT_BYTES]);

/* The activation applied to one value: the reference. */
float cz_activate(const struct cz_activation *activation, float x);

/* ---- kernels ---------------------------------------------------------- */

/* An implementation of an operator that is faster than its run(). */
struct cz_kernel {
    const char *name; /* "onednn", "winograd", ... */
    const char *op_type;
    /* Can it do this step, with its layouts, fused parts and CPU? */
    bool (*fits)(const struct cz_step *step, const struct cz_plan *plan);
    /* Packs weights and the like into *state (NULL: nothing to do). */
    enum cz_status (*prepare)(struct cz_step *step, const struct cz_plan *plan,
                              void **state, struct cz_error *err);
    enum cz_status (*run)(struct cz_step *step, const struct cz_exec *exec,
                          struct cz_error *err);
    void (*release)(void *state);
    /* Called once all arrays have their addresses; may be NULL. */
    enum cz_status (*bind)(struct cz_step *step, struct cz_error *err);
    /* What it rounds its operands to: not FLOAT32 only where the plan's options
     * allow it. */
    enum cz_precision precision;
};

/* ---- plans ------------------------------------------------------------ */

/* The arrays of a graph's values: those of the main graph, or of a branch of an
 * If that takes the node's place. */
struct cz_scope {
    const struct cz_graph *graph;
    struct cz_array **by_value; /* by cz_value.id; NULL: not in use */
    struct cz_scope *next;
};

struct cz_plan {
    struct cz_model *model;
    struct cz_plan_options options;
    struct cz_arena arena; /* arrays, steps, params, known elements */
    size_t n_arrays, array_capacity;
    struct cz_array **arrays;
    size_t n_steps, step_capacity;
    struct cz_step **steps; /* in the order in which they run */
    size_t n_inputs, n_outputs, n_taps;
    size_t known_bytes;            /* of what was computed when compiling */
    struct cz_scope *scopes;       /* while it is built; the last one first */
    struct cz_port *ports;         /* inputs, outputs, taps */
    struct cz_array **port_arrays; /* the array of each port */
    size_t block;                  /* of floats, in channels: 8 or 16 */
    struct cz_onednn *onednn;      /* loaded when a kernel of it is tried */
    struct cz_openblas *openblas;  /* the same */
    struct cz_exec exec;
    struct cz_store *store; /* of weights that kernels pack */
    char *memory;           /* of all arrays that are not constant */
    size_t memory_bytes;
};

/* Channels of a block of codes, which are bytes. */
#define CZ_CODES_BLOCK ((size_t)16)

/* Channels of a block in arrays of this type. */
static inline size_t cz_plan_block(const struct cz_plan *plan,
                                   enum cz_dtype dtype)
{
    return dtype == CZ_DTYPE_UINT8 || dtype == CZ_DTYPE_INT8 ? CZ_CODES_BLOCK
                                                             : plan->block;
}

/* shapes.c */
/* CZ_EINVAL where one of the shapes is for none of the inputs [count], or there
 * are two for the same. */
enum cz_status cz_shapes_check(const struct cz_input_shape *shapes,
                               size_t n_shapes, const struct cz_port *inputs,
                               size_t count, struct cz_error *err);
/* The caller's shape for an input: that of its name or, where the model leaves
 * dims open, the one without a name. NULL: there is none. */
const struct cz_dims *cz_shapes_find(const struct cz_input_shape *shapes,
                                     size_t n_shapes, const char *input,
                                     bool is_open);

/* build.c */
enum cz_status cz_plan_build(struct cz_plan *plan, struct cz_error *err);
struct cz_array *cz_plan_add_array(struct cz_plan *plan, const char *name,
                                   struct cz_error *err);
struct cz_step *cz_plan_add_step(struct cz_plan *plan, const struct cz_op *op,
                                 const char *name, size_t n_inputs,
                                 size_t n_outputs, struct cz_error *err);
/* The array of a value of a graph that has a scope, made when it is first asked
 * for. */
enum cz_status cz_plan_array_of(struct cz_array **array, struct cz_plan *plan,
                                struct cz_value *value, struct cz_error *err);
/* Opens a scope for a graph. CZ_EUNSUPPORTED names all of its operators that
 * are missing. */
enum cz_status cz_plan_open_graph(struct cz_plan *plan,
                                  const struct cz_graph *graph,
                                  struct cz_error *err);
/* Steps for all nodes of a graph that was opened. */
enum cz_status cz_plan_add_graph(struct cz_plan *plan, struct cz_graph *graph,
                                 struct cz_error *err);
/* build_if.c: the same for the branch that an If takes, if that is known. */
enum cz_status cz_plan_add_if(struct cz_plan *plan, struct cz_node *node,
                              struct cz_error *err);
/* Puts a step at the end of the list. */
enum cz_status cz_plan_push_step(struct cz_plan *plan, struct cz_step *step,
                                 struct cz_error *err);
/* Shapes a step and, where all it reads is known, computes its outputs. */
enum cz_status cz_plan_settle(struct cz_plan *plan, struct cz_step *step,
                              struct cz_error *err);

/* passes.c: rewrites plan->steps, each pass in a file of its own. */
enum cz_status cz_plan_rewrite(struct cz_plan *plan, struct cz_error *err);

/* A pass marks steps as dead or changes what they read and make; uses are
 * counted before and dead steps removed after it. */
typedef enum cz_status cz_pass(struct cz_plan *plan, struct cz_error *err);
cz_pass cz_pass_fold, cz_pass_fuse_focus, cz_pass_dead, cz_pass_identity,
    cz_pass_fuse_batchnorm, cz_pass_fuse_silu, cz_pass_fuse_activation,
    cz_pass_fuse_add, cz_pass_fuse_codes, cz_pass_fuse_tables, cz_pass_layout;

/* A constant array of these dims, zeroed, to be filled in through its `data`.
 */
struct cz_array *cz_plan_add_constant(struct cz_plan *plan, const char *name,
                                      enum cz_dtype dtype,
                                      const struct cz_dims *dims,
                                      struct cz_error *err);

/* Gives an array memory of its own, zeroed, for `bytes` that are known when the
 * plan is compiled; it is given back with the array's last reader. */
enum cz_status cz_array_own(struct cz_array *array, size_t bytes,
                            struct cz_error *err);

/* Counts the uses of all arrays. */
void cz_plan_count_uses(struct cz_plan *plan);

/* weights.c: gives up the elements of constants that no step reads, and of
 * those that the step has packed as the last of their readers; those of the
 * model in plans that take its weights. */
void cz_plan_drop_unread(struct cz_plan *plan);
void cz_plan_drop_packed(struct cz_plan *plan, const struct cz_step *step);

/* kernels.c */
/* Ties the kernels to the addresses of their operands. */
enum cz_status cz_plan_bind(struct cz_plan *plan, struct cz_error *err);
enum cz_status cz_plan_choose_kernels(struct cz_plan *plan,
                                      struct cz_error *err);

/* describe.c: gives all steps their labels. */
enum cz_status cz_plan_label(struct cz_plan *plan, struct cz_error *err);

/* memory.c */
/* Do the parts lie one behind the other in the bytes of `whole`? */
bool cz_parts_are_contiguous(const struct cz_plan *plan,
                             const struct cz_array *whole,
                             struct cz_array *const *parts, size_t n_parts);
enum cz_status cz_plan_place(struct cz_plan *plan, struct cz_error *err);

/* Inputs of float16 are ports of their own: from there to the arrays, and
 * back. */
void cz_plan_read_inputs(struct cz_plan *plan);
void cz_plan_write_inputs(struct cz_plan *plan);

#endif

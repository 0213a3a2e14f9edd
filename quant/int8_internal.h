/* The parts of quantizing: what is quantized (int8_place.c), which values it
 * has (int8_calibrate.c), the codes of weights (int8_weights.c), better ones
 * (int8_learn.c, int8_lessons.c), and the edits (int8_write.c). */
#ifndef CZ_QUANT_INT8_INTERNAL_H
#define CZ_QUANT_INT8_INTERNAL_H

#include "quant/affine.h"
#include "quant/int8.h"

/* What an operator is to quantization. */
enum cz_int8_role {
    CZ_INT8_NO_ROLE,    /* float */
    CZ_INT8_WEIGHTED,   /* Conv: int8 products */
    CZ_INT8_ARITHMETIC, /* Add, Mul, Sigmoid, ...: codes to codes */
    CZ_INT8_MOVING,     /* MaxPool, Split, ...: the same codes, so the same
                           scale before and behind it */
};

/* What calibration has seen of a tensor. */
struct cz_int8_seen {
    char *name;
    struct cz_observer observer;
    float *channel_most; /* [channels] the greatest value of each, where the
                            tensor feeds a convolution; else NULL */
    size_t channels;
};

struct cz_int8_statistics {
    struct cz_int8_seen **seen; /* [count] */
    size_t count;
    struct cz_int8_lesson *lessons; /* [n_lessons] see cz_int8_remember() */
    size_t n_lessons, lessons_capacity;
};

/* A float tensor that gets a scale. */
struct cz_int8_tensor {
    struct cz_value *value;
    size_t same_as; /* another tensor of the plan whose scale this one has, or
                       itself */
    float known_min, known_max; /* what its operator can give */
    const struct cz_node *silu; /* the Mul of the one SiLU that reads it, and
                                   nothing else; or NULL */
    bool feeds_convolution;
    struct cz_int8_seen *seen; /* of the statistics */
    struct cz_range range;
    enum cz_codes codes;
    struct cz_affine affine;
};

/* A convolution whose weight gets codes; arrays are owned. */
struct cz_int8_conv {
    struct cz_node *node;
    const struct cz_value *source; /* the float weight, maybe of others too */
    const struct cz_int8_tensor *input; /* whose codes it reads, or NULL */
    bool is_integer; /* its products are; otherwise only the file is small */
    struct cz_weights weights; /* `values` and `most_codes` are owned */
    float *bias;               /* [channels], or NULL */
    float *scales;             /* [channels] */
    int8_t *codes;             /* [channels, per_channel] */
    enum cz_dtype type; /* int8, or uint8: codes with a zero point of 128 */
};

/* What becomes of each node and value of the main graph, by id. */
struct cz_int8_plan {
    const struct cz_int8_options *options;
    struct cz_int8_statistics *statistics;
    struct cz_graph *graph;
    size_t n_nodes, n_values;
    enum cz_int8_role *roles;   /* [n_nodes] */
    enum cz_int8_state *states; /* [n_nodes] of each Conv */
    bool *in_tail;              /* [n_nodes] */
    size_t *tensor_of;          /* [n_values] index of a tensor, or SIZE_MAX */
    struct cz_int8_tensor *tensors; /* [n_tensors] */
    size_t n_tensors;
    struct cz_int8_conv *convs; /* [n_convs] */
    size_t n_convs;
};

/* Decides what is quantized, and fills in the report's layers. The graph must
 * have been inferred. Ends with _fini, also after an error. */
enum cz_status cz_int8_plan_make(struct cz_int8_plan *plan,
                                 struct cz_graph *graph,
                                 const struct cz_int8_options *options,
                                 struct cz_int8_report *report,
                                 struct cz_error *err);
void cz_int8_plan_fini(struct cz_int8_plan *plan);

/* The tensor of a value, or NULL. */
struct cz_int8_tensor *cz_int8_plan_tensor(const struct cz_int8_plan *plan,
                                           const struct cz_value *value);

/* CZ_INT8_NO_ROLE for nodes of other graphs, and for none. */
enum cz_int8_role cz_int8_plan_role(const struct cz_int8_plan *plan,
                                    const struct cz_node *node);

/* Is it a Conv that computes in float, with int8 weights? */
bool cz_int8_plan_stores_codes(const struct cz_int8_plan *plan,
                               const struct cz_node *node);

/* Does this use of a tensor read its codes? */
bool cz_int8_plan_reads(const struct cz_int8_plan *plan,
                        const struct cz_use *use);

/* Runs the images through the model and gives each tensor its scale. */
enum cz_status cz_int8_calibrate(struct cz_int8_plan *plan,
                                 struct cz_model *model, struct cz_error *err);

/* Then: how much noise the codes are to each layer. */
void cz_int8_find_noise(const struct cz_int8_plan *plan,
                        struct cz_int8_report *report);

/* Gives each weight its codes: plan->convs. */
enum cz_status cz_int8_weights_make(struct cz_int8_plan *plan,
                                    struct cz_error *err);
void cz_int8_weights_free(struct cz_int8_plan *plan);

/* Does it have an int32 bias? */
bool cz_int8_conv_has_int_bias(const struct cz_int8_plan *plan,
                               const struct cz_int8_conv *conv);

/* Runs images through the float model and changes the codes and biases so that
 * what the convolutions make, not their weights, comes nearest to what they
 * made; see options->learn. */
enum cz_status cz_int8_learn(struct cz_int8_plan *plan, struct cz_model *model,
                             struct cz_error *err);

/* Gives a convolution the codes and bias that were learned before from the same
 * codes; false where none were. */
bool cz_int8_recall(const struct cz_int8_statistics *statistics,
                    struct cz_int8_conv *conv);

/* Notes what the codes `start` were changed to. */
enum cz_status cz_int8_remember(struct cz_int8_statistics *statistics,
                                const struct cz_int8_conv *conv,
                                const int8_t *start, struct cz_error *err);

/* Frees all that was noted. */
void cz_int8_forget(struct cz_int8_statistics *statistics);

/* ---- images ----------------------------------------------------------- */

/* What is done with each image's tensors, in the order of `names`. */
struct cz_int8_visit {
    const char *const *names; /* [count] tensors of the model */
    size_t count;
    size_t images;     /* how many, evenly over all */
    const char *stage; /* for the progress */
    /* Called once, before the images; may be NULL. */
    enum cz_status (*begin)(void *user, const struct cz_port *const *ports,
                            struct cz_error *err);
    enum cz_status (*visit)(void *user, const struct cz_port *const *ports,
                            size_t image, struct cz_error *err);
    void *user;
};

/* Runs images through the float model. */
enum cz_status cz_int8_visit_images(const struct cz_int8_visit *visit,
                                    const struct cz_int8_options *options,
                                    struct cz_model *model,
                                    struct cz_error *err);

/* ---- edits ------------------------------------------------------------ */

/* Edits the graph. */
enum cz_status cz_int8_write(struct cz_int8_plan *plan, struct cz_error *err);

#endif

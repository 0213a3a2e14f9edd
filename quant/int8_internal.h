/* The parts of quantizing: what is quantized (int8_place.c), which values it
 * has (int8_calibrate.c), and the edits (int8_write.c). */
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
};

/* A float tensor that gets a scale. */
struct cz_int8_tensor {
    struct cz_value *value;
    size_t same_as; /* another tensor of the plan whose scale this one has, or
                       itself */
    float known_min, known_max; /* what its operator can give */
    bool feeds_silu;            /* and nothing else */
    bool feeds_convolution;
    struct cz_int8_seen *seen; /* of the statistics */
    struct cz_range range;
    struct cz_affine affine;
};

/* What becomes of each node and value of the main graph, by id. */
struct cz_int8_plan {
    const struct cz_int8_options *options;
    struct cz_int8_statistics *statistics;
    struct cz_graph *graph;
    size_t n_nodes, n_values;
    enum cz_int8_role *roles; /* [n_nodes] */
    bool *is_last;            /* [n_nodes] Conv that reads codes, makes none */
    bool *has_small_weights;  /* [n_nodes] Conv with int8 weights only */
    bool *in_tail;            /* [n_nodes] */
    size_t *tensor_of;        /* [n_values] index of a tensor, or SIZE_MAX */
    struct cz_int8_tensor *tensors; /* [n_tensors] */
    size_t n_tensors;
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

/* Does this use of a tensor read its codes? */
bool cz_int8_plan_reads(const struct cz_int8_plan *plan,
                        const struct cz_use *use);

/* Runs the images through the model and gives each tensor its scale. */
enum cz_status cz_int8_calibrate(struct cz_int8_plan *plan,
                                 struct cz_model *model, struct cz_error *err);

/* Then: how much noise the codes are to each layer. */
void cz_int8_find_noise(const struct cz_int8_plan *plan,
                        struct cz_int8_report *report);

/* Edits the graph. */
enum cz_status cz_int8_write(struct cz_int8_plan *plan, struct cz_error *err);

#endif

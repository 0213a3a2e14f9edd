/* Eight bits for each number: an int8 model in QDQ form.
 *
 * In QDQ form every float operator stays in the graph, between
 * DequantizeLinear and QuantizeLinear nodes that tell a runtime the scales; it
 * then computes what lies between them in integers. */
#ifndef CZ_QUANT_INT8_H
#define CZ_QUANT_INT8_H

#include <stdbool.h>
#include <stddef.h>

#include "core/error.h"
#include "core/progress.h"
#include "engine/engine.h"
#include "onnx/onnx.h"
#include "quant/range.h"

/* The runtime that the file is for. */
enum cz_int8_target {
    /* ONNX Runtime's CPU kernels: every tensor between two convolutions is
     * quantized, uint8 with a zero point; int32 biases. */
    CZ_INT8_ONNXRUNTIME,
    /* TensorRT: what convolutions read, and the skip branch of a residual
     * Add; symmetric int8, float biases, one scale across Concat, MaxPool,
     * Resize and Split. */
    CZ_INT8_TENSORRT,
    CZ_INT8_TARGETS
};

/* "onnxruntime", "tensorrt" */
const char *cz_int8_target_name(enum cz_int8_target target);

/* What calibration has seen of each tensor, to quantize the same model again
 * without running the images again: with other ranges, or more convolutions
 * kept. */
struct cz_int8_statistics;

/* NULL when there is no memory. */
struct cz_int8_statistics *cz_int8_statistics_new(void);
void cz_int8_statistics_free(struct cz_int8_statistics *statistics);

struct cz_int8_options {
    enum cz_int8_target target;
    enum cz_range_method method; /* of the activations' ranges */
    struct cz_images images;
    /* New ones are filled from the images, others take their place; NULL: they
     * are not wanted. */
    struct cz_int8_statistics *statistics;
    struct cz_plan_options plan; /* threads, shapes, tuning */
    /* Labels of convolutions that stay float32, with their activation:
     * [n_keep]. */
    const char *const *keep;
    size_t n_keep;
    bool keep_weights; /* theirs stay float32, too, for ONNX Runtime */
    /* Learn codes of weights, and biases, from the images: takes them through
     * the float model a second time. */
    bool learn;
    /* Weights are equalized first, see equalize.h. Statistics are those of the
     * model with or without it. */
    bool equalize;
    const struct cz_progress *progress; /* may be NULL */
};

#define CZ_INT8_OPTIONS_INIT                                                   \
    ((struct cz_int8_options){.method = CZ_RANGE_MSE,                          \
                              .plan = CZ_PLAN_OPTIONS_INIT})

/* Why a convolution computes in float32. */
enum cz_int8_state {
    CZ_INT8_DONE,     /* it does not */
    CZ_INT8_IS_LAST,  /* its output goes into the decode tail: for ONNX Runtime
                         its weights are 8 bits all the same */
    CZ_INT8_IS_TAIL,  /* part of the decode tail: DFL */
    CZ_INT8_KEPT,     /* as the options want it: for ONNX Runtime its weights
                         are 8 bits all the same without keep_weights */
    CZ_INT8_SMALL,    /* TensorRT gains nothing by it */
    CZ_INT8_COMPUTED, /* its weight is no constant */
};

/* One sentence's end: "its output goes into the decode tail", ... */
const char *cz_int8_state_text(enum cz_int8_state state);

struct cz_int8_layer {
    const struct cz_node *node; /* lives as long as the model */
    enum cz_int8_state state;
    /* Of a layer in int8: the least ratio, over what it reads and makes up to
     * its activation, of a tensor's mean square to that of the error that its
     * codes have on the calibration images, in dB. */
    double snr_db;
};

struct cz_int8_report {
    struct cz_int8_layer *layers; /* [n_layers] every Conv; owned */
    size_t n_layers;
    size_t convolutions; /* in int8 */
    size_t tensors;      /* activations with a scale */
    size_t images;
    size_t equalized;            /* pairs of convolutions */
    int64_t opset_before, opset; /* raised to 13 where it was lower */
};

void cz_int8_report_fini(struct cz_int8_report *report);

/* Quantizes the model: raises its opset to 13, runs the images through it,
 * chooses a range for each tensor, and puts QuantizeLinear and
 * DequantizeLinear nodes into the graph; weights become int8 initializers with
 * a scale for each output channel. The decode tail (cz_graph_mark_tail()) stays
 * float32, and so do the convolutions that feed it, but for their weights: see
 * CZ_INT8_IS_LAST.
 *
 * Errors: CZ_EINVAL for a model that is quantized or float16 already, for one
 * without a convolution to quantize, for values that are NaN or infinite, and
 * for images that are all of one colour, and for statistics of another model;
 * those of the plan and of the images.
 * The model may then be half converted: do not save it. End the report with
 * _fini whatever the result. */
enum cz_status cz_int8_quantize(struct cz_model *model,
                                const struct cz_int8_options *options,
                                struct cz_int8_report *report,
                                struct cz_error *err);

#endif

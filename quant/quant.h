/* Fewer bits for each number: float16 and int8. */
#ifndef CZ_QUANT_QUANT_H
#define CZ_QUANT_QUANT_H

#include <stdbool.h>
#include <stddef.h>

#include "core/error.h"
#include "core/progress.h"
#include "onnx/onnx.h"
#include "quant/equalize.h"
#include "quant/int8.h"

/* What becomes of a model in QDQ form; see cz_int8_quantize(). */
enum cz_fp16_codes {
    CZ_FP16_NO_CODES, /* it is refused */
    /* All that a runtime computes in integers stays as it is, with its
     * QuantizeLinear and DequantizeLinear in float32: ONNX Runtime has no
     * others. */
    CZ_FP16_CODES_FLOAT,
    /* QuantizeLinear and DequantizeLinear have float16 scales, for TensorRT,
     * where the type of the scale is that of the convolution behind it. The
     * model is raised to opset 19, the first that allows it. */
    CZ_FP16_CODES_HALF,
};

struct cz_fp16_options {
    bool half_io;     /* graph inputs, and outputs that are computed, too */
    bool half_decode; /* the decode tail too (default: it stays float32) */
    bool strict;      /* values beyond the range are an error */
    enum cz_fp16_codes codes;
    const struct cz_progress *progress;
};

#define CZ_FP16_OPTIONS_INIT                                                   \
    {                                                                          \
        .half_io = false                                                       \
    }

struct cz_fp16_report {
    size_t tensors;         /* constants converted, scales included */
    size_t tensors_kept;    /* float32 constants that stayed */
    size_t nodes;           /* operators that compute in float16 */
    size_t nodes_kept;      /* operators on float32 values that stayed */
    size_t tail_nodes;      /* nodes in the decode tail, constants included */
    size_t casts;           /* Cast nodes added */
    size_t clamped;         /* values beyond +-65504, now +-65504 */
    size_t raised;          /* values that would vanish, now +-2^-24 */
    const char *clamped_in; /* the first tensor with a clamped value, or NULL;
                               lives as long as the model */
};

/* Converts weights and computation to float16. Infers the graph's types and
 * shapes first where that has not been done.
 *
 * An operator computes in float16 when the ONNX specification allows it for
 * all opsets 9 to 22 and nothing speaks against it; what it reads and writes
 * otherwise (shapes, indices, Resize's roi and scales) stays as it is. These
 * stay float32: the decode tail behind the last learned operators
 * (cz_graph_mark_tail()), where a float16 step is up to half a pixel;
 * arithmetic on shapes, and on constants where float32 is wanted of it;
 * NonMaxSuppression, TopK, Range, Min, Max and all that
 * is not in the list of quant/fp16_ops.c; nodes with subgraphs and what is
 * inside. Casts are added on the edges between the two kinds, one for each
 * value, none in pairs; existing Casts are redirected.
 *
 * In a model in QDQ form no Cast comes between a DequantizeLinear and an
 * operator that is computed in integers. Codes of weights follow where float16
 * does not have their scale.
 *
 * CZ_EINVAL: the model computes in float16 already, nothing could be
 * converted, a weight is NaN or infinite, or, with `strict`, a value is beyond
 * the range. The model may then be half converted: do not save it. */
enum cz_status cz_fp16_convert(struct cz_model *model,
                               const struct cz_fp16_options *options,
                               struct cz_fp16_report *report,
                               struct cz_error *err);

/* Stores float32 constants of 1 KB and more that float16 holds exactly as
 * float16, with a Cast behind each: anchors and strides of the box decode. Only
 * those that are read by nothing but arithmetic, and none of subgraphs. No
 * output changes. Types need not have been inferred. `packed`: how many. After
 * an error the model can only be freed. */
enum cz_status cz_pack_tables(struct cz_model *model, size_t *packed,
                              struct cz_error *err);

#endif

/* Which operators may compute in float16, and through which operands. */
#ifndef CZ_QUANT_FP16_INTERNAL_H
#define CZ_QUANT_FP16_INTERNAL_H

#include "quant/quant.h"

/* An operator whose type T may be float16 in all of opsets 9 to 22. */
struct cz_half_op {
    const char *op_type;
    unsigned inputs;  /* bit i: input i has type T; CZ_HALF_ALL: all of them */
    unsigned outputs; /* the same for outputs */
    bool moves;       /* it only moves elements: exact in any type */
};

#define CZ_HALF_ALL (~0u)

/* The entry of the node's operator, or NULL: it stays float32. With
 * CZ_FP16_CODES_HALF there are entries for QuantizeLinear and
 * DequantizeLinear. */
const struct cz_half_op *cz_half_op_find(const struct cz_node *node,
                                         enum cz_fp16_codes codes);

/* Does input (output) `i` of the operator have type T? */
bool cz_half_op_input(const struct cz_half_op *op, size_t i);
bool cz_half_op_output(const struct cz_half_op *op, size_t i);

/* What becomes of each node of the main graph. Nodes that are added later are
 * not in it. */
struct cz_half_plan {
    const struct cz_graph *graph;
    bool *half; /* [n_nodes] by node->id: computes in, or casts to, float16 */
    size_t n_nodes;
    size_t n_tail; /* nodes in the decode tail */
    bool half_io;
    enum cz_fp16_codes codes;
};

/* Decides; the graph must have been inferred. Ends with _fini, also after an
 * error. */
enum cz_status cz_half_plan_make(struct cz_half_plan *plan,
                                 const struct cz_graph *graph,
                                 const struct cz_fp16_options *options,
                                 struct cz_error *err);
void cz_half_plan_fini(struct cz_half_plan *plan);

/* What a reader wants of a float32 value. */
enum cz_half_wish { CZ_WISH_FLOAT, CZ_WISH_HALF, CZ_WISH_ANY };

enum cz_half_wish cz_half_plan_wish(const struct cz_half_plan *plan,
                                    const struct cz_use *use);

/* Is a value that is no constant float16 when it is made? */
bool cz_half_plan_makes_half(const struct cz_half_plan *plan,
                             const struct cz_value *value);

/* ---- models in QDQ form (fp16_codes.c) -------------------------------- */

/* Marks, by position, each node that a runtime computes in integers: what it
 * reads is dequantized, and what it makes is quantized, directly or behind a
 * Relu or Clip. */
void cz_half_mark_integer(const struct cz_graph *graph, bool *is_integer);

/* Rounds the codes of the weights that `scale`, float16 now, is the scale of;
 * `before`: [n] what it was. */
enum cz_status cz_half_follow_scale(const struct cz_value *scale,
                                    const float *before, struct cz_error *err);

#endif

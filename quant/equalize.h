/* Weights of neighbouring convolutions brought to the same size.
 *
 * Between two convolutions with nothing, a Relu or a LeakyRelu in between, a
 * channel can be divided by any positive number and the weights that read it
 * multiplied by the same: the model computes what it did. The numbers are
 * chosen so that the weights of each channel have the same range on both sides,
 * and no channel is lost in the steps of a neighbour (Nagel et al., Data-Free
 * Quantization Through Weight Equalization and Bias Correction, ICCV 2019,
 * section 4.1). */
#ifndef CZ_QUANT_EQUALIZE_H
#define CZ_QUANT_EQUALIZE_H

#include <stddef.h>

#include "core/error.h"
#include "onnx/onnx.h"

/* Equalizes all pairs of Convs in the main graph, in turn, until they stay as
 * they are: ordinary, grouped and depthwise ones with float32 initializers that
 * nobody else reads, where only the second reads what the first makes. Chains
 * are pairs that share a Conv. SiLU and other curves have no pairs.
 *
 * pairs: how many there are. Changes weights and biases in place. Errors are
 * those of cz_tensor_elements(). */
enum cz_status cz_equalize(struct cz_model *model, size_t *pairs,
                           struct cz_error *err);

#endif

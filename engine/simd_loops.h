/* The loops of simd_internal.h in vectors of LANES floats. Included by one
 * file for each kind of vector unit, which defines before it
 *
 *     LANES    floats of a vector: the block of channels
 *     vec, vec_at, ivec  vectors of LANES floats, floats at any address, ints
 *     TARGET   the function attribute that switches the instructions on
 *     SPLAT(f)               a vector of f
 *     MULTIPLY_ADD(a, b, c)  a * b + c
 *     MIN(a, b), MAX(a, b)   b where one is no number
 *     PIXELS   of a tile of multiply(): PIXELS * 2 accumulators, 2 vectors of
 *              weights and one of x have to fit in the registers
 *     HAS_LANE_PRODUCTS      whether a product may take one lane of a vector
 *              for all: then a tile's PIXELS vectors of x have to fit as well
 *
 * and exports SIMD_LOOPS, the initializer of its struct cz_simd.
 *
 * The loops themselves are in one file for each kind. */
#include "engine/simd_macros.h"

#define LOAD(p) (*(const vec_at *)(p))
#define STORE(p, v) (*(vec_at *)(p) = (v))

#include "engine/simd_activations.h"
#include "engine/simd_depthwise.h"
#include "engine/simd_products.h"
#include "engine/simd_winograd.h"

#define SIMD_LOOPS                                                             \
    {                                                                          \
        .lanes = LANES, .multiply = multiply, .depthwise = depthwise,          \
        .rows = rows, .finish = finish, .softmax = softmax,                    \
        .softmax_row = softmax_row,                                            \
        .winograd_in = {winograd_in_1, winograd_in_2}, .winograd_out = {       \
            winograd_out_1,                                                    \
            winograd_out_2                                                     \
        }                                                                      \
    }

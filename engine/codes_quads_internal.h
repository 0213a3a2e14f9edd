/* Quads of weights, four input channels of a block at one position of a window,
 * in an order in which their products never saturate int16. */
#ifndef CZ_ENGINE_CODES_QUADS_INTERNAL_H
#define CZ_ENGINE_CODES_QUADS_INTERNAL_H

#include "engine/conv_codes_internal.h"

/* A quad whose weights are too large to be added in int16 is two of half the
 * weight. */
enum cz_codes_part { CZ_QUAD_WHOLE, CZ_QUAD_HALF, CZ_QUAD_OTHER_HALF };

struct cz_codes_quad {
    uint32_t position;            /* in the window */
    uint32_t first;               /* the first channel of the block */
    uint8_t lanes[CZ_CODES_QUAD]; /* behind it */
    enum cz_codes_part part;
};

/* Quads of a block of outputs as multiply() takes them: pairs, singles, and
 * then those of which a lane is not beside the one before it. */
struct cz_codes_quads {
    struct cz_codes_quad *quads; /* some of what there is room for */
    struct cz_codes_counts counts;
};

/* How many quads a block of outputs may need at most, how many are in use, and
 * which is the first mixed one. */
size_t cz_codes_quads_max(const struct cz_codes_conv *conv);
size_t cz_codes_quads_count(const struct cz_codes_quads *quads);
size_t cz_codes_quads_mixed(const struct cz_codes_quads *quads);

/* Orders the quads of block `block` of the output: into quads->quads.
 * unit: channels of a block, which lie side by side in a pixel; 4 or 16. */
enum cz_status cz_codes_quads_order(struct cz_codes_quads *quads,
                                    const struct cz_codes_conv *conv,
                                    const struct cz_step *step, size_t block,
                                    size_t unit, struct cz_error *err);

/* The weights of a quad for a block of outputs, [16][4]. */
void cz_codes_quad_weights(int8_t w[CZ_CODES_QUAD_WEIGHTS],
                           const struct cz_codes_conv *conv,
                           const struct cz_step *step, size_t block,
                           const struct cz_codes_quad *quad);

#endif

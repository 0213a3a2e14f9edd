/* What reference kernels do with a row of results: the parts fused into the
 * step. */
#ifndef CZ_ENGINE_FINISH_INTERNAL_H
#define CZ_ENGINE_FINISH_INTERNAL_H

#include "engine/plan_internal.h"

/* Applies the step's activation to elements [from, from + count) of output 0,
 * which is float32, and adds its residual. */
static inline void cz_step_finish(const struct cz_step *step, size_t from,
                                  size_t count)
{
    float *y = (float *)step->outputs[0]->data + from;
    if (step->activation.kind != CZ_ACT_NONE) {
        for (size_t i = 0; i < count; i++)
            y[i] = cz_activate(&step->activation, y[i]);
    }
    if (step->residual) {
        const float *more = (const float *)step->residual->data + from;
        for (size_t i = 0; i < count; i++)
            y[i] += more[i];
    }
}

#endif

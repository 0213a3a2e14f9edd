/* Clip, by the ONNX operator specification: up to opset 10 its bounds are
 * attributes, from 11 on scalars. Where the lower bound is above the upper one
 * the upper wins; NaN stays NaN. */
#include <string.h>

#include "engine/attr_internal.h"
#include "engine/op_facts_internal.h"
#include "engine/scalar_internal.h"
#include "engine/walk_internal.h"

struct clip_params {
    float low, high; /* up to opset 10 */
};

/* Pointers to one element each; NULL: the type's own limit. */
struct bounds {
    const void *low, *high;
};

#define CLIP(dtype, T, name, lowest, highest)                                  \
    static void clip_##name(const struct cz_row *row)                          \
    {                                                                          \
        const struct bounds *bounds = row->user;                               \
        const T low = bounds->low ? *(const T *)bounds->low : (T)(lowest);     \
        const T high = bounds->high ? *(const T *)bounds->high : (T)(highest); \
        const T *x = row->x[0];                                                \
        T *y = row->y;                                                         \
        for (size_t i = 0; i < row->count; i++) {                              \
            T v = x[i] < low ? low : x[i];                                     \
            y[i] = v > high ? high : v;                                        \
        }                                                                      \
    }
CZ_EACH_NUMBER(CLIP)

static const struct {
    void (*of[CZ_DTYPE_COUNT])(const struct cz_row *row);
} clips = {CZ_OF_NUMBERS(clip)};

static void clip(const struct cz_step *step, const struct bounds *bounds,
                 const struct cz_exec *exec)
{
    const struct cz_array *x = step->inputs[0];
    cz_walk_run(&(struct cz_walk){.output = step->outputs[0],
                                  .n_inputs = 1,
                                  .inputs = {x},
                                  .kernel = clips.of[x->dtype],
                                  .user = bounds},
                exec);
}

/* ---- bounds as attributes --------------------------------------------- */

static enum cz_status parse_6(struct cz_step *step, const struct cz_node *node,
                              struct cz_error *err)
{
    const struct cz_attrs attrs = {step, node, err};
    struct clip_params *p = step->params;
    p->low = -FLT_MAX;
    p->high = FLT_MAX;
    CZ_TRY(cz_attrs_float(&attrs, "min", &p->low));
    return cz_attrs_float(&attrs, "max", &p->high);
}

static enum cz_status shape_6(struct cz_step *step, struct cz_error *err)
{
    const struct cz_array *x = step->inputs[0];
    if (!cz_dtype_is_float(x->dtype))
        return cz_step_unsupported(step, err, "not for elements of %s",
                                   cz_dtype_name(x->dtype));
    return cz_step_output(step, 0, x->dtype, &x->dims, err);
}

static enum cz_status run_6(struct cz_step *step, const struct cz_exec *exec,
                            struct cz_error *err)
{
    (void)err;
    const struct clip_params *p = step->params;
    const double low = p->low, high = p->high;
    struct bounds bounds = {&p->low, &p->high};
    if (step->inputs[0]->dtype == CZ_DTYPE_DOUBLE)
        bounds = (struct bounds){&low, &high};
    clip(step, &bounds, exec);
    return CZ_OK;
}

/* ---- bounds as inputs ------------------------------------------------- */

static enum cz_status shape_11(struct cz_step *step, struct cz_error *err)
{
    const struct cz_array *x = step->inputs[0];
    if (!clips.of[x->dtype])
        return cz_step_unsupported(step, err, "not for elements of %s",
                                   cz_dtype_name(x->dtype));
    for (size_t i = 1; i <= 2; i++) {
        const struct cz_array *bound = cz_step_input(step, i);
        CZ_TRY(cz_step_want_dtype(step, i, x->dtype, err));
        if (bound && cz_array_count(bound) != 1)
            return cz_step_error(step, err, "%s has %zu elements, want 1",
                                 i == 1 ? "min" : "max", cz_array_count(bound));
    }
    return cz_step_output(step, 0, x->dtype, &x->dims, err);
}

static enum cz_status run_11(struct cz_step *step, const struct cz_exec *exec,
                             struct cz_error *err)
{
    (void)err;
    const struct cz_array *low = cz_step_input(step, 1);
    const struct cz_array *high = cz_step_input(step, 2);
    clip(step,
         &(struct bounds){low ? low->data : NULL, high ? high->data : NULL},
         exec);
    return CZ_OK;
}

/* ---- as an activation ------------------------------------------------- */

/* The bound that input i is; false where it is not known. */
static bool known_bound(const struct cz_step *step, size_t i, float *bound)
{
    const struct cz_array *input = cz_step_input(step, i);
    if (!input)
        return true;
    if (!input->known || input->dtype != CZ_DTYPE_FLOAT)
        return false;
    *bound = *(const float *)input->known;
    return true;
}

bool cz_op_clip(const struct cz_step *step, struct cz_activation *activation)
{
    float low = -FLT_MAX, high = FLT_MAX;
    if (step->op->run == run_6) {
        const struct clip_params *p = step->params;
        low = p->low;
        high = p->high;
    } else if (!known_bound(step, 1, &low) || !known_bound(step, 2, &high)) {
        return false;
    }
    *activation = (struct cz_activation){
        .kind = CZ_ACT_CLIP,
        .alpha = low > high ? high : low,
        .beta = high,
    };
    return true;
}

const struct cz_op cz_ops_clip[] = {
    {.op_type = "Clip",
     .since = 6,
     .flags = CZ_OP_ELEMENTWISE,
     .min_inputs = 1,
     .max_inputs = 1,
     .params_size = sizeof(struct clip_params),
     .parse = parse_6,
     .shape = shape_6,
     .run = run_6},
    {.op_type = "Clip",
     .since = 11,
     .min_inputs = 1,
     .max_inputs = 3,
     .shape = shape_11,
     .run = run_11},
    {.op_type = NULL},
};

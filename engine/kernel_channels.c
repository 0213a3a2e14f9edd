/* What squeeze-and-excitation needs in the blocked layout: the mean of each
 * channel, and an image times, or plus, a number for each of its channels. A
 * blocked array of single pixels lies in memory as the plain one does. */
#include <string.h>

#include "engine/kernels_internal.h"

/* Floats that are worked on at once: a pixel of 16 channels, or two of 8. */
#define GROUP 16
/* Groups that are summed up in float before the sum goes on in double. */
#define SEGMENT 64

struct state {
    size_t lanes, count, blocks; /* blocks: of one image; count: of all */
    size_t plane;                /* floats of a block: pixels x lanes */
    const float *x;
    float *y;
    /* Mul, Add */
    size_t image; /* which operand is the image, not the numbers */
    const float *numbers;
    size_t per_image, per_channel; /* their distances; 0: always the same */
};

static bool is_image(const struct cz_array *array, const struct cz_plan *plan)
{
    return array->dtype == CZ_DTYPE_FLOAT && !array->is_dynamic &&
           array->layout == CZ_LAYOUT_BLOCKED && array->dims.rank == 4 &&
           array->size_bytes > 0 &&
           array->dims.size[1] % (int64_t)plan->block == 0;
}

static struct state *new_state(const struct cz_array *x,
                               const struct cz_plan *plan)
{
    struct state *s = cz_calloc(1, sizeof *s);
    if (!s)
        return NULL;
    s->lanes = plan->block;
    s->blocks = (size_t)x->dims.size[1] / s->lanes;
    s->count = (size_t)x->dims.size[0] * s->blocks;
    s->plane = cz_dims_product(&x->dims, 2, 4) * s->lanes;
    return s;
}

/* ---- means ------------------------------------------------------------ */

/* GlobalAveragePool and ReduceMean: then the output is all that has to be
 * looked at. */
static bool fits_mean(const struct cz_step *step, const struct cz_plan *plan)
{
    const struct cz_array *x = step->inputs[0], *y = step->outputs[0];
    return !step->is_dynamic && is_image(x, plan) && is_image(y, plan) &&
           y->dims.size[0] == x->dims.size[0] &&
           y->dims.size[1] == x->dims.size[1] && y->dims.size[2] == 1 &&
           y->dims.size[3] == 1;
}

static void add_segment(const float *x, size_t count, double sums[GROUP])
{
    float sum[GROUP] = {0};
    for (; count >= GROUP; count -= GROUP, x += GROUP) {
        for (size_t l = 0; l < GROUP; l++)
            sum[l] += x[l];
    }
    for (size_t l = 0; l < count; l++)
        sum[l] += x[l];
    for (size_t l = 0; l < GROUP; l++)
        sums[l] += (double)sum[l];
}

static void mean_of_block(void *user, size_t i)
{
    const struct state *s = user;
    const float *x = s->x + i * s->plane;
    double sums[GROUP] = {0};
    for (size_t at = 0; at < s->plane; at += SEGMENT * GROUP) {
        const size_t left = s->plane - at;
        add_segment(x + at, left < SEGMENT * GROUP ? left : SEGMENT * GROUP,
                    sums);
    }
    for (size_t l = s->lanes; l < GROUP; l++)
        sums[l % s->lanes] += sums[l];
    const double pixels = (double)(s->plane / s->lanes);
    for (size_t l = 0; l < s->lanes; l++)
        s->y[i * s->lanes + l] = (float)(sums[l] / pixels);
}

static enum cz_status prepare_mean(struct cz_step *step,
                                   const struct cz_plan *plan, void **state,
                                   struct cz_error *err)
{
    *state = new_state(step->inputs[0], plan);
    return *state ? CZ_OK : cz_error_nomem(err);
}

static enum cz_status run_mean(struct cz_step *step, const struct cz_exec *exec,
                               struct cz_error *err)
{
    struct state *s = step->state;
    (void)err;
    s->x = step->inputs[0]->data;
    s->y = step->outputs[0]->data;
    cz_team_for(exec, s->count, mean_of_block, s);
    return CZ_OK;
}

/* ---- Mul and Add ------------------------------------------------------ */

/* Is `array` a number for each channel of y, or one for all of them? Constants
 * are plain. */
static bool is_per_channel(const struct cz_array *array,
                           const struct cz_array *y, const struct cz_plan *plan)
{
    const struct cz_dims *dims = &array->dims;
    const size_t missing = dims->rank < 4 ? 4 - dims->rank : 0;
    if (array->dtype != CZ_DTYPE_FLOAT || array->is_dynamic || dims->rank > 4)
        return false;
    if (!array->is_constant && !is_image(array, plan))
        return false;
    for (size_t i = missing; i < 4; i++) {
        if (dims->size[i - missing] != (i < 2 ? y->dims.size[i] : 1) &&
            dims->size[i - missing] != 1)
            return false;
    }
    return true;
}

/* Which operand is the image; 2: neither. */
static size_t find_image(const struct cz_step *step, const struct cz_plan *plan)
{
    const struct cz_array *y = step->outputs[0];
    for (size_t i = 0; i < 2; i++) {
        const struct cz_array *x = step->inputs[i];
        if (is_image(x, plan) && cz_dims_equal(&x->dims, &y->dims) &&
            is_per_channel(step->inputs[1 - i], y, plan))
            return i;
    }
    return 2;
}

static bool fits_scale(const struct cz_step *step, const struct cz_plan *plan)
{
    return !step->is_dynamic && is_image(step->outputs[0], plan) &&
           find_image(step, plan) < 2;
}

static enum cz_status prepare_scale(struct cz_step *step,
                                    const struct cz_plan *plan, void **state,
                                    struct cz_error *err)
{
    size_t strides[CZ_RANK_MAX];
    struct state *s = new_state(step->outputs[0], plan);
    if (!s)
        return cz_error_nomem(err);
    s->image = find_image(step, plan);
    cz_dims_broadcast_strides(&step->inputs[1 - s->image]->dims,
                              &step->outputs[0]->dims, strides);
    s->per_image = strides[0];
    s->per_channel = strides[1];
    *state = s;
    return CZ_OK;
}

/* The numbers of block i, repeated to fill a group. */
static void read_numbers(const struct state *s, size_t i, float to[GROUP])
{
    const float *from = s->numbers + i / s->blocks * s->per_image +
                        i % s->blocks * s->lanes * s->per_channel;
    for (size_t l = 0; l < GROUP; l++)
        to[l] = from[l % s->lanes * s->per_channel];
}

#define DEFINE_BLOCK(name, op)                                                 \
    static void name(void *user, size_t i)                                     \
    {                                                                          \
        const struct state *s = user;                                          \
        const float *x = s->x + i * s->plane;                                  \
        float *y = s->y + i * s->plane, numbers[GROUP];                        \
        size_t left = s->plane;                                                \
        read_numbers(s, i, numbers);                                           \
        for (; left >= GROUP; left -= GROUP, x += GROUP, y += GROUP) {         \
            for (size_t l = 0; l < GROUP; l++)                                 \
                y[l] = x[l] op numbers[l];                                     \
        }                                                                      \
        for (size_t l = 0; l < left; l++)                                      \
            y[l] = x[l] op numbers[l];                                         \
    }
DEFINE_BLOCK(multiply_block, *)
DEFINE_BLOCK(add_block, +)

static enum cz_status run_scale(struct cz_step *step,
                                const struct cz_exec *exec,
                                struct cz_error *err)
{
    struct state *s = step->state;
    const bool multiplies = strcmp(step->op->op_type, "Mul") == 0;
    (void)err;
    s->x = step->inputs[s->image]->data;
    s->numbers = step->inputs[1 - s->image]->data;
    s->y = step->outputs[0]->data;
    cz_team_for(exec, s->count, multiplies ? multiply_block : add_block, s);
    return CZ_OK;
}

const struct cz_kernel cz_kernels_channels[] = {
    {.name = "blocked",
     .op_type = "GlobalAveragePool",
     .fits = fits_mean,
     .prepare = prepare_mean,
     .run = run_mean,
     .release = cz_free},
    {.name = "blocked",
     .op_type = "ReduceMean",
     .fits = fits_mean,
     .prepare = prepare_mean,
     .run = run_mean,
     .release = cz_free},
    {.name = "blocked",
     .op_type = "Mul",
     .fits = fits_scale,
     .prepare = prepare_scale,
     .run = run_scale,
     .release = cz_free},
    {.name = "blocked",
     .op_type = "Add",
     .fits = fits_scale,
     .prepare = prepare_scale,
     .run = run_scale,
     .release = cz_free},
    {.name = NULL},
};

/* GridSample and AffineGrid (Jaderberg et al., Spatial Transformer Networks,
 * NeurIPS 2015), for images of two or three dimensions. Positions in a grid
 * are -1..1 and name the last dimension first. */
#include <inttypes.h>
#include <math.h>

#include "engine/attr_internal.h"
#include "engine/window_internal.h"

#define SPATIAL CZ_SPATIAL_MAX
#define TAPS 4

enum sample_mode { MODE_LINEAR, MODE_NEAREST, MODE_CUBIC };
enum sample_padding { PADDING_ZEROS, PADDING_BORDER, PADDING_REFLECTION };

struct sample_params {
    enum sample_mode mode;
    enum sample_padding padding;
    bool align_corners;
};

/* ---- GridSample ------------------------------------------------------- */

static enum cz_status parse_sample(struct cz_step *step,
                                   const struct cz_node *node,
                                   struct cz_error *err)
{
    /* Before opset 20, then as it is from there on. */
    static const char *const modes[] = {"bilinear", "nearest", "bicubic", NULL};
    static const char *const new_modes[] = {"linear", "nearest", "cubic", NULL};
    static const char *const paddings[] = {"zeros", "border", "reflection",
                                           NULL};
    struct cz_attrs attrs = {step, node, err};
    struct sample_params *p = step->params;
    size_t mode = MODE_LINEAR, padding = PADDING_ZEROS;
    CZ_TRY(cz_attrs_word(&attrs, "mode",
                         step->op->since < 20 ? modes : new_modes, &mode));
    CZ_TRY(cz_attrs_word(&attrs, "padding_mode", paddings, &padding));
    p->mode = (enum sample_mode)mode;
    p->padding = (enum sample_padding)padding;
    return cz_attrs_bool(&attrs, "align_corners", &p->align_corners);
}

static enum cz_status shape_sample(struct cz_step *step, struct cz_error *err)
{
    const struct sample_params *p = step->params;
    const struct cz_dims *x = &step->inputs[0]->dims;
    const struct cz_dims *grid = &step->inputs[1]->dims;
    struct cz_dims y = *x;
    char left[CZ_DIMS_TEXT_BYTES], right[CZ_DIMS_TEXT_BYTES];
    CZ_TRY(cz_step_want_dtype(step, 0, CZ_DTYPE_FLOAT, err));
    CZ_TRY(cz_step_want_dtype(step, 1, CZ_DTYPE_FLOAT, err));
    if (x->rank != 4 && x->rank != 5)
        return cz_step_unsupported(step, err, "input 0 is %s",
                                   cz_dims_text(x, left));
    if (p->mode == MODE_CUBIC && x->rank != 4)
        return cz_step_unsupported(step, err, "mode is 'cubic', input 0 is %s",
                                   cz_dims_text(x, left));
    bool fits = grid->rank == x->rank && grid->size[0] == x->size[0] &&
                grid->size[x->rank - 1] == (int64_t)x->rank - 2;
    if (!fits)
        return cz_step_error(step, err, "a grid of %s for an image of %s",
                             cz_dims_text(grid, right), cz_dims_text(x, left));
    for (size_t i = 2; i < x->rank; i++) {
        y.size[i] = grid->size[i - 1];
        if (x->size[i] < 1 || x->size[i] > INT32_MAX)
            return cz_step_error(step, err, "its image is %s",
                                 cz_dims_text(x, left));
    }
    return cz_step_output(step, 0, CZ_DTYPE_FLOAT, &y, err);
}

/* Planes of an image, sampled at the points of a grid. */
struct sampler {
    const struct sample_params *params;
    const float *x, *grid;
    float *y;
    size_t spatial, channels, in_plane, out_plane;
    int64_t size[SPATIAL]; /* of the image; 1 in front of two dimensions */
};

/* The elements along one dimension that a sample is made of. */
struct taps {
    size_t count;
    int64_t at[TAPS]; /* -1: a zero */
    float weight[TAPS];
};

/* Folds x into least..most, as if there were mirrors at both. */
static float reflect(float x, float least, float most)
{
    float range = most - least;
    if (range <= 0)
        return least;
    float way = fmodf(fabsf(x - least), 2 * range);
    return way > range ? most - (way - range) : least + way;
}

/* What is read for element `at`, which may be outside. */
static int64_t source_of(const struct sampler *s, size_t i, float at)
{
    const int64_t last = s->size[i] - 1;
    const bool corners = s->params->align_corners;
    if (at >= 0 && at <= (float)last)
        return at < (float)last ? (int64_t)at : last;
    if (s->params->padding == PADDING_ZEROS)
        return -1;
    if (s->params->padding == PADDING_REFLECTION)
        at = reflect(at, corners ? 0 : -0.5f,
                     corners ? (float)last : (float)last + 0.5f);
    return at > 0 ? at < (float)last ? (int64_t)at : last : 0;
}

/* From -1..1 to elements. What is outside moves to where the padding has it;
 * with cubic weights each of the taps does so by itself. */
static float position_of(const struct sampler *s, size_t i, float x)
{
    const bool corners = s->params->align_corners;
    const float size = (float)s->size[i];
    const float least = corners ? 0 : -0.5f, most = least + size - corners;
    x = corners ? (x + 1) / 2 * (size - 1) : ((x + 1) * size - 1) / 2;
    x = fminf(fmaxf(x, -1e30f), 1e30f); /* a number, also where it is NaN */
    if (s->params->mode == MODE_NEAREST)
        x = nearbyintf(x);
    if ((x >= least && x <= most) || s->params->mode == MODE_CUBIC)
        return x;
    if (s->params->padding == PADDING_BORDER)
        return x < 0 ? 0 : fminf(x, size - 1);
    return s->params->padding == PADDING_REFLECTION ? reflect(x, least, most)
                                                    : x;
}

static float cubic(float x)
{
    const float a = -0.75f;
    x = fabsf(x);
    if (x < 1)
        return ((a + 2) * x - (a + 3)) * x * x + 1;
    return x < 2 ? (((x - 5) * x + 8) * x - 4) * a : 0;
}

static struct taps taps_of(const struct sampler *s, size_t i, float x)
{
    static const size_t counts[] = {2, 1, 4};
    struct taps taps = {.count = counts[s->params->mode]};
    float position = position_of(s, i, x), first = floorf(position);
    float part = position - first;
    if (s->params->mode == MODE_NEAREST) {
        first = position;
        taps.weight[0] = 1;
    } else if (s->params->mode == MODE_LINEAR) {
        taps.weight[0] = 1 - part;
        taps.weight[1] = part;
    } else {
        first -= 1;
        for (size_t k = 0; k < TAPS; k++)
            taps.weight[k] = cubic((float)k - 1 - part);
    }
    for (size_t k = 0; k < taps.count; k++)
        taps.at[k] = source_of(s, i, first + (float)k);
    return taps;
}

static float sample(const struct sampler *s, const struct taps taps[SPATIAL],
                    const float *x)
{
    float sum = 0;
    for (size_t d = 0; d < taps[0].count; d++) {
        for (size_t h = 0; h < taps[1].count; h++) {
            float weight = taps[0].weight[d] * taps[1].weight[h];
            if (taps[0].at[d] < 0 || taps[1].at[h] < 0)
                continue;
            const float *row =
                x + (taps[0].at[d] * s->size[1] + taps[1].at[h]) * s->size[2];
            for (size_t w = 0; w < taps[2].count; w++) {
                if (taps[2].at[w] >= 0)
                    sum += weight * taps[2].weight[w] * row[taps[2].at[w]];
            }
        }
    }
    return sum;
}

static void sample_plane(void *user, size_t i)
{
    const struct sampler *s = user;
    const size_t missing = SPATIAL - s->spatial;
    const float *x = s->x + i * s->in_plane;
    const float *grid = s->grid + i / s->channels * s->out_plane * s->spatial;
    float *y = s->y + i * s->out_plane;
    struct taps taps[SPATIAL] = {{.count = 1, .at = {0}, .weight = {1}}};
    for (size_t k = 0; k < s->out_plane; k++, grid += s->spatial) {
        for (size_t d = 0; d < s->spatial; d++)
            taps[missing + d] =
                taps_of(s, missing + d, grid[s->spatial - 1 - d]);
        y[k] = sample(s, taps, x);
    }
}

static enum cz_status run_sample(struct cz_step *step,
                                 const struct cz_exec *exec,
                                 struct cz_error *err)
{
    (void)err;
    const struct cz_array *x = step->inputs[0], *y = step->outputs[0];
    struct sampler s = {.params = step->params,
                        .x = x->data,
                        .grid = step->inputs[1]->data,
                        .y = y->data,
                        .spatial = x->dims.rank - 2,
                        .channels = (size_t)x->dims.size[1]};
    s.in_plane = cz_dims_product(&x->dims, 2, x->dims.rank);
    s.out_plane = cz_dims_product(&y->dims, 2, y->dims.rank);
    cz_window_sizes(&x->dims, s.size);
    cz_team_for(exec, cz_dims_product(&x->dims, 0, 2), sample_plane, &s);
    return CZ_OK;
}

/* ---- AffineGrid ------------------------------------------------------- */

struct affine_params {
    bool align_corners;
};

static enum cz_status parse_affine(struct cz_step *step,
                                   const struct cz_node *node,
                                   struct cz_error *err)
{
    struct cz_attrs attrs = {step, node, err};
    struct affine_params *p = step->params;
    return cz_attrs_bool(&attrs, "align_corners", &p->align_corners);
}

/* theta [N,2,3] and a size of [N,C,H,W] give [N,H,W,2]; likewise in 3-d. */
static enum cz_status shape_affine(struct cz_step *step, struct cz_error *err)
{
    const struct cz_dims *theta = &step->inputs[0]->dims;
    int64_t size[SPATIAL + 2] = {0};
    char text[CZ_DIMS_TEXT_BYTES];
    struct cz_dims y;
    struct cz_int_room sizes = {.ints = size, .capacity = SPATIAL + 2};
    CZ_TRY(cz_step_want_dtype(step, 0, CZ_DTYPE_FLOAT, err));
    CZ_TRY(cz_step_ints(&sizes, step, 1, err));
    if (!sizes.is_known) {
        cz_step_set_dynamic(step);
        return CZ_OK;
    }
    const size_t count = sizes.count;
    int64_t spatial = (int64_t)count - 2;
    bool fits = (spatial == 2 || spatial == 3) && theta->rank == 3 &&
                theta->size[0] == size[0] && theta->size[1] == spatial &&
                theta->size[2] == spatial + 1;
    if (!fits)
        return cz_step_error(step, err, "theta is %s for %zu dimensions",
                             cz_dims_text(theta, text), count);
    y.rank = count;
    y.size[0] = size[0];
    for (size_t i = 2; i < count; i++)
        y.size[i - 1] = size[i];
    y.size[count - 1] = spatial;
    return cz_step_output(step, 0, CZ_DTYPE_FLOAT, &y, err);
}

static float grid_position(bool corners, size_t i, int64_t size)
{
    if (corners)
        return size > 1 ? -1 + 2 * (float)i / (float)(size - 1) : 0;
    return (2 * (float)i + 1) / (float)size - 1;
}

static enum cz_status run_affine(struct cz_step *step,
                                 const struct cz_exec *exec,
                                 struct cz_error *err)
{
    (void)exec;
    (void)err;
    const struct affine_params *p = step->params;
    const struct cz_dims *dims = &step->outputs[0]->dims;
    const size_t spatial = dims->rank - 2;
    const size_t points = cz_dims_product(dims, 1, dims->rank - 1);
    const size_t all = (size_t)dims->size[0] * points;
    float *y = step->outputs[0]->data, at[SPATIAL + 1];
    for (size_t i = 0; i < all; i++) {
        const float *theta = step->inputs[0]->data;
        size_t left = i % points;
        theta += i / points * spatial * (spatial + 1);
        for (size_t d = 0; d < spatial; d++) {
            size_t size = (size_t)dims->size[spatial - d];
            at[d] = grid_position(p->align_corners, left % size,
                                  dims->size[spatial - d]);
            left /= size;
        }
        at[spatial] = 1;
        for (size_t row = 0; row < spatial; row++, y++) {
            *y = 0;
            for (size_t k = 0; k <= spatial; k++)
                *y += *theta++ * at[k];
        }
    }
    return CZ_OK;
}

#define GRID_SAMPLE(since_)                                                    \
    {                                                                          \
        .op_type = "GridSample", .since = since_, .min_inputs = 2,             \
        .max_inputs = 2, .params_size = sizeof(struct sample_params),          \
        .parse = parse_sample, .shape = shape_sample, .run = run_sample        \
    }

const struct cz_op cz_ops_sample[] = {
    GRID_SAMPLE(16),
    GRID_SAMPLE(20),
    {.op_type = "AffineGrid",
     .since = 20,
     .min_inputs = 2,
     .max_inputs = 2,
     .params_size = sizeof(struct affine_params),
     .parse = parse_affine,
     .shape = shape_affine,
     .run = run_affine},
    {.op_type = NULL},
};

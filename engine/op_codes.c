/* Operators on codes that pass_fuse_codes.c makes; no file holds them. Plain
 * C, plain arrays; what has the same shape may have any layout. */
#include "engine/codes_internal.h"

#include "engine/finish_internal.h"

/* Codes that one thread takes at a time. */
#define CHUNK ((size_t)16384)
/* Columns of the output of a convolution that are summed at once. */
#define TILE 256
#define SPATIAL CZ_SPATIAL_MAX

/* ---- ConvCodes -------------------------------------------------------- */

enum { INPUT, WEIGHT, BIAS };

/* What a row of the output needs to know of the step. */
struct conv {
    const struct cz_step *step;
    const struct cz_conv_codes_params *params;
    struct cz_window w; /* of three dimensions, as are the sizes */
    int64_t in[SPATIAL], out[SPATIAL];
    size_t outputs, group_inputs, group_outputs; /* channels */
    size_t in_plane, taps;
};

static size_t product(const int64_t sizes[SPATIAL])
{
    return (size_t)sizes[0] * (size_t)sizes[1] * (size_t)sizes[2];
}

static struct conv conv_of(const struct cz_step *step)
{
    const struct cz_conv_codes_params *p = step->params;
    const struct cz_dims *x = &step->inputs[INPUT]->dims;
    const struct cz_dims *y = &step->outputs[0]->dims;
    const size_t groups = (size_t)p->conv.group;
    struct conv c = {.step = step,
                     .params = p,
                     .w = cz_window_3d(&p->conv.window),
                     .outputs = (size_t)y->size[1],
                     .group_inputs = (size_t)x->size[1] / groups,
                     .group_outputs = (size_t)y->size[1] / groups};
    cz_window_sizes(x, c.in);
    cz_window_sizes(y, c.out);
    c.in_plane = product(c.in);
    c.taps = product(c.w.kernel);
    return c;
}

/* Columns `columns` of row (depth, height) of a channel of the output. */
struct tile {
    const struct conv *c;
    size_t channel;
    size_t x_plane; /* the first of its group's in the input */
    int64_t depth, height;
    struct cz_span columns;
};

/* sums[i] += weight * (x[i * stride] - zero) */
static void add_codes(const struct conv *c, int32_t *sums, size_t at,
                      size_t count, int32_t weight)
{
    const struct cz_array *x = c->step->inputs[INPUT];
    const size_t stride = (size_t)c->w.strides[2];
    const int32_t zero = c->params->x_zero;
    for (size_t i = 0; i < count; i++)
        sums[i] +=
            weight * (cz_code_at(x->dtype, x->data, at + i * stride) - zero);
}

/* Adds the row of the input at `x_at` times the row of taps at `taps`. */
static void add_row(const struct tile *tile, int32_t *sums, size_t x_at,
                    const int8_t *taps)
{
    const struct conv *c = tile->c;
    const struct cz_window *w = &c->w;
    for (int64_t k = 0; k < w->kernel[2]; k++) {
        const int64_t offset = k * w->dilations[2] - w->pads_begin[2];
        struct cz_span s = cz_window_inside(w->strides[2], offset, c->in[2],
                                            tile->columns.end);
        if (s.begin < tile->columns.begin)
            s.begin = tile->columns.begin;
        if (s.begin < s.end)
            add_codes(c, sums + (s.begin - tile->columns.begin),
                      x_at + (size_t)(s.begin * w->strides[2] + offset),
                      (size_t)(s.end - s.begin), taps[k]);
    }
}

static void sum_tile(const struct tile *tile, int32_t *sums)
{
    const struct conv *c = tile->c;
    const struct cz_window *w = &c->w;
    const struct cz_span depth = cz_window_taps(w, 0, tile->depth, c->in[0]);
    const struct cz_span height = cz_window_taps(w, 1, tile->height, c->in[1]);
    const int64_t z = tile->depth * w->strides[0] - w->pads_begin[0];
    const int64_t row = tile->height * w->strides[1] - w->pads_begin[1];
    const int8_t *taps = (const int8_t *)c->step->inputs[WEIGHT]->data +
                         tile->channel * c->group_inputs * c->taps;
    for (size_t i = 0; i < c->group_inputs; i++, taps += c->taps) {
        for (int64_t d = depth.begin; d < depth.end; d++) {
            for (int64_t h = height.begin; h < height.end; h++) {
                const int64_t from = (z + d * w->dilations[0]) * c->in[1] +
                                     row + h * w->dilations[1];
                add_row(tile, sums,
                        (tile->x_plane + i) * c->in_plane +
                            (size_t)(from * c->in[2]),
                        taps + (d * w->kernel[1] + h) * w->kernel[2]);
            }
        }
    }
}

static void store_codes(const struct tile *tile, const int32_t *sums, size_t at)
{
    const struct cz_step *step = tile->c->step;
    const struct cz_conv_codes_params *p = tile->c->params;
    const struct cz_array *bias = cz_step_input(step, BIAS);
    const int32_t more =
        bias ? ((const int32_t *)bias->data)[tile->channel] : 0;
    const float multiplier = p->multiplier[tile->channel];
    const size_t count = (size_t)(tile->columns.end - tile->columns.begin);
    uint8_t *y = (uint8_t *)step->outputs[0]->data + at;
    for (size_t i = 0; i < count; i++) {
        const float x = (float)(sums[i] + more) * multiplier;
        const uint8_t code = cz_code_of(step->outputs[0]->dtype, x, p->y_zero);
        y[i] = p->table ? p->table[code] : code;
    }
}

static void store_floats(const struct tile *tile, const int32_t *sums,
                         size_t at)
{
    const struct cz_step *step = tile->c->step;
    const struct cz_array *bias = cz_step_input(step, BIAS);
    const float more = bias ? ((const float *)bias->data)[tile->channel] : 0;
    const float multiplier = tile->c->params->multiplier[tile->channel];
    const size_t count = (size_t)(tile->columns.end - tile->columns.begin);
    float *y = (float *)step->outputs[0]->data + at;
    for (size_t i = 0; i < count; i++)
        y[i] = (float)sums[i] * multiplier + more;
    cz_step_finish(step, at, count);
}

/* Row i of all the output's rows, tile by tile. */
static void conv_row(void *user, size_t i)
{
    const struct conv *c = user;
    const size_t rows = (size_t)(c->out[0] * c->out[1]);
    const size_t width = (size_t)c->out[2], plane = i / rows;
    const size_t image = plane / c->outputs, channel = plane % c->outputs;
    const size_t groups = c->outputs / c->group_outputs;
    struct tile tile = {
        .c = c,
        .channel = channel,
        .x_plane =
            (image * groups + channel / c->group_outputs) * c->group_inputs,
        .depth = (int64_t)(i % rows) / c->out[1],
        .height = (int64_t)(i % rows) % c->out[1],
    };
    for (size_t from = 0; from < width; from += TILE) {
        const size_t to = width - from < TILE ? width : from + TILE;
        int32_t sums[TILE] = {0};
        tile.columns = (struct cz_span){(int64_t)from, (int64_t)to};
        sum_tile(&tile, sums);
        if (c->step->outputs[0]->dtype == CZ_DTYPE_FLOAT)
            store_floats(&tile, sums, i * width + from);
        else
            store_codes(&tile, sums, i * width + from);
    }
}

static enum cz_status run_conv(struct cz_step *step, const struct cz_exec *exec,
                               struct cz_error *err)
{
    struct conv c = conv_of(step);
    const size_t count = cz_array_count(step->outputs[0]);
    (void)err;
    if (count)
        cz_team_for(exec, count / (size_t)c.out[2], conv_row, &c);
    return CZ_OK;
}

/* ---- MapCodes --------------------------------------------------------- */

struct map {
    const uint8_t *table, *x;
    uint8_t *y;
    size_t count;
};

static void map_chunk(void *user, size_t chunk)
{
    const struct map *map = user;
    const size_t from = chunk * CHUNK, left = map->count - from;
    const size_t to = left < CHUNK ? map->count : from + CHUNK;
    for (size_t i = from; i < to; i++)
        map->y[i] = map->table[map->x[i]];
}

static enum cz_status run_map(struct cz_step *step, const struct cz_exec *exec,
                              struct cz_error *err)
{
    const struct cz_map_codes_params *p = step->params;
    struct map map = {p->table, step->inputs[0]->data, step->outputs[0]->data,
                      step->outputs[0]->size_bytes};
    (void)err;
    cz_team_for(exec, (map.count + CHUNK - 1) / CHUNK, map_chunk, &map);
    return CZ_OK;
}

/* ---- AddCodes --------------------------------------------------------- */

static void add_chunk(void *user, size_t chunk)
{
    const struct cz_step *step = user;
    const struct cz_add_codes_params *p = step->params;
    const struct cz_array *a = step->inputs[0], *b = step->inputs[1];
    const struct cz_array *y = step->outputs[0];
    const size_t from = chunk * CHUNK, left = y->size_bytes - from;
    const size_t to = left < CHUNK ? y->size_bytes : from + CHUNK;
    for (size_t i = from; i < to; i++) {
        const float x = (float)cz_code_at(a->dtype, a->data, i) * p->a_factor +
                        (float)cz_code_at(b->dtype, b->data, i) * p->b_factor +
                        p->offset;
        ((uint8_t *)y->data)[i] = cz_code_of(y->dtype, x, p->y_zero);
    }
}

static enum cz_status run_add(struct cz_step *step, const struct cz_exec *exec,
                              struct cz_error *err)
{
    (void)err;
    cz_team_for(exec, (step->outputs[0]->size_bytes + CHUNK - 1) / CHUNK,
                add_chunk, step);
    return CZ_OK;
}

/* ---- the table -------------------------------------------------------- */

const struct cz_op cz_ops_codes[] = {
    {.op_type = CZ_OP_CONV_CODES,
     .since = 1,
     .min_inputs = 2,
     .max_inputs = 3,
     .params_size = sizeof(struct cz_conv_codes_params),
     .run = run_conv},
    {.op_type = CZ_OP_MAP_CODES,
     .since = 1,
     .flags = CZ_OP_ELEMENTWISE,
     .min_inputs = 1,
     .max_inputs = 1,
     .params_size = sizeof(struct cz_map_codes_params),
     .run = run_map},
    {.op_type = CZ_OP_ADD_CODES,
     .since = 1,
     .flags = CZ_OP_ELEMENTWISE,
     .min_inputs = 2,
     .max_inputs = 2,
     .params_size = sizeof(struct cz_add_codes_params),
     .run = run_add},
    {.op_type = NULL},
};

/* Products of 8-bit integers: ConvInteger, QLinearConv, MatMulInteger and
 * QLinearMatMul, by the ONNX operator specification. Sums are of 32 bits and
 * wrap around. Plain loops: a tile of sums of one row of the output, to which
 * rows of one operand are added, times an element of the other. */
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "engine/scalar_internal.h"
#include "engine/window_internal.h"

#define SPATIAL CZ_SPATIAL_MAX

/* Results that are computed together. */
#define TILE ((size_t)256)

/* ---- operands --------------------------------------------------------- */

/* Where the inputs of the four operators are: ABSENT where an operator does
 * not have one. */
#define ABSENT SIZE_MAX
struct places {
    size_t a, a_scale, a_zero;
    size_t b, b_scale, b_zero;
    size_t y_scale, y_zero, bias;
};

static const struct places integer_places = {.a = 0,
                                             .b = 1,
                                             .a_zero = 2,
                                             .b_zero = 3,
                                             .a_scale = ABSENT,
                                             .b_scale = ABSENT,
                                             .y_scale = ABSENT,
                                             .y_zero = ABSENT,
                                             .bias = ABSENT};
static const struct places linear_places = {.a = 0,
                                            .a_scale = 1,
                                            .a_zero = 2,
                                            .b = 3,
                                            .b_scale = 4,
                                            .b_zero = 5,
                                            .y_scale = 6,
                                            .y_zero = 7,
                                            .bias = 8};

static bool is_linear(const struct cz_step *step)
{
    return step->op->op_type[0] == 'Q';
}

static const struct places *places_of(const struct cz_step *step)
{
    return is_linear(step) ? &linear_places : &integer_places;
}

static bool is_byte(enum cz_dtype dtype)
{
    return dtype == CZ_DTYPE_INT8 || dtype == CZ_DTYPE_UINT8;
}

static enum cz_status want_byte(const struct cz_step *step, size_t i,
                                struct cz_error *err)
{
    const struct cz_array *array = cz_step_input(step, i);
    if (!array || is_byte(array->dtype))
        return CZ_OK;
    return cz_step_error(step, err, "input %zu is %s, want int8 or uint8", i,
                         cz_dtype_name(array->dtype));
}

/* Input i is one number, or (1 or more of) `count`. */
static enum cz_status want_count(const struct cz_step *step, size_t i,
                                 int64_t count, struct cz_error *err)
{
    const struct cz_array *array = cz_step_input(step, i);
    if (!array || cz_array_count(array) == 1 ||
        cz_array_count(array) == (size_t)count)
        return CZ_OK;
    return cz_step_error(step, err,
                         "input %zu has %zu numbers, want 1 or %" PRId64, i,
                         cz_array_count(array), count);
}

static enum cz_status check_dtypes(const struct cz_step *step,
                                   struct cz_error *err)
{
    const struct places *at = places_of(step);
    CZ_TRY(want_byte(step, at->a, err));
    CZ_TRY(want_byte(step, at->b, err));
    CZ_TRY(want_byte(step, at->y_zero, err));
    CZ_TRY(
        cz_step_want_dtype(step, at->a_zero, step->inputs[at->a]->dtype, err));
    CZ_TRY(
        cz_step_want_dtype(step, at->b_zero, step->inputs[at->b]->dtype, err));
    CZ_TRY(cz_step_want_dtype(step, at->a_scale, CZ_DTYPE_FLOAT, err));
    CZ_TRY(cz_step_want_dtype(step, at->b_scale, CZ_DTYPE_FLOAT, err));
    CZ_TRY(cz_step_want_dtype(step, at->y_scale, CZ_DTYPE_FLOAT, err));
    return cz_step_want_dtype(step, at->bias, CZ_DTYPE_INT32, err);
}

/* Scales and zero points of `rows` of the first operand and the output, and
 * `columns` of the second. */
static enum cz_status check_counts(const struct cz_step *step, int64_t rows,
                                   int64_t columns, struct cz_error *err)
{
    const struct places *at = places_of(step);
    CZ_TRY(want_count(step, at->a_scale, rows, err));
    CZ_TRY(want_count(step, at->a_zero, rows, err));
    CZ_TRY(want_count(step, at->y_scale, rows, err));
    CZ_TRY(want_count(step, at->y_zero, rows, err));
    CZ_TRY(want_count(step, at->b_scale, columns, err));
    return want_count(step, at->b_zero, columns, err);
}

/* Element i of an 8-bit input, or its only one; 0 where it is left out. */
static int32_t byte_of(const struct cz_step *step, size_t input, size_t i)
{
    const struct cz_array *array = cz_step_input(step, input);
    if (!array)
        return 0;
    if (cz_array_count(array) == 1)
        i = 0;
    return array->dtype == CZ_DTYPE_INT8 ? ((const int8_t *)array->data)[i]
                                         : ((const uint8_t *)array->data)[i];
}

static float scale_of(const struct cz_step *step, size_t input, size_t i)
{
    const struct cz_array *array = step->inputs[input];
    return ((const float *)array->data)[cz_array_count(array) == 1 ? 0 : i];
}

static enum cz_dtype output_dtype(const struct cz_step *step)
{
    return is_linear(step) ? step->inputs[linear_places.y_zero]->dtype
                           : CZ_DTYPE_INT32;
}

/* ---- kernels ---------------------------------------------------------- */

/* A row of 8-bit elements to be added to sums. */
struct row {
    const struct cz_array *array;
    size_t at;     /* its first element */
    size_t stride; /* from one element to the next */
    size_t count;
    int32_t zero; /* point */
};

/* sums[i] += factor * (x[i] - zero) */
static void add_row(uint32_t *sums, const struct row *row, int32_t factor)
{
    const uint32_t f = (uint32_t)factor, zero = (uint32_t)row->zero;
    const size_t n = row->count, stride = row->stride;
    if (row->array->dtype == CZ_DTYPE_INT8) {
        const int8_t *x = (const int8_t *)row->array->data + row->at;
        for (size_t i = 0; i < n; i++)
            sums[i] += f * ((uint32_t)x[i * stride] - zero);
    } else {
        const uint8_t *x = (const uint8_t *)row->array->data + row->at;
        for (size_t i = 0; i < n; i++)
            sums[i] += f * ((uint32_t)x[i * stride] - zero);
    }
}

/* Where a tile goes, and which scales and zero points are its own. */
struct tile {
    const struct cz_step *step;
    size_t at, count;   /* in the output */
    size_t row, column; /* of the first sum */
    size_t column_step; /* 0 where the row is of one column */
};

/* Sums as they are, or quantized with the output's scale. */
static void store(const struct tile *tile, const uint32_t *sums)
{
    const struct cz_step *step = tile->step;
    const struct cz_array *y = step->outputs[0];
    const struct places *at = &linear_places;
    if (!is_linear(step)) {
        memcpy((int32_t *)y->data + tile->at, sums, tile->count * sizeof *sums);
        return;
    }
    const double zero = byte_of(step, at->y_zero, tile->row);
    const float factor = scale_of(step, at->a_scale, tile->row) /
                         scale_of(step, at->y_scale, tile->row);
    for (size_t i = 0; i < tile->count; i++) {
        const float scale =
            factor *
            scale_of(step, at->b_scale, tile->column + i * tile->column_step);
        const double v = (double)rintf((float)(int32_t)sums[i] * scale) + zero;
        if (y->dtype == CZ_DTYPE_INT8)
            ((int8_t *)y->data)[tile->at + i] = cz_i8_saturate(v);
        else
            ((uint8_t *)y->data)[tile->at + i] = cz_u8_saturate(v);
    }
}

/* ---- convolutions ----------------------------------------------------- */

static enum cz_status parse_conv(struct cz_step *step,
                                 const struct cz_node *node,
                                 struct cz_error *err)
{
    const struct cz_attrs attrs = {step, node, err};
    struct cz_conv_params *p = step->params;
    p->group = 1;
    CZ_TRY(cz_attrs_int(&attrs, "group", (struct cz_range){1, INT32_MAX},
                        &p->group));
    return cz_window_parse(&p->window, &attrs);
}

static enum cz_status shape_conv(struct cz_step *step, struct cz_error *err)
{
    const struct places *at = places_of(step);
    struct cz_conv_params *p = step->params;
    const struct cz_dims *x = &step->inputs[at->a]->dims;
    const struct cz_dims *w = &step->inputs[at->b]->dims;
    const struct cz_array *bias = cz_step_input(step, at->bias);
    struct cz_dims y = *x;
    CZ_TRY(check_dtypes(step, err));
    CZ_TRY(cz_window_fit(&p->window, step, x, w, err));
    if (x->size[1] % p->group || w->size[0] % p->group ||
        x->size[1] / p->group != w->size[1])
        return cz_step_error(step, err,
                             "input has %" PRId64 " channels, its weight wants "
                             "%" PRId64 " x %" PRId64 " groups and makes "
                             "%" PRId64,
                             x->size[1], w->size[1], p->group, w->size[0]);
    CZ_TRY(check_counts(step, 1, w->size[0], err));
    if (bias && cz_array_count(bias) != (size_t)w->size[0])
        return cz_step_error(step, err, "bias has %zu numbers, want %" PRId64,
                             cz_array_count(bias), w->size[0]);
    CZ_TRY(cz_window_resolve(&p->window, step, x, &y, err));
    y.size[1] = w->size[0];
    return cz_step_output(step, 0, output_dtype(step), &y, err);
}

struct conv {
    const struct cz_step *step;
    const struct cz_array *x;
    struct cz_window w; /* of three dimensions, as are the sizes */
    int64_t in[SPATIAL], out[SPATIAL];
    size_t channels, outputs; /* of the input and output */
    size_t group_inputs, group_outputs;
    size_t in_plane, taps;
};

static size_t product(const int64_t sizes[SPATIAL])
{
    return (size_t)sizes[0] * (size_t)sizes[1] * (size_t)sizes[2];
}

static struct conv conv_of(const struct cz_step *step)
{
    const struct cz_conv_params *p = step->params;
    const struct cz_array *x = step->inputs[places_of(step)->a];
    struct conv c = {
        .step = step,
        .x = x,
        .w = cz_window_3d(&p->window),
        .channels = (size_t)x->dims.size[1],
        .outputs = (size_t)step->outputs[0]->dims.size[1],
    };
    cz_window_sizes(&x->dims, c.in);
    cz_window_sizes(&step->outputs[0]->dims, c.out);
    c.group_inputs = c.channels / (size_t)p->group;
    c.group_outputs = c.outputs / (size_t)p->group;
    c.in_plane = product(c.in);
    c.taps = product(c.w.kernel);
    return c;
}

/* A tile of a row of an output plane: its place, and the operands' planes. */
struct conv_tile {
    const struct conv *c;
    size_t channel, x_plane; /* of the output; the first of its group */
    int64_t depth, height;
    struct cz_span columns;
    int32_t x_zero, w_zero;
};

/* Adds the row of the input at `x_at` times the row of taps at `w_at`. */
static void add_taps(const struct conv_tile *tile, uint32_t *sums, size_t x_at,
                     size_t w_at)
{
    const struct conv *c = tile->c;
    const struct cz_window *w = &c->w;
    const size_t b = places_of(c->step)->b;
    for (int64_t k = 0; k < w->kernel[2]; k++) {
        int64_t offset = k * w->dilations[2] - w->pads_begin[2];
        struct cz_span s = cz_window_inside(w->strides[2], offset, c->in[2],
                                            tile->columns.end);
        if (s.begin < tile->columns.begin)
            s.begin = tile->columns.begin;
        if (s.begin >= s.end)
            continue;
        const struct row row = {
            .array = c->x,
            .at = x_at + (size_t)(s.begin * w->strides[2] + offset),
            .stride = (size_t)w->strides[2],
            .count = (size_t)(s.end - s.begin),
            .zero = tile->x_zero,
        };
        add_row(sums + (s.begin - tile->columns.begin), &row,
                byte_of(c->step, b, w_at + (size_t)k) - tile->w_zero);
    }
}

static void sum_tile(const struct conv_tile *tile, uint32_t *sums)
{
    const struct conv *c = tile->c;
    const struct cz_window *w = &c->w;
    struct cz_span depth = cz_window_taps(w, 0, tile->depth, c->in[0]);
    struct cz_span height = cz_window_taps(w, 1, tile->height, c->in[1]);
    int64_t z = tile->depth * w->strides[0] - w->pads_begin[0];
    int64_t row = tile->height * w->strides[1] - w->pads_begin[1];
    for (size_t i = 0; i < c->group_inputs; i++) {
        size_t x = (tile->x_plane + i) * c->in_plane;
        size_t taps = (tile->channel * c->group_inputs + i) * c->taps;
        for (int64_t d = depth.begin; d < depth.end; d++) {
            for (int64_t h = height.begin; h < height.end; h++) {
                int64_t from = (z + d * w->dilations[0]) * c->in[1] + row +
                               h * w->dilations[1];
                add_taps(tile, sums, x + (size_t)(from * c->in[2]),
                         taps +
                             (size_t)((d * w->kernel[1] + h) * w->kernel[2]));
            }
        }
    }
}

/* Row i of all the output's rows, tile by tile. */
static void conv_row(void *user, size_t i)
{
    const struct conv *c = user;
    const struct places *at = places_of(c->step);
    const struct cz_array *bias = cz_step_input(c->step, at->bias);
    const size_t rows = (size_t)c->out[0] * (size_t)c->out[1];
    const size_t plane = i / rows, batch = plane / c->outputs;
    const size_t channel = plane % c->outputs;
    struct conv_tile tile = {
        .c = c,
        .channel = channel,
        .x_plane =
            batch * c->channels + channel / c->group_outputs * c->group_inputs,
        .depth = (int64_t)(i % rows) / c->out[1],
        .height = (int64_t)(i % rows) % c->out[1],
        .x_zero = byte_of(c->step, at->a_zero, 0),
        .w_zero = byte_of(c->step, at->b_zero, channel),
    };
    const uint32_t first =
        bias ? (uint32_t)((const int32_t *)bias->data)[channel] : 0;
    for (size_t column = 0; column < (size_t)c->out[2]; column += TILE) {
        const size_t left = (size_t)c->out[2] - column;
        const size_t count = left < TILE ? left : TILE;
        uint32_t sums[TILE];
        for (size_t k = 0; k < count; k++)
            sums[k] = first;
        tile.columns =
            (struct cz_span){(int64_t)column, (int64_t)(column + count)};
        sum_tile(&tile, sums);
        store(&(struct tile){.step = c->step,
                             .at = i * (size_t)c->out[2] + column,
                             .count = count,
                             .column = channel},
              sums);
    }
}

static enum cz_status run_conv(struct cz_step *step, const struct cz_exec *exec,
                               struct cz_error *err)
{
    (void)err;
    struct conv c = conv_of(step);
    const size_t count = cz_array_count(step->outputs[0]);
    if (count)
        cz_team_for(exec, count / (size_t)c.out[2], conv_row, &c);
    return CZ_OK;
}

/* ---- matrices --------------------------------------------------------- */

/* Operands as matrices with a batch in front: [.., m, k] x [.., k, n]. */
struct product {
    const struct cz_step *step;
    const struct cz_array *a, *b;
    struct cz_dims batch;                                  /* of the output */
    size_t a_strides[CZ_RANK_MAX], b_strides[CZ_RANK_MAX]; /* in matrices */
    size_t m, k, n;
};

/* The dimensions in front of the matrix; a vector is one, too. */
static struct cz_dims batch_of(const struct cz_dims *dims)
{
    struct cz_dims batch = *dims;
    batch.rank = dims->rank < 2 ? 0 : dims->rank - 2;
    return batch;
}

static enum cz_status product_of(struct product *p, const struct cz_step *step,
                                 struct cz_error *err)
{
    const struct places *at = places_of(step);
    const struct cz_dims *a = &step->inputs[at->a]->dims;
    const struct cz_dims *b = &step->inputs[at->b]->dims;
    const struct cz_dims a_batch = batch_of(a), b_batch = batch_of(b);
    char a_text[CZ_DIMS_TEXT_BYTES], b_text[CZ_DIMS_TEXT_BYTES];
    *p = (struct product){
        .step = step, .a = step->inputs[at->a], .b = step->inputs[at->b]};
    if (a->rank == 0 || b->rank == 0 ||
        a->size[a->rank - 1] != b->size[b->rank < 2 ? 0 : b->rank - 2] ||
        !cz_dims_broadcast(&p->batch, &a_batch, &b_batch))
        return cz_step_error(step, err, "cannot multiply %s by %s",
                             cz_dims_text(a, a_text), cz_dims_text(b, b_text));
    p->k = (size_t)a->size[a->rank - 1];
    p->m = a->rank < 2 ? 1 : (size_t)a->size[a->rank - 2];
    p->n = b->rank < 2 ? 1 : (size_t)b->size[b->rank - 1];
    cz_dims_broadcast_strides(&a_batch, &p->batch, p->a_strides);
    cz_dims_broadcast_strides(&b_batch, &p->batch, p->b_strides);
    return CZ_OK;
}

static enum cz_status shape_matmul(struct cz_step *step, struct cz_error *err)
{
    struct product p;
    CZ_TRY(check_dtypes(step, err));
    CZ_TRY(product_of(&p, step, err));
    CZ_TRY(check_counts(step, (int64_t)p.m, (int64_t)p.n, err));
    struct cz_dims y = p.batch;
    if (p.a->dims.rank > 1)
        y.size[y.rank++] = (int64_t)p.m;
    if (p.b->dims.rank > 1)
        y.size[y.rank++] = (int64_t)p.n;
    return cz_step_output(step, 0, output_dtype(step), &y, err);
}

/* The sums of one row are a[k] * b[k, column..]; the zero point of b, which
 * may be another one in each column, is taken off afterwards. */
static void sum_columns(const struct product *p, const struct tile *tile,
                        size_t a_at, size_t b_at, uint32_t *sums)
{
    const struct places *at = places_of(p->step);
    const int32_t a_zero = byte_of(p->step, at->a_zero, tile->row);
    uint32_t total = 0;
    struct row row = {.array = p->b, .stride = 1, .count = tile->count};
    memset(sums, 0, tile->count * sizeof *sums);
    for (size_t k = 0; k < p->k; k++) {
        const int32_t factor = byte_of(p->step, at->a, a_at + k) - a_zero;
        total += (uint32_t)factor;
        row.at = b_at + k * p->n + tile->column;
        add_row(sums, &row, factor);
    }
    for (size_t i = 0; i < tile->count; i++)
        sums[i] -=
            total * (uint32_t)byte_of(p->step, at->b_zero, tile->column + i);
}

static void matmul_row(void *user, size_t i)
{
    const struct product *p = user;
    size_t matrix = i / p->m, a_matrix = 0, b_matrix = 0;
    for (size_t d = p->batch.rank; d-- > 0;) {
        const size_t size = (size_t)p->batch.size[d];
        a_matrix += matrix % size * p->a_strides[d];
        b_matrix += matrix % size * p->b_strides[d];
        matrix /= size;
    }
    struct tile tile = {.step = p->step, .row = i % p->m, .column_step = 1};
    for (size_t column = 0; column < p->n; column += TILE) {
        uint32_t sums[TILE];
        tile.count = p->n - column < TILE ? p->n - column : TILE;
        tile.column = column;
        tile.at = i * p->n + column;
        sum_columns(p, &tile, (a_matrix * p->m + tile.row) * p->k,
                    b_matrix * p->k * p->n, sums);
        store(&tile, sums);
    }
}

static enum cz_status run_matmul(struct cz_step *step,
                                 const struct cz_exec *exec,
                                 struct cz_error *err)
{
    struct product p;
    CZ_TRY(product_of(&p, step, err));
    const size_t count = cz_array_count(step->outputs[0]);
    if (count)
        cz_team_for(exec, count / p.n, matmul_row, &p);
    return CZ_OK;
}

/* ---- the table -------------------------------------------------------- */

const struct cz_op cz_ops_integer[] = {
    {.op_type = "ConvInteger",
     .since = 10,
     .min_inputs = 2,
     .max_inputs = 4,
     .params_size = sizeof(struct cz_conv_params),
     .parse = parse_conv,
     .shape = shape_conv,
     .run = run_conv},
    {.op_type = "QLinearConv",
     .since = 10,
     .min_inputs = 8,
     .max_inputs = 9,
     .params_size = sizeof(struct cz_conv_params),
     .parse = parse_conv,
     .shape = shape_conv,
     .run = run_conv},
    {.op_type = "MatMulInteger",
     .since = 10,
     .min_inputs = 2,
     .max_inputs = 4,
     .shape = shape_matmul,
     .run = run_matmul},
    {.op_type = "QLinearMatMul",
     .since = 10,
     .min_inputs = 8,
     .max_inputs = 8,
     .shape = shape_matmul,
     .run = run_matmul},
    {.op_type = NULL},
};

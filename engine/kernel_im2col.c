/* Conv and ConvTranspose on plain arrays, of one or two spatial dimensions and
 * any groups, as products of matrices by gemm.c ("gemm") or OpenBLAS (K.
 * Chellapilla et al., "High Performance Convolutional Neural Networks for
 * Document Processing", 2006).
 *
 * Conv: the windows of some pixels of the output are copied as the columns of
 * a matrix (im2col); the weights times it are the output. ConvTranspose: the
 * transposed weights times some rows of the input give what each pixel adds to
 * its window of the output (col2im). Both work in pieces whose matrix stays in
 * the second cache. Windows of one pixel need no copy. */
#include <limits.h>
#include <string.h>

#include "core/sizes.h"
#include "engine/conv_internal.h"
#include "engine/gemm_internal.h"
#include "engine/kernels_internal.h"
#include "engine/openblas_internal.h"
#include "engine/storage_internal.h"
#include "engine/window_internal.h"

enum { INPUT, WEIGHT, BIAS };

/* Of a piece's matrix. */
#define PIECE_FLOATS ((size_t)64 << 10)
/* Pixels of a piece at least, and pieces for each thread. */
#define PIXELS_MIN 64
#define PIECES 4
/* Of the left matrix: a depthwise Conv has one. */
#define MATRIX_ROWS_MIN 4

/* Sizes of the convolution; lines are images of height 1. */
struct state {
    const struct cz_step *step;
    struct cz_gemm_unit unit;
    struct cz_window window;
    int64_t in_h, in_w, out_h, out_w;
    size_t in_plane, out_plane;
    size_t batch, groups, inputs, outputs; /* the channels of a group */
    size_t taps;
    bool is_pointwise; /* no matrix has to be made */
    size_t pieces;     /* of a group: of its pixels or, transposed, outputs */
    size_t rows;       /* ConvTranspose: of the input at a time */
    float *weights;    /* ConvTranspose: [group][outputs][taps][inputs] */
    struct cz_scratch *scratch;
};

/* ---- what fits -------------------------------------------------------- */

static bool is_constant(const struct cz_array *array)
{
    return !array || (array->is_constant && cz_gemm_takes(array));
}

static bool fits_any(const struct cz_step *step, const struct cz_plan *plan)
{
    const struct cz_conv_params *p = step->params;
    return !step->is_dynamic && p->window.spatial <= 2 &&
           cz_gemm_takes(step->inputs[INPUT]) &&
           cz_gemm_takes(step->outputs[0]) && cz_gemm_takes(step->residual) &&
           is_constant(step->inputs[WEIGHT]) &&
           is_constant(cz_step_input(step, BIAS)) && cz_simd_find(plan->block);
}

static bool is_conv(const struct cz_step *step)
{
    return strcmp(step->op->op_type, "Conv") == 0;
}

static bool fits(const struct cz_step *step, const struct cz_plan *plan)
{
    const struct cz_conv_params *p = step->params;
    const struct cz_dims *w = &step->inputs[WEIGHT]->dims;
    return fits_any(step, plan) &&
           (is_conv(step) ? (size_t)(w->size[0] / p->group)
                          : cz_dims_product(w, 1, w->rank)) >= MATRIX_ROWS_MIN;
}

static bool fits_openblas(const struct cz_step *step,
                          const struct cz_plan *plan)
{
    const struct cz_dims *w = &step->inputs[WEIGHT]->dims;
    const struct cz_array *x = step->inputs[INPUT], *y = step->outputs[0];
    return plan->openblas && fits(step, plan) && x->size_bytes <= INT_MAX &&
           y->size_bytes <= INT_MAX &&
           cz_array_count(is_conv(step) ? y : x) *
                   cz_dims_product(w, 1, w->rank) >=
               CZ_OPENBLAS_MACS_MIN &&
           cz_openblas_load(plan->openblas);
}

/* ---- preparation ------------------------------------------------------ */

static void read_sizes(struct state *s)
{
    const struct cz_conv_params *p = s->step->params;
    const struct cz_dims *x = &s->step->inputs[INPUT]->dims;
    const struct cz_dims *y = &s->step->outputs[0]->dims;
    int64_t in[CZ_SPATIAL_MAX], out[CZ_SPATIAL_MAX];
    s->window = cz_window_3d(&p->window);
    cz_window_sizes(x, in);
    cz_window_sizes(y, out);
    s->in_h = in[1];
    s->in_w = in[2];
    s->out_h = out[1];
    s->out_w = out[2];
    s->in_plane = (size_t)(s->in_h * s->in_w);
    s->out_plane = (size_t)(s->out_h * s->out_w);
    s->batch = (size_t)x->size[0];
    s->groups = (size_t)p->group;
    s->inputs = (size_t)x->size[1] / s->groups;
    s->outputs = (size_t)y->size[1] / s->groups;
    s->taps = (size_t)(s->window.kernel[1] * s->window.kernel[2]);
}

/* Each output pixel is an input pixel. */
static bool is_pointwise(const struct state *s)
{
    const struct cz_window *w = &s->window;
    return s->taps == 1 && w->strides[1] == 1 && w->strides[2] == 1 &&
           w->pads_begin[1] == 0 && w->pads_begin[2] == 0 &&
           s->in_h == s->out_h && s->in_w == s->out_w;
}

static void release(void *user)
{
    struct state *s = user;
    cz_free(s->weights);
    cz_free(s);
}

/* Sees that each thread has a place for its matrix. */
static enum cz_status reserve(struct state *s, size_t floats,
                              struct cz_error *err)
{
    return cz_scratch_reserve(s->scratch, floats) ? CZ_OK : cz_error_nomem(err);
}

static enum cz_status size_conv(struct state *s, size_t threads,
                                struct cz_error *err)
{
    const size_t depth = s->inputs * s->taps;
    const size_t pixels = cz_most(PIECE_FLOATS / depth, PIXELS_MIN);
    const size_t wanted = cz_divide_up(threads * PIECES, s->batch * s->groups);
    s->is_pointwise = is_pointwise(s);
    s->pieces = cz_divide_up(s->out_plane, pixels);
    if (threads > 1)
        s->pieces =
            cz_most(s->pieces,
                    cz_least(wanted, cz_divide_up(s->out_plane, PIXELS_MIN)));
    const size_t columns = cz_divide_up(s->out_plane, s->pieces);
    return reserve(s, s->is_pointwise ? 1 : depth * columns, err);
}

/* From [group][inputs][outputs][taps]. */
static enum cz_status transpose_weights(struct state *s, struct cz_error *err)
{
    const size_t width = s->outputs * s->taps;
    const float *from = s->step->inputs[WEIGHT]->known;
    float *to = cz_realloc_array(NULL, s->groups * s->inputs * width,
                                 sizeof *s->weights);
    s->weights = to;
    if (!to)
        return cz_error_nomem(err);
    for (size_t g = 0; g < s->groups; g++, from += s->inputs * width) {
        for (size_t i = 0; i < width; i++) {
            for (size_t c = 0; c < s->inputs; c++)
                *to++ = from[c * width + i];
        }
    }
    return CZ_OK;
}

static enum cz_status size_transpose(struct state *s, size_t threads,
                                     struct cz_error *err)
{
    const size_t wanted = cz_divide_up(threads * PIECES, s->batch * s->groups);
    s->pieces = cz_least(threads > 1 ? wanted : 1, s->outputs);
    const size_t outputs = cz_divide_up(s->outputs, s->pieces);
    const size_t row_floats = outputs * s->taps * (size_t)s->in_w;
    s->rows = cz_least(cz_most(PIECE_FLOATS / row_floats, 1), (size_t)s->in_h);
    CZ_TRY(transpose_weights(s, err));
    return reserve(s, row_floats * s->rows, err);
}

static enum cz_status prepare_unit(struct cz_step *step,
                                   const struct cz_plan *plan,
                                   const struct cz_openblas *openblas,
                                   void **result, struct cz_error *err)
{
    struct state *s = cz_calloc(1, sizeof *s);
    if (!s)
        return cz_error_nomem(err);
    s->step = step;
    s->scratch = plan->exec.scratch;
    s->unit = (struct cz_gemm_unit){openblas, cz_simd_find(plan->block)};
    read_sizes(s);
    enum cz_status status = is_conv(step)
                                ? size_conv(s, plan->exec.threads, err)
                                : size_transpose(s, plan->exec.threads, err);
    if (status == CZ_OK)
        *result = s;
    else
        release(s);
    return status;
}

static enum cz_status prepare(struct cz_step *step, const struct cz_plan *plan,
                              void **state, struct cz_error *err)
{
    return prepare_unit(step, plan, NULL, state, err);
}

static enum cz_status prepare_openblas(struct cz_step *step,
                                       const struct cz_plan *plan, void **state,
                                       struct cz_error *err)
{
    return prepare_unit(step, plan, plan->openblas, state, err);
}

/* ---- Conv ------------------------------------------------------------- */

/* The input at tap `kx` of the windows of output pixels [from, to) of a row. */
static void copy_row(const struct state *s, const float *row, int64_t kx,
                     int64_t from, int64_t to, float *column)
{
    const int64_t stride = s->window.strides[2];
    const int64_t offset =
        kx * s->window.dilations[2] - s->window.pads_begin[2] + from * stride;
    const struct cz_span in =
        cz_window_inside(stride, offset, s->in_w, to - from);
    memset(column, 0, (size_t)(to - from) * sizeof *column);
    if (in.begin >= in.end)
        return;
    const float *x = row + offset + in.begin * stride;
    const size_t count = (size_t)(in.end - in.begin);
    float *y = column + in.begin;
    if (stride == 1) {
        memcpy(y, x, count * sizeof *y);
    } else {
        for (size_t i = 0; i < count; i++)
            y[i] = x[i * (size_t)stride];
    }
}

/* One row of the matrix: a tap (ky, kx) in a plane of the input, for the output
 * pixels [from, to). */
static void copy_tap(const struct state *s, const float *plane, size_t tap,
                     size_t from, size_t to, float *column)
{
    const struct cz_window *w = &s->window;
    const int64_t ky = (int64_t)tap / w->kernel[2];
    const int64_t kx = (int64_t)tap % w->kernel[2];
    const size_t out_w = (size_t)s->out_w;
    while (from < to) {
        const size_t row = from / out_w, first = from % out_w;
        const size_t last = cz_least(first + to - from, out_w);
        const int64_t y = (int64_t)row * w->strides[1] - w->pads_begin[1] +
                          ky * w->dilations[1];
        if (y < 0 || y >= s->in_h)
            memset(column, 0, (last - first) * sizeof *column);
        else
            copy_row(s, plane + y * s->in_w, kx, (int64_t)first, (int64_t)last,
                     column);
        column += last - first;
        from += last - first;
    }
}

/* Item i of images x groups x pieces: some pixels of a group's outputs. */
static void convolve_piece(void *user, size_t i)
{
    struct state *s = user;
    const struct cz_step *step = s->step;
    const size_t piece = i % s->pieces, image = i / s->pieces; /* x groups */
    const size_t from = piece * s->out_plane / s->pieces;
    const size_t columns = (piece + 1) * s->out_plane / s->pieces - from;
    const size_t channel = image % s->groups * s->outputs;
    const size_t depth = s->inputs * s->taps;
    const float *x = (const float *)step->inputs[INPUT]->data +
                     image * s->inputs * s->in_plane;
    const size_t y_at = image * s->outputs * s->out_plane + from;
    struct cz_gemm g = {
        .m = s->outputs,
        .n = columns,
        .k = depth,
        .a = (const float *)step->inputs[WEIGHT]->data + channel * depth,
        .a_row = depth,
        .a_column = 1,
        .b = x + from,
        .b_row = s->in_plane,
        .b_column = 1,
        .y = (float *)step->outputs[0]->data + y_at,
        .y_row = s->out_plane,
    };
    float *matrix = cz_scratch_take(s->scratch);
    if (!s->is_pointwise) {
        for (size_t k = 0; k < depth; k++)
            copy_tap(s, x + k / s->taps * s->in_plane, k % s->taps, from,
                     from + columns, matrix + k * columns);
        g.b = matrix;
        g.b_row = columns;
    }
    cz_gemm_run(&s->unit, &g);
    cz_scratch_give(s->scratch, matrix);
    const struct cz_array *bias = cz_step_input(step, BIAS);
    for (size_t c = 0; c < s->outputs; c++)
        cz_gemm_finish(&s->unit, step,
                       bias ? ((const float *)bias->data)[channel + c] : 0,
                       y_at + c * s->out_plane, columns);
}

static enum cz_status run_conv(struct cz_step *step, const struct cz_exec *exec,
                               struct cz_error *err)
{
    struct state *s = step->state;
    (void)err;
    cz_team_for(exec, s->batch * s->groups * s->pieces, convolve_piece, s);
    return CZ_OK;
}

/* ---- ConvTranspose ---------------------------------------------------- */

/* Adds what `rows` rows of the input, from `first` on, give at tap (ky, kx) to
 * a plane of the output. */
static void add_tap(const struct state *s, const float *matrix, size_t tap,
                    size_t first, size_t rows, float *plane)
{
    const struct cz_window *w = &s->window;
    const int64_t stride = w->strides[2];
    const int64_t ky = (int64_t)tap / w->kernel[2];
    const int64_t kx = (int64_t)tap % w->kernel[2];
    const int64_t offset = kx * w->dilations[2] - w->pads_begin[2];
    const struct cz_span in =
        cz_window_inside(stride, offset, s->out_w, s->in_w);
    for (size_t r = 0; r < rows && in.begin < in.end; r++) {
        const int64_t to = (int64_t)(first + r) * w->strides[1] -
                           w->pads_begin[1] + ky * w->dilations[1];
        if (to < 0 || to >= s->out_h)
            continue;
        const float *x = matrix + r * (size_t)s->in_w + in.begin;
        float *y = plane + to * s->out_w + offset + in.begin * stride;
        const size_t count = (size_t)(in.end - in.begin);
        for (size_t i = 0; i < count; i++)
            y[i * (size_t)stride] += x[i];
    }
}

/* Item i of images x groups x pieces: some planes of a group's outputs. */
static void transpose_piece(void *user, size_t i)
{
    struct state *s = user;
    const struct cz_step *step = s->step;
    const size_t piece = i % s->pieces, image = i / s->pieces; /* x groups */
    const size_t group = image % s->groups;
    const size_t output = piece * s->outputs / s->pieces;
    const size_t outputs = (piece + 1) * s->outputs / s->pieces - output;
    const size_t y_at = (image * s->outputs + output) * s->out_plane;
    const size_t in_w = (size_t)s->in_w;
    float *y = (float *)step->outputs[0]->data + y_at;
    const struct cz_array *bias = cz_step_input(step, BIAS);
    float *matrix = cz_scratch_take(s->scratch);
    struct cz_gemm g = {
        .m = outputs * s->taps,
        .k = s->inputs,
        .a = s->weights + (group * s->outputs + output) * s->taps * s->inputs,
        .a_row = s->inputs,
        .a_column = 1,
        .b_row = s->in_plane,
        .b_column = 1,
        .y = matrix,
    };
    memset(y, 0, outputs * s->out_plane * sizeof *y);
    for (size_t row = 0; row < (size_t)s->in_h; row += s->rows) {
        const size_t rows = cz_least(s->rows, (size_t)s->in_h - row);
        g.n = g.y_row = rows * in_w;
        g.b = (const float *)step->inputs[INPUT]->data +
              image * s->inputs * s->in_plane + row * in_w;
        cz_gemm_run(&s->unit, &g);
        for (size_t k = 0; k < g.m; k++)
            add_tap(s, matrix + k * g.n, k % s->taps, row, rows,
                    y + k / s->taps * s->out_plane);
    }
    cz_scratch_give(s->scratch, matrix);
    for (size_t c = 0; c < outputs; c++)
        cz_gemm_finish(
            &s->unit, step,
            bias ? ((const float *)bias->data)[group * s->outputs + output + c]
                 : 0,
            y_at + c * s->out_plane, s->out_plane);
}

static enum cz_status run_transpose(struct cz_step *step,
                                    const struct cz_exec *exec,
                                    struct cz_error *err)
{
    struct state *s = step->state;
    (void)err;
    cz_team_for(exec, s->batch * s->groups * s->pieces, transpose_piece, s);
    return CZ_OK;
}

const struct cz_kernel cz_kernels_im2col[] = {
    {.name = "gemm",
     .op_type = "Conv",
     .fits = fits,
     .prepare = prepare,
     .run = run_conv,
     .release = release},
    {.name = "gemm",
     .op_type = "ConvTranspose",
     .fits = fits,
     .prepare = prepare,
     .run = run_transpose,
     .release = release},
    {.name = NULL},
};

const struct cz_kernel cz_kernels_openblas_im2col[] = {
    {.name = "openblas",
     .op_type = "Conv",
     .fits = fits_openblas,
     .prepare = prepare_openblas,
     .run = run_conv,
     .release = release},
    {.name = "openblas",
     .op_type = "ConvTranspose",
     .fits = fits_openblas,
     .prepare = prepare_openblas,
     .run = run_transpose,
     .release = release},
    {.name = NULL},
};

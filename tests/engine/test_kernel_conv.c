/* The fast kernels of Conv against sums in double, for every vector unit that
 * this processor has: odd sizes, borders, strides, activations, residuals. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/cpu.h"
#include "core/half.h"
#include "engine/kernels_internal.h"
#include "engine/narrow_internal.h"
#include "engine/simd_internal.h"
#include "engine/storage_internal.h"
#include "engine/team_internal.h"
#include "engine/window_internal.h"
#include "tests/support/support.h"

/* Of the largest sum of |products| in the output. Winograd's transforms
 * multiply the rounding of float32, 6e-8, by up to 20; one wrong tap out of
 * the 4000 of the largest case is a hundred times as much. */
#define TOLERANCE 2e-6

/* exp(), the sum and the division round to 1.2e-7 each. */
#define ACTIVATION_TOLERANCE 4e-7

/* float16: sums of up to 64 products, each rounded to 2^-11 of itself. */
#define FP16_TOLERANCE 2e-3

#define MIN_LANES 4
#define MAX_LANES 16

/* A convolution: square window, the same pads on all sides. */
struct problem {
    size_t batch, in_channels, h, w, out_channels;
    size_t kernel, stride, pad, dilation;
    bool is_depthwise, is_plain, has_bias, has_residual;
    /* So are the input and the weights: nothing to round. */
    enum cz_precision precision;
    int exponent; /* all weights are times 2^exponent */
    enum cz_activation_kind activation;
    size_t threads;
};

/* The step of a problem with all that it points to. */
struct rig {
    struct problem problem;
    struct cz_plan plan;
    struct cz_conv_params params;
    struct cz_array x, weights, bias, residual, y;
    struct cz_array *inputs[3], *outputs[1];
    struct cz_step step;
};

static uint32_t random_state = 1;

static uint32_t random_bits(void)
{
    random_state = random_state * 1664525u + 1013904223u;
    return random_state >> 8;
}

static size_t random_below(size_t n)
{
    return random_bits() % n;
}

static float random_float(void)
{
    return (float)random_bits() / 8388608.0f - 1;
}

/* ---- arrays ----------------------------------------------------------- */

static size_t padded_channels(const struct cz_array *array, size_t lanes)
{
    const size_t channels = (size_t)array->dims.size[1];
    if (array->layout == CZ_LAYOUT_PLAIN)
        return channels;
    return (channels + lanes - 1) / lanes * lanes;
}

static size_t plane_size(const struct cz_array *array)
{
    return (size_t)(array->dims.size[2] * array->dims.size[3]);
}

static float *element(const struct cz_array *array, size_t lanes, size_t n,
                      size_t c, size_t pixel)
{
    const size_t channels = padded_channels(array, lanes);
    const size_t plane = plane_size(array);
    float *data = array->data;
    if (array->layout == CZ_LAYOUT_PLAIN)
        return data + (n * channels + c) * plane + pixel;
    return data + (n * channels + c / lanes * lanes) * plane + pixel * lanes +
           c % lanes;
}

/* Random elements; the lanes behind the last channel are 0. */
static void make_array(struct cz_array *array, struct cz_dims dims,
                       enum cz_layout layout, size_t lanes)
{
    *array = (struct cz_array){
        .dtype = CZ_DTYPE_FLOAT, .dims = dims, .layout = layout};
    const size_t channels = padded_channels(array, lanes);
    const size_t batch = (size_t)dims.size[0], plane = plane_size(array);
    array->data = calloc(batch * channels * plane, sizeof(float));
    assert_non_null(array->data);
    for (size_t i = 0; i < batch * (size_t)dims.size[1] * plane; i++) {
        const size_t pixel = i % plane, row = i / plane;
        *element(array, lanes, row / (size_t)dims.size[1],
                 row % (size_t)dims.size[1], pixel) = random_float();
    }
}

static void make_constant(struct cz_array *array, struct cz_dims dims)
{
    struct cz_dims as_image = {4, {1, 1, 1, 1}};
    for (size_t i = 0; i < dims.rank; i++)
        as_image.size[3] *= dims.size[i];
    make_array(array, as_image, CZ_LAYOUT_PLAIN, 1);
    array->dims = dims;
    array->is_constant = true;
    array->known = array->data;
}

static float rounded(float x, enum cz_precision precision)
{
    return precision == CZ_PRECISION_FP16
               ? cz_half_to_float(cz_half_from_float(x))
               : cz_bfloat16_to_float(cz_bfloat16_from_float(x));
}

/* In place. */
static void round_all(const struct cz_array *array, size_t lanes,
                      enum cz_precision precision)
{
    const size_t channels = (size_t)array->dims.size[1];
    const size_t plane = plane_size(array);
    for (size_t i = 0; i < (size_t)array->dims.size[0] * channels * plane;
         i++) {
        const size_t row = i / plane;
        float *x =
            element(array, lanes, row / channels, row % channels, i % plane);
        *x = rounded(*x, precision);
    }
}

static int64_t output_size(const struct problem *p, size_t size)
{
    const size_t reach = (p->kernel - 1) * p->dilation + 1;
    return (int64_t)((size + 2 * p->pad - reach) / p->stride + 1);
}

static void make_params(struct cz_conv_params *params, const struct problem *p)
{
    *params = (struct cz_conv_params){
        .window.spatial = 2,
        .group = p->is_depthwise ? (int64_t)p->in_channels : 1};
    for (size_t i = 0; i < 2; i++) {
        params->window.kernel[i] = (int64_t)p->kernel;
        params->window.strides[i] = (int64_t)p->stride;
        params->window.dilations[i] = (int64_t)p->dilation;
        params->window.pads_begin[i] = (int64_t)p->pad;
        params->window.pads_end[i] = (int64_t)p->pad;
    }
}

static void make_rig(struct rig *rig, const struct problem *p, size_t lanes)
{
    const int64_t k = (int64_t)p->kernel, oc = (int64_t)p->out_channels;
    const int64_t ic = p->is_depthwise ? 1 : (int64_t)p->in_channels;
    const int64_t n = (int64_t)p->batch;
    const struct cz_dims in = {
        4, {n, (int64_t)p->in_channels, (int64_t)p->h, (int64_t)p->w}};
    const struct cz_dims out = {
        4, {n, oc, output_size(p, p->h), output_size(p, p->w)}};
    *rig = (struct rig){.problem = *p};
    rig->plan.block = lanes;
    rig->plan.exec.threads = p->threads;
    rig->plan.exec.team = cz_team_new(p->threads);
    rig->plan.exec.scratch = cz_scratch_new(p->threads);
    rig->plan.store = cz_store_new();
    make_params(&rig->params, p);
    make_array(&rig->x, in, p->is_plain ? CZ_LAYOUT_PLAIN : CZ_LAYOUT_BLOCKED,
               lanes);
    make_constant(&rig->weights, (struct cz_dims){4, {oc, ic, k, k}});
    make_constant(&rig->bias, (struct cz_dims){1, {oc}});
    make_array(&rig->residual, out, CZ_LAYOUT_BLOCKED, lanes);
    make_array(&rig->y, out, CZ_LAYOUT_BLOCKED, lanes);
    if (p->precision != CZ_PRECISION_FLOAT32) {
        round_all(&rig->x, lanes, p->precision);
        round_all(&rig->weights, lanes, p->precision);
    }
    for (int64_t i = 0; i < oc * ic * k * k; i++)
        ((float *)rig->weights.data)[i] =
            ldexpf(((float *)rig->weights.data)[i], p->exponent);
    rig->inputs[0] = &rig->x;
    rig->inputs[1] = &rig->weights;
    rig->inputs[2] = p->has_bias ? &rig->bias : NULL;
    rig->outputs[0] = &rig->y;
    rig->step =
        (struct cz_step){.n_inputs = 3,
                         .n_outputs = 1,
                         .inputs = rig->inputs,
                         .outputs = rig->outputs,
                         .params = &rig->params,
                         .activation = {p->activation, 0.1f, 0.6f},
                         .residual = p->has_residual ? &rig->residual : NULL};
}

static void free_rig(struct rig *rig)
{
    cz_team_free(rig->plan.exec.team);
    cz_scratch_free(rig->plan.exec.scratch);
    cz_store_free(rig->plan.store);
    free(rig->x.data);
    free(rig->weights.data);
    free(rig->bias.data);
    free(rig->residual.data);
    free(rig->y.data);
}

/* ---- the reference ---------------------------------------------------- */

/* One output before its activation; adds |products| to *magnitude. */
static double convolve(const struct rig *rig, size_t n, size_t oc, size_t oy,
                       size_t ox, double *magnitude)
{
    const struct problem *p = &rig->problem;
    const size_t channels = p->is_depthwise ? 1 : p->in_channels;
    const float *w = (const float *)rig->weights.data +
                     oc * channels * p->kernel * p->kernel;
    double sum = p->has_bias ? (double)((const float *)rig->bias.data)[oc] : 0;
    *magnitude = fabs(sum);
    for (size_t c = 0; c < channels; c++) {
        const float *from =
            element(&rig->x, rig->plan.block, n, p->is_depthwise ? oc : c, 0);
        const size_t step = p->is_plain ? 1 : rig->plan.block;
        for (size_t i = 0; i < p->kernel * p->kernel; i++, w++) {
            const size_t ky = i / p->kernel, kx = i % p->kernel;
            const size_t y = oy * p->stride + ky * p->dilation - p->pad;
            const size_t x = ox * p->stride + kx * p->dilation - p->pad;
            if (y >= p->h || x >= p->w) /* before 0 too: it wrapped around */
                continue;
            const double product =
                (double)from[(y * p->w + x) * step] * (double)*w;
            sum += product;
            *magnitude += fabs(product);
        }
    }
    return sum;
}

/* How far output i is from the reference; *magnitude as convolve(). */
static double error_at(const struct rig *rig, size_t i, double *magnitude)
{
    const size_t out_w = (size_t)rig->y.dims.size[3];
    const size_t plane = plane_size(&rig->y), pixel = i % plane;
    const size_t channels = rig->problem.out_channels;
    const size_t n = i / plane / channels, c = i / plane % channels;
    const size_t lanes = rig->plan.block;
    const double sum =
        convolve(rig, n, c, pixel / out_w, pixel % out_w, magnitude);
    double want = (double)cz_activate(&rig->step.activation, (float)sum);
    if (rig->problem.activation == CZ_ACT_NONE)
        want = sum;
    if (rig->problem.has_residual) {
        const float more = *element(&rig->residual, lanes, n, c, pixel);
        want += (double)more;
        *magnitude += fabs((double)more);
    }
    return fabs((double)*element(&rig->y, lanes, n, c, pixel) - want);
}

static void check_unused_lanes(const struct rig *rig)
{
    const size_t lanes = rig->plan.block, plane = plane_size(&rig->y);
    const size_t channels = padded_channels(&rig->y, lanes);
    for (size_t n = 0; n < rig->problem.batch; n++) {
        for (size_t c = rig->problem.out_channels; c < channels; c++) {
            for (size_t i = 0; i < plane; i++)
                assert_true(*element(&rig->y, lanes, n, c, i) == 0);
        }
    }
}

static void check_output(const struct rig *rig, const char *kernel)
{
    const struct problem *p = &rig->problem;
    const size_t count = p->batch * p->out_channels * plane_size(&rig->y);
    double worst = 0, scale = 0;
    for (size_t i = 0; i < count; i++) {
        double magnitude;
        const double error = error_at(rig, i, &magnitude);
        worst = error > worst || isnan(error) ? error : worst;
        scale = magnitude > scale ? magnitude : scale;
    }
    const double tolerance =
        p->precision == CZ_PRECISION_FP16 ? FP16_TOLERANCE : TOLERANCE;
    if (!(worst <= tolerance * scale))
        fail_msg("%s: [%zu,%zu,%zu,%zu] -> %zu, kernel %zu, stride %zu, pad "
                 "%zu, dilation %zu, activation %d: off by %g of %g",
                 kernel, p->batch, p->in_channels, p->h, p->w, p->out_channels,
                 p->kernel, p->stride, p->pad, p->dilation, (int)p->activation,
                 worst, scale);
    check_unused_lanes(rig);
}

/* ---- running ---------------------------------------------------------- */

/* Runs each kernel of the table that takes the problem in its precision; how
 * many did. */
static size_t run_table(const struct cz_kernel *kernel,
                        const struct problem *problem, size_t lanes)
{
    size_t ran = 0;
    for (; kernel->name; kernel++) {
        struct rig rig;
        struct cz_error err;
        make_rig(&rig, problem, lanes);
        if (kernel->precision == problem->precision &&
            kernel->fits(&rig.step, &rig.plan)) {
            assert_int_equal(
                kernel->prepare(&rig.step, &rig.plan, &rig.step.state, &err),
                CZ_OK);
            for (size_t frame = 0; frame < 2; frame++)
                assert_int_equal(kernel->run(&rig.step, &rig.plan.exec, &err),
                                 CZ_OK);
            check_output(&rig, kernel->name);
            kernel->release(rig.step.state);
            ran++;
        }
        free_rig(&rig);
    }
    return ran;
}

/* Calls visit(simd, user) with CZ_CPU set so that the kernels find this one,
 * for each that the processor has. */
static void for_each_simd(void (*visit)(const struct cz_simd *simd,
                                        const void *user),
                          const void *user)
{
    for (size_t lanes = MIN_LANES; lanes <= MAX_LANES; lanes *= 2) {
        const struct cz_simd *last = NULL;
        for (size_t i = 0; cz_test_limit_cpu(i); i++) {
            const struct cz_simd *simd = cz_simd_find(lanes);
            if (simd && simd != last)
                visit(simd, user);
            last = simd;
        }
    }
}

struct check {
    const struct cz_kernel *table;
    const struct problem *problem;
};

static void check_on(const struct cz_simd *simd, const void *user)
{
    const struct check *c = user;
    assert_true(run_table(c->table, c->problem, simd->lanes) > 0);
}

static void check(const struct cz_kernel *table, const struct problem *problem)
{
    const struct check c = {table, problem};
    for_each_simd(check_on, &c);
}

static const enum cz_activation_kind activations[] = {
    CZ_ACT_NONE,       CZ_ACT_RELU, CZ_ACT_LEAKY_RELU,
    CZ_ACT_SILU,       CZ_ACT_SILU, CZ_ACT_SIGMOID,
    CZ_ACT_HARD_SWISH, CZ_ACT_TANH, CZ_ACT_MISH};
#define ACTIVATIONS (sizeof activations / sizeof *activations)

static struct problem random_problem(void)
{
    struct problem p = {
        .batch = 1 + random_below(2),
        .in_channels = 1 + random_below(36),
        .h = 1 + random_below(16),
        .w = 1 + random_below(40),
        .out_channels = 1 + random_below(36),
        .kernel = 3,
        .stride = 1,
        .pad = 1,
        .dilation = 1,
        .has_bias = random_below(4) > 0,
        .has_residual = random_below(3) == 0,
        .activation = activations[random_below(ACTIVATIONS)],
        .threads = 1 + random_below(3),
    };
    return p;
}

/* Any window that fits into the input. */
static void randomize_window(struct problem *p)
{
    p->kernel = 1 + random_below(7);
    p->stride = 1 + random_below(3);
    p->dilation = 1 + random_below(4) / 3;
    p->pad = random_below(p->kernel * p->dilation);
    const size_t reach = (p->kernel - 1) * p->dilation + 1;
    p->h = p->h > reach ? p->h : reach;
    p->w = p->w > reach ? p->w : reach;
}

static void winograd_agrees_with_sums_in_double(void **state)
{
    (void)state;
    for (size_t i = 0; i < 20; i++) {
        struct problem p = random_problem();
        p.stride = 1 + random_below(2);
        p.in_channels += p.stride == 2 ? 32 : 0; /* it leaves fewer alone */
        p.pad = random_below(3);
        p.h += 2;
        p.w += 2;
        check(cz_kernels_winograd, &p);
    }
}

static void winograd_agrees_where_groups_are_many(void **state)
{
    (void)state;
    const struct problem p = {.batch = 2,
                              .in_channels = 24,
                              .h = 33,
                              .w = 61,
                              .out_channels = 24,
                              .kernel = 3,
                              .stride = 1,
                              .pad = 1,
                              .dilation = 1,
                              .has_bias = true,
                              .has_residual = true,
                              .activation = CZ_ACT_SILU,
                              .threads = 2};
    check(cz_kernels_winograd, &p);
}

static void direct_agrees_with_sums_in_double(void **state)
{
    (void)state;
    for (size_t i = 0; i < 24; i++) {
        struct problem p = random_problem();
        randomize_window(&p);
        check(cz_kernels_direct, &p);
    }
}

static void direct_agrees_for_single_pixels(void **state)
{
    (void)state;
    for (size_t i = 0; i < 16; i++) {
        struct problem p = random_problem();
        p.kernel = 1;
        p.pad = 0;
        p.stride = 1 + random_below(3) / 2;
        p.w = 1 + random_below(300);
        check(cz_kernels_direct, &p);
    }
}

static void direct_agrees_on_plain_images(void **state)
{
    (void)state;
    for (size_t i = 0; i < 16; i++) {
        struct problem p = random_problem();
        randomize_window(&p);
        p.in_channels = 1 + random_below(4);
        p.is_plain = true;
        check(cz_kernels_direct, &p);
    }
}

static void depthwise_agrees_with_sums_in_double(void **state)
{
    (void)state;
    for (size_t i = 0; i < 24; i++) {
        struct problem p = random_problem();
        randomize_window(&p);
        p.in_channels = p.out_channels;
        p.is_depthwise = true;
        check(cz_kernels_depthwise, &p);
    }
}

/* In both kinds of 16 bits, with each kind of loops that the processor has. */
static void check_narrow(struct problem *problem)
{
    for (size_t i = 0; cz_test_limit_cpu(i); i++) {
        for (size_t lanes = MIN_LANES; lanes <= MAX_LANES; lanes *= 2) {
            problem->precision = CZ_PRECISION_BF16;
            assert_int_equal(run_table(cz_kernels_narrow, problem, lanes),
                             cz_bf16_find(lanes) != NULL);
            problem->precision = CZ_PRECISION_FP16;
            assert_int_equal(run_table(cz_kernels_narrow, problem, lanes),
                             cz_fp16_find(lanes) != NULL);
        }
    }
}

static void narrow_ones_agree_with_sums_in_double(void **state)
{
    (void)state;
    for (size_t i = 0; i < 32; i++) {
        struct problem p = random_problem();
        randomize_window(&p);
        check_narrow(&p);
    }
}

static void narrow_ones_agree_for_single_pixels(void **state)
{
    (void)state;
    for (size_t i = 0; i < 16; i++) {
        struct problem p = random_problem();
        p.kernel = 1;
        p.pad = 0;
        p.stride = 1 + random_below(3) / 2;
        p.h = 1 + random_below(3);
        p.w = 1 + random_below(300);
        check_narrow(&p);
    }
}

/* float16 has nothing beyond 65504, and rounds below 6e-5 to fewer bits. */
static void narrow_ones_agree_for_weights_of_any_size(void **state)
{
    (void)state;
    for (int exponent = -30; exponent <= 30; exponent += 10) {
        struct problem p = random_problem();
        p.exponent = exponent;
        p.has_bias = p.has_residual = false; /* nothing that hides them */
        check_narrow(&p);
    }
}

/* Several bands of rows, several spans of columns; more threads than tiles. */
static void narrow_ones_agree_whatever_the_tiles(void **state)
{
    (void)state;
    static const size_t sizes[][4] = {
        /* channels, height, width, kernel */
        {64, 40, 44, 3},  {200, 3, 300, 3}, {16, 100, 6, 5},
        {520, 1, 170, 1}, {24, 5, 5, 3},    {8, 2, 900, 1},
    };
    for (size_t i = 0; i < 12; i++) {
        const size_t *size = sizes[i / 2];
        struct problem p = random_problem();
        p.batch = 1 + i % 2;
        p.in_channels = size[0];
        p.h = size[1];
        p.w = size[2];
        p.kernel = size[3];
        p.pad = p.kernel / 2;
        p.threads = i % 2 ? 3 : 1;
        check_narrow(&p);
    }
}

/* Windows that have loops of their own, in images of all small sizes. */
static void depthwise_agrees_for_usual_windows(void **state)
{
    (void)state;
    for (size_t i = 0; i < 64; i++) {
        struct problem p = random_problem();
        p.kernel = 3 + 2 * (i % 2);
        p.stride = 1 + i / 2 % 2;
        p.pad = p.kernel / 2;
        p.h = 1 + i / 4;
        p.in_channels = p.out_channels;
        p.is_depthwise = true;
        check(cz_kernels_depthwise, &p);
    }
}

static void leaves_other_convolutions_to_others(void **state)
{
    (void)state;
    struct problem p = random_problem();
    p.stride = 3;
    assert_int_equal(run_table(cz_kernels_winograd, &p, 8), 0);
    p = random_problem();
    p.is_depthwise = true;
    p.in_channels = p.out_channels = 16;
    assert_int_equal(run_table(cz_kernels_direct, &p, 8), 0);
    p.precision = CZ_PRECISION_BF16;
    assert_int_equal(run_table(cz_kernels_narrow, &p, 8), 0);
    p = random_problem();
    p.precision = CZ_PRECISION_BF16;
    p.is_plain = true;
    assert_int_equal(run_table(cz_kernels_narrow, &p, 8), 0);
}

static void reports_when_memory_is_short(void **state)
{
    (void)state;
    struct problem p = random_problem();
    const struct cz_kernel *const kernels[] = {
        cz_kernels_winograd, cz_kernels_direct, cz_kernels_narrow,
        cz_kernels_depthwise};
    for (size_t i = 0; i < sizeof kernels / sizeof *kernels; i++) {
        struct cz_error err;
        struct rig rig;
        p.is_depthwise = kernels[i] == cz_kernels_depthwise;
        p.in_channels = p.is_depthwise ? p.out_channels : p.in_channels;
        make_rig(&rig, &p, 8);
        assert_true(kernels[i]->fits(&rig.step, &rig.plan));
        enum cz_status status = CZ_ENOMEM;
        void *kernel_state = NULL;
        size_t nth = 0;
        while (status == CZ_ENOMEM) {
            assert_null(kernel_state);
            cz_alloc_fail_at(++nth);
            status =
                kernels[i]->prepare(&rig.step, &rig.plan, &kernel_state, &err);
            cz_alloc_fail_at(0);
        }
        assert_int_equal(status, CZ_OK);
        assert_true(nth > 2); /* the state and its floats failed before */
        kernels[i]->release(kernel_state);
        free_rig(&rig);
    }
}

/* ---- activations ------------------------------------------------------ */

#define SWEEP 4096
/* x sigmoid(x) at x = -85, where the sweep ends. */
#define EXTREME_TOLERANCE 1e-34

/* What rounding is relative to: the piecewise ones add numbers of the size of
 * x and cancel; the others keep the digits of small results, but for those that
 * exp() loses when its argument is rounded. */
static double rounding_scale(enum cz_activation_kind kind, double x,
                             double want)
{
    if (kind == CZ_ACT_HARD_SIGMOID || kind == CZ_ACT_HARD_SWISH)
        return 1 + fabs(x);
    return fabs(want) * (1 + fabs(x) / 4);
}

static void check_activation(const struct cz_simd *simd,
                             const struct cz_activation *activation)
{
    static float y[SWEEP];
    for (size_t i = 0; i < SWEEP; i++)
        y[i] = ((float)i - SWEEP / 2) * (80.0f / (SWEEP / 2));
    simd->finish(activation, y, NULL, SWEEP / simd->lanes);
    for (size_t i = 0; i < SWEEP; i++) {
        const float x = ((float)i - SWEEP / 2) * (80.0f / (SWEEP / 2));
        const double want = (double)cz_activate(activation, x);
        const double scale = rounding_scale(activation->kind, (double)x, want);
        if (!(fabs((double)y[i] - want) <= ACTIVATION_TOLERANCE * scale))
            fail_msg("activation %d of %g: %.9g, want %.9g",
                     (int)activation->kind, (double)x, (double)y[i], want);
    }
}

/* Beyond what exp() has a result for: sigmoid() is 0 or 1 then, or next to it,
 * whatever it is multiplied by. */
static void check_extremes(const struct cz_simd *simd,
                           enum cz_activation_kind kind)
{
    static const float extremes[] = {-85,    -87.5f, -88.9f, -104, -1e6f,
                                     -1e30f, -1e36f, -3e38f, 89,   3e38f};
    const struct cz_activation activation = {kind, 0, 0};
    for (size_t e = 0; e < sizeof extremes / sizeof *extremes; e++) {
        float y[2 * MAX_LANES];
        for (size_t i = 0; i < 2 * simd->lanes; i++)
            y[i] = extremes[e];
        simd->finish(&activation, y, NULL, 2);
        const double want = (double)cz_activate(&activation, extremes[e]);
        for (size_t i = 0; i < 2 * simd->lanes; i++) {
            if (!(fabs((double)y[i] - want) <=
                  ACTIVATION_TOLERANCE * fabs(want) + EXTREME_TOLERANCE))
                fail_msg("activation %d of %g: %.9g, want %.9g", (int)kind,
                         (double)extremes[e], (double)y[i], want);
        }
    }
}

static void check_activations_on(const struct cz_simd *simd, const void *user)
{
    (void)user;
    for (size_t kind = 0; kind < CZ_ACT_COUNT; kind++) {
        const struct cz_activation activation = {(enum cz_activation_kind)kind,
                                                 0.2f, 0.5f};
        check_activation(simd, &activation);
    }
    check_extremes(simd, CZ_ACT_SIGMOID);
    check_extremes(simd, CZ_ACT_SILU);
}

static void activates_as_the_reference_does(void **state)
{
    (void)state;
    for_each_simd(check_activations_on, NULL);
}

/* ---- softmax ---------------------------------------------------------- */

/* exp(), whose error grows with that of what it is of, and a sum of 70. */
#define SOFTMAX_TOLERANCE 1e-6
/* e^-87 stands for all that is smaller. */
#define VANISHED 2e-38

static void check_softmax(const float *x, const float *y, size_t count,
                          size_t stride)
{
    double most = -INFINITY, sum = 0;
    for (size_t i = 0; i < count; i++) /* GCC 12 fails at fmax() */
        most = (double)x[i * stride] > most ? (double)x[i * stride] : most;
    for (size_t i = 0; i < count; i++)
        sum += exp((double)x[i * stride] - most);
    for (size_t i = 0; i < count; i++) {
        const double below = most - (double)x[i * stride];
        const double want = exp(-below) / sum;
        const double limit = SOFTMAX_TOLERANCE * (1 + below) * want + VANISHED;
        if (!(fabs((double)y[i * stride] - want) <= limit))
            fail_msg("softmax of %zu, %zu apart: number %zu is %g, want %g",
                     count, stride, i, (double)y[i * stride], want);
    }
}

static void check_softmaxes_on(const struct cz_simd *simd, const void *user)
{
    float x[70 * MAX_LANES], y[70 * MAX_LANES + 1];
    (void)user;
    for (size_t count = 1; count <= 70; count++) {
        const float width = count % 3 == 0 ? 100.0f : 5.0f;
        for (size_t i = 0; i < count * simd->lanes; i++)
            x[i] = random_float() * width - (count % 2 ? 300.0f : 0);
        y[count] = 7;
        simd->softmax_row(x, y, count);
        check_softmax(x, y, count, 1);
        assert_true(y[count] == 7); /* nothing is stored behind it */
        simd->softmax(x, y, count, simd->lanes);
        for (size_t l = 0; l < simd->lanes; l++)
            check_softmax(x + l, y + l, count, simd->lanes);
    }
}

static void softmaxes_agree_with_sums_in_double(void **state)
{
    (void)state;
    for_each_simd(check_softmaxes_on, NULL);
}

static void obeys_the_limit_on_the_processor(void **state)
{
    (void)state;
    setenv("CZ_CPU", "baseline", 1);
    assert_false(cz_cpu_has(CZ_CPU_AVX2));
    assert_false(cz_cpu_has(CZ_CPU_AVX512));
    assert_ptr_equal(cz_simd_find(8), &cz_simd_plain);
    assert_null(cz_simd_find(16));
    setenv("CZ_CPU", "avx2", 1);
    assert_false(cz_cpu_has(CZ_CPU_AVX512));
    unsetenv("CZ_CPU");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(winograd_agrees_with_sums_in_double),
        cmocka_unit_test(winograd_agrees_where_groups_are_many),
        cmocka_unit_test(direct_agrees_with_sums_in_double),
        cmocka_unit_test(direct_agrees_for_single_pixels),
        cmocka_unit_test(direct_agrees_on_plain_images),
        cmocka_unit_test(depthwise_agrees_with_sums_in_double),
        cmocka_unit_test(narrow_ones_agree_with_sums_in_double),
        cmocka_unit_test(narrow_ones_agree_for_single_pixels),
        cmocka_unit_test(narrow_ones_agree_for_weights_of_any_size),
        cmocka_unit_test(narrow_ones_agree_whatever_the_tiles),
        cmocka_unit_test(depthwise_agrees_for_usual_windows),
        cmocka_unit_test(leaves_other_convolutions_to_others),
        cmocka_unit_test(reports_when_memory_is_short),
        cmocka_unit_test(activates_as_the_reference_does),
        cmocka_unit_test(softmaxes_agree_with_sums_in_double),
        cmocka_unit_test(obeys_the_limit_on_the_processor),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* The fast kernels of cz.ConvCodes against the operator's plain C, bit by bit,
 * for every vector unit that this processor has: odd sizes, windows, borders,
 * both types of codes, float32, weights and codes at their limits. */
#include <stdlib.h>
#include <string.h>

#include "core/sizes.h"
#include "engine/bytes_internal.h"
#include "engine/codes_internal.h"
#include "engine/kernels_internal.h"
#include "engine/simd_codes_internal.h"
#include "engine/simd_internal.h"
#include "engine/storage_internal.h"
#include "engine/team_internal.h"
#include "tests/support/support.h"

/* What weights and codes are like; LIMIT: sums of two products next to what is
 * an int16. */
enum values { RANDOM, SMALL, LIMIT, EXTREME, HIGHEST, VALUES };

struct problem {
    size_t batch, in_channels, h, w, out_channels;
    size_t kernel[2], stride[2], dilation[2], pads[4];
    bool is_depthwise, is_plain, has_bias, has_table, has_residual;
    enum cz_dtype x_dtype, y_dtype;
    enum values values;
    size_t threads, lanes; /* lanes: of blocks of floats */
};

/* A step in blocks with all that it points to, and the same in plain arrays. */
struct rig {
    struct problem problem;
    struct cz_plan plan;
    struct cz_conv_codes_params params;
    struct cz_array x, plain_x, weights, bias, residual, plain_residual;
    struct cz_array y, plain_y;
    struct cz_array *inputs[3], *outputs[1], *plain_inputs[3],
        *plain_outputs[1];
    struct cz_step step, plain_step;
    uint8_t table[CZ_CODES];
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

/* ---- arrays ----------------------------------------------------------- */

static size_t lanes_of(const struct cz_array *array, size_t float_lanes)
{
    if (array->layout == CZ_LAYOUT_PLAIN)
        return 1;
    return array->dtype == CZ_DTYPE_FLOAT ? float_lanes : CZ_CODES_BLOCK;
}

static size_t plane_size(const struct cz_array *array)
{
    return (size_t)(array->dims.size[2] * array->dims.size[3]);
}

/* Where element i of a plain array is in this one. */
static size_t place_of(const struct cz_array *array, size_t lanes, size_t i)
{
    const size_t plane = plane_size(array);
    const size_t channels = (size_t)array->dims.size[1];
    const size_t row = i / plane, n = row / channels, c = row % channels;
    const size_t blocks = cz_divide_up(channels, lanes);
    return ((n * blocks + c / lanes) * plane + i % plane) * lanes + c % lanes;
}

/* Random bytes where no element is. */
static void make_array(struct cz_array *array, enum cz_dtype dtype,
                       struct cz_dims dims, enum cz_layout layout,
                       size_t float_lanes)
{
    *array = (struct cz_array){.dtype = dtype, .dims = dims, .layout = layout};
    const size_t lanes = lanes_of(array, float_lanes);
    const size_t channels = cz_round_up((size_t)dims.size[1], lanes);
    array->size_bytes = (size_t)dims.size[0] * channels * plane_size(array) *
                        cz_element_bytes(dtype);
    uint8_t *bytes = malloc(array->size_bytes);
    assert_non_null(bytes);
    for (size_t i = 0; i < array->size_bytes; i++)
        bytes[i] = (uint8_t)random_bits();
    array->data = bytes;
}

/* The elements of a plain array in blocks. */
static void copy_to(struct cz_array *array, const struct cz_array *plain,
                    size_t float_lanes)
{
    const size_t lanes = lanes_of(array, float_lanes);
    const size_t bytes = cz_element_bytes(array->dtype);
    for (size_t i = 0; i < cz_array_count(plain); i++)
        memcpy((uint8_t *)array->data + place_of(array, lanes, i) * bytes,
               (uint8_t *)plain->data + i * bytes, bytes);
}

static uint8_t random_code(enum values values)
{
    switch (values) {
    case LIMIT:
        return (uint8_t)(random_below(8) ? 255 : random_bits());
    case EXTREME:
        return random_below(2) ? 255 : 0;
    case HIGHEST:
        return 255;
    default:
        return (uint8_t)random_bits();
    }
}

static int8_t random_weight(enum values values)
{
    switch (values) {
    case SMALL:
        return (int8_t)((int)random_below(81) - 40);
    case LIMIT:
        return (int8_t)((random_below(2) ? 61 : 28) + (int)random_below(5));
    case EXTREME:
        return random_below(2) ? INT8_MAX : INT8_MIN;
    case HIGHEST:
        return INT8_MIN;
    default:
        return (int8_t)random_bits();
    }
}

static void make_constant(struct cz_array *array, enum cz_dtype dtype,
                          struct cz_dims dims)
{
    struct cz_dims as_image = {4, {1, 1, 1, 1}};
    for (size_t i = 0; i < dims.rank; i++)
        as_image.size[3] *= dims.size[i];
    make_array(array, dtype, as_image, CZ_LAYOUT_PLAIN, 1);
    array->dims = dims;
    array->is_constant = true;
    array->known = array->data;
}

/* ---- a rig ------------------------------------------------------------ */

static int64_t output_size(const struct problem *p, size_t i, size_t size)
{
    const size_t reach = (p->kernel[i] - 1) * p->dilation[i] + 1;
    return (int64_t)((size + p->pads[i] + p->pads[2 + i] - reach) /
                         p->stride[i] +
                     1);
}

static void make_window(struct cz_conv_params *params, const struct problem *p)
{
    params->window.spatial = 2;
    params->group = p->is_depthwise ? (int64_t)p->in_channels : 1;
    for (size_t i = 0; i < 2; i++) {
        params->window.kernel[i] = (int64_t)p->kernel[i];
        params->window.strides[i] = (int64_t)p->stride[i];
        params->window.dilations[i] = (int64_t)p->dilation[i];
        params->window.pads_begin[i] = (int64_t)p->pads[i];
        params->window.pads_end[i] = (int64_t)p->pads[2 + i];
    }
}

/* So that most results are codes between the first and the last; some channels
 * have none, or far more. */
static float random_multiplier(const struct problem *p)
{
    const size_t channels = p->is_depthwise ? 1 : p->in_channels;
    const float taps = (float)(channels * p->kernel[0] * p->kernel[1]);
    const float usual = 1.0f / (90 * sqrtf(taps));
    switch (random_below(12)) {
    case 0:
        return 20;
    case 1:
        return 0;
    case 2:
        return 0.5f; /* ties */
    default:
        return usual * (1 + (float)random_below(1000) / 1000);
    }
}

static int32_t random_zero(enum cz_dtype dtype)
{
    if (dtype == CZ_DTYPE_FLOAT)
        return 0;
    const int32_t code = (int32_t)random_below(256);
    return dtype == CZ_DTYPE_INT8 ? code - 128 : code;
}

static void make_constants(struct rig *rig)
{
    const struct problem *p = &rig->problem;
    const int64_t m = (int64_t)p->out_channels;
    const int64_t c = p->is_depthwise ? 1 : (int64_t)p->in_channels;
    const struct cz_dims dims = {
        4, {m, c, (int64_t)p->kernel[0], (int64_t)p->kernel[1]}};
    const bool is_float = p->y_dtype == CZ_DTYPE_FLOAT;
    make_constant(&rig->weights, CZ_DTYPE_INT8, dims);
    for (size_t i = 0; i < rig->weights.size_bytes; i++)
        ((int8_t *)rig->weights.data)[i] = random_weight(p->values);
    make_constant(&rig->bias, is_float ? CZ_DTYPE_FLOAT : CZ_DTYPE_INT32,
                  (struct cz_dims){1, {m}});
    float *multiplier = calloc(p->out_channels, sizeof *multiplier);
    assert_non_null(multiplier);
    for (size_t i = 0; i < p->out_channels; i++) {
        const int32_t bias = (int32_t)random_below(20000) - 10000;
        multiplier[i] = random_multiplier(p);
        if (is_float)
            ((float *)rig->bias.data)[i] = (float)bias / 3;
        else
            ((int32_t *)rig->bias.data)[i] = bias;
    }
    for (size_t i = 0; i < CZ_CODES; i++)
        rig->table[i] = (uint8_t)random_bits();
    rig->params.multiplier = multiplier;
    rig->params.table = p->has_table && !is_float ? rig->table : NULL;
    rig->params.x_zero = random_zero(p->x_dtype);
    rig->params.y_zero = random_zero(p->y_dtype);
}

static void make_images(struct rig *rig)
{
    const struct problem *p = &rig->problem;
    const struct cz_dims in = {4,
                               {(int64_t)p->batch, (int64_t)p->in_channels,
                                (int64_t)p->h, (int64_t)p->w}};
    const struct cz_dims out = {4,
                                {(int64_t)p->batch, (int64_t)p->out_channels,
                                 output_size(p, 0, p->h),
                                 output_size(p, 1, p->w)}};
    const enum cz_layout blocked = CZ_LAYOUT_BLOCKED;
    make_array(&rig->plain_x, p->x_dtype, in, CZ_LAYOUT_PLAIN, 1);
    for (size_t i = 0; i < rig->plain_x.size_bytes; i++)
        ((uint8_t *)rig->plain_x.data)[i] = random_code(p->values);
    make_array(&rig->x, p->x_dtype, in, p->is_plain ? CZ_LAYOUT_PLAIN : blocked,
               p->lanes);
    copy_to(&rig->x, &rig->plain_x, p->lanes);
    make_array(&rig->plain_residual, CZ_DTYPE_FLOAT, out, CZ_LAYOUT_PLAIN, 1);
    for (size_t i = 0; i < cz_array_count(&rig->plain_residual); i++)
        ((float *)rig->plain_residual.data)[i] = (float)random_below(100);
    make_array(&rig->residual, CZ_DTYPE_FLOAT, out, blocked, p->lanes);
    memset(rig->residual.data, 0, rig->residual.size_bytes);
    copy_to(&rig->residual, &rig->plain_residual, p->lanes);
    make_array(&rig->plain_y, p->y_dtype, out, CZ_LAYOUT_PLAIN, 1);
    make_array(&rig->y, p->y_dtype, out, blocked, p->lanes);
}

static void make_steps(struct rig *rig)
{
    const struct problem *p = &rig->problem;
    const bool is_float = p->y_dtype == CZ_DTYPE_FLOAT;
    rig->plain_inputs[0] = &rig->plain_x;
    rig->inputs[0] = &rig->x;
    rig->inputs[1] = rig->plain_inputs[1] = &rig->weights;
    rig->inputs[2] = rig->plain_inputs[2] = p->has_bias ? &rig->bias : NULL;
    rig->plain_outputs[0] = &rig->plain_y;
    rig->outputs[0] = &rig->y;
    rig->step = (struct cz_step){
        .op = cz_op_find(CZ_OP_CONV_CODES, 1),
        .n_inputs = 3,
        .n_outputs = 1,
        .inputs = rig->inputs,
        .outputs = rig->outputs,
        .params = &rig->params,
        .residual = is_float && p->has_residual ? &rig->residual : NULL,
        .activation.kind = is_float && p->has_table ? CZ_ACT_RELU : CZ_ACT_NONE,
    };
    rig->plain_step = rig->step;
    rig->plain_step.inputs = rig->plain_inputs;
    rig->plain_step.outputs = rig->plain_outputs;
    if (rig->step.residual)
        rig->plain_step.residual = &rig->plain_residual;
}

static void make_rig(struct rig *rig, const struct problem *p)
{
    *rig = (struct rig){.problem = *p};
    rig->plan.block = p->lanes;
    rig->plan.exec.threads = p->threads;
    rig->plan.exec.team = cz_team_new(p->threads);
    rig->plan.exec.scratch = cz_scratch_new(p->threads);
    rig->plan.store = cz_store_new();
    make_window(&rig->params.conv, p);
    make_constants(rig);
    make_images(rig);
    make_steps(rig);
}

static void free_rig(struct rig *rig)
{
    struct cz_array *const arrays[] = {
        &rig->x,        &rig->plain_x,        &rig->weights, &rig->bias,
        &rig->residual, &rig->plain_residual, &rig->y,       &rig->plain_y};
    cz_team_free(rig->plan.exec.team);
    cz_scratch_free(rig->plan.exec.scratch);
    cz_store_free(rig->plan.store);
    free((float *)rig->params.multiplier);
    for (size_t i = 0; i < sizeof arrays / sizeof *arrays; i++)
        free(arrays[i]->data);
}

/* ---- running ---------------------------------------------------------- */

static void fail_at(const struct rig *rig, const char *kernel, size_t i)
{
    const struct problem *p = &rig->problem;
    fail_msg("%s: [%zu,%zu,%zu,%zu] -> %zu, kernel %zux%zu, stride %zu, "
             "dilation %zu, types %d and %d, values %d: element %zu differs",
             kernel, p->batch, p->in_channels, p->h, p->w, p->out_channels,
             p->kernel[0], p->kernel[1], p->stride[1], p->dilation[1],
             (int)p->x_dtype, (int)p->y_dtype, (int)p->values, i);
}

static void check_output(const struct rig *rig, const char *kernel)
{
    const struct cz_array *y = &rig->y;
    const size_t bytes = cz_element_bytes(y->dtype);
    const size_t lanes = lanes_of(y, rig->problem.lanes);
    for (size_t i = 0; i < cz_array_count(&rig->plain_y); i++) {
        if (memcmp((uint8_t *)y->data + place_of(y, lanes, i) * bytes,
                   (uint8_t *)rig->plain_y.data + i * bytes, bytes) != 0)
            fail_at(rig, kernel, i);
    }
}

/* Lanes of float32 blocks behind the last channel are 0. */
static void check_unused_lanes(const struct rig *rig)
{
    const size_t lanes = rig->problem.lanes, plane = plane_size(&rig->y);
    const size_t channels = rig->problem.out_channels;
    const size_t blocks = cz_divide_up(channels, lanes);
    const float *y = rig->y.data;
    for (size_t n = 0; n < rig->problem.batch; n++) {
        const float *last = y + (n * blocks + blocks - 1) * plane * lanes;
        for (size_t i = 0; i < plane * lanes; i++) {
            if ((blocks - 1) * lanes + i % lanes >= channels)
                assert_true(last[i] == 0);
        }
    }
}

/* Runs the kernels of the table that take the problem; how many did. */
static size_t run_table(const struct cz_kernel *kernel,
                        const struct problem *problem)
{
    size_t ran = 0;
    for (; kernel->name; kernel++) {
        struct rig rig;
        struct cz_error err;
        make_rig(&rig, problem);
        if (kernel->fits(&rig.step, &rig.plan)) {
            assert_int_equal(
                kernel->prepare(&rig.step, &rig.plan, &rig.step.state, &err),
                CZ_OK);
            rig.plain_step.op->run(&rig.plain_step, &rig.plan.exec, &err);
            for (size_t frame = 0; frame < 2; frame++)
                assert_int_equal(kernel->run(&rig.step, &rig.plan.exec, &err),
                                 CZ_OK);
            check_output(&rig, kernel->name);
            if (problem->y_dtype == CZ_DTYPE_FLOAT)
                check_unused_lanes(&rig);
            kernel->release(rig.step.state);
            ran++;
        }
        free_rig(&rig);
    }
    return ran;
}

/* Calls visit() with CZ_CPU set so that the kernels find these loops, for each
 * kind that the processor has. */
static void for_each_loops(void (*visit)(const void *user), const void *user)
{
    const struct cz_codes_loops *last = NULL;
    for (size_t i = 0; cz_test_limit_cpu(i); i++) {
        if (cz_codes_find() != last)
            visit(user);
        last = cz_codes_find();
    }
}

/* ---- problems --------------------------------------------------------- */

/* That loops of any level work on. */
static size_t common_lanes(void)
{
    return cz_simd_find(4) ? 4 : 8;
}

static struct problem random_problem(void)
{
    static const enum cz_dtype types[] = {CZ_DTYPE_UINT8, CZ_DTYPE_INT8,
                                          CZ_DTYPE_FLOAT};
    struct problem p = {
        .batch = 1 + random_below(2),
        .in_channels = 1 + random_below(50),
        .out_channels = 1 + random_below(50),
        .h = 7 + random_below(20),
        .w = 7 + random_below(40),
        .has_bias = random_below(3),
        .has_table = random_below(2),
        .has_residual = random_below(2),
        .x_dtype = types[random_below(2)],
        .y_dtype = types[random_below(3)],
        .values = (enum values)random_below(VALUES),
        .threads = 1 + random_below(3),
        .lanes = common_lanes(),
    };
    for (size_t i = 0; i < 2; i++) {
        p.kernel[i] = 1 + random_below(4);
        p.stride[i] = 1 + random_below(3);
        p.dilation[i] = random_below(4) ? 1 : 2;
        p.pads[i] = random_below(3);
        p.pads[2 + i] = random_below(3);
    }
    return p;
}

static void make_3x3(struct problem *p)
{
    for (size_t i = 0; i < 2; i++) {
        p->kernel[i] = 3;
        p->stride[i] = p->dilation[i] = 1;
    }
}

static void check_direct(const void *user)
{
    (void)user;
    for (size_t i = 0; i < 150; i++) {
        struct problem p = random_problem();
        p.is_plain = i % 3 == 0;
        if (i % 5 == 0)
            p.kernel[0] = p.kernel[1] = p.stride[0] = p.stride[1] = 1;
        assert_int_equal(run_table(cz_kernels_codes_direct, &p), 1);
    }
}

static void direct_agrees_with_the_operator(void **state)
{
    (void)state;
    for_each_loops(check_direct, NULL);
}

static void check_winograd(const void *user)
{
    (void)user;
    for (size_t i = 0; i < 100; i++) {
        struct problem p = random_problem();
        make_3x3(&p);
        assert_int_equal(run_table(cz_kernels_codes_winograd, &p), 1);
    }
}

static void winograd_agrees_with_the_operator(void **state)
{
    (void)state;
    for_each_loops(check_winograd, NULL);
}

static void check_depthwise(const void *user)
{
    (void)user;
    for (size_t i = 0; i < 100; i++) {
        struct problem p = random_problem();
        p.is_depthwise = true;
        p.in_channels = p.out_channels;
        assert_int_equal(run_table(cz_kernels_codes_depthwise, &p), 1);
    }
}

static void depthwise_agrees_with_the_operator(void **state)
{
    (void)state;
    for_each_loops(check_depthwise, NULL);
}

/* Large enough for several tiles in each direction, and deep enough for sums
 * next to what Winograd's convolution can hold. */
static void check_large(const void *user)
{
    (void)user;
    for (size_t i = 0; i < 2 * VALUES; i++) {
        struct problem p = random_problem();
        make_3x3(&p);
        p.in_channels = i < VALUES ? 112 : 64;
        p.out_channels = 24;
        p.h = p.w = i < VALUES ? 12 : 60;
        p.values = (enum values)(i % VALUES);
        assert_int_equal(run_table(cz_kernels_codes_winograd, &p), 1);
        assert_int_equal(run_table(cz_kernels_codes_direct, &p), 1);
    }
}

static void large_ones_agree_with_the_operator(void **state)
{
    (void)state;
    for_each_loops(check_large, NULL);
}

/* ---- limits ----------------------------------------------------------- */

static bool fits(const struct cz_kernel *kernel, const struct problem *p)
{
    struct rig rig;
    make_rig(&rig, p);
    const bool does = kernel->fits(&rig.step, &rig.plan);
    free_rig(&rig);
    return does;
}

static struct problem deep_problem(size_t channels)
{
    struct problem p = {
        .batch = 1,
        .in_channels = channels,
        .h = 4,
        .w = 4,
        .out_channels = 1,
        .x_dtype = CZ_DTYPE_UINT8,
        .y_dtype = CZ_DTYPE_UINT8,
        .values = HIGHEST,
        .threads = 1,
        .lanes = common_lanes(),
    };
    make_3x3(&p);
    return p;
}

/* 2^25 / (255 * 128 * 9) = 114.2 */
static void winograd_leaves_sums_that_may_be_too_large(void **state)
{
    (void)state;
    const struct problem most = deep_problem(114), more = deep_problem(115);
    assert_int_equal(run_table(cz_kernels_codes_winograd, &most), 1);
    assert_false(fits(cz_kernels_codes_winograd, &more));
}

static void leaves_other_convolutions_to_others(void **state)
{
    (void)state;
    struct problem p = deep_problem(16);
    p.is_plain = true;
    assert_false(fits(cz_kernels_codes_winograd, &p));
    assert_false(fits(cz_kernels_codes_depthwise, &p));
    p = deep_problem(16);
    p.stride[1] = 2;
    assert_false(fits(cz_kernels_codes_winograd, &p));
    p.out_channels = 16;
    p.is_depthwise = true;
    assert_false(fits(cz_kernels_codes_direct, &p));
}

/* 255 * 128 * 9 * 16 * 500 is beyond int32, of one channel or of all. */
static void leaves_absurd_multipliers(void **state)
{
    (void)state;
    struct rig rig;
    struct problem p = deep_problem(16);
    p.out_channels = 3;
    make_rig(&rig, &p);
    float multipliers[] = {0.01f, 0.02f, 100};
    free((float *)rig.params.multiplier);
    rig.params.multiplier = multipliers;
    assert_true(cz_kernels_codes_direct->fits(&rig.step, &rig.plan));
    multipliers[2] = 500;
    assert_false(cz_kernels_codes_direct->fits(&rig.step, &rig.plan));
    multipliers[2] = NAN;
    assert_false(cz_kernels_codes_direct->fits(&rig.step, &rig.plan));
    rig.params.multiplier = NULL;
    free_rig(&rig);
}

static void reports_when_memory_is_short(void **state)
{
    (void)state;
    const struct cz_kernel *const kernels[] = {cz_kernels_codes_direct,
                                               cz_kernels_codes_winograd,
                                               cz_kernels_codes_depthwise};
    for (size_t i = 0; i < sizeof kernels / sizeof *kernels; i++) {
        struct problem p = deep_problem(16);
        struct cz_error err;
        struct rig rig;
        p.out_channels = 16;
        p.is_depthwise = kernels[i] == cz_kernels_codes_depthwise;
        make_rig(&rig, &p);
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

/* ---- tables ----------------------------------------------------------- */

static void check_maps(const void *user)
{
    enum { CODES_MAX = 300 };
    uint8_t table[CZ_CODES], x[CODES_MAX], y[CODES_MAX + 1];
    (void)user;
    for (size_t i = 0; i < CZ_CODES; i++)
        table[i] = (uint8_t)random_bits();
    for (size_t n = 0; n <= CODES_MAX; n++) {
        for (size_t i = 0; i < n; i++)
            x[i] = (uint8_t)(i + n);
        y[n] = 77;
        cz_byte_loops_find()->map(table, y, x, n);
        for (size_t i = 0; i < n; i++)
            assert_int_equal(y[i], table[x[i]]);
        assert_int_equal(y[n], 77); /* nothing is stored behind it */
    }
}

static void looks_codes_up(void **state)
{
    (void)state;
    for_each_loops(check_maps, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(direct_agrees_with_the_operator),
        cmocka_unit_test(winograd_agrees_with_the_operator),
        cmocka_unit_test(depthwise_agrees_with_the_operator),
        cmocka_unit_test(large_ones_agree_with_the_operator),
        cmocka_unit_test(winograd_leaves_sums_that_may_be_too_large),
        cmocka_unit_test(leaves_other_convolutions_to_others),
        cmocka_unit_test(leaves_absurd_multipliers),
        cmocka_unit_test(reports_when_memory_is_short),
        cmocka_unit_test(looks_codes_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* The loops of bf16_internal.h, for every vector unit that this processor has:
 * rounding, the order of the operands, numbers that are none. The kernel on top
 * of them is in test_kernel_conv.c. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/bits.h"
#include "core/cpu.h"
#include "core/half.h"
#include "engine/bf16_internal.h"
#include "tests/support/support.h"

#define MAX_LANES 16
#define TAPS 3
#define PIXELS 29 /* of no tile a multiple */
#define OUTPUTS 2

/* Products of two bfloat16 numbers are exact in float32 and the order of the
 * sums is given: no tolerance. The instruction may add in another order: sums
 * of 48 products below 1 then differ by some units of 2^-23. */
#define NATIVE 1e-5f

/* Calls visit() once for each kind of loops that can run here. */
static void for_each(void (*visit)(const struct cz_bf16 *loops))
{
    const struct cz_bf16 *last[3] = {NULL, NULL, NULL};
    for (size_t i = 0; cz_cpu_levels[i]; i++) {
        setenv("CZ_CPU", cz_cpu_levels[i], 1);
        for (size_t k = 0; k < 3; k++) {
            const struct cz_bf16 *loops = cz_bf16_find(4 << k);
            if (loops && loops != last[k])
                visit(loops);
            last[k] = loops;
        }
    }
    unsetenv("CZ_CPU");
}

/* ---- rounding --------------------------------------------------------- */

static uint16_t rounded(float x)
{
    const bool is_tiny = fabsf(x) < 0x1p-126f;
    return cz_bfloat16_from_float(is_tiny ? copysignf(0, x) : x);
}

static void check_rounding(const struct cz_bf16 *loops)
{
    /* Half a step, and what is next to it; all signs and exponents. */
    static const uint32_t low[] = {0, 1, 0x7fff, 0x8000, 0x8001, 0xffff};
    float x[MAX_LANES];
    uint16_t y[MAX_LANES];
    for (uint32_t high = 0; high < 0x10000; high += (uint32_t)loops->lanes) {
        for (size_t k = 0; k < sizeof low / sizeof *low; k++) {
            for (size_t i = 0; i < loops->lanes; i++)
                x[i] = cz_bits_float((high + (uint32_t)i) << 16 | low[k]);
            loops->round(x, y, 1);
            for (size_t i = 0; i < loops->lanes; i++) {
                if (y[i] != rounded(x[i]))
                    fail_msg("%08x becomes %04x, want %04x",
                             cz_float_bits(x[i]), y[i], rounded(x[i]));
            }
        }
    }
}

static void rounds_to_nearest_even(void **state)
{
    (void)state;
    for_each(check_rounding);
}

/* ---- products --------------------------------------------------------- */

struct operands {
    uint16_t x[(PIXELS + TAPS) * 3 * MAX_LANES];
    uint16_t w[TAPS * MAX_LANES * OUTPUTS * MAX_LANES];
    float bias[OUTPUTS * MAX_LANES];
    float y[OUTPUTS * PIXELS * MAX_LANES];
    ptrdiff_t offsets[TAPS];
};

static uint16_t random_half(void)
{
    static uint32_t state = 7;
    state = state * 1664525u + 1013904223u;
    return cz_bfloat16_from_float((float)(state >> 8) / 8388608.0f - 1);
}

static void make_operands(struct operands *o, size_t lanes)
{
    for (size_t i = 0; i < sizeof o->x / sizeof *o->x; i++)
        o->x[i] = random_half();
    for (size_t i = 0; i < sizeof o->w / sizeof *o->w; i++)
        o->w[i] = random_half();
    for (size_t i = 0; i < sizeof o->bias / sizeof *o->bias; i++)
        o->bias[i] = cz_bfloat16_to_float(random_half());
    for (size_t t = 0; t < TAPS; t++)
        o->offsets[t] = (ptrdiff_t)((TAPS - 1 - t) * lanes);
}

static void run(const struct cz_bf16 *loops, struct operands *o, size_t outputs,
                size_t stride)
{
    const struct cz_bf16_product product = {
        .x = o->x,
        .offsets = o->offsets,
        .taps = TAPS,
        .step = stride * loops->lanes,
        .w = o->w,
        .outputs = outputs,
        .bias = o->bias,
        .y = o->y,
        .y_block = PIXELS * loops->lanes,
    };
    memset(o->y, 0xff, sizeof o->y);
    loops->multiply(&product, PIXELS);
}

/* As the header has it, in the order of the instruction: the odd channel of a
 * couple first. */
static float sum_of(const struct operands *o, size_t lanes, size_t outputs,
                    size_t from, size_t output, size_t l)
{
    float sum = o->bias[output * lanes + l];
    for (size_t t = 0; t < TAPS; t++) {
        for (size_t k = 0; k < lanes; k++) {
            const size_t c = k ^ 1;
            const size_t at = from + (size_t)o->offsets[t] + c;
            const size_t w =
                ((t * lanes / 2 + c / 2) * outputs + output) * lanes * 2 +
                l * 2 + c % 2;
            sum +=
                cz_bfloat16_to_float(o->x[at]) * cz_bfloat16_to_float(o->w[w]);
        }
    }
    return sum;
}

static void check_products(const struct cz_bf16 *loops)
{
    static struct operands o;
    const size_t lanes = loops->lanes;
    make_operands(&o, lanes);
    for (size_t i = 0; i < 6; i++) {
        const size_t outputs = 1 + i % 2, stride = 1 + i / 2;
        run(loops, &o, outputs, stride);
        for (size_t k = 0; k < outputs * PIXELS * lanes; k++) {
            const size_t pixel = k / lanes % PIXELS;
            const float want =
                sum_of(&o, lanes, outputs, pixel * stride * lanes,
                       k / lanes / PIXELS, k % lanes);
            const float allowed = loops->is_native ? NATIVE : 0;
            if (!(fabsf(o.y[k] - want) <= allowed))
                fail_msg("%zu lanes, %zu outputs, stride %zu: y[%zu] is "
                         "%.9g, want %.9g",
                         lanes, outputs, stride, k, (double)o.y[k],
                         (double)want);
        }
    }
}

static void multiplies_and_adds(void **state)
{
    (void)state;
    for_each(check_products);
}

/* Pixel 2, channel 1 gets the value; with one tap, no other pixel reads it. */
static void check_special(const struct cz_bf16 *loops)
{
    static struct operands o;
    const size_t lanes = loops->lanes;
    const float values[] = {NAN, INFINITY, -INFINITY, 3e38f};
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        memset(&o, 0, sizeof o);
        for (size_t k = 0; k < sizeof o.w / sizeof *o.w; k++)
            o.w[k] = cz_bfloat16_from_float(0.5f);
        o.x[2 * lanes + 1] = cz_bfloat16_from_float(values[i]);
        o.offsets[1] = o.offsets[2] = (ptrdiff_t)(PIXELS * lanes);
        run(loops, &o, 1, 1);
        for (size_t k = 0; k < PIXELS * lanes; k++) {
            const float want =
                k / lanes == 2 ? cz_bfloat16_to_float(o.x[2 * lanes + 1]) * 0.5f
                               : 0;
            assert_true(isnan(want) ? isnan(o.y[k]) : o.y[k] == want);
        }
    }
}

static void keeps_nan_and_infinity(void **state)
{
    (void)state;
    for_each(check_special);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rounds_to_nearest_even),
        cmocka_unit_test(multiplies_and_adds),
        cmocka_unit_test(keeps_nan_and_infinity),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

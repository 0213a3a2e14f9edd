/* The loops of narrow_internal.h, for every vector unit that this processor
 * has: rounding, the order of the operands, numbers that are none. The kernel
 * on top of them is in test_kernel_conv.c. */
#include <math.h>
#include <string.h>

#include "core/bits.h"
#include "core/cpu.h"
#include "core/half.h"
#include "engine/narrow_internal.h"
#include "tests/support/support.h"

#define MAX_LANES 16
#define TAPS 3
#define MANY_TAPS 21 /* one segment of float16 and a part of the next */
#define PIXELS 29    /* of no tile a multiple */
#define OUTPUTS 2

/* Products of two bfloat16 numbers are exact in float32 and the order of the
 * sums is given, and so is that of float16: no tolerance. The instruction of
 * AVX512_BF16 may add in another order: sums of 336 products below 1 then
 * differ by some units of 2^-21. */
#define NATIVE_BF16 5e-5f

/* What the two kinds of numbers differ in. */
struct type {
    const struct cz_narrow *(*find)(size_t lanes);
    uint16_t (*narrow)(float x);
    float (*widen)(uint16_t bits);
    float smallest; /* below it, 0 */
    float most;     /* beyond it, that */
    float largest;
};

static const struct type bf16 = {cz_bf16_find,
                                 cz_bfloat16_from_float,
                                 cz_bfloat16_to_float,
                                 0x1p-126f,
                                 INFINITY,
                                 3e38f};
static const struct type fp16 = {
    cz_fp16_find, cz_half_from_float, cz_half_to_float, 0, 65504, 65504};

/* Calls visit() once for each kind of loops that can run here; how many. */
static size_t for_each(const struct type *type,
                       void (*visit)(const struct type *type,
                                     const struct cz_narrow *loops))
{
    const struct cz_narrow *last[3] = {NULL, NULL, NULL};
    size_t count = 0;
    for (size_t i = 0; cz_test_limit_cpu(i); i++) {
        for (size_t k = 0; k < 3; k++) {
            const struct cz_narrow *loops = type->find(4 << k);
            if (loops && loops != last[k]) {
                visit(type, loops);
                count++;
            }
            last[k] = loops;
        }
    }
    return count;
}

/* float16 is only where the processor computes with it. */
static void for_both(void (*visit)(const struct type *type,
                                   const struct cz_narrow *loops))
{
    assert_true(for_each(&bf16, visit) > 0);
    assert_int_equal(for_each(&fp16, visit), cz_cpu_has(CZ_CPU_FP16));
}

/* ---- rounding --------------------------------------------------------- */

static uint16_t rounded(const struct type *type, float x)
{
    if (fabsf(x) < type->smallest)
        return type->narrow(copysignf(0, x));
    if (fabsf(x) > type->most)
        return type->narrow(copysignf(type->most, x));
    return type->narrow(x);
}

/* Of what is no number, the sign and the first bit below the exponent. */
static uint16_t without_payload(const struct type *type, uint16_t bits)
{
    return type == &fp16 && isnan(type->widen(bits)) ? bits & 0xfe00 : bits;
}

static void check_rounding(const struct type *type,
                           const struct cz_narrow *loops)
{
    /* Half a step of each type, and what is next to it; all signs and
     * exponents. */
    static const uint32_t low[] = {0,      1,      0x0fff, 0x1000,
                                   0x1001, 0x2fff, 0x3000, 0x3001,
                                   0x7fff, 0x8000, 0x8001, 0xffff};
    float x[MAX_LANES];
    uint16_t y[MAX_LANES];
    for (uint32_t high = 0; high < 0x10000; high += (uint32_t)loops->lanes) {
        for (size_t k = 0; k < sizeof low / sizeof *low; k++) {
            for (size_t i = 0; i < loops->lanes; i++)
                x[i] = cz_bits_float((high + (uint32_t)i) << 16 | low[k]);
            loops->round(x, y, 1);
            for (size_t i = 0; i < loops->lanes; i++) {
                const uint16_t want = rounded(type, x[i]);
                if (without_payload(type, y[i]) != without_payload(type, want))
                    fail_msg("%08x becomes %04x, want %04x",
                             cz_float_bits(x[i]), y[i], want);
            }
        }
    }
}

static void rounds_to_nearest_even(void **state)
{
    (void)state;
    for_both(check_rounding);
}

/* ---- products --------------------------------------------------------- */

struct operands {
    size_t taps;
    uint16_t x[(PIXELS + MANY_TAPS) * 3 * MAX_LANES];
    uint16_t w[MANY_TAPS * MAX_LANES * OUTPUTS * MAX_LANES];
    float bias[OUTPUTS * MAX_LANES], scale[OUTPUTS * MAX_LANES];
    float y[OUTPUTS * PIXELS * MAX_LANES];
    ptrdiff_t offsets[MANY_TAPS];
};

static float random_float(void)
{
    static uint32_t state = 7;
    state = state * 1664525u + 1013904223u;
    return (float)(state >> 8) / 8388608.0f - 1;
}

static void make_operands(const struct type *type, struct operands *o,
                          size_t taps, size_t lanes)
{
    o->taps = taps;
    for (size_t i = 0; i < sizeof o->x / sizeof *o->x; i++)
        o->x[i] = type->narrow(random_float());
    for (size_t i = 0; i < sizeof o->w / sizeof *o->w; i++)
        o->w[i] = type->narrow(random_float());
    for (size_t i = 0; i < sizeof o->bias / sizeof *o->bias; i++) {
        o->bias[i] = type->widen(type->narrow(random_float()));
        o->scale[i] = ldexpf(1, (int)(i % 5) - 2);
    }
    for (size_t t = 0; t < taps; t++)
        o->offsets[t] = (ptrdiff_t)((taps - 1 - t) * lanes);
}

static void run(const struct cz_narrow *loops, struct operands *o,
                size_t outputs, size_t stride)
{
    const struct cz_narrow_product product = {
        .x = o->x,
        .offsets = o->offsets,
        .taps = o->taps,
        .step = stride * loops->lanes,
        .w = o->w,
        .outputs = outputs,
        .bias = o->bias,
        .scale = o->scale,
        .y = o->y,
        .y_block = PIXELS * loops->lanes,
    };
    memset(o->y, 0xff, sizeof o->y);
    loops->multiply(&product, PIXELS);
}

struct place {
    size_t lanes, outputs, output, from, l;
};

static float product_of(const struct type *type, const struct operands *o,
                        const struct place *at, size_t t, size_t c,
                        size_t together)
{
    const size_t x = at->from + (size_t)o->offsets[t] + c;
    const size_t w =
        ((t * at->lanes / together + c / together) * at->outputs + at->output) *
            at->lanes * together +
        at->l * together + c % together;
    return type->widen(o->x[x]) * type->widen(o->w[w]);
}

/* As the header has it, in the order of the instruction: the odd channel of a
 * couple first. */
static float sum_of_bf16(const struct operands *o, const struct place *at)
{
    float sum = o->bias[at->output * at->lanes + at->l];
    for (size_t t = 0; t < o->taps; t++) {
        for (size_t k = 0; k < at->lanes; k++)
            sum += product_of(&bf16, o, at, t, k ^ 1, 2);
    }
    return sum;
}

/* The nearest float16: double has all digits of a product and of such a sum. */
static float nearest_fp16(double x)
{
#ifdef __aarch64__
    return (float)(__fp16)x;
#else
    fail_msg("this processor has no float16: %g", x);
    return 0;
#endif
}

/* Sums of segments in float16, rounded after each product; their sum, not. */
static float sum_of_fp16(const struct operands *o, const struct place *at)
{
    const size_t channel = at->output * at->lanes + at->l;
    const size_t products = o->taps * at->lanes;
    float sum = o->bias[channel], part = 0;
    for (size_t k = 0; k < products; k++) {
        part =
            nearest_fp16((double)part + product_of(&fp16, o, at, k / at->lanes,
                                                   k % at->lanes, 1));
        if ((k + 1) % CZ_FP16_SEGMENT == 0 || k + 1 == products) {
            sum = fmaf(part, o->scale[channel], sum);
            part = 0;
        }
    }
    return sum;
}

static void check_products(const struct type *type,
                           const struct cz_narrow *loops)
{
    static struct operands o;
    const size_t lanes = loops->lanes;
    const float allowed = type == &bf16 && loops->is_native ? NATIVE_BF16 : 0;
    for (size_t i = 0; i < 12; i++) {
        const size_t outputs = 1 + i % 2, stride = 1 + i / 2 % 3;
        make_operands(type, &o, i < 6 ? TAPS : MANY_TAPS, lanes);
        run(loops, &o, outputs, stride);
        for (size_t k = 0; k < outputs * PIXELS * lanes; k++) {
            const struct place at = {lanes, outputs, k / lanes / PIXELS,
                                     k / lanes % PIXELS * stride * lanes,
                                     k % lanes};
            const float want =
                type == &bf16 ? sum_of_bf16(&o, &at) : sum_of_fp16(&o, &at);
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
    for_both(check_products);
}

/* Pixel 2, channel 1 gets the value; with one tap, no other pixel reads it. */
static void check_special(const struct type *type,
                          const struct cz_narrow *loops)
{
    static struct operands o;
    const size_t lanes = loops->lanes;
    const float values[] = {NAN, INFINITY, -INFINITY, type->largest};
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        memset(&o, 0, sizeof o);
        o.taps = TAPS;
        for (size_t k = 0; k < sizeof o.w / sizeof *o.w; k++)
            o.w[k] = type->narrow(0.5f);
        for (size_t k = 0; k < sizeof o.scale / sizeof *o.scale; k++)
            o.scale[k] = 1;
        o.x[2 * lanes + 1] = type->narrow(values[i]);
        o.offsets[1] = o.offsets[2] = (ptrdiff_t)(PIXELS * lanes);
        run(loops, &o, 1, 1);
        for (size_t k = 0; k < PIXELS * lanes; k++) {
            const float want =
                k / lanes == 2 ? type->widen(o.x[2 * lanes + 1]) * 0.5f : 0;
            assert_true(isnan(want) ? isnan(o.y[k]) : o.y[k] == want);
        }
    }
}

static void keeps_nan_and_infinity(void **state)
{
    (void)state;
    for_both(check_special);
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

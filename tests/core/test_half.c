/* float16: against a search for the nearest value, and the fast form against
 * the plain one. */
#include <float.h>
#include <math.h>
#include <stdlib.h>

#include "core/half.h"
#include "tests/support/support.h"

#define SIGN 0x8000u
#define INFINITE 0x7c00u
#define LARGEST 0x7bffu

static float float_of(uint32_t bits)
{
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

/* By definition (IEEE 754-2008, 3.4), in double. */
static double value_of(unsigned half)
{
    int exponent = (int)(half >> 10 & 0x1f), mantissa = (int)(half & 0x3ff);
    double magnitude =
        exponent ? ldexp(1024 + mantissa, exponent - 25) : ldexp(mantissa, -24);
    return half & SIGN ? -magnitude : magnitude;
}

/* The nearest float16 by bisection, ties to the even pattern; what is at least
 * halfway to 65536 is infinite. */
static unsigned nearest(float value)
{
    unsigned sign = signbit(value) ? SIGN : 0;
    double magnitude = fabs((double)value);
    if (isnan(value))
        return sign | 0x7e00;
    if (magnitude >= 65520)
        return sign | INFINITE;
    unsigned low = 0, high = LARGEST;
    while (low < high) { /* the largest that is not above */
        unsigned middle = (low + high + 1) / 2;
        if (value_of(middle) <= magnitude)
            low = middle;
        else
            high = middle - 1;
    }
    if (low == LARGEST)
        return sign | low;
    double down = magnitude - value_of(low), up = value_of(low + 1) - magnitude;
    bool is_up = up < down || (up == down && low % 2);
    return sign | (low + is_up);
}

static void check_conversion(float value)
{
    unsigned got = cz_half_from_float(value), want = nearest(value);
    if (got != want)
        fail_msg("%a gives 0x%04x, want 0x%04x", (double)value, got, want);
}

static void reads_every_half_and_gives_it_back(void **state)
{
    (void)state;
    for (unsigned half = 0; half <= 0xffff; half++) {
        float value = cz_half_to_float((uint16_t)half);
        if ((half & ~SIGN) > INFINITE) {
            assert_true(isnan(value));
            assert_true((cz_half_from_float(value) & ~SIGN) > INFINITE);
            continue;
        }
        if ((half & ~SIGN) == INFINITE)
            assert_true(isinf(value));
        else
            assert_true((double)value == value_of(half));
        assert_int_equal(signbit(value) != 0, (half & SIGN) != 0);
        assert_int_equal(cz_half_from_float(value), half);
    }
}

static void rounds_to_nearest_with_ties_to_even(void **state)
{
    (void)state;
    for (unsigned half = 0; half < LARGEST; half++) {
        float middle = (float)((value_of(half) + value_of(half + 1)) / 2);
        check_conversion(middle);
        check_conversion(-middle);
        check_conversion(nextafterf(middle, 0));
        check_conversion(nextafterf(middle, INFINITY));
    }
}

static void rounds_every_kind_of_number(void **state)
{
    (void)state;
    uint32_t random = 1;
    for (int i = 0; i < 300000; i++) {
        random = random * 1664525u + 1013904223u;
        float value = float_of(random);
        if (!isnan(value))
            check_conversion(value);
    }
    for (uint32_t exponent = 0; exponent < 255; exponent++)
        for (uint32_t mantissa = 0; mantissa < 1u << 23; mantissa += 52363)
            check_conversion(float_of(exponent << 23 | mantissa));
    static const float edges[] = {
        0,          -0.0f,           FLT_MAX,  -FLT_MAX,
        FLT_MIN,    0x1p-149f,       65504,    65519.996f,
        65520,      65536,           0x1p-24f, 0x1p-25f,
        0x1.8p-25f, 0x1.000002p-25f, 0x1p-14f, 0x1.ff8p-15f,
        INFINITY,   -INFINITY};
    for (size_t i = 0; i < sizeof edges / sizeof *edges; i++)
        check_conversion(edges[i]);
}

static void reads_bfloat16_as_the_upper_half_of_a_float(void **state)
{
    (void)state;
    assert_true(cz_bfloat16_to_float(0x3f80) == 1);
    assert_true(cz_bfloat16_to_float(0xc020) == -2.5f);
    assert_true(isinf(cz_bfloat16_to_float(0x7f80)));
    assert_true(isnan(cz_bfloat16_to_float(0x7fc0)));
    assert_true(cz_bfloat16_to_float(0x0001) == 0x1p-133f);
}

/* ---- arrays ----------------------------------------------------------- */

typedef void convert(void *half, const void *values, size_t count,
                     struct cz_half_counts *counts);

static convert *const forms[] = {cz_half_from_floats_ref, cz_half_from_floats};

static void clamps_raises_and_counts(void **state)
{
    (void)state;
    static const struct {
        float value;
        unsigned half;
    } rows[] = {
        {1e5f, LARGEST},
        {-7e4f, SIGN | LARGEST},
        {65504, LARGEST},
        {65505, LARGEST},
        {65520, LARGEST},
        {INFINITY, INFINITE},
        {-INFINITY, SIGN | INFINITE},
        {1e-9f, 1},
        {-1e-9f, SIGN | 1},
        {0x1p-149f, 1},
        {0x1p-24f, 1},
        {0, 0},
        {-0.0f, SIGN},
        {1, 0x3c00},
        {0x1.fffffep-25f, 1},
    };
    enum { N = sizeof rows / sizeof *rows };
    for (size_t f = 0; f < 2; f++) {
        float values[N + 1];
        uint16_t half[N + 1];
        struct cz_half_counts counts = {1, 1, 1, 1};
        for (size_t i = 0; i < N; i++)
            values[i] = rows[i].value;
        values[N] = NAN;
        forms[f](half, values, N + 1, &counts);
        for (size_t i = 0; i < N; i++)
            assert_int_equal(half[i], rows[i].half);
        assert_true((half[N] & 0x7fff) > INFINITE);
        assert_int_equal(counts.clamped, 1 + 4); /* they are added to */
        assert_int_equal(counts.raised, 1 + 4);
        assert_int_equal(counts.infinite, 1 + 2);
        assert_int_equal(counts.nan, 1 + 1);
    }
}

/* Mostly ordinary weights, now and then a number out of range. */
static void fill(float *values, size_t count, uint32_t seed)
{
    for (size_t i = 0; i < count; i++) {
        seed = seed * 1664525u + 1013904223u;
        values[i] = seed >> 28 ? ((float)(seed >> 8) * 0x1p-24f - .5f)
                               : float_of(seed * 2654435761u);
    }
}

static void check_form(size_t count, size_t shift, uint32_t seed)
{
    enum { MOST = 100 };
    float values[MOST];
    unsigned char unaligned[sizeof values + 8], out[sizeof values + 8];
    uint16_t want[MOST];
    struct cz_half_counts want_counts = {0}, counts = {0}, in_place = {0};
    fill(values, count, seed);
    cz_half_from_floats_ref(want, values, count, &want_counts);

    memcpy(unaligned + shift, values, count * 4);
    memset(out, 0xaa, sizeof out);
    cz_half_from_floats(out + shift, unaligned + shift, count, &counts);
    assert_memory_equal(out + shift, want, count * 2);
    assert_int_equal(out[shift + count * 2], 0xaa);
    assert_memory_equal(&counts, &want_counts, sizeof counts);

    cz_half_from_floats(unaligned + shift, unaligned + shift, count, &in_place);
    assert_memory_equal(unaligned + shift, want, count * 2);
    assert_memory_equal(&in_place, &want_counts, sizeof counts);
}

static void gives_the_same_in_both_forms(void **state)
{
    (void)state;
    for (size_t count = 0; count <= 65; count++)
        for (size_t shift = 0; shift < 8; shift++)
            for (uint32_t seed = 1; seed <= 5; seed++)
                check_form(count, shift, seed * 7919u + (uint32_t)count);
}

static void gives_the_same_for_every_exponent_in_both_forms(void **state)
{
    (void)state;
    enum { N = 1 << 16 };
    float *values = calloc(N, sizeof *values);
    uint16_t *want = calloc(N, sizeof *want), *got = calloc(N, sizeof *got);
    struct cz_half_counts want_counts = {0}, counts = {0};
    assert_true(values && want && got);
    for (uint32_t i = 0; i < N; i++)
        values[i] = float_of(i << 16 | (i * 40503u & 0xffff));
    cz_half_from_floats_ref(want, values, N, &want_counts);
    cz_half_from_floats(got, values, N, &counts);
    assert_memory_equal(got, want, N * sizeof *got);
    assert_memory_equal(&counts, &want_counts, sizeof counts);
    assert_true(counts.nan > 0 && counts.infinite == 0 && counts.raised > 0);
    free(values);
    free(want);
    free(got);
}

/* All of float16, and a float of every exponent, from every start in a vector:
 * what the fast forms leave over is in it. */
static void converts_many_as_it_does_one(void **state)
{
    (void)state;
    enum { N = 1 << 16 };
    uint16_t *halves = calloc(N, sizeof *halves), *got = calloc(N, 2);
    float *floats = calloc(N, sizeof *floats), *wide = calloc(N, 4);
    assert_true(halves && got && floats && wide);
    for (uint32_t i = 0; i < N; i++) {
        halves[i] = (uint16_t)i;
        floats[i] = float_of(i << 16 | (i * 40503u & 0xffff));
    }
    for (size_t from = 0; from < 9; from++) {
        const size_t n = N - from;
        cz_half_widen(wide, halves + from, n);
        cz_half_narrow(got, floats + from, n);
        for (size_t i = 0; i < n; i++) {
            const float one = cz_half_to_float(halves[from + i]);
            const uint16_t half = cz_half_from_float(floats[from + i]);
            assert_true(isnan(one) ? isnan(wide[i])
                                   : memcmp(&one, &wide[i], 4) == 0);
            assert_true(isnan(floats[from + i])
                            ? (got[i] & 0x7fff) > INFINITE &&
                                  (got[i] & SIGN) == (half & SIGN)
                            : got[i] == half);
        }
        cz_bfloat16_widen(wide, halves + from, n);
        cz_bfloat16_narrow(got, floats + from, n);
        for (size_t i = 0; i < n; i++) {
            const float one = cz_bfloat16_to_float(halves[from + i]);
            assert_memory_equal(&one, &wide[i], 4);
            assert_int_equal(got[i], cz_bfloat16_from_float(floats[from + i]));
        }
    }
    cz_half_widen(NULL, NULL, 0);
    cz_half_narrow(NULL, NULL, 0);
    free(halves);
    free(got);
    free(floats);
    free(wide);
}

static void converts_nothing_without_an_address(void **state)
{
    (void)state;
    struct cz_half_counts counts = {0};
    cz_half_from_floats(NULL, NULL, 0, &counts);
    assert_int_equal(counts.nan, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_every_half_and_gives_it_back),
        cmocka_unit_test(rounds_to_nearest_with_ties_to_even),
        cmocka_unit_test(rounds_every_kind_of_number),
        cmocka_unit_test(reads_bfloat16_as_the_upper_half_of_a_float),
        cmocka_unit_test(clamps_raises_and_counts),
        cmocka_unit_test(gives_the_same_in_both_forms),
        cmocka_unit_test(gives_the_same_for_every_exponent_in_both_forms),
        cmocka_unit_test(converts_many_as_it_does_one),
        cmocka_unit_test(converts_nothing_without_an_address),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

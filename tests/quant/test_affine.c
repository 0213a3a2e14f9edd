/* Scales and zero points, codes of numbers, weights channel by channel. */
#include <float.h>

#include "quant/affine.h"
#include "tests/quant/values.h"

static struct cz_affine affine_of(float low, float high, enum cz_codes codes)
{
    return cz_affine_from_range(&(struct cz_range){low, high}, codes);
}

static void assert_affine(struct cz_affine got, double scale,
                          int32_t zero_point)
{
    assert_int_equal(got.zero_point, zero_point);
    if (got.scale != (float)scale)
        fail_msg("scale %.9g, want %.9g", (double)got.scale, scale);
}

/* ---- scales ----------------------------------------------------------- */

static void maps_ranges_to_codes(void **state)
{
    (void)state;
    assert_affine(affine_of(0, 255, CZ_CODES_UINT8), 1, 0);
    assert_affine(affine_of(-255, 0, CZ_CODES_UINT8), 1, 255);
    assert_affine(affine_of(-55, 200, CZ_CODES_UINT8), 1, 55);
    assert_affine(affine_of(0, 255, CZ_CODES_INT8), 1, -128);
    assert_affine(affine_of(-255, 0, CZ_CODES_INT8), 1, 127);
    assert_affine(affine_of(-55, 200, CZ_CODES_INT8), 1, -73);
    assert_affine(affine_of(-55, 127, CZ_CODES_INT8_SYMMETRIC), 1, 0);
    assert_affine(affine_of(-254, 127, CZ_CODES_INT8_SYMMETRIC), 2, 0);
    assert_affine(affine_of(CZ_SILU_MIN, 10, CZ_CODES_UINT8),
                  (10 + (double)-CZ_SILU_MIN) / 255, 7);
}

static void rounds_zero_points_to_even(void **state)
{
    (void)state;
    assert_affine(affine_of(-127.5f, 127.5f, CZ_CODES_UINT8), 1, 128);
    assert_affine(affine_of(-126.5f, 128.5f, CZ_CODES_UINT8), 1, 126);
    assert_affine(affine_of(-127.5f, 127.5f, CZ_CODES_INT8), 1, 0);
    assert_affine(affine_of(-128.5f, 126.5f, CZ_CODES_INT8), 1, 0);
}

static void widens_a_range_to_zero(void **state)
{
    (void)state;
    assert_affine(affine_of(100, 255, CZ_CODES_UINT8), 1, 0);
    assert_affine(affine_of(-255, -100, CZ_CODES_INT8), 1, 127);
}

static void takes_a_range_of_nothing_for_0_to_1(void **state)
{
    (void)state;
    static const float low[] = {0, -1e-45f, 0, -1e-37f, NAN};
    static const float high[] = {0, 0, 1e-40f, 1e-37f, NAN};
    for (size_t i = 0; i < sizeof low / sizeof *low; i++) {
        assert_affine(affine_of(low[i], high[i], CZ_CODES_UINT8), 1. / 255, 0);
        assert_affine(affine_of(low[i], high[i], CZ_CODES_INT8), 1. / 255,
                      -128);
        assert_affine(affine_of(low[i], high[i], CZ_CODES_INT8_SYMMETRIC),
                      1. / 127, 0);
    }
}

static void gives_normal_scales_to_the_ends_of_float(void **state)
{
    (void)state;
    static const float ends[] = {FLT_MAX, 1e30f, FLT_MIN * 256, FLT_MIN * 254};
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
        for (int codes = 0; codes <= CZ_CODES_INT8_SYMMETRIC; codes++) {
            enum cz_codes kind = (enum cz_codes)codes;
            assert_true(isnormal(affine_of(-ends[i], ends[i], kind).scale));
            assert_true(isnormal(affine_of(0, ends[i], kind).scale));
            assert_true(isnormal(affine_of(-ends[i], 0, kind).scale));
        }
    }
}

/* 0 exactly; the rest to half a step, and a step at an end that the zero
 * point's rounding moved. */
static void covers_ranges_with_an_exact_zero(void **state)
{
    (void)state;
    uint64_t seed = 1;
    for (size_t i = 0; i < 1000; i++) {
        float v[3] = {0, (float)-exp(9 * random_normal(&seed)),
                      (float)exp(9 * random_normal(&seed))};
        struct cz_affine a = affine_of(v[1], v[2], CZ_CODES_UINT8);
        uint8_t codes[3];
        float back[3];
        cz_affine_to_uint8(codes, v, 3, a);
        cz_affine_from_uint8(back, codes, 3, a);
        assert_true(back[0] == 0);
        assert_true(fabsf(back[1] - v[1]) <= 0.5001f * a.scale);
        assert_true(fabsf(back[2] - v[2]) <= 0.5001f * a.scale);
    }
}

/* ---- numbers to codes ------------------------------------------------- */

#define MOST 3000

/* As the specification of QuantizeLinear says it. */
static int restated(float value, struct cz_affine a, int least, int most)
{
    double code = nearbyint((double)(value / a.scale)) + a.zero_point;
    return (int)fmin(fmax(code, least), most);
}

static void check_codes(const float *values, size_t count, struct cz_affine a)
{
    uint8_t u8[MOST];
    int8_t s8[MOST];
    float back[MOST];
    cz_affine_to_uint8(u8, values, count, a);
    cz_affine_from_uint8(back, u8, count, a);
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(u8[i], restated(values[i], a, 0, 255));
        assert_true(back[i] == (float)(u8[i] - a.zero_point) * a.scale);
    }
    a.zero_point -= 128;
    cz_affine_to_int8(s8, values, count, a);
    cz_affine_from_int8(back, s8, count, a);
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(s8[i], restated(values[i], a, -128, 127));
        assert_true(back[i] == (float)(s8[i] - a.zero_point) * a.scale);
    }
}

static void rounds_as_quantize_linear_does(void **state)
{
    (void)state;
    float values[MOST];
    for (int shape = 0; shape < SHAPES; shape++) {
        fill(values, MOST, (enum shape)shape, 3);
        check_codes(values, MOST, (struct cz_affine){0.0123f, 0});
        check_codes(values, MOST, (struct cz_affine){0.0123f, 255});
        check_codes(values, MOST, (struct cz_affine){0.3f, 77});
        check_codes(values, MOST, (struct cz_affine){1e-37f, 128});
        check_codes(values, MOST, (struct cz_affine){1e30f, 128});
    }
}

static void rounds_ties_to_even_and_saturates(void **state)
{
    (void)state;
    float ties[1200];
    for (int i = 0; i < 1200; i++)
        ties[i] = (float)(i - 600) * 0.25f;
    check_codes(ties, 1200, (struct cz_affine){0.5f, 100});
    check_codes(ties, 1200, (struct cz_affine){0.5f, 101});
    static const float ends[] = {INFINITY, -INFINITY, FLT_MAX, -FLT_MAX,
                                 1e-45f,   -1e-45f,   -0.0f,   127.5f};
    check_codes(ends, 8, (struct cz_affine){0.5f, 100});
    check_codes(ends, 8, (struct cz_affine){FLT_MIN, 0});
}

static void quantizes_any_number_of_values(void **state)
{
    (void)state;
    float values[70];
    fill(values, 70, NORMAL, 9);
    for (size_t count = 0; count <= 70; count++) {
        uint8_t codes[71] = {0};
        codes[count] = 99;
        cz_affine_to_uint8(codes, values, count, (struct cz_affine){0.02f, 9});
        assert_int_equal(codes[count], 99);
        check_codes(values, count, (struct cz_affine){0.02f, 128});
    }
}

static void gives_a_nan_the_least_code(void **state)
{
    (void)state;
    const float nans[] = {NAN, -NAN, 1, NAN, NAN, NAN, NAN, NAN, NAN};
    uint8_t u8[9];
    int8_t s8[9];
    cz_affine_to_uint8(u8, nans, 9, (struct cz_affine){1, 128});
    cz_affine_to_int8(s8, nans, 9, (struct cz_affine){1, 0});
    for (size_t i = 0; i < 9; i++) {
        assert_int_equal(u8[i], i == 2 ? 129 : 0);
        assert_int_equal(s8[i], i == 2 ? 1 : -128);
    }
}

/* ---- weights ---------------------------------------------------------- */

#define CHANNELS 6
#define PER_CHANNEL 333

struct coded {
    float values[CHANNELS * PER_CHANNEL];
    float scales[CHANNELS];
    int8_t codes[CHANNELS * PER_CHANNEL];
};

static void encode(struct coded *w, struct cz_weight_options options)
{
    const struct cz_weights weights = {w->values, CHANNELS, PER_CHANNEL,
                                       NULL,      0,        1};
    assert_ok(cz_affine_weights(w->scales, w->codes, &weights, &options,
                                cz_test_error()));
}

/* Channels of different shapes and sizes. */
static void fill_channels(struct coded *w)
{
    static const enum shape shapes[CHANNELS] = {NORMAL, OUTLIERS, UNIFORM,
                                                TAILS,  POSITIVE, FAR};
    for (size_t c = 0; c < CHANNELS; c++)
        fill(w->values + c * PER_CHANNEL, PER_CHANNEL, shapes[c], c + 1);
}

/* The squared error of a channel under `scale`, straight on. */
static double error_of(const float *values, float scale, double limit)
{
    double sum = 0;
    for (size_t i = 0; i < PER_CHANNEL; i++) {
        double code = nearbyint((double)(values[i] / scale));
        code = fmin(fmax(code, -limit), limit);
        double error = (double)values[i] - code * (double)scale;
        sum += error * error;
    }
    return sum;
}

static double greatest_of(const float *values)
{
    double most = 0;
    for (size_t i = 0; i < PER_CHANNEL; i++) { /* GCC 12 fails at fmax() */
        const double size = fabs((double)values[i]);
        most = size > most ? size : most;
    }
    return most;
}

static void check_channel_codes(const struct coded *w, int limit)
{
    for (size_t i = 0; i < CHANNELS * PER_CHANNEL; i++) {
        struct cz_affine a = {w->scales[i / PER_CHANNEL], 0};
        assert_int_equal(w->codes[i], restated(w->values[i], a, -limit, limit));
        assert_true(w->values[i] != 0 || w->codes[i] == 0);
    }
}

static void scales_each_channel_by_its_greatest_weight(void **state)
{
    (void)state;
    struct coded w;
    fill_channels(&w);
    for (unsigned bits = 2; bits <= 8; bits++) {
        int limit = (1 << (bits - 1)) - 1;
        encode(&w, (struct cz_weight_options){.bits = bits});
        for (size_t c = 0; c < CHANNELS; c++) {
            double most = greatest_of(w.values + c * PER_CHANNEL);
            assert_true(w.scales[c] == (float)(most / limit));
        }
        check_channel_codes(&w, limit);
    }
}

/* Float steps in the product against doubles here. */
#define ERROR_TOLERANCE 1e-5

static void clips_each_channel_where_its_error_is_least(void **state)
{
    (void)state;
    static const unsigned bits[] = {8, 4, 3};
    struct coded w;
    fill_channels(&w);
    bool clipped = false;
    for (size_t i = 0; i < 3; i++) {
        encode(&w, (struct cz_weight_options){.bits = bits[i],
                                              .least_error = true});
        double limit = (1 << (bits[i] - 1)) - 1;
        for (size_t c = 0; c < CHANNELS; c++) {
            const float *values = w.values + c * PER_CHANNEL;
            double full = greatest_of(values) / limit, least = INFINITY;
            for (int k = 50; k <= 100; k++) { /* likewise at fmin() */
                double error = error_of(values, (float)(full * k / 100), limit);
                least = error < least ? error : least;
            }
            double got = error_of(values, w.scales[c], limit);
            assert_true(got <= least * (1 + ERROR_TOLERANCE));
            clipped |= w.scales[c] < (float)full;
        }
        check_channel_codes(&w, (int)limit);
    }
    assert_true(clipped);
}

static void rounds_weights_to_even(void **state)
{
    (void)state;
    const float values[] = {127,   0.5f,  1.5f,    2.5f,
                            -0.5f, -1.5f, -126.5f, -0.0f};
    static const int8_t want[] = {127, 0, 2, 2, 0, -2, -126, 0};
    struct cz_weight_options options = CZ_WEIGHT_OPTIONS_INIT;
    const struct cz_weights weights = {values, 1, 8, NULL, 0, 1};
    float scale;
    int8_t codes[8];
    assert_ok(
        cz_affine_weights(&scale, codes, &weights, &options, cz_test_error()));
    assert_true(scale == 1);
    assert_memory_equal(codes, want, 8);
}

/* Channels 0 and 2 have nothing to tell. */
static void gives_empty_channels_the_greatest_scale(void **state)
{
    (void)state;
    for (int least_error = 0; least_error < 2; least_error++) {
        struct coded w;
        fill_channels(&w);
        for (size_t i = 0; i < PER_CHANNEL; i++) {
            w.values[i] = 0;
            w.values[2 * PER_CHANNEL + i] = -1e-40f;
        }
        encode(&w, (struct cz_weight_options){.bits = 8,
                                              .least_error = least_error});
        float most = 0;
        for (size_t c = 0; c < CHANNELS; c++)
            most = fmaxf(most, w.scales[c]);
        assert_true(w.scales[0] == most && w.scales[2] == most);
        assert_true(w.scales[1] < most || w.scales[5] < most);
        check_channel_codes(&w, 127);
        memset(w.values, 0, sizeof w.values);
        encode(&w, (struct cz_weight_options){.bits = 8,
                                              .least_error = least_error});
        for (size_t c = 0; c < CHANNELS; c++)
            assert_true(w.scales[c] == 1.0f / 127);
        check_channel_codes(&w, 127);
    }
}

static void refuses_weights_that_are_not_finite(void **state)
{
    (void)state;
    static const float odd[] = {NAN, INFINITY, -INFINITY};
    struct cz_weight_options options = CZ_WEIGHT_OPTIONS_INIT;
    for (size_t i = 0; i < 3; i++) {
        struct coded w;
        fill_channels(&w);
        w.values[4 * PER_CHANNEL + 7] = odd[i];
        const struct cz_weights weights = {w.values, CHANNELS, PER_CHANNEL,
                                           NULL,     0,        1};
        assert_error(cz_affine_weights(w.scales, w.codes, &weights, &options,
                                       cz_test_error()),
                     CZ_EINVAL, "a weight of output channel 4 is not finite");
    }
}

static void refuses_other_numbers_of_bits(void **state)
{
    (void)state;
    static const unsigned wrong[] = {0, 1, 9, 16};
    const struct cz_weights weights = {.groups = 1};
    for (size_t i = 0; i < 4; i++) {
        struct cz_weight_options options = {.bits = wrong[i]};
        assert_error(
            cz_affine_weights(NULL, NULL, &weights, &options, cz_test_error()),
            CZ_EINVAL, "bits for a weight, want 2 to 8");
    }
}

/* ---- pairs ------------------------------------------------------------ */

/* An odd number of inputs: pairs reach from one pixel to the next. */
#define INPUTS 37
#define GROUPS 2
#define INT16_MOST 32767

/* The greatest and the least sum of two products of a channel that neighbours
 * in the order [window, inputs] can have. */
static void check_pairs(const struct coded *w, const uint8_t *most_codes,
                        size_t channel)
{
    const size_t group = channel * GROUPS / CHANNELS;
    const size_t window = PER_CHANNEL / INPUTS;
    const int8_t *codes = w->codes + channel * PER_CHANNEL;
    int sums[2] = {0, 0};
    for (size_t k = 0; k < PER_CHANNEL; k++) {
        const size_t input = k % INPUTS, pixel = k / INPUTS;
        const int code = codes[input * window + pixel];
        if (k % 2 == 0)
            sums[0] = sums[1] = 0;
        sums[code > 0] += code * most_codes[group * INPUTS + input];
        assert_in_range(sums[1], 0, INT16_MOST);
        assert_in_range(-sums[0], 0, INT16_MOST);
    }
}

static double squared_error(const struct coded *w)
{
    double sum = 0;
    for (size_t i = 0; i < CHANNELS * PER_CHANNEL; i++) {
        const double value =
            (double)w->scales[i / PER_CHANNEL] * (double)w->codes[i];
        const double rest = value - (double)w->values[i];
        sum += rest * rest;
    }
    return sum;
}

/* The error of all weights with inputs up to `most`. */
static double error_with_inputs(struct coded *w, uint8_t most)
{
    const struct cz_weight_options options = CZ_WEIGHT_OPTIONS_INIT;
    uint8_t most_codes[GROUPS * INPUTS];
    for (size_t i = 0; i < GROUPS * INPUTS; i++)
        most_codes[i] = (uint8_t)(most - i % (most / 4 + 1));
    const struct cz_weights weights = {.values = w->values,
                                       .channels = CHANNELS,
                                       .per_channel = PER_CHANNEL,
                                       .most_codes = most_codes,
                                       .inputs = INPUTS,
                                       .groups = GROUPS};
    assert_ok(cz_affine_weights(w->scales, w->codes, &weights, &options,
                                cz_test_error()));
    for (size_t c = 0; c < CHANNELS; c++)
        check_pairs(w, most_codes, c);
    return squared_error(w);
}

static void keeps_sums_of_pairs_in_16_bits(void **state)
{
    (void)state;
    struct coded w;
    fill_channels(&w);
    const double half = error_with_inputs(&w, 128);
    const double all = error_with_inputs(&w, 255);
    assert_true(half < all);
}

static void loses_less_by_pairs_than_by_a_bit(void **state)
{
    (void)state;
    struct coded w;
    fill_channels(&w);
    const double pairs = error_with_inputs(&w, 255);
    encode(&w, (struct cz_weight_options){.bits = 7});
    assert_true(pairs < squared_error(&w));
}

static void keeps_scales_above_the_least(void **state)
{
    (void)state;
    struct coded w;
    fill_channels(&w);
    encode(&w, CZ_WEIGHT_OPTIONS_INIT);
    const float wanted[CHANNELS] = {0, 2 * w.scales[1], 0, 0, 0, 0};
    const float first = w.scales[0];
    encode(&w, (struct cz_weight_options){.bits = 8, .least_scales = wanted});
    assert_true(w.scales[0] == first && w.scales[1] == wanted[1]);
    check_channel_codes(&w, 127);
}

static void rounds_scales_up_to_what_float16_has(void **state)
{
    (void)state;
    assert_true(cz_affine_half_scale(0.25F) == 0.25F);
    assert_true(cz_affine_half_scale(1 + 0x1p-12F) == 1 + 0x1p-10F);
    assert_true(cz_affine_half_scale(1 + 0x1p-10F + 0x1p-12F) == 1 + 0x1p-9F);
    assert_true(cz_affine_half_scale(1e-6F) == 1e-6F); /* few digits */
    assert_true(cz_affine_half_scale(1e6F) == 1e6F);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rounds_scales_up_to_what_float16_has),
        cmocka_unit_test(maps_ranges_to_codes),
        cmocka_unit_test(rounds_zero_points_to_even),
        cmocka_unit_test(widens_a_range_to_zero),
        cmocka_unit_test(takes_a_range_of_nothing_for_0_to_1),
        cmocka_unit_test(gives_normal_scales_to_the_ends_of_float),
        cmocka_unit_test(covers_ranges_with_an_exact_zero),
        cmocka_unit_test(rounds_as_quantize_linear_does),
        cmocka_unit_test(rounds_ties_to_even_and_saturates),
        cmocka_unit_test(quantizes_any_number_of_values),
        cmocka_unit_test(gives_a_nan_the_least_code),
        cmocka_unit_test(scales_each_channel_by_its_greatest_weight),
        cmocka_unit_test(clips_each_channel_where_its_error_is_least),
        cmocka_unit_test(rounds_weights_to_even),
        cmocka_unit_test(gives_empty_channels_the_greatest_scale),
        cmocka_unit_test(refuses_weights_that_are_not_finite),
        cmocka_unit_test(refuses_other_numbers_of_bits),
        cmocka_unit_test(keeps_sums_of_pairs_in_16_bits),
        cmocka_unit_test(loses_less_by_pairs_than_by_a_bit),
        cmocka_unit_test(keeps_scales_above_the_least),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* What an observer keeps of the values that it was shown. */
#include <float.h>

#include "core/alloc.h"
#include "tests/quant/values.h"

#define IMAGES 5
#define MOST 40000 /* values of an image: more than are scanned at once */

struct images {
    size_t n;
    size_t counts[IMAGES];
    float values[IMAGES][MOST];
};

static struct images images; /* large; each test fills it */

static void add_image(enum shape shape, size_t count)
{
    fill(images.values[images.n], count, shape, images.n + count);
    images.counts[images.n++] = count;
}

static void add_values(const float *values, size_t count)
{
    memcpy(images.values[images.n], values, count * sizeof *values);
    images.counts[images.n++] = count;
}

#define ADD(...)                                                               \
    add_values((const float[]){__VA_ARGS__},                                   \
               sizeof((const float[]){__VA_ARGS__}) / sizeof(float))

static int start(void **state)
{
    (void)state;
    images.n = 0;
    return 0;
}

/* ---- the same, straight on -------------------------------------------- */

static void restate_extremes(struct cz_observer *o, const float *values,
                             size_t count)
{
    float min = INFINITY, max = -INFINITY;
    for (size_t i = 0; i < count; i++) {
        if (isnan(values[i])) {
            o->nans++;
        } else if (isinf(values[i])) {
            o->infinities++;
        } else {
            min = fminf(min, values[i]);
            max = fmaxf(max, values[i]);
            o->values++;
            o->zeros += values[i] == 0;
        }
    }
    if (min > max)
        return;
    bool first = o->images++ == 0;
    o->min = first ? min : fminf(o->min, min);
    o->max = first ? max : fmaxf(o->max, max);
    o->average_min =
        first ? (double)min : 0.99 * o->average_min + 0.01 * (double)min;
    o->average_max =
        first ? (double)max : 0.99 * o->average_max + 0.01 * (double)max;
}

/* The least power of two with which 2048 bins are enough. */
static void restate_grid(struct cz_observer *o)
{
    double low = fmin(o->min, 0), high = fmax(o->max, 0), width = 0x1p-126;
    while (floor(high / width) - floor(low / width) >= CZ_OBSERVER_BINS)
        width *= 2;
    o->bin_width = width;
    o->first_bin = (int32_t)floor(low / width);
}

/* All images at once, in doubles. */
static void restate(struct cz_observer *o)
{
    *o = (struct cz_observer){0};
    for (size_t n = 0; n < images.n; n++)
        restate_extremes(o, images.values[n], images.counts[n]);
    if (!o->values)
        return;
    restate_grid(o);
    for (size_t n = 0; n < images.n; n++) {
        for (size_t i = 0; i < images.counts[n]; i++) {
            double value = (double)images.values[n][i];
            if (isfinite(value))
                o->bins[(int)floor(value / o->bin_width) - o->first_bin]++;
        }
    }
}

static void observe(struct cz_observer *o)
{
    *o = (struct cz_observer){0};
    for (size_t n = 0; n < images.n; n++)
        cz_observer_add(o, images.values[n], images.counts[n]);
}

/* Another order of the same operations in doubles. */
#define AVERAGE_TOLERANCE 1e-12

static void assert_close(double got, double want)
{
    if (!(fabs(got - want) <= AVERAGE_TOLERANCE * (1 + fabs(want))))
        fail_msg("%g, want %g", got, want);
}

static void assert_same_bins(const struct cz_observer *got,
                             const struct cz_observer *want)
{
    assert_true(got->bin_width == want->bin_width);
    assert_int_equal(got->first_bin, want->first_bin);
    assert_memory_equal(got->bins, want->bins, sizeof got->bins);
}

static void check_images(void)
{
    static struct cz_observer got, want;
    observe(&got);
    restate(&want);
    assert_int_equal(got.images, want.images);
    assert_int_equal(got.values, want.values);
    assert_int_equal(got.zeros, want.zeros);
    assert_int_equal(got.nans, want.nans);
    assert_int_equal(got.infinities, want.infinities);
    assert_true(got.min == want.min && got.max == want.max);
    assert_close(got.average_min, want.average_min);
    assert_close(got.average_max, want.average_max);
    assert_same_bins(&got, &want);
}

/* ---- tests ------------------------------------------------------------ */

static void counts_every_value_of_known_distributions(void **state)
{
    for (int shape = 0; shape < SHAPES; shape++) {
        start(state);
        add_image((enum shape)shape, MOST);
        add_image((enum shape)shape, 1000);
        check_images();
    }
}

static void counts_images_of_any_size(void **state)
{
    for (size_t count = 0; count < 200; count++) {
        start(state);
        add_image(SILU, count);
        check_images();
    }
    static const size_t sizes[] = {1023, 1024, 1025, 16383, 16385, 16448};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        start(state);
        add_image(NORMAL, sizes[i]);
        check_images();
    }
}

/* In the first, in a middle and in the last vector, and in what is left. */
static void leaves_out_what_is_not_finite(void **state)
{
    static const size_t at[] = {0, 63, 64, 5000, 16384, 20000, 29999};
    static const float odd[] = {NAN, -NAN, INFINITY, -INFINITY};
    for (size_t i = 0; i < 7 * 4; i++) {
        start(state);
        add_image(OUTLIERS, 30000);
        add_image(OUTLIERS, 30000);
        images.values[i % 2][at[i / 4]] = odd[i % 4];
        check_images();
    }
}

static void lets_an_image_of_nans_leave_no_trace_but_their_number(void **state)
{
    (void)state;
    ADD(NAN, INFINITY, NAN);
    check_images();
    ADD(1, 2);
    ADD(NAN);
    ADD(-INFINITY, 4);
    check_images();
    static struct cz_observer o;
    observe(&o);
    assert_int_equal(o.images, 2);
    assert_int_equal(o.nans, 3);
    assert_int_equal(o.infinities, 2);
}

static void widens_from_a_tiny_range_to_a_huge_one(void **state)
{
    static const float factors[] = {1.5f, 2, 1000, 1e9f, -1e9f, 1e37f};
    for (size_t i = 0; i < sizeof factors / sizeof *factors; i++) {
        start(state);
        add_image(NORMAL, 3000);
        for (size_t j = 0; j < 3000; j++)
            images.values[0][j] *= 1e-6f;
        add_image(NORMAL, 500);
        for (size_t j = 0; j < 500; j++)
            images.values[1][j] *= factors[i];
        add_image(NORMAL, 500);
        check_images();
    }
}

static void widens_towards_the_side_that_needs_it(void **state)
{
    (void)state;
    ADD(1, 1.5f, 2);
    ADD(-1e-3f);
    ADD(-2047, 0.25f);
    ADD(2048, -2048);
    ADD(2049, 1e-30f, -1e-30f);
    check_images();
}

static void binds_edges_to_the_upper_bin(void **state)
{
    (void)state;
    ADD(1, -1, 0.5f, -0.5f, 0, 0x1p-10f, -0x1p-10f, 0x1p-11f, 0x1.fffffep-1f);
    ADD(nextafterf(1, 0), nextafterf(1, 2), nextafterf(-1, 0), 2047, 2048);
    check_images();
}

static void takes_a_single_value(void **state)
{
    static const float values[] = {0,      -0.0f,   1,       -1,
                                   0.7f,   FLT_MIN, 1e-45f,  -1e-45f,
                                   1e-40f, FLT_MAX, -FLT_MAX};
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        start(state);
        ADD(values[i]);
        check_images();
        ADD(values[i], 3);
        check_images();
    }
}

static void takes_the_widest_range_there_is(void **state)
{
    (void)state;
    ADD(0, 0, 0);
    ADD(FLT_MAX, -FLT_MAX, 1, -1, 0);
    check_images();
}

static void does_not_mind_the_order_of_images(void **state)
{
    (void)state;
    static struct cz_observer one, other;
    add_image(NORMAL, 1000);
    add_image(TAILS, 1000);
    add_image(NEGATIVE, 1000);
    observe(&one);
    for (size_t n = 3; n-- > 0;)
        cz_observer_add(&other, images.values[n], images.counts[n]);
    assert_same_bins(&other, &one);
}

static void averages_as_onnx_runtime_does(void **state)
{
    (void)state;
    ADD(-1, 10);
    ADD(-3, 0);
    ADD(5, 6);
    static struct cz_observer o;
    observe(&o);
    assert_close(o.average_min, (-1 * 0.99 - 0.03) * 0.99 + 0.05);
    assert_close(o.average_max, 10 * 0.99 * 0.99 + 0.06);
}

static void takes_nothing_of_the_heap(void **state)
{
    (void)state;
    static struct cz_observer o;
    add_image(SILU, MOST);
    cz_alloc_fail_at(1);
    observe(&o);
    assert_int_equal(cz_alloc_fail_at(0), 0);
    check_images();
}

#define TEST(name) cmocka_unit_test_setup(name, start)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(counts_every_value_of_known_distributions),
        TEST(counts_images_of_any_size),
        TEST(leaves_out_what_is_not_finite),
        TEST(lets_an_image_of_nans_leave_no_trace_but_their_number),
        TEST(widens_from_a_tiny_range_to_a_huge_one),
        TEST(widens_towards_the_side_that_needs_it),
        TEST(binds_edges_to_the_upper_bin),
        TEST(takes_a_single_value),
        TEST(takes_the_widest_range_there_is),
        TEST(does_not_mind_the_order_of_images),
        TEST(averages_as_onnx_runtime_does),
        TEST(takes_nothing_of_the_heap),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

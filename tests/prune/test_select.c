/* Selection against a stable sort: random tensors of every float type,
 * however their elements are stored. */
#include "prune/select_internal.h"

#include <math.h>

#include "core/alloc.h"
#include "core/half.h"
#include "tests/support/support.h"
#include "tests/support/weights.h"

#define TENSORS_MAX 4
#define COUNT_MAX 300
#define PADDING 0xab /* between elements; must never change */

static const enum cz_dtype dtypes[] = {CZ_DTYPE_FLOAT, CZ_DTYPE_DOUBLE,
                                       CZ_DTYPE_FLOAT16, CZ_DTYPE_BFLOAT16};

/* xorshift64* (Vigna 2016): the same numbers in every run. */
static uint64_t random_bits(void)
{
    static uint64_t state = 0x9e3779b97f4a7c15;
    state ^= state >> 12;
    state ^= state << 25;
    state ^= state >> 27;
    return state * 0x2545f4914f6cdd1d;
}

static size_t random_below(size_t n)
{
    return (size_t)(random_bits() >> 33) % n;
}

/* ---- values ----------------------------------------------------------- */

/* Bit patterns of all kinds: zeros of both signs and subnormals of any type
 * come with ANY_BITS, ties with the others. */
enum mix { ANY_BITS, FEW_LEVELS, ALL_EQUAL, MANY_ZEROS, NEAR_ZERO, N_MIXES };

static double from_any_bits(enum cz_dtype dtype)
{
    uint64_t bits = random_bits();
    float single;
    double value;
    uint32_t low = (uint32_t)bits;
    memcpy(&single, &low, sizeof single);
    memcpy(&value, &bits, sizeof value);
    if (dtype == CZ_DTYPE_FLOAT)
        value = (double)single;
    if (dtype == CZ_DTYPE_FLOAT16)
        value = (double)cz_half_to_float((uint16_t)bits);
    if (dtype == CZ_DTYPE_BFLOAT16)
        value = (double)cz_bfloat16_to_float((uint16_t)bits);
    return isfinite(value) ? value : 1;
}

static double random_value(enum mix mix, enum cz_dtype dtype)
{
    double sign = random_below(2) ? 1 : -1;
    switch (mix) {
    case FEW_LEVELS:
        return sign * (double)random_below(4);
    case ALL_EQUAL:
        return sign * 0.5;
    case MANY_ZEROS:
        return random_below(3) ? sign * 0.0 : from_any_bits(dtype);
    case NEAR_ZERO: /* the smallest subnormals of float16 */
        return sign * (double)random_below(5) * 0x1p-24;
    default:
        return from_any_bits(dtype);
    }
}

/* ---- tensors ---------------------------------------------------------- */

static void store(const struct cz_elements *e, size_t i, double value)
{
    char *at = (char *)e->data + i * e->stride;
    float single = (float)value;
    uint32_t bits;
    uint16_t half = cz_half_from_float(single);
    memcpy(&bits, &single, sizeof bits);
    uint16_t top = (uint16_t)(bits >> 16);
    if (e->dtype == CZ_DTYPE_DOUBLE)
        memcpy(at, &value, sizeof value);
    else if (e->dtype == CZ_DTYPE_FLOAT)
        memcpy(at, &single, sizeof single);
    else
        memcpy(at, e->dtype == CZ_DTYPE_FLOAT16 ? &half : &top, sizeof half);
}

/* Elements at an odd address; 16-bit ones packed, or in entries of 4 bytes as
 * int32_data has them. */
static struct cz_elements new_tensor(enum cz_dtype dtype, size_t count,
                                     bool spread, enum mix mix)
{
    size_t bytes = cz_dtype_bits(dtype) / 8;
    size_t stride = spread && bytes == 2 ? 4 : bytes;
    char *memory = cz_malloc(count * stride + 1);
    assert_non_null(memory);
    memset(memory, PADDING, count * stride + 1);
    struct cz_elements e = {memory + 1, count, stride, dtype};
    for (size_t i = 0; i < count; i++)
        store(&e, i, random_value(mix, dtype));
    return e;
}

static struct cz_elements random_tensor(size_t count_max)
{
    return new_tensor(dtypes[random_below(4)], 1 + random_below(count_max),
                      random_below(2), (enum mix)random_below(N_MIXES));
}

static void free_tensor(struct cz_elements *e)
{
    cz_free((char *)e->data - 1);
}

static void check_padding(const struct cz_elements *e)
{
    size_t bytes = cz_dtype_bits(e->dtype) / 8;
    for (size_t i = 0; i < e->count; i++) {
        const unsigned char *at =
            (const unsigned char *)e->data + i * e->stride;
        for (size_t b = bytes; b < e->stride; b++)
            assert_int_equal(at[b], PADDING);
    }
}

/* ---- the comparison --------------------------------------------------- */

/* All elements of the tensors, one after the other. */
static double *gather(const struct cz_elements *tensors, size_t n,
                      size_t *total)
{
    *total = 0;
    for (size_t t = 0; t < n; t++)
        *total += tensors[t].count;
    double *values = cz_calloc(*total, sizeof *values);
    assert_non_null(values);
    for (size_t t = 0, at = 0; t < n; t++)
        for (size_t i = 0; i < tensors[t].count; i++)
            values[at++] = cz_elements_get(&tensors[t], i);
    return values;
}

static void check_against_sort(struct cz_elements *tensors, size_t n, size_t k)
{
    size_t total;
    double *want = gather(tensors, n, &total);
    cz_test_prune_values(want, total, k);
    struct cz_selection selection = cz_select_smallest(tensors, n, k);
    for (size_t t = 0, at = 0; t < n; at += tensors[t++].count) {
        size_t zeros = cz_select_zero(&tensors[t], &selection);
        assert_int_equal(zeros,
                         cz_test_count_zeros(want + at, tensors[t].count));
        check_padding(&tensors[t]);
    }
    assert_int_equal(selection.ties, 0);
    double *got = gather(tensors, n, &total);
    assert_values_equal(got, want, total, "tensors");
    cz_free(want);
    cz_free(got);
}

static void check_one(enum cz_dtype dtype, bool spread, size_t count,
                      enum mix mix, size_t k)
{
    struct cz_elements e = new_tensor(dtype, count, spread, mix);
    check_against_sort(&e, 1, k);
    free_tensor(&e);
}

/* ---- tests ------------------------------------------------------------ */

static void selects_what_a_stable_sort_selects_in_any_tensor(void **state)
{
    (void)state;
    for (int round = 0; round < 5000; round++) {
        struct cz_elements e = random_tensor(COUNT_MAX);
        check_against_sort(&e, 1, 1 + random_below(e.count));
        free_tensor(&e);
    }
}

static void selects_over_several_tensors_of_several_types(void **state)
{
    (void)state;
    for (int round = 0; round < 2000; round++) {
        struct cz_elements tensors[TENSORS_MAX];
        size_t n = 1 + random_below(TENSORS_MAX), total = 0;
        for (size_t t = 0; t < n; t++) {
            tensors[t] = random_tensor(COUNT_MAX / 4);
            total += tensors[t].count;
        }
        check_against_sort(tensors, n, 1 + random_below(total));
        for (size_t t = 0; t < n; t++)
            free_tensor(&tensors[t]);
    }
}

/* Every count up to 40 with every k: the smallest tensors, whole ones. */
static void selects_any_number_of_a_few(void **state)
{
    (void)state;
    for (size_t d = 0; d < 4; d++)
        for (size_t count = 1; count <= 40; count++)
            for (size_t k = 1; k <= count; k++)
                check_one(dtypes[d], k % 2, count, (enum mix)(k % N_MIXES), k);
}

/* Tensors large enough for a sample, on both sides of the limit; most mixes
 * have more equal magnitudes than the sample leaves room for. */
static void selects_in_tensors_of_many_weights(void **state)
{
    (void)state;
    static const size_t counts[] = {16383, 16384, 100000};
    for (size_t d = 0; d < 4; d++)
        for (size_t c = 0; c < 3; c++)
            for (int mix = 0; mix < N_MIXES; mix++)
                check_one(dtypes[d], mix % 2, counts[c], (enum mix)mix,
                          1 + random_below(counts[c]));
}

/* What weights look like, and where the sample's places are chosen to be
 * unlike the rest. */
static void
selects_where_the_sample_is_right_and_where_it_misleads(void **state)
{
    (void)state;
    const size_t count = 50 * 1024;
    static const double shares[] = {0, 0.001, 0.05, 0.5, 0.95, 0.9999, 1};
    for (size_t s = 0; s < sizeof shares / sizeof *shares; s++) {
        for (int misleads = 0; misleads < 2; misleads++) {
            struct cz_elements e =
                new_tensor(CZ_DTYPE_FLOAT, count, false, ANY_BITS);
            for (size_t i = 25; misleads && i < count; i += 50)
                store(&e, i, 1e30);
            size_t k = (size_t)(shares[s] * (double)count);
            check_against_sort(&e, 1, k ? k : 1);
            free_tensor(&e);
        }
    }
}

static void takes_the_first_of_equal_magnitudes(void **state)
{
    (void)state;
    float values[] = {-2, 1, -1, 1, 3, -1};
    const float want[] = {-2, 0, 0, 1, 3, -1};
    struct cz_elements e = {values, 6, sizeof *values, CZ_DTYPE_FLOAT};
    struct cz_selection selection = cz_select_smallest(&e, 1, 2);
    assert_int_equal(cz_select_zero(&e, &selection), 2);
    assert_memory_equal(values, want, sizeof want);
}

static void takes_ties_from_the_first_tensor_first(void **state)
{
    (void)state;
    float first[] = {1, 5}, second[] = {1, 1};
    struct cz_elements e[] = {{first, 2, sizeof *first, CZ_DTYPE_FLOAT},
                              {second, 2, sizeof *second, CZ_DTYPE_FLOAT}};
    struct cz_selection selection = cz_select_smallest(e, 2, 2);
    assert_int_equal(cz_select_zero(&e[0], &selection), 1);
    assert_int_equal(cz_select_zero(&e[1], &selection), 1);
    assert_true(first[0] == 0 && first[1] == 5);
    assert_true(second[0] == 0 && second[1] == 1);
}

static void tells_subnormals_from_zeros(void **state)
{
    (void)state;
    float values[] = {0x1p-149f, -0x1p-148f, 0.0f, -0.0f};
    struct cz_elements e = {values, 4, sizeof *values, CZ_DTYPE_FLOAT};
    struct cz_selection selection = cz_select_smallest(&e, 1, 3);
    assert_int_equal(cz_select_zero(&e, &selection), 3);
    assert_true(values[0] == 0 && values[1] == -0x1p-148f);
}

static void makes_selected_negative_zeros_positive(void **state)
{
    (void)state;
    float values[] = {-0.0f, 1};
    struct cz_elements e = {values, 2, sizeof *values, CZ_DTYPE_FLOAT};
    struct cz_selection selection = cz_select_smallest(&e, 1, 1);
    cz_select_zero(&e, &selection);
    assert_false(signbit(values[0]));
}

/* ---- counting --------------------------------------------------------- */

static void counts_zeros_of_both_signs(void **state)
{
    (void)state;
    for (size_t d = 0; d < 4; d++) {
        struct cz_elements e = new_tensor(dtypes[d], 100, true, ALL_EQUAL);
        store(&e, 3, 0.0);
        store(&e, 99, -0.0);
        struct cz_weight_counts counts = cz_count_weights(&e);
        assert_int_equal(counts.zeros, 2);
        assert_int_equal(counts.first_bad, 100);
        free_tensor(&e);
    }
}

static void finds_the_first_value_that_is_not_finite(void **state)
{
    (void)state;
    const double bad[] = {(double)NAN, (double)-NAN, (double)INFINITY,
                          (double)-INFINITY};
    for (size_t d = 0; d < 4; d++) {
        for (size_t b = 0; b < 4; b++) {
            struct cz_elements e = new_tensor(dtypes[d], 100, true, ALL_EQUAL);
            store(&e, 71, bad[(b + 1) % 4]);
            store(&e, 70, bad[b]);
            assert_int_equal(cz_count_weights(&e).first_bad, 70);
            free_tensor(&e);
        }
    }
}

static void takes_the_largest_finite_values_for_finite(void **state)
{
    (void)state;
    const double largest[] = {0x1.fffffep127, 0x1.fffffffffffffp1023, 65504,
                              0x1.fep127};
    for (size_t d = 0; d < 4; d++) {
        struct cz_elements e = new_tensor(dtypes[d], 9, false, ALL_EQUAL);
        store(&e, 4, -largest[d]);
        assert_int_equal(cz_count_weights(&e).first_bad, 9);
        free_tensor(&e);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(selects_what_a_stable_sort_selects_in_any_tensor),
        cmocka_unit_test(selects_over_several_tensors_of_several_types),
        cmocka_unit_test(selects_any_number_of_a_few),
        cmocka_unit_test(selects_in_tensors_of_many_weights),
        cmocka_unit_test(
            selects_where_the_sample_is_right_and_where_it_misleads),
        cmocka_unit_test(takes_the_first_of_equal_magnitudes),
        cmocka_unit_test(takes_ties_from_the_first_tensor_first),
        cmocka_unit_test(tells_subnormals_from_zeros),
        cmocka_unit_test(makes_selected_negative_zeros_positive),
        cmocka_unit_test(counts_zeros_of_both_signs),
        cmocka_unit_test(finds_the_first_value_that_is_not_finite),
        cmocka_unit_test(takes_the_largest_finite_values_for_finite),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Normalizations. Expected numbers are numpy's, in double precision. */
#include <math.h>

#include "tests/engine/op_support.h"

#define N CZ_NUMBERS
#define IOTA8 N(0, 1, 2, 3, 4, 5, 6, 7)

/* ---- BatchNormalization ----------------------------------------------- */

static void normalizes_by_given_statistics(void **state)
{
    (void)state;
    const struct cz_test_case cases[] = {
        {"opset 9; in x f32[1,2,4]; const s f32[2] 2 1; const b f32[2] 0 5;"
         "const m f32[2] 1 2; const v f32[2] 4 0.25; out y;"
         "y = BatchNormalization(x, s, b, m, v)",
         IOTA8, "float32[1,2,4]",
         N(-0.99999875, 0, 0.99999875, 1.9999975, 8.99992, 10.99988, 12.99984,
           14.9998),
         FLOAT32},
        {"opset 15; in x f64[1,2]; const s f64[2] 1; const b f64[2] 0;"
         "const m f64[2] 1; const v f64[2] 3; out y;"
         "y = BatchNormalization(x, s, b, m, v) epsilon=1.0",
         N(1, 3), "double[1,2]", N(0, 1), EXACT},
        {"opset 14; in x f32[2]; const s f32[1] 2; const b f32[1] 1;"
         "const m f32[1] 0; const v f32[1] 1; out y;"
         "y = BatchNormalization(x, s, b, m, v) epsilon=0.0 training_mode=0",
         N(1, 3), "float32[2]", N(3, 7), EXACT},
        {"in x f32[0,2,4]; const s f32[2] 1; out y;"
         "y = BatchNormalization(x, s, s, s, s)",
         NULL, 0, "float32[0,2,4]", NULL, 0, EXACT},
    };
    CHECK_CASES(cases);
}

static void normalizes_by_statistics_that_a_frame_brings(void **state)
{
    (void)state;
    struct cz_test_engine e = cz_test_engine(
        "in x f32[1,2,1]; in s f32[2]; const b f32[2] 0; const m f32[2] 1;"
        "const v f32[2] 4; out y;"
        "y = BatchNormalization(x, s, b, m, v) epsilon=0.0",
        NULL);
    cz_test_feed(&e, "x", N(3, 5));
    cz_test_feed(&e, "s", N(1, 10));
    cz_test_run(&e);
    cz_test_expect(&e, "y", "float32[1,2,1]", N(1, 20), EXACT);
    cz_test_engine_fini(&e);
}

/* ---- Instance, group, layer ------------------------------------------- */

static void normalizes_each_instance(void **state)
{
    (void)state;
    const struct cz_test_case cases[] = {
        {"opset 9; in x f32[1,2,2,2]; const s f32[2] 2 3;"
         "const b f32[2] 10 20; out y; y = InstanceNormalization(x, s, b)",
         IOTA8, "float32[1,2,2,2]",
         N(7.31672916, 9.10557639, 10.8944236, 12.6832708, 15.9750937,
           18.6583646, 21.3416354, 24.0249063),
         FLOAT32},
    };
    CHECK_CASES(cases);
}

static void normalizes_groups_of_channels(void **state)
{
    (void)state;
    const struct cz_test_case cases[] = {
        {"opset 21; in x f32[1,2,2,2]; const s f32[2] 1 2; const b f32[2] 0 1;"
         "out y; y = GroupNormalization(x, s, b) num_groups=1",
         IOTA8, "float32[1,2,2,2]",
         N(-1.52752378, -1.09108841, -0.654653047, -0.218217682, 1.43643536,
           2.30930609, 3.18217682, 4.05504755),
         FLOAT32},
        {"opset 21; in x f32[1,2,2,2]; const s f32[2] 1 2; const b f32[2] 0 1;"
         "out y; y = GroupNormalization(x, s, b) num_groups=2",
         IOTA8, "float32[1,2,2,2]",
         N(-1.34163542, -0.447211807, 0.447211807, 1.34163542, -1.68327084,
           0.105576387, 1.89442361, 3.68327084),
         FLOAT32},
    };
    CHECK_CASES(cases);
}

static void scales_whole_groups_up_to_opset_20(void **state)
{
    (void)state;
    const struct cz_test_case cases[] = {
        {"opset 18; in x f32[1,2,2,2]; const s f32[1] 2; const b f32[1] 1;"
         "out y; y = GroupNormalization(x, s, b) num_groups=1",
         IOTA8, "float32[1,2,2,2]",
         N(-2.05504755, -1.18217682, -0.309306094, 0.563564635, 1.43643536,
           2.30930609, 3.18217682, 4.05504755),
         FLOAT32},
    };
    CHECK_CASES(cases);
}

#define X6 N(1, 2, 3, 2, 4, 9)

static void normalizes_layers(void **state)
{
    (void)state;
    const struct cz_test_case cases[] = {
        {"in x f32[2,3]; const s f32[3] 1; out y; y = LayerNormalization(x, s)",
         X6, "float32[2,3]",
         N(-1.22473569, 0, 1.22473569, -1.01904874, -0.339682914, 1.35873166),
         FLOAT32},
        {"in x f64[2,3]; const s f64[] 1; const b f64[] 0; out y;"
         "y = LayerNormalization(x, s, b) axis=0",
         X6, "double[2,3]",
         N(-0.950585689, -0.570351413, -0.190117138, -0.570351413, 0.190117138,
           2.09128851),
         1e-8},
        {"in x f32[2,3]; const s f32[3] 1 2 3; const b f32[1,3] 0 0 1; out y;"
         "y = LayerNormalization(x, s, b) axis=-1",
         X6, "float32[2,3]",
         N(-1.22473569, 0, 4.67420706, -1.01904874, -0.679365829, 5.07619497),
         FLOAT32},
    };
    CHECK_CASES(cases);
}

static void gives_the_moments_of_layers(void **state)
{
    (void)state;
    struct cz_test_engine e =
        cz_test_engine("in x f32[2,3]; const s f32[3] 1; out y; out m; out i;"
                       "y, m, i = LayerNormalization(x, s)",
                       NULL);
    cz_test_feed(&e, "x", X6);
    cz_test_run(&e);
    cz_test_expect(&e, "m", "float32[2,1]", N(2, 5), FLOAT32);
    cz_test_expect(&e, "i", "float32[2,1]", N(1.22473569, 0.339682914),
                   FLOAT32);
    cz_test_engine_fini(&e);
}

/* The mean is a million times the deviation. */
static void keeps_digits_far_from_zero(void **state)
{
    (void)state;
    const struct cz_test_case cases[] = {
        {"in x f32[1,4]; const s f32[4] 1; out y;"
         "y = LayerNormalization(x, s) epsilon=0.0",
         N(1000000, 1000001, 1000002, 1000001), "float32[1,4]",
         N(-1.41421356, 0, 1.41421356, 0), FLOAT32},
    };
    CHECK_CASES(cases);
}

/* ---- norms ------------------------------------------------------------ */

static void divides_by_a_norm(void **state)
{
    (void)state;
    const struct cz_test_case cases[] = {
        {"in x f32[2,2]; out y; y = LpNormalization(x)", N(3, 4, 0, 0),
         "float32[2,2]", N(0.6, 0.8, 0, 0), FLOAT32},
        {"in x f32[2,2]; out y; y = LpNormalization(x) axis=0 p=1",
         N(3, -4, 1, 0), "float32[2,2]", N(0.75, -1, 0.25, 0), FLOAT32},
    };
    CHECK_CASES(cases);
}

static void divides_by_neighbouring_channels(void **state)
{
    (void)state;
    const struct cz_test_case cases[] = {
        {"in x f32[1,4,1,1]; out y; y = LRN(x) size=2 alpha=0.5", N(1, 2, 3, 4),
         "float32[1,4,1,1]",
         N(0.544331054, 0.675675697, 0.678996835, 1.19627902), FLOAT32},
        {"opset 9; in x f64[1,4,1,1]; out y; y = LRN(x) size=3 alpha=0.5",
         N(1, 2, 3, 4), "double[1,4,1,1]",
         N(0.634700622, 0.810720093, 0.799251867, 1.16721849), 1e-8},
        {"in x f32[1,1,2]; out y;"
         "y = LRN(x) size=2147483647 alpha=0.0 bias=4.0 beta=0.5",
         N(1, 2), "float32[1,1,2]", N(0.5, 1), FLOAT32},
    };
    CHECK_CASES(cases);
}

/* ---- refusals --------------------------------------------------------- */

static void refuses_what_does_not_normalize(void **state)
{
    (void)state;
    static const struct cz_test_failure rows[] = {
        {"in x f32[1,2,4]; in s f32[3]; out y;"
         "y = BatchNormalization(x, s, s, s, s)",
         CZ_ESHAPE, "BatchNormalization 'y': input 1 is [3], want [2]"},
        {"in x f32[1,2,4]; in s f32[2,1]; out y;"
         "y = BatchNormalization(x, s, s, s, s)",
         CZ_ESHAPE, "BatchNormalization 'y': input 1 is [2,1], want [2]"},
        {"in x f32[1,2]; in s f32[2]; out y;"
         "y = BatchNormalization(x, s, s, s, s) training_mode=1",
         CZ_EUNSUPPORTED, "BatchNormalization 'y': training_mode"},
        {"in x i32[1,2]; in s f32[2]; out y;"
         "y = BatchNormalization(x, s, s, s, s)",
         CZ_EUNSUPPORTED, "BatchNormalization 'y': not for elements of int32"},
        {"in x f32[]; in s f32[1]; out y; y = BatchNormalization(x, s, s, s, "
         "s)",
         CZ_ESHAPE,
         "BatchNormalization 'y': input 0 is [], want 1 dimensions or more"},
        {"in x f32[2]; in s f32[1]; out y; y = InstanceNormalization(x, s, s)",
         CZ_ESHAPE,
         "InstanceNormalization 'y': input 0 is [2], want 2 dimensions"},
        {"opset 21; in x f32[1,4]; in s f32[4]; out y;"
         "y = GroupNormalization(x, s, s) num_groups=3",
         CZ_ESHAPE, "num_groups is 3, which does not divide 4 channels"},
        {"opset 21; in x f32[1,4]; in s f32[4]; out y;"
         "y = GroupNormalization(x, s, s)",
         CZ_ESHAPE, "num_groups is 0"},
        {"in x f32[2,3]; in s f32[2]; out y; y = LayerNormalization(x, s)",
         CZ_ESHAPE,
         "LayerNormalization 'y': input 1 of [2] does not broadcast to [2,3]"},
        {"in x f32[2,3]; in s f32[3]; out y;"
         "y = LayerNormalization(x, s) axis=2",
         CZ_ESHAPE, "LayerNormalization 'y': axis 2 is outside of 2"},
        {"in x f32[2,3]; out y; y = LpNormalization(x) p=3", CZ_ESHAPE,
         "LpNormalization 'y': 'p' is 3, want 1 to 2"},
        {"in x f32[1,4]; out y; y = LRN(x)", CZ_ESHAPE, "LRN 'y': no size"},
        {"in x f32[4]; out y; y = LRN(x) size=1", CZ_ESHAPE,
         "LRN 'y': input 0 is [4], want 2 dimensions or more"},
        {"in x f32[1,4]; out y; y = LRN(x) size=0", CZ_ESHAPE,
         "LRN 'y': 'size' is 0, want 1"},
    };
    CHECK_REFUSED(rows);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(normalizes_by_given_statistics),
        cmocka_unit_test(normalizes_by_statistics_that_a_frame_brings),
        cmocka_unit_test(normalizes_each_instance),
        cmocka_unit_test(normalizes_groups_of_channels),
        cmocka_unit_test(scales_whole_groups_up_to_opset_20),
        cmocka_unit_test(normalizes_layers),
        cmocka_unit_test(gives_the_moments_of_layers),
        cmocka_unit_test(keeps_digits_far_from_zero),
        cmocka_unit_test(divides_by_a_norm),
        cmocka_unit_test(divides_by_neighbouring_channels),
        cmocka_unit_test(refuses_what_does_not_normalize),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

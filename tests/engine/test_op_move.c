/* Operators that copy elements to other places. The expected numbers are worked
 * out by hand from the ONNX operator specification. */
#include <stdlib.h>

#include "tests/engine/op_support.h"

/* ---- Transpose -------------------------------------------------------- */

static void transposes_by_a_permutation_or_backwards(void **state)
{
    (void)state;
    const struct cz_test_case cases[] = {
        {"in x f32[2,3]; out y; y = Transpose(x)", SIX, "float32[3,2]",
         CZ_NUMBERS(1, 4, 2, 5, 3, 6), EXACT},
        {"in x f32[1,2,3]; out y; y = Transpose(x) perm=[2,0,1]", SIX,
         "float32[3,1,2]", CZ_NUMBERS(1, 4, 2, 5, 3, 6), EXACT},
        {"in x u8[3,2]; out y; y = Transpose(x) perm=[1,0]", SIX, "uint8[2,3]",
         CZ_NUMBERS(1, 3, 5, 2, 4, 6), EXACT},
        {"in x f64[2,1,3]; out y; y = Transpose(x) perm=[1,0,2]", SIX,
         "double[1,2,3]", SIX, EXACT},
        {"in x i8[2,2,2]; out y; y = Transpose(x) perm=[1,0,2]",
         CZ_NUMBERS(1, 2, 3, 4, 5, 6, 7, 8), "int8[2,2,2]",
         CZ_NUMBERS(1, 2, 5, 6, 3, 4, 7, 8), EXACT},
        {"in x i64[]; out y; y = Transpose(x)", CZ_NUMBERS(9), "int64[]",
         CZ_NUMBERS(9), EXACT},
        {"in x f32[0,3]; out y; y = Transpose(x)", NONE, "float32[3,0]", NONE,
         EXACT},
    };
    cz_test_cases(cases, COUNT(cases));
}

/* Several tiles in both directions, none of them full, and several threads. */
static void transposes_planes_that_are_larger_than_a_tile(void **state)
{
    (void)state;
    enum { N = 3, ROWS = 85, COLUMNS = 333 };
    struct cz_plan_options options = CZ_PLAN_OPTIONS_INIT;
    double *x = calloc(N * ROWS * COLUMNS, sizeof *x);
    double *want = calloc(N * ROWS * COLUMNS, sizeof *want);
    options.threads = 3;
    for (size_t n = 0; n < N; n++) {
        for (size_t r = 0; r < ROWS; r++) {
            for (size_t c = 0; c < COLUMNS; c++) {
                double value = (double)(n * 100000 + r * 1000 + c);
                x[(n * ROWS + r) * COLUMNS + c] = value;
                want[(n * COLUMNS + c) * ROWS + r] = value;
            }
        }
    }
    struct cz_test_engine e = cz_test_engine(
        "in x f32[3,85,333]; out y; y = Transpose(x) perm=[0,2,1]", &options);
    cz_test_feed(&e, "x", x, N * ROWS * COLUMNS);
    cz_test_run(&e);
    cz_test_expect(&e, "y", "float32[3,333,85]", want, N * ROWS * COLUMNS,
                   EXACT);
    cz_test_engine_fini(&e);
    free(x);
    free(want);
}

/* ---- Concat, Split ---------------------------------------------------- */

static void joins_along_any_axis(void **state)
{
    (void)state;
    const struct cz_test_case cases[] = {
        {"in x f32[2,2]; const a f32[2,1] 8 9; out y;"
         "y = Concat(x, a, x) axis=1",
         CZ_NUMBERS(1, 2, 3, 4), "float32[2,5]",
         CZ_NUMBERS(1, 2, 8, 1, 2, 3, 4, 9, 3, 4), EXACT},
        {"in x i64[1,2]; const a i64[2,2] 5 6 7 8; out y;"
         "y = Concat(a, x) axis=-2",
         CZ_NUMBERS(1, 2), "int64[3,2]", CZ_NUMBERS(5, 6, 7, 8, 1, 2), EXACT},
        {"in x f32[2,1]; const a f32[2,0]; out y; y = Concat(a, x, a) axis=1",
         CZ_NUMBERS(3, 4), "float32[2,1]", CZ_NUMBERS(3, 4), EXACT},
        {"in x f32[2]; out y; y = Concat(x) axis=0", CZ_NUMBERS(3, 4),
         "float32[2]", CZ_NUMBERS(3, 4), EXACT},
    };
    cz_test_cases(cases, COUNT(cases));
}

static void refuses_parts_that_do_not_fit_together(void **state)
{
    (void)state;
    static const struct cz_test_refusal rows[] = {
        {"in x f32[2,2]; in z f32[3,1]; out y; y = Concat(x, z) axis=1",
         "Concat 'y': input 1 is [3,1], the first [2,2]: they differ elsewhere "
         "than in axis 1"},
        {"in x f32[2,2]; in z f32[2]; out y; y = Concat(x, z) axis=0",
         "Concat 'y': input 1 is [2], the first [2,2]: they differ elsewhere "
         "than in axis 0"},
        {"in x f32[2,2]; in z i64[2,2]; out y; y = Concat(x, z) axis=0",
         "Concat 'y': input 1 is int64, want float32"},
        {"in x f32[]; out y; y = Concat(x, x) axis=0",
         "Concat 'y': axis 0 is outside of 0 dimensions"},
        {"opset 11; in x f32[4]; out y; z, y = Split(x) split=[3,2]",
         "Split 'z': part 1 is 2, there are 1"},
        {"opset 11; in x f32[4]; out y; z, y = Split(x) split=[1,2]",
         "Split 'z': its parts leave 1 of 4"},
        {"opset 11; in x f32[4]; out y; z, y = Split(x) split=[4]",
         "Split 'z': 1 sizes for 2 outputs"},
        {"opset 13; in x f32[5]; out y; z, y = Split(x)",
         "Split 'z': axis 0 of 5 cannot be split into 2 equal parts"},
        {"opset 18; in x f32[5]; out y; z, y = Split(x) num_outputs=3",
         "Split 'z': num_outputs is 3, it has 2 outputs"},
    };
    cz_test_refusals(rows, COUNT(rows));
}

static void splits_into_parts_of_given_or_equal_size(void **state)
{
    (void)state;
    const struct cz_test_case cases[] = {
        {"opset 9; in x f32[2,3]; out y; z, y = Split(x) axis=1 split=[1,2]",
         SIX, "float32[2,2]", CZ_NUMBERS(2, 3, 5, 6), EXACT},
        {"opset 13; in x f32[2,3]; const s i64[3] 1 0 2; out y;"
         "a, b, y = Split(x, s) axis=-1",
         SIX, "float32[2,2]", CZ_NUMBERS(2, 3, 5, 6), EXACT},
        {"opset 13; in x f32[2,3]; out y; y, b = Split(x)", SIX, "float32[1,3]",
         CZ_NUMBERS(1, 2, 3), EXACT},
        {"opset 18; in x f32[5]; out y; a, b, y = Split(x) num_outputs=3",
         CZ_NUMBERS(1, 2, 3, 4, 5), "float32[1]", CZ_NUMBERS(5), EXACT},
        {"opset 18; in x f32[5]; out y; y, b, c = Split(x) num_outputs=3",
         CZ_NUMBERS(1, 2, 3, 4, 5), "float32[2]", CZ_NUMBERS(1, 2), EXACT},
        {"in x f32[2,0]; out y; a, y = Split(x)", NONE, "float32[1,0]", NONE,
         EXACT},
    };
    cz_test_cases(cases, COUNT(cases));
}

static void splits_by_sizes_that_come_with_the_frame(void **state)
{
    (void)state;
    struct cz_test_engine e =
        cz_test_engine("in x f32[2,3]; in s i64[2]; out y; out z;"
                       "y, z = Split(x, s) axis=1",
                       NULL);
    cz_test_feed(&e, "x", SIX);
    cz_test_feed(&e, "s", CZ_NUMBERS(3, 0));
    cz_test_run(&e);
    cz_test_expect(&e, "y", "float32[2,3]", SIX, EXACT);
    cz_test_expect(&e, "z", "float32[2,0]", NONE, EXACT);
    cz_test_feed(&e, "s", CZ_NUMBERS(1, 2));
    cz_test_run(&e);
    cz_test_expect(&e, "y", "float32[2,1]", CZ_NUMBERS(1, 4), EXACT);
    cz_test_expect(&e, "z", "float32[2,2]", CZ_NUMBERS(2, 3, 5, 6), EXACT);
    cz_test_engine_fini(&e);
}

/* ---- Tile, Expand ----------------------------------------------------- */

static void repeats_along_each_axis(void **state)
{
    (void)state;
    const struct cz_test_case cases[] = {
        {"in x f32[1,2]; const r i64[2] 2 2; out y; y = Tile(x, r)",
         CZ_NUMBERS(1, 2), "float32[2,4]", CZ_NUMBERS(1, 2, 1, 2, 1, 2, 1, 2),
         EXACT},
        {"opset 9; in x f32[2,1]; const r i64[2] 1 3; out y; y = Tile(x, r)",
         CZ_NUMBERS(1, 2), "float32[2,3]", CZ_NUMBERS(1, 1, 1, 2, 2, 2), EXACT},
        {"in x f32[2]; const r i64[1] 0; out y; y = Tile(x, r)",
         CZ_NUMBERS(1, 2), "float32[0]", NONE, EXACT},
        {"in x f32[]; const r i64[0]; out y; y = Tile(x, r)", CZ_NUMBERS(1),
         "float32[]", CZ_NUMBERS(1), EXACT},
    };
    cz_test_cases(cases, COUNT(cases));
}

static void expands_both_ways(void **state)
{
    (void)state;
    const struct cz_test_case cases[] = {
        {"in x f32[2,1]; const s i64[2] 1 3; out y; y = Expand(x, s)",
         CZ_NUMBERS(1, 2), "float32[2,3]", CZ_NUMBERS(1, 1, 1, 2, 2, 2), EXACT},
        {"in x f32[2]; const s i64[3] 2 1 1; out y; y = Expand(x, s)",
         CZ_NUMBERS(1, 2), "float32[2,1,2]", CZ_NUMBERS(1, 2, 1, 2), EXACT},
        {"in x bool[]; const s i64[1] 3; out y; y = Expand(x, s)",
         CZ_NUMBERS(1), "bool[3]", CZ_NUMBERS(1, 1, 1), EXACT},
        {"in x f32[1]; const s i64[2] 0 4; out y; y = Expand(x, s)",
         CZ_NUMBERS(1), "float32[0,4]", NONE, EXACT},
    };
    cz_test_cases(cases, COUNT(cases));
}

static void repeats_as_the_frame_says(void **state)
{
    (void)state;
    struct cz_test_engine e =
        cz_test_engine("in x f32[2]; in r i64[1]; in s i64[2]; out y; out z;"
                       "y = Tile(x, r); z = Expand(x, s)",
                       NULL);
    cz_test_feed(&e, "x", CZ_NUMBERS(1, 2));
    cz_test_feed(&e, "r", CZ_NUMBERS(2));
    cz_test_feed(&e, "s", CZ_NUMBERS(3, 2));
    cz_test_run(&e);
    cz_test_expect(&e, "y", "float32[4]", CZ_NUMBERS(1, 2, 1, 2), EXACT);
    cz_test_expect(&e, "z", "float32[3,2]", CZ_NUMBERS(1, 2, 1, 2, 1, 2),
                   EXACT);
    cz_test_engine_fini(&e);
}

static void refuses_absurd_repeats(void **state)
{
    (void)state;
    static const struct cz_test_refusal rows[] = {
        {"in x f32[2]; const r i64[1] -1; out y; y = Tile(x, r)",
         "Tile 'y': it repeats axis 0 of 2 -1 times"},
        {"in x f32[2]; const r i64[1] 9000000000000000000; out y;"
         "y = Tile(x, r)",
         "Tile 'y': it repeats axis 0 of 2 9000000000000000000 times"},
        {"in x f32[2]; const r i64[2] 1; out y; y = Tile(x, r)",
         "Tile 'y': 2 repeats for 1 dimensions"},
        {"in x f32[2]; const s i64[1] 3; out y; y = Expand(x, s)",
         "Expand 'y': [2] cannot become [3]"},
        {"in x f32[1]; const s i64[1] -5; out y; y = Expand(x, s)",
         "Expand 'y': its output would be [-5]"},
        {"in x f32[1]; const s i64[2] 100000000000 2; out y; y = Expand(x, s)",
         "Expand 'y': its output of float32 [100000000000,2] would not fit in "
         "memory"},
    };
    cz_test_refusals(rows, COUNT(rows));
}

/* ---- blocks ----------------------------------------------------------- */

static void exchanges_depth_with_space(void **state)
{
    (void)state;
    const struct cz_test_case cases[] = {
        {"opset 9; in x f32[1,8,1,1]; out y; y = DepthToSpace(x) blocksize=2",
         CZ_NUMBERS(0, 1, 2, 3, 4, 5, 6, 7), "float32[1,2,2,2]",
         CZ_NUMBERS(0, 2, 4, 6, 1, 3, 5, 7), EXACT},
        {"in x f32[1,8,1,1]; out y;"
         "y = DepthToSpace(x) blocksize=2 mode=\"CRD\"",
         CZ_NUMBERS(0, 1, 2, 3, 4, 5, 6, 7), "float32[1,2,2,2]",
         CZ_NUMBERS(0, 1, 2, 3, 4, 5, 6, 7), EXACT},
        {"in x f32[1,4,1,2]; out y; y = DepthToSpace(x) blocksize=2",
         CZ_NUMBERS(0, 1, 2, 3, 4, 5, 6, 7), "float32[1,1,2,4]",
         CZ_NUMBERS(0, 2, 1, 3, 4, 6, 5, 7), EXACT},
        {"in x f32[1,2,2,2]; out y; y = SpaceToDepth(x) blocksize=2",
         CZ_NUMBERS(0, 2, 4, 6, 1, 3, 5, 7), "float32[1,8,1,1]",
         CZ_NUMBERS(0, 1, 2, 3, 4, 5, 6, 7), EXACT},
        {"in x f32[0,2,2,2]; out y; y = SpaceToDepth(x) blocksize=2", NONE,
         "float32[0,8,1,1]", NONE, EXACT},
    };
    cz_test_cases(cases, COUNT(cases));
}

static void refuses_blocks_that_do_not_divide(void **state)
{
    (void)state;
    static const struct cz_test_refusal rows[] = {
        {"in x f32[1,6,1,1]; out y; y = DepthToSpace(x) blocksize=2",
         "DepthToSpace 'y': 6 channels are no blocks of 2x2"},
        {"in x f32[1,6,2,3]; out y; y = SpaceToDepth(x) blocksize=2",
         "SpaceToDepth 'y': 2x3 are no blocks of 2"},
        {"in x f32[1,6,2,3]; out y; y = SpaceToDepth(x) blocksize=0",
         "SpaceToDepth 'y': blocksize is 0"},
        {"in x f32[6,2,3]; out y; y = SpaceToDepth(x) blocksize=1",
         "SpaceToDepth 'y': input 0 is [6,2,3], want 4 dimensions"},
    };
    cz_test_refusals(rows, COUNT(rows));
}

/* ---- ReverseSequence, Trilu ------------------------------------------- */

static void reverses_a_part_of_each_sequence(void **state)
{
    (void)state;
    const struct cz_test_case cases[] = {
        {"in x f32[3,2]; const n i64[2] 2 3; out y; y = ReverseSequence(x, n)",
         SIX, "float32[3,2]", CZ_NUMBERS(3, 6, 1, 4, 5, 2), EXACT},
        {"in x f32[2,3]; const n i64[2] 1 3; out y;"
         "y = ReverseSequence(x, n) batch_axis=0 time_axis=1",
         SIX, "float32[2,3]", CZ_NUMBERS(1, 2, 3, 6, 5, 4), EXACT},
        {"in x f32[1,3,2]; const n i64[1] 3; out y;"
         "y = ReverseSequence(x, n) batch_axis=0 time_axis=1",
         SIX, "float32[1,3,2]", CZ_NUMBERS(5, 6, 3, 4, 1, 2), EXACT},
    };
    cz_test_cases(cases, COUNT(cases));
}

static void refuses_sequences_that_are_too_long(void **state)
{
    (void)state;
    static const struct cz_test_refusal rows[] = {
        {"in x f32[3,2]; const n i64[2] 2 4; out y; y = ReverseSequence(x, n)",
         "ReverseSequence 'y': length 4 is outside of 0 to 3"},
        {"in x f32[3,2]; const n i64[3] 2; out y; y = ReverseSequence(x, n)",
         "ReverseSequence 'y': 3 lengths for a batch of 2"},
        {"in x f32[3,2]; const n i64[2] 2; out y;"
         "y = ReverseSequence(x, n) time_axis=1",
         "ReverseSequence 'y': batch_axis is 1, time_axis 1, want 0 and 1 or 1 "
         "and 0"},
    };
    cz_test_refusals(rows, COUNT(rows));
}

static void keeps_a_triangle(void **state)
{
    (void)state;
    const struct cz_test_case cases[] = {
        {"in x f32[2,3]; out y; y = Trilu(x)", SIX, "float32[2,3]",
         CZ_NUMBERS(1, 2, 3, 0, 5, 6), EXACT},
        {"in x f32[2,3]; out y; y = Trilu(x) upper=0", SIX, "float32[2,3]",
         CZ_NUMBERS(1, 0, 0, 4, 5, 0), EXACT},
        {"in x i64[2,3]; const k i64[] 1; out y; y = Trilu(x, k)", SIX,
         "int64[2,3]", CZ_NUMBERS(0, 2, 3, 0, 0, 6), EXACT},
        {"in x i64[2,3]; const k i64[] -1; out y; y = Trilu(x, k) upper=0", SIX,
         "int64[2,3]", CZ_NUMBERS(0, 0, 0, 4, 0, 0), EXACT},
        {"in x u8[2,1,3]; const k i64[] 9000000000000000000; out y;"
         "y = Trilu(x, k) upper=0",
         SIX, "uint8[2,1,3]", SIX, EXACT},
        {"in x u8[2,1,3]; const k i64[] -9223372036854775808; out y;"
         "y = Trilu(x, k) upper=0",
         SIX, "uint8[2,1,3]", CZ_NUMBERS(0, 0, 0, 0, 0, 0), EXACT},
        {"in x f32[0,3]; out y; y = Trilu(x)", NONE, "float32[0,3]", NONE,
         EXACT},
    };
    cz_test_cases(cases, COUNT(cases));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(transposes_by_a_permutation_or_backwards),
        cmocka_unit_test(transposes_planes_that_are_larger_than_a_tile),
        cmocka_unit_test(joins_along_any_axis),
        cmocka_unit_test(refuses_parts_that_do_not_fit_together),
        cmocka_unit_test(splits_into_parts_of_given_or_equal_size),
        cmocka_unit_test(splits_by_sizes_that_come_with_the_frame),
        cmocka_unit_test(repeats_along_each_axis),
        cmocka_unit_test(expands_both_ways),
        cmocka_unit_test(repeats_as_the_frame_says),
        cmocka_unit_test(refuses_absurd_repeats),
        cmocka_unit_test(exchanges_depth_with_space),
        cmocka_unit_test(refuses_blocks_that_do_not_divide),
        cmocka_unit_test(reverses_a_part_of_each_sequence),
        cmocka_unit_test(refuses_sequences_that_are_too_long),
        cmocka_unit_test(keeps_a_triangle),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

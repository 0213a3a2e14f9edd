/* The pass that lets a Conv read the image that a Focus cuts to pieces: what it
 * rewrites, what it must leave alone, and that outputs stay what they were. */
#include "tests/support/rewrite.h"

/* Slices with step 2 from row and column `ab` on, and a Conv of the four. */
#define CUTS                                                                   \
    "const ax i64[2] 2 3; const st i64[2] 2 2; const e i64[2] 99 99; "         \
    "const s00 i64[2] 0 0; const s01 i64[2] 0 1; const s10 i64[2] 1 0; "       \
    "const s11 i64[2] 1 1; "
#define CUT(x, ab) "p" ab " = Slice(" x ", s" ab ", e, ax, st); "
#define FOUR(x) CUTS CUT(x, "00") CUT(x, "10") CUT(x, "01") CUT(x, "11")
#define IMAGE "in x f32[2,3,8,12]; "
#define WEIGHTS "const w f32[5,12,3,3] random; "
#define JOIN "c = Concat(p00, p10, p01, p11) axis=1; "
#define CONV "y = Conv(c, w) pads=[1,1,1,1]; out y"
#define STEPS "Slice Slice Slice Slice Concat Conv"

static void reads_the_image_itself(void **state)
{
    (void)state;
    static const struct cz_test_rewrite rows[] = {
        {"as YOLOv5 has it", IMAGE WEIGHTS FOUR("x") JOIN CONV, NULL, STEPS,
         "Conv"},
        {"as YOLOX has it: rows first, then columns",
         IMAGE WEIGHTS
         "const r i64[1] 2; const k i64[1] 3; const t i64[1] 2; "
         "const e i64[1] 99; const s0 i64[1] 0; const s1 i64[1] 1; "
         "a = Slice(x, s0, e, r, t); b = Slice(x, s1, e, r, t); "
         "p00 = Slice(a, s0, e, k, t); p10 = Slice(b, s0, e, k, t); "
         "p01 = Slice(a, s1, e, k, t); p11 = Slice(b, s1, e, k, t); " JOIN CONV,
         NULL, "Slice Slice Slice Slice Slice Slice Concat Conv", "Conv"},
        {"in another order, with a stride, uneven pads and a bias",
         IMAGE WEIGHTS "const d f32[5] random; " FOUR(
             "x") "c = Concat(p11, p01, p00, p10) axis=1; "
                  "y = Conv(c, w, d) pads=[0,1,2,1] strides=[1,2]; out y",
         NULL, STEPS, "Conv"},
        {"rows only, by 4, a window that is not square",
         "in x f32[1,2,8,5]; const w f32[3,8,2,1] random; "
         "const r i64[1] 2; const t i64[1] 4; const e i64[1] 8; "
         "const s0 i64[1] 0; const s1 i64[1] 1; const s2 i64[1] 2; "
         "const s3 i64[1] 3; a = Slice(x, s0, e, r, t); "
         "b = Slice(x, s1, e, r, t); d = Slice(x, s2, e, r, t); "
         "f = Slice(x, s3, e, r, t); c = Concat(a, b, d, f) axis=1; "
         "y = Conv(c, w); out y",
         NULL, STEPS, "Conv"},
        {"behind a crop",
         "in z f32[2,3,9,12]; const one i64[1] 1; const two i64[1] 2; "
         "const end i64[1] 9; x = Slice(z, one, end, two, one); " WEIGHTS FOUR(
             "x") JOIN CONV,
         NULL, "Slice " STEPS, "Slice " STEPS},
        {"a part that is an output too",
         IMAGE WEIGHTS FOUR("x") JOIN CONV "; out p01", NULL, STEPS,
         "Slice Conv"},
    };
    CZ_TEST_REWRITES("fuse_focus", rows);
}

static void keeps_what_is_no_focus(void **state)
{
    (void)state;
    static const struct cz_test_rewrite rows[] = {
        {"a last column that no part has all of",
         "in x f32[2,3,8,11]; " WEIGHTS CUTS
         "const f i64[2] 8 10; p00 = Slice(x, s00, f, ax, st); "
         "p10 = Slice(x, s10, f, ax, st); p01 = Slice(x, s01, f, ax, st); "
         "p11 = Slice(x, s11, f, ax, st); " JOIN CONV,
         NULL, STEPS, STEPS},
        {"a part that is there twice",
         IMAGE WEIGHTS FOUR("x") "z = Sub(p01, p01); out z; "
                                 "c = Concat(p00, p10, p10, p11) axis=1; " CONV,
         NULL, "Slice Slice Slice Slice Sub Concat Conv",
         "Slice Slice Slice Slice Sub Concat Conv"},
        {"a part that is missing",
         IMAGE "const w f32[5,9,3,3] random; " CUTS CUT("x", "00")
             CUT("x", "10")
                 CUT("x", "01") "c = Concat(p00, p10, p01) axis=1; " CONV,
         NULL, "Slice Slice Slice Concat Conv",
         "Slice Slice Slice Concat Conv"},
        {"parts of two images",
         IMAGE "in z f32[2,3,8,12]; " WEIGHTS CUTS CUT("x", "00") CUT("x", "10")
             CUT("x", "01") CUT("z", "11") JOIN CONV,
         NULL, STEPS, STEPS},
        {"joined along the rows",
         IMAGE "const w f32[5,3,3,3] random; " FOUR(
             "x") "c = Concat(p00, p10, p01, p11) axis=2; " CONV,
         NULL, STEPS, STEPS},
        {"backwards",
         IMAGE WEIGHTS "const ax i64[1] 3; const st i64[1] -2; "
                       "const e i64[1] -99; const s0 i64[1] 10; "
                       "const s1 i64[1] 11; a = Slice(x, s0, e, ax, st); "
                       "b = Slice(x, s1, e, ax, st); "
                       "c = Concat(a, b, a, b) axis=1; " CONV,
         NULL, "Slice Slice Concat Conv", "Slice Slice Concat Conv"},
        {"images in the other order",
         IMAGE WEIGHTS "const ax i64[3] 0 2 3; const st i64[3] -1 2 2; "
                       "const e i64[3] -99 99 99; const s00 i64[3] 1 0 0; "
                       "const s01 i64[3] 1 0 1; const s10 i64[3] 1 1 0; "
                       "const s11 i64[3] 1 1 1; " CUT("x", "00") CUT("x", "10")
                           CUT("x", "01") CUT("x", "11") JOIN CONV,
         NULL, STEPS, STEPS},
        {"steps whose product has no end",
         "in x f32[1,3,8,8]; const w f32[4,12,1,1] random; "
         "const ax i64[2] 2 3; const st i64[2] 4611686018427387904; "
         "const t i64[2] 4; const e i64[2] 99; const s i64[2] 0; "
         "const s1 i64[2] 0 1; const s2 i64[2] 1 0; const s3 i64[2] 1; "
         "a = Slice(x, s, e, ax, st); b = Slice(x, s1, e, ax, st); "
         "d = Slice(x, s2, e, ax, st); f = Slice(x, s3, e, ax, st); "
         "p00 = Slice(a, s, e, ax, t); p01 = Slice(b, s, e, ax, t); "
         "p10 = Slice(d, s, e, ax, t); p11 = Slice(f, s, e, ax, t); " JOIN
         "y = Conv(c, w); out y",
         NULL, "Slice Slice Slice Slice " STEPS,
         "Slice Slice Slice Slice " STEPS},
        {"groups",
         IMAGE "const w f32[4,6,3,3] random; " FOUR("x") JOIN
         "y = Conv(c, w) group=2; out y",
         NULL, STEPS, STEPS},
        {"dilations",
         IMAGE WEIGHTS FOUR("x") JOIN "y = Conv(c, w) dilations=[1,2]; out y",
         NULL, STEPS, STEPS},
        {"weights that are an input",
         IMAGE "in w f32[5,12,3,3]; " FOUR("x") JOIN CONV, NULL, STEPS, STEPS},
        {"the whole is an output", IMAGE WEIGHTS FOUR("x") JOIN CONV "; out c",
         NULL, STEPS, STEPS},
        {"the whole is tapped", IMAGE WEIGHTS FOUR("x") JOIN CONV, "c", STEPS,
         STEPS},
        {"the whole has another reader",
         IMAGE WEIGHTS FOUR("x") JOIN "z = Relu(c); out z; " CONV, NULL,
         "Slice Slice Slice Slice Concat Relu Conv",
         "Slice Slice Slice Slice Concat Relu Conv"},
    };
    CZ_TEST_REWRITES("fuse_focus", rows);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_the_image_itself),
        cmocka_unit_test(keeps_what_is_no_focus),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

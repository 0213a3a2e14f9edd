/* What cz_plan_step() tells. */
#include "tests/support/engine.h"

static void counts_multiply_accumulates(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        uint64_t macs;
    } rows[] = {
        {"in x f32[2,4,5,6]; const w f32[6,2,3,3] random; "
         "y = Conv(x, w) group=2; out y",
         2 * 6 * 3 * 4 * (2 * 3 * 3)},
        {"in x f32[1,4,5,6]; const w f32[4,3,2,2] random; "
         "y = ConvTranspose(x, w) strides=[2,2]; out y",
         4 * 5 * 6 * (3 * 2 * 2)},
        {"in x f32[2,3,4,5]; in z f32[5,7]; y = MatMul(x, z); out y",
         2 * 3 * 4 * 5 * 7},
        {"in x f32[5]; in z f32[5]; y = MatMul(x, z); out y", 5},
        {"in x f32[5,4]; in z f32[5,7]; y = Gemm(x, z) transA=1; out y",
         4 * 5 * 7},
        {"in x f32[5,4]; y = Exp(x); out y", 0},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct cz_test_engine e = cz_test_engine(rows[i].text, NULL);
        assert_int_equal(cz_plan_step(e.plan, 0).macs, rows[i].macs);
        cz_test_engine_fini(&e);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(counts_multiply_accumulates),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

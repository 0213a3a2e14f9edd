/* Numbers as strtod() reads them, bit by bit. */
#include <stdlib.h>

#include "eval/number_shim.h"
#include "tests/eval/support.h"

#define RANDOM_NUMBERS 20000

static void assert_as_strtod(const char *text)
{
    double number = 0, want = strtod(text, NULL);
    if (!cz_number_parse(&number, text, strlen(text)) ||
        memcmp(&number, &want, sizeof want) != 0)
        fail_msg("%s is %.17g, want %.17g", text, number, want);
}

static void reads_what_strtod_reads(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "0",
        "-0",
        "-0.0",
        "1e5",
        "1E-05",
        "0.1",
        "187.423",
        "9007199254740993",          /* 2^53 + 1: a tie */
        "9007199254740993.00000001", /* just above it */
        "1.7976931348623157e308",
        "2.2250738585072014e-308",
        "4.9406564584124654e-324",
        "0.333333333333333333333333333333333333333333333333333333333333333333"
        "33333333333333333333333333333333333333333333333333333333333333333333",
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        assert_as_strtod(texts[i]);
}

static void reads_random_numbers_as_strtod_does(void **state)
{
    (void)state;
    uint64_t seed = 1;
    for (size_t i = 0; i < RANDOM_NUMBERS; i++) {
        char text[64];
        double number;
        seed = seed * UINT64_C(6364136223846793005) + 1442695040888963407;
        const uint64_t bits = seed ^ seed >> 29;
        memcpy(&number, &bits, sizeof number);
        if (!isfinite(number))
            continue;
        snprintf(text, sizeof text, "%.*g", (int)(i % 20) + 1, number);
        assert_as_strtod(text);
        snprintf(text, sizeof text, "%.*f", (int)(i % 20),
                 (double)(bits >> 40) / 1e3);
        assert_as_strtod(text);
    }
}

static void refuses_what_has_no_double(void **state)
{
    (void)state;
    static const char *const texts[] = {"",   "-",  "1e999",  "-1e999", "x",
                                        "1x", "1 ", "1e-999", "1,5",    "+1"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        double number = 7;
        if (cz_number_parse(&number, texts[i], strlen(texts[i])))
            fail_msg("'%s' is read as %g", texts[i], number);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_what_strtod_reads),
        cmocka_unit_test(reads_random_numbers_as_strtod_does),
        cmocka_unit_test(refuses_what_has_no_double),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

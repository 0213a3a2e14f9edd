/* The loops over single codes: what the processor's own make is what plain C
 * makes, to the bit, for any count, both types and operands in place. */
#include <stdlib.h>
#include <string.h>

#include "engine/bytes_internal.h"
#include "tests/support/random_graph.h"
#include "tests/support/support.h"

#define COUNT 300
/* Counts around what vectors of 16 and 32 codes hold. */
static const size_t counts[] = {0,  1,  7,  8,  15, 16, 31,
                                32, 33, 63, 64, 99, 300};
#define COUNTS (sizeof counts / sizeof *counts)

static const enum cz_dtype types[] = {CZ_DTYPE_UINT8, CZ_DTYPE_INT8};

static struct cz_random numbers = {7};

static void fill(uint8_t *bytes, size_t n)
{
    for (size_t i = 0; i < n; i++)
        bytes[i] = (uint8_t)cz_random_below(&numbers, 256);
}

static struct cz_coding random_coding(enum cz_dtype dtype)
{
    return (struct cz_coding){
        .dtype = dtype,
        .scale = 0.01f * (float)(1 + cz_random_below(&numbers, 50)),
        .zero = (int32_t)cz_random_below(&numbers, 256) -
                (dtype == CZ_DTYPE_INT8 ? 128 : 0),
    };
}

static void looks_codes_up(void **state)
{
    (void)state;
    uint8_t table[CZ_CODES], x[COUNT], y[COUNT];
    fill(table, sizeof table);
    for (size_t i = 0; i < COUNT; i++)
        x[i] = (uint8_t)(i * 37);
    for (size_t k = 0; k < COUNTS; k++) {
        memset(y, 1, sizeof y);
        cz_byte_loops_find()->map(table, y, x, counts[k]);
        for (size_t i = 0; i < COUNT; i++)
            assert_int_equal(y[i], i < counts[k] ? table[x[i]] : 1);
    }
    memcpy(y, x, sizeof y);
    cz_byte_loops_find()->map(table, y, y, COUNT);
    for (size_t i = 0; i < COUNT; i++)
        assert_int_equal(y[i], table[x[i]]);
}

static void quantizes_and_back(void **state)
{
    (void)state;
    float floats[COUNT], back[COUNT], want[COUNT];
    uint8_t y[COUNT], codes[COUNT];
    for (size_t k = 0; k < 2 * COUNTS; k++) {
        const struct cz_coding coding = random_coding(types[k % 2]);
        const size_t n = counts[k / 2];
        /* Halves of steps are among them, and numbers without a code. */
        for (size_t i = 0; i < COUNT; i++)
            floats[i] = coding.scale *
                        ((float)cz_random_below(&numbers, 1200) / 2 - 300);
        cz_byte_loops_find()->quantize(&coding, y, floats, n);
        cz_byte_loops_plain.quantize(&coding, codes, floats, n);
        assert_memory_equal(y, codes, n);
        for (size_t i = 0; i < n; i++)
            assert_int_equal(y[i], cz_code_of_value(&coding, floats[i]));
        cz_byte_loops_find()->dequantize(&coding, back, y, n);
        cz_byte_loops_plain.dequantize(&coding, want, y, n);
        assert_memory_equal(back, want, n * sizeof *back);
        for (size_t i = 0; i < n; i++)
            assert_true(back[i] == cz_code_value(&coding, y[i]));
    }
}

static void adds_codes(void **state)
{
    (void)state;
    uint8_t a[COUNT], b[COUNT], y[COUNT], want[COUNT];
    for (size_t k = 0; k < 8 * COUNTS; k++) {
        const size_t n = counts[k / 8];
        const struct cz_add_codes_params params = {
            .a_factor = 0.5f,
            .b_factor = 0.01f * (float)(1 + cz_random_below(&numbers, 200)),
            .offset = -20,
            .y_zero = (int32_t)cz_random_below(&numbers, 128),
        };
        const struct cz_byte_add add = {&params, types[k % 2], types[k / 2 % 2],
                                        types[k / 4 % 2]};
        fill(a, sizeof a);
        fill(b, sizeof b);
        cz_byte_loops_plain.add(&add, want, a, b, n);
        cz_byte_loops_find()->add(&add, y, a, b, n);
        assert_memory_equal(y, want, n);
        cz_byte_loops_find()->add(&add, a, a, b, n);
        assert_memory_equal(a, want, n);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(looks_codes_up),
        cmocka_unit_test(quantizes_and_back),
        cmocka_unit_test(adds_codes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

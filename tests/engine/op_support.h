/* What the tests of operators share: numbers, tolerances, tables of cases. */
#ifndef CZ_TESTS_ENGINE_OP_SUPPORT_H
#define CZ_TESTS_ENGINE_OP_SUPPORT_H

#include "tests/support/engine.h"

/* Tolerances: results that are exact; those of float32 functions, some units in
 * the last place; sums of a few float32 products, or with float32 weights. */
#define EXACT 0.0
#define FLOAT32 2e-6
#define ROUNDING 1e-5

/* For members of struct cz_test_case. */
#define SIX CZ_NUMBERS(1, 2, 3, 4, 5, 6)
#define NONE NULL, 0

#define COUNT(array) (sizeof(array) / sizeof *(array))

/* Unlike cz_test_failures(): the error holds the message. */
static inline void check_refused(const struct cz_test_failure *rows,
                                 size_t count)
{
    for (size_t i = 0; i < count; i++)
        assert_error(cz_test_engine_try(rows[i].text, cz_test_error()),
                     rows[i].status, rows[i].message);
}

#define CHECK_CASES(cases) cz_test_cases(cases, COUNT(cases))
#define CHECK_REFUSED(rows) check_refused(rows, COUNT(rows))

#endif

/* What the tests of operators share: models that are refused. */
#ifndef CZ_TESTS_ENGINE_OP_SUPPORT_H
#define CZ_TESTS_ENGINE_OP_SUPPORT_H

#include "tests/support/engine.h"

/* Results that are exact, and those of float32 functions: some units in the
 * last place. */
#define EXACT 0.0
#define FLOAT32 2e-6

/* Compiling the model, or its first frame of zeros, fails with a message that
 * holds the text. */
struct refusal {
    const char *model;
    enum cz_status status;
    const char *message;
};

static inline void check_refused(const struct refusal *rows, size_t count)
{
    for (size_t i = 0; i < count; i++)
        assert_error(cz_test_engine_try(rows[i].model, cz_test_error()),
                     rows[i].status, rows[i].message);
}

#define CHECK_CASES(cases) cz_test_cases(cases, sizeof(cases) / sizeof *(cases))
#define CHECK_REFUSED(rows) check_refused(rows, sizeof(rows) / sizeof *(rows))

#endif

/* See plan.h. */
#include "tests/support/plan.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "core/half.h"
#include "tests/support/graph_text.h"
#include "tests/support/support.h"

#define STEPS_BYTES 65536

static uint64_t next(uint64_t *state)
{
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return *state >> 33;
}

/* ---- inputs ----------------------------------------------------------- */

static void randomize(const struct cz_port *port, uint64_t *state)
{
    if (port->dtype == CZ_DTYPE_FLOAT) {
        float *values = port->data;
        for (size_t i = 0; i < port->size_bytes / sizeof *values; i++)
            values[i] = (float)next(state) / (float)(1u << 30) - 1;
    } else if (port->dtype == CZ_DTYPE_FLOAT16) {
        uint16_t *values = port->data;
        for (size_t i = 0; i < port->size_bytes / sizeof *values; i++)
            values[i] =
                cz_half_from_float((float)next(state) / (float)(1u << 30) - 1);
    } else {
        size_t bytes = cz_dtype_bits(port->dtype) / 8;
        memset(port->data, 0, port->size_bytes);
        for (size_t i = 0; i < port->size_bytes; i += bytes)
            ((char *)port->data)[i] = (char)(next(state) & 1);
    }
}

void cz_test_randomize(struct cz_plan *plan, uint64_t seed)
{
    size_t count;
    const struct cz_port *inputs = cz_plan_inputs(plan, &count);
    for (size_t i = 0; i < count; i++)
        randomize(&inputs[i], &seed);
}

static enum cz_status begin(void *user, struct cz_plan *plan,
                            struct cz_error *err)
{
    (void)user;
    (void)plan;
    (void)err;
    return CZ_OK;
}

static enum cz_status fill(void *user, size_t i, struct cz_plan *plan,
                           struct cz_error *err)
{
    (void)user;
    (void)err;
    cz_test_randomize(plan, i + 1);
    return CZ_OK;
}

struct cz_images cz_test_noise(size_t count)
{
    return (struct cz_images){.count = count, .begin = begin, .fill = fill};
}

/* ---- steps ------------------------------------------------------------ */

const char *cz_test_steps(const struct cz_plan *plan)
{
    static char text[STEPS_BYTES];
    size_t at = 0;
    *text = 0;
    for (size_t i = 0; i < cz_plan_step_count(plan); i++) {
        at += (size_t)snprintf(text + at, sizeof text - at, "%s%s",
                               i ? " " : "", cz_plan_step(plan, i).op_type);
        assert_true(at < sizeof text);
    }
    return text;
}

/* ---- outputs ---------------------------------------------------------- */

double cz_test_port_difference(const struct cz_port *a, const struct cz_port *b)
{
    double worst = 0;
    assert_int_equal(a->dtype, b->dtype);
    assert_int_equal(a->dims.rank, b->dims.rank);
    assert_int_equal(a->size_bytes, b->size_bytes);
    if (a->dtype != CZ_DTYPE_FLOAT)
        return memcmp(a->data, b->data, a->size_bytes) ? 1 : 0;
    const float *x = a->data, *y = b->data;
    for (size_t i = 0; i < a->size_bytes / sizeof *x; i++) {
        double more =
            fabs((double)x[i] - (double)y[i]) / fmax(1, fabs((double)y[i]));
        if (more > worst || isnan(x[i]) != isnan(y[i]))
            worst = isnan(more) ? INFINITY : more;
    }
    return worst;
}

double cz_test_difference(const struct cz_plan *a, const struct cz_plan *b)
{
    size_t count, other;
    double worst = 0;
    const struct cz_port *x = cz_plan_outputs(a, &count);
    const struct cz_port *y = cz_plan_outputs(b, &other);
    assert_int_equal(count, other);
    for (size_t i = 0; i < count; i++)
        worst = fmax(worst, cz_test_port_difference(&x[i], &y[i]));
    return worst;
}

/* ---- the tuning cache ------------------------------------------------- */

struct cz_test_tuning cz_test_tuning_new(const char *text)
{
    struct cz_test_tuning t = {cz_test_folder_new(), cz_test_graph(text), ""};
    snprintf(t.file, sizeof t.file, "%s/tune.json", t.path);
    return t;
}

void cz_test_tuning_free(struct cz_test_tuning *tuning)
{
    cz_model_free(tuning->model);
    cz_test_folder_remove(tuning->path);
}

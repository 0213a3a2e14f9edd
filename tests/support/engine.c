/* See engine.h. */
#include "tests/support/engine.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "core/half.h"

/* ---- numbers in any type ---------------------------------------------- */

#define FOR_TYPES(X)                                                           \
    X(CZ_DTYPE_FLOAT, float)                                                   \
    X(CZ_DTYPE_DOUBLE, double)                                                 \
    X(CZ_DTYPE_INT8, int8_t)                                                   \
    X(CZ_DTYPE_INT16, int16_t)                                                 \
    X(CZ_DTYPE_INT32, int32_t)                                                 \
    X(CZ_DTYPE_INT64, int64_t)                                                 \
    X(CZ_DTYPE_UINT8, uint8_t)                                                 \
    X(CZ_DTYPE_UINT16, uint16_t)                                               \
    X(CZ_DTYPE_UINT32, uint32_t)                                               \
    X(CZ_DTYPE_UINT64, uint64_t)                                               \
    X(CZ_DTYPE_BOOL, bool)

static void put(const struct cz_port *port, size_t i, double value)
{
    switch (port->dtype) {
#define PUT(dtype, type)                                                       \
    case dtype:                                                                \
        ((type *)port->data)[i] = (type)value;                                 \
        break;
        FOR_TYPES(PUT)
    case CZ_DTYPE_FLOAT16:
        ((uint16_t *)port->data)[i] = cz_half_from_float((float)value);
        break;
    case CZ_DTYPE_BFLOAT16:
        ((uint16_t *)port->data)[i] = cz_bfloat16_from_float((float)value);
        break;
    default:
        fail_msg("type %s", cz_dtype_name(port->dtype));
    }
}

static double get(const struct cz_port *port, size_t i)
{
    switch (port->dtype) {
#define GET(dtype, type)                                                       \
    case dtype:                                                                \
        return (double)((const type *)port->data)[i];
        FOR_TYPES(GET)
    case CZ_DTYPE_FLOAT16:
        return (double)cz_half_to_float(((const uint16_t *)port->data)[i]);
    case CZ_DTYPE_BFLOAT16:
        return (double)cz_bfloat16_to_float(((const uint16_t *)port->data)[i]);
    default:
        fail_msg("type %s", cz_dtype_name(port->dtype));
        return 0;
    }
}

static size_t count_of(const struct cz_port *port)
{
    size_t count = 1;
    for (size_t i = 0; i < port->dims.rank; i++)
        count *= (size_t)port->dims.size[i];
    return count;
}

static const char *type_of(const struct cz_port *port, char text[128])
{
    int at = snprintf(text, 128, "%s[", cz_dtype_name(port->dtype));
    for (size_t i = 0; i < port->dims.rank; i++)
        at += snprintf(text + at, (size_t)(128 - at), "%s%lld", i ? "," : "",
                       (long long)port->dims.size[i]);
    snprintf(text + at, (size_t)(128 - at), "]");
    return text;
}

/* ---- running ---------------------------------------------------------- */

struct cz_test_engine cz_test_engine(const char *text,
                                     const struct cz_plan_options *options)
{
    struct cz_plan_options plain = CZ_PLAN_OPTIONS_INIT;
    struct cz_test_engine engine = {.model = cz_test_graph(text)};
    plain.threads = 1;
    assert_ok(cz_plan_compile(&engine.plan, engine.model,
                              options ? options : &plain, cz_test_error()));
    return engine;
}

void cz_test_engine_fini(struct cz_test_engine *engine)
{
    cz_plan_free(engine->plan);
    cz_model_free(engine->model);
}

void cz_test_feed(struct cz_test_engine *engine, const char *name,
                  const double *values, size_t count)
{
    const struct cz_port *port = cz_plan_find(engine->plan, name);
    assert_non_null(port);
    assert_int_equal(count_of(port), count);
    for (size_t i = 0; i < count; i++)
        put(port, i, values[i]);
}

void cz_test_run(struct cz_test_engine *engine)
{
    assert_ok(cz_plan_run(engine->plan, cz_test_error()));
}

static bool is_near(double got, double want, double tolerance)
{
    if (isnan(want) || isinf(want))
        return isnan(want) ? isnan(got) : got == want;
    return fabs(got - want) <= tolerance * fmax(1, fabs(want));
}

void cz_test_expect(struct cz_test_engine *engine, const char *name,
                    const char *type, const double *values, size_t count,
                    double tolerance)
{
    char text[128];
    const struct cz_port *port = cz_plan_find(engine->plan, name);
    assert_non_null(port);
    assert_string_equal(type_of(port, text), type);
    assert_int_equal(count_of(port), count);
    for (size_t i = 0; i < count; i++) {
        if (!is_near(get(port, i), values[i], tolerance))
            fail_msg("%s[%zu] is %.9g, want %.9g within %g", name, i,
                     get(port, i), values[i], tolerance);
    }
}

void cz_test_cases(const struct cz_test_case *cases, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const struct cz_test_case *c = &cases[i];
        struct cz_test_engine engine = cz_test_engine(c->text, NULL);
        print_message("case %zu: %s\n", i, c->text);
        cz_test_feed(&engine, "x", c->x, c->n_x);
        cz_test_run(&engine);
        cz_test_expect(&engine, "y", c->type, c->want, c->n_want, c->tolerance);
        cz_test_engine_fini(&engine);
    }
}

enum cz_status cz_test_engine_try(const char *text, struct cz_error *err)
{
    struct cz_plan_options options = CZ_PLAN_OPTIONS_INIT;
    struct cz_model *model = cz_test_graph(text);
    struct cz_plan *plan = NULL;
    size_t count;
    options.threads = 1;
    enum cz_status status = cz_plan_compile(&plan, model, &options, err);
    if (status == CZ_OK) {
        const struct cz_port *inputs = cz_plan_inputs(plan, &count);
        for (size_t i = 0; i < count; i++)
            memset(inputs[i].data, 0, inputs[i].size_bytes);
        status = cz_plan_run(plan, err);
        cz_plan_free(plan);
    }
    cz_model_free(model);
    return status;
}

void cz_test_refusals(const struct cz_test_refusal *rows, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct cz_error err = CZ_ERROR_INIT;
        assert_int_not_equal(cz_test_engine_try(rows[i].text, &err), CZ_OK);
        assert_string_equal(err.message, rows[i].message);
    }
}

void cz_test_failures(const struct cz_test_failure *rows, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct cz_error err = CZ_ERROR_INIT;
        assert_int_equal(cz_test_engine_try(rows[i].text, &err),
                         rows[i].status);
        assert_string_equal(err.message, rows[i].message);
    }
}

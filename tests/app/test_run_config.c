/* A run's file: what is read of it, and every allocation made to fail. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "app/run_config.h"
#include "core/alloc.h"
#include "tests/support/support.h"

static const char text[] =
    "name: a title\n"
    "output: out\n"
    "models: [m.onnx, {name: b, path: m.onnx}]\n"
    "data: {val: val.json, images: pictures, calib: calib}\n"
    "variants:\n"
    "  - {name: s, prune: [0.05, 0.5], skip: [x, y]}\n"
    "  - {name: plain}\n"
    "  - {precision: int8+fp16, target: tensorrt, prune_all: false}\n"
    "  - {prune: 0.1, skip: [a, 'b*']}\n"
    "  - {sparsity_of: '*=0.3'}\n"
    "  - {skip: [a], cluster: [4, 8]}\n"
    "evaluate: {limit: 5}\n"
    "bench: {engine: [compress, ort], threads: [1, 2]}\n"
    "samples: 3\n"
    "sensitivity: true\n"
    "gates: {max_drop: 0.01, max_ms: 30}\n";

static void put(const char *path, const char *bytes)
{
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_true(fputs(bytes, file) >= 0);
    assert_int_equal(0, fclose(file));
}

static void check_args(const struct app_run_args *args, const char *wanted)
{
    char found[256] = "";
    for (size_t i = 0; i < args->count; i++) {
        strncat(found, i ? " " : "", sizeof found - strlen(found) - 1);
        strncat(found, args->items[i], sizeof found - strlen(found) - 1);
    }
    assert_string_equal(wanted, found);
}

static void check(const struct app_run_config *c)
{
    assert_string_equal("a title", c->name);
    assert_string_equal("out", c->output);
    assert_int_equal(2, c->n_models);
    assert_string_equal("m", c->models[0].name);
    assert_string_equal("b", c->models[1].name);
    assert_string_equal("calib", c->calib);
    assert_int_equal(8, c->n_variants);
    assert_int_equal(2, c->baseline);
    assert_string_equal("s-0.05", c->variants[0].name);
    check_args(&c->variants[0].args, "--skip x --skip y --prune 0.05");
    assert_string_equal("s-0.5", c->variants[1].name);
    check_args(&c->variants[1].args, "--skip x --skip y --prune 0.5");
    assert_string_equal("int8-fp16-target-tensorrt", c->variants[3].name);
    assert_int_equal(8, c->variants[3].place.line);
    assert_string_equal("prune-0.1", c->variants[4].name);
    assert_string_equal("sparsity-of-__0.3", c->variants[5].name);
    assert_string_equal("cluster-4", c->variants[6].name);
    assert_string_equal("cluster-8", c->variants[7].name);
    check_args(&c->evaluate, "--limit 5");
    check_args(&c->bench, "--engine compress,ort --threads 1,2");
    assert_int_equal(3, c->samples);
    assert_true(c->sensitivity && c->benches);
    assert_true(fabs(c->max_drop - 0.01) < 1e-12);
    assert_true(fabs(c->max_ms - 30) < 1e-12);
}

static void reads_all_keys(void **state)
{
    (void)state;
    struct app_run_config config;
    struct cz_error err = CZ_ERROR_INIT;
    put("m.onnx", "x");
    put("c.yaml", text);
    if (app_run_config_read(&config, "c.yaml", &err) != CZ_OK)
        fail_msg("%s", err.message);
    check(&config);
    app_run_config_fini(&config);
}

static void survives_without_memory(void **state)
{
    (void)state;
    enum cz_status status = CZ_ENOMEM;
    put("m.onnx", "x");
    put("c.yaml", text);
    for (size_t n = 1; status != CZ_OK; n++) {
        struct app_run_config config;
        struct cz_error err = CZ_ERROR_INIT;
        cz_alloc_fail_at(n);
        status = app_run_config_read(&config, "c.yaml", &err);
        cz_alloc_fail_at(0);
        app_run_config_fini(&config);
        if (status != CZ_OK && status != CZ_ENOMEM)
            fail_msg("allocation %zu: %s", n, err.message);
        assert_true(n < 10000);
    }
    remove("c.yaml");
    remove("m.onnx");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_all_keys),
        cmocka_unit_test(survives_without_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

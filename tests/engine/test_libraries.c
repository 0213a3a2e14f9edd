/* The libraries that a plan opens when it wants a kernel of theirs: what they
 * may touch of the process. Skipped where one is not installed. */
#include <dlfcn.h>
#include <pthread.h>
#include <stdlib.h>

#include "engine/openblas_internal.h"
#include "engine/plan_internal.h"
#include "tests/support/plan.h"
#include "tests/support/rewrite.h"

static size_t n_setenv;

/* In place of the C library's. */
int setenv(const char *name, const char *value, int overwrite)
{
    (void)name;
    (void)value;
    (void)overwrite;
    n_setenv++;
    return 0;
}

/* Other threads may read the environment meanwhile. */
static void leaves_the_environment_alone(void **state)
{
    (void)state;
    struct cz_openblas *openblas = cz_openblas_new();
    assert_non_null(openblas);
    const bool found = cz_openblas_load(openblas);
    cz_openblas_free(openblas);
    if (!found)
        skip();
    assert_int_equal(n_setenv, 0);
}

#define THREADS 3 /* as many as no machine has by chance */

/* Runs a frame; the threads that OpenMP would take for the next loop. */
static void *run_elsewhere(void *user)
{
    int (*count)(void);
    void *openmp = dlopen("libgomp.so.1", RTLD_NOW | RTLD_NOLOAD);
    void *found = openmp ? dlsym(openmp, "omp_get_max_threads") : NULL;
    memcpy(&count, &found, sizeof found);
    if (!count || cz_plan_run(user, cz_test_error()) != CZ_OK)
        return NULL;
    const int threads = count();
    dlclose(openmp);
    return threads == THREADS ? user : NULL;
}

static void runs_with_the_threads_of_the_plan_in_any_thread(void **state)
{
    (void)state;
    struct cz_model *model =
        cz_test_graph("in x f32[1,32,32,32]; const w f32[32,32,3,3] random; "
                      "y = Conv(x, w) pads=[1,1,1,1]; out y");
    struct cz_plan_options options = CZ_PLAN_OPTIONS_INIT;
    struct cz_plan *plan;
    pthread_t thread;
    void *result;
    options.threads = THREADS;
    options.kernels = "-winograd,-direct,-depthwise,-bf16,-gemm,-openblas";
    assert_ok(cz_plan_compile(&plan, model, &options, cz_test_error()));
    const bool is_here =
        strcmp(cz_plan_step(plan, cz_plan_step_count(plan) > 1).kernel,
               "onednn") == 0;
    if (is_here) {
        cz_test_randomize(plan, 1);
        assert_int_equal(pthread_create(&thread, NULL, run_elsewhere, plan), 0);
        assert_int_equal(pthread_join(thread, &result), 0);
        assert_ptr_equal(result, plan);
    }
    cz_plan_free(plan);
    cz_model_free(model);
    if (!is_here)
        skip();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(leaves_the_environment_alone),
        cmocka_unit_test(runs_with_the_threads_of_the_plan_in_any_thread),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

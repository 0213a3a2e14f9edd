/* Which of several kernels is the fastest for a step, found by timing them on
 * arrays of the real size, and remembered in a JSON file:
 *
 *     {"schema": "compress.tune/1",
 *      "cpu": {"AMD EPYC, block 8, ...": {"Conv x[1,16,...": "winograd"}}}
 *
 * A file that cannot be read or written is no error: then the timing is done
 * again. */
#include "engine/tune_internal.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include <jansson.h>

#include "core/output.h"
#include "engine/kernels_internal.h"
#include "engine/pool_internal.h"
#include "engine/storage_internal.h"

#define SCHEMA "compress.tune/1"

#define ROUNDS 6
/* A kernel further down the table has to be this much faster: what is less is
 * noise, and ours round less. */
#define WORTH_IT 0.9

struct cz_tuner {
    json_t *file;
    json_t *results; /* of this CPU, in `file` */
    bool changed;
};

/* ---- the file --------------------------------------------------------- */

static json_t *load(const char *path)
{
    json_t *file =
        path ? json_load_file(path, JSON_REJECT_DUPLICATES, NULL) : NULL;
    const char *schema = json_string_value(json_object_get(file, "schema"));
    if (schema && strcmp(schema, SCHEMA) == 0 &&
        json_is_object(json_object_get(file, "cpu")))
        return file;
    json_decref(file);
    return json_pack("{s:s, s:{}}", "schema", SCHEMA, "cpu");
}

/* Results hold for one CPU, with its limits, and one version of each part. */
static void name_cpu(char *name, size_t size, const struct cz_plan *plan)
{
    char model[128] = "unknown";
    char line[256];
    FILE *file = fopen("/proc/cpuinfo", "re");
    while (file && fgets(line, sizeof line, file)) {
        if (sscanf(line, "model name : %127[^\n]", model) == 1)
            break;
    }
    if (file)
        fclose(file);
    snprintf(name, size, "%s, block %zu, kernels %d", model, plan->block,
             CZ_KERNELS_VERSION);
}

struct cz_tuner *cz_tuner_open(const struct cz_plan *plan)
{
    char cpu[256];
    struct cz_tuner *tuner;
    if (plan->options.tune == CZ_TUNE_OFF)
        return NULL;
    tuner = cz_calloc(1, sizeof *tuner);
    if (!tuner)
        return NULL;
    name_cpu(cpu, sizeof cpu, plan);
    tuner->file = load(plan->options.cache_file);
    json_t *all = json_object_get(tuner->file, "cpu");
    if (all && !json_is_object(json_object_get(all, cpu)))
        json_object_set_new(all, cpu, json_object());
    tuner->results = json_object_get(all, cpu);
    return tuner;
}

void cz_tuner_close(struct cz_tuner *tuner, const char *path)
{
    struct cz_output output;
    struct cz_error err;
    if (!tuner)
        return;
    if (tuner->changed && path &&
        cz_output_open(&output, path, true, &err) == CZ_OK) {
        if (json_dumpfd(tuner->file, output.fd,
                        JSON_INDENT(1) | JSON_SORT_KEYS) == 0)
            (void)cz_output_commit(&output, &err);
        else
            cz_output_abort(&output);
    }
    json_decref(tuner->file);
    cz_free(tuner);
}

/* ---- what a result is kept under --------------------------------------- */

/* Everything that decides how long a step, Conv or MaxPool, takes. */
static void describe(char *key, size_t size, const struct cz_step *step,
                     const struct cz_exec *exec)
{
    const bool is_conv = strcmp(step->op->op_type, "Conv") == 0;
    const struct cz_conv_params *conv = step->params;
    const struct cz_pool_params *pool = step->params;
    const struct cz_window *w = is_conv ? &conv->window : &pool->window;
    const struct cz_array *x = step->inputs[0], *y = step->outputs[0];
    char in[CZ_DIMS_TEXT_BYTES], out[CZ_DIMS_TEXT_BYTES];
    int n = snprintf(
        key, size, "%s x%s%s y%s%s g%lld act%d%s threads%zu", step->op->op_type,
        cz_dims_text(&x->dims, in), x->layout == CZ_LAYOUT_BLOCKED ? "b" : "",
        cz_dims_text(&y->dims, out), y->layout == CZ_LAYOUT_BLOCKED ? "b" : "",
        is_conv ? (long long)conv->group : 1, (int)step->activation.kind,
        step->residual ? "+" : "", exec->threads);
    for (size_t i = 0; i < w->spatial && n > 0 && (size_t)n < size; i++)
        n += snprintf(key + n, size - (size_t)n, " k%lld s%lld d%lld p%lld",
                      (long long)w->kernel[i], (long long)w->strides[i],
                      (long long)w->dilations[i], (long long)w->pads_begin[i]);
}

/* ---- timing ----------------------------------------------------------- */

static double now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec * 1e-6;
}

/* A kernel that is being timed. */
struct candidate {
    const struct cz_kernel *kernel;
    void *state;
    bool works;
    double best_ms;
};

static void start(struct candidate *c, struct cz_step *step,
                  const struct cz_plan *plan)
{
    struct cz_error err;
    step->state = NULL;
    c->works = cz_kernel_take(step, plan, c->kernel, &err) == CZ_OK;
    if (c->works && c->kernel->bind)
        c->works = c->kernel->bind(step, &err) == CZ_OK;
    c->state = step->state;
    c->best_ms = 1e30;
}

static void time_once(struct candidate *c, struct cz_step *step,
                      const struct cz_plan *plan)
{
    struct cz_error err;
    if (!c->works)
        return;
    step->kernel = c->kernel;
    step->state = c->state;
    double before = now_ms();
    c->works = c->kernel->run(step, &plan->exec, &err) == CZ_OK;
    double took = now_ms() - before;
    c->best_ms = took < c->best_ms ? took : c->best_ms;
}

/* Memory for the operands while kernels are timed: [0] the input, [1] the
 * output, [2] the residual. */
static bool lend_memory(struct cz_step *step, void *memory[3])
{
    struct cz_array *arrays[3] = {step->inputs[0], step->outputs[0],
                                  step->residual};
    for (size_t i = 0; i < 3; i++) {
        if (!arrays[i])
            continue;
        memory[i] = cz_calloc(arrays[i]->size_bytes + 64, 1);
        if (!memory[i])
            return false;
        arrays[i]->data =
            (void *)(((uintptr_t)memory[i] + 63) & ~(uintptr_t)63);
    }
    return true;
}

/* The kernels take turns, so that a slow moment of the machine meets all of
 * them; each counts with its best turn. */
static size_t fastest(struct candidate *candidates, size_t n,
                      struct cz_step *step, const struct cz_plan *plan)
{
    void *memory[3] = {NULL, NULL, NULL};
    bool lent = lend_memory(step, memory);
    const size_t stored = cz_store_bytes(plan->store);
    size_t best = 0;
    for (size_t i = 0; i < n && lent; i++)
        start(&candidates[i], step, plan);
    for (size_t k = 0; k < ROUNDS * n && lent; k++)
        time_once(&candidates[k % n], step, plan);
    for (size_t i = 1; i < n && lent; i++) {
        if (candidates[i].works &&
            candidates[i].best_ms < candidates[best].best_ms * WORTH_IT)
            best = i;
    }
    for (size_t i = 0; i < n; i++) {
        step->kernel = candidates[i].kernel;
        step->state = candidates[i].state;
        cz_kernel_drop(step);
    }
    cz_store_rewind(plan->store, stored);
    for (size_t i = 0; i < 3; i++)
        cz_free(memory[i]);
    return best;
}

/* Operators with more than one kernel, whose params describe() knows. */
static bool is_timed(const struct cz_step *step)
{
    return strcmp(step->op->op_type, "Conv") == 0 ||
           strcmp(step->op->op_type, "MaxPool") == 0;
}

const char *cz_tuner_known(const struct cz_tuner *tuner,
                           const struct cz_step *step,
                           const struct cz_exec *exec)
{
    char key[512];
    if (!tuner || !is_timed(step))
        return NULL;
    describe(key, sizeof key, step, exec);
    return json_string_value(json_object_get(tuner->results, key));
}

const struct cz_kernel *cz_tuner_choose(struct cz_tuner *tuner,
                                        struct cz_step *step,
                                        const struct cz_plan *plan,
                                        const struct cz_kernel *const *kernels,
                                        size_t n)
{
    char key[512];
    if (n == 0)
        return NULL;
    if (n == 1 || !tuner || !is_timed(step) || step->inputs[0]->is_constant)
        return kernels[0];
    describe(key, sizeof key, step, &plan->exec);
    struct candidate candidates[CZ_CANDIDATES_MAX] = {{.kernel = NULL}};
    for (size_t i = 0; i < n; i++)
        candidates[i].kernel = kernels[i];
    size_t best = fastest(candidates, n, step, plan);
    json_object_set_new(tuner->results, key, json_string(kernels[best]->name));
    tuner->changed = true;
    return kernels[best];
}

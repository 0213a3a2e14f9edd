/* Which of several kernels is the fastest for a step, found by timing them on
 * arrays of the real size, and remembered in a JSON file:
 *
 *     {"schema": "compress.tune/1",
 *      "cpu": {"AMD EPYC, avx2, ...": {"Conv x[1,16,...": "winograd"}}}
 *
 * A file that cannot be read or written is no error: then the timing is done
 * again. */
#include "engine/tune_internal.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <jansson.h>

#include "core/clock.h"
#include "core/cpu.h"
#include "core/output.h"
#include "engine/codes_internal.h"
#include "engine/kernels_internal.h"
#include "engine/matrix_internal.h"
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

/* Results hold for one CPU, with the limits of its features and of the kernels,
 * and one version of these. The version of OpenBLAS is not in it: to ask for it
 * is to load it, which takes longer than what it would save. False where the
 * name is too long. */
static bool name_cpu(char *name, size_t size, const struct cz_plan *plan)
{
    const char *kernels = plan->options.kernels ? plan->options.kernels : "";
    char model[128] = "unknown";
    char line[256];
    FILE *file = fopen("/proc/cpuinfo", "re");
    while (file && fgets(line, sizeof line, file)) {
        if (sscanf(line, "model name : %127[^\n]", model) == 1)
            break;
    }
    if (file)
        fclose(file);
    const int length = snprintf(
        name, size, "%s, %s, block %zu, kernels %d%s%s", model, cz_cpu_level(),
        plan->block, CZ_KERNELS_VERSION, *kernels ? " " : "", kernels);
    return length > 0 && (size_t)length < size;
}

struct cz_tuner *cz_tuner_open(const struct cz_plan *plan)
{
    char cpu[512];
    struct cz_tuner *tuner;
    if (plan->options.tune == CZ_TUNE_OFF || !name_cpu(cpu, sizeof cpu, plan))
        return NULL;
    tuner = cz_calloc(1, sizeof *tuner);
    if (!tuner)
        return NULL;
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

/* Where text is put together; what does not fit is cut off. */
struct key {
    char *text;
    size_t size, at;
};

static void add(struct key *key, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static void add(struct key *key, const char *format, ...)
{
    va_list list;
    va_start(list, format);
    int n = vsnprintf(key->text + key->at, key->size - key->at, format, list);
    va_end(list);
    key->at += n > 0 ? (size_t)n : 0;
    if (key->at >= key->size)
        key->at = key->size - 1;
}

static void add_array(struct key *key, char name, const struct cz_array *array)
{
    char dims[CZ_DIMS_TEXT_BYTES];
    if (array)
        add(key, " %c%s%s", name, cz_dims_text(&array->dims, dims),
            array->layout == CZ_LAYOUT_BLOCKED ? "b" : "");
}

static void add_window(struct key *key, const struct cz_window *w)
{
    for (size_t i = 0; i < w->spatial; i++)
        add(key, " k%lld s%lld d%lld p%lld", (long long)w->kernel[i],
            (long long)w->strides[i], (long long)w->dilations[i],
            (long long)w->pads_begin[i]);
}

static void add_conv(struct key *key, const struct cz_step *step)
{
    const struct cz_conv_params *p = step->params;
    add(key, " g%lld", (long long)p->group);
    add_window(key, &p->window);
}

/* Tables and floats cost time, too. */
static void add_conv_codes(struct key *key, const struct cz_step *step)
{
    const struct cz_conv_codes_params *p = step->params;
    add_conv(key, step);
    add(key, " %s%s", cz_dtype_name(step->outputs[0]->dtype),
        p->table ? " table" : "");
}

static void add_pool(struct key *key, const struct cz_step *step)
{
    add_window(key, &((const struct cz_pool_params *)step->params)->window);
}

static void add_gemm(struct key *key, const struct cz_step *step)
{
    const struct cz_gemm_params *p = step->params;
    add(key, " t%d%d", p->trans_a, p->trans_b);
}

/* The operators with more than one kernel, and what of their params decides
 * how long they take. */
static const struct timed {
    const char *op_type;
    void (*add_params)(struct key *key, const struct cz_step *step);
} timed[] = {
    {"Conv", add_conv},    {"ConvTranspose", add_conv},
    {"MaxPool", add_pool}, {"MatMul", NULL},
    {"Gemm", add_gemm},    {CZ_OP_CONV_CODES, add_conv_codes},
};

static const struct timed *timed_of(const struct cz_step *step)
{
    for (size_t i = 0; i < sizeof timed / sizeof *timed; i++) {
        if (strcmp(step->op->op_type, timed[i].op_type) == 0)
            return &timed[i];
    }
    return NULL;
}

/* Everything that decides how long a step takes. */
static void describe(char *text, size_t size, const struct cz_step *step,
                     const struct cz_plan *plan)
{
    struct key key = {text, size, 0};
    const struct timed *t = timed_of(step);
    const enum cz_precision precision = plan->options.precision;
    add(&key, "%s", step->op->op_type);
    add_array(&key, 'x', step->inputs[0]);
    add_array(&key, 'y', step->outputs[0]);
    add_array(&key, 'w', cz_step_input(step, 1));
    add(&key, " act%d%s threads%zu", (int)step->activation.kind,
        step->residual ? "+" : "", plan->exec.threads);
    if (precision != CZ_PRECISION_FLOAT32 && strcmp(t->op_type, "Conv") == 0)
        add(&key, " %s", cz_precision_name(precision));
    if (t->add_params)
        t->add_params(&key, step);
}

/* ---- timing ----------------------------------------------------------- */

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
    double before = cz_now_ms();
    c->works = c->kernel->run(step, &plan->exec, &err) == CZ_OK;
    double took = cz_now_ms() - before;
    c->best_ms = took < c->best_ms ? took : c->best_ms;
}

#define OPERANDS_MAX 5

/* The operands that have no data yet. */
static size_t find_operands(struct cz_array *found[OPERANDS_MAX],
                            const struct cz_step *step)
{
    struct cz_array *all[OPERANDS_MAX] = {
        step->inputs[0], cz_step_input(step, 1), cz_step_input(step, 2),
        step->outputs[0], step->residual};
    size_t n = 0;
    for (size_t i = 0; i < OPERANDS_MAX; i++) {
        if (all[i] && !all[i]->is_constant)
            found[n++] = all[i];
    }
    return n;
}

/* Lends them memory while kernels are timed. */
static bool lend_memory(const struct cz_step *step, void *memory[OPERANDS_MAX])
{
    struct cz_array *arrays[OPERANDS_MAX];
    size_t n = find_operands(arrays, step);
    for (size_t i = 0; i < n; i++) {
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
    void *memory[OPERANDS_MAX] = {NULL};
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
    for (size_t i = 0; i < OPERANDS_MAX; i++)
        cz_free(memory[i]);
    return best;
}

const char *cz_tuner_known(const struct cz_tuner *tuner,
                           const struct cz_step *step,
                           const struct cz_plan *plan)
{
    char key[512];
    if (!tuner || !timed_of(step))
        return NULL;
    describe(key, sizeof key, step, plan);
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
    if (n == 1 || !tuner || !timed_of(step))
        return kernels[0];
    describe(key, sizeof key, step, plan);
    struct candidate candidates[CZ_CANDIDATES_MAX] = {{.kernel = NULL}};
    for (size_t i = 0; i < n; i++)
        candidates[i].kernel = kernels[i];
    size_t best = fastest(candidates, n, step, plan);
    json_object_set_new(tuner->results, key, json_string(kernels[best]->name));
    tuner->changed = true;
    return kernels[best];
}

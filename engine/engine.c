/* A model in one of the engines, behind one set of functions: commands that
 * compare or offer engines are written once. */
#include "engine/engine.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "core/alloc.h"
#include "core/cpu.h"
#include "engine/ort_internal.h"
#include "engine/plan_internal.h"

struct cz_engine {
    /* Either these two ... */
    struct cz_model *model;
    struct cz_plan *plan;
    /* ... or this one. */
    struct cz_ort_model *ort;
};

const char *cz_engine_name(enum cz_engine_kind kind)
{
    static const char *const names[CZ_ENGINE_COUNT] = {
        [CZ_ENGINE_COMPRESS] = "compress",
        [CZ_ENGINE_ORT] = "ort",
        [CZ_ENGINE_ORT_CUDA] = "ort:cuda",
        [CZ_ENGINE_ORT_TENSORRT] = "ort:tensorrt",
    };
    return names[kind];
}

const char *cz_precision_name(enum cz_precision precision)
{
    static const char *const names[CZ_PRECISION_COUNT] = {
        [CZ_PRECISION_FLOAT32] = "float32",
        [CZ_PRECISION_BF16] = "bf16",
        [CZ_PRECISION_FP16] = "fp16",
        [CZ_PRECISION_AUTO] = "auto",
    };
    return names[precision];
}

static enum cz_status open_plan(struct cz_engine *engine, const char *path,
                                const struct cz_engine_options *options,
                                struct cz_error *err)
{
    struct cz_plan_options plan_options = options->plan;
    plan_options.takes_weights = true;
    CZ_TRY(cz_model_load(&engine->model, path, err));
    return cz_error_prefix(
        err, cz_plan_compile(&engine->plan, engine->model, &plan_options, err),
        path);
}

static enum cz_status open_ort(struct cz_engine *engine, const char *path,
                               const struct cz_engine_options *options,
                               struct cz_error *err)
{
    if (options->plan.precision != CZ_PRECISION_FLOAT32)
        return cz_error_set(err, CZ_EINVAL,
                            "ONNX Runtime computes in the types of the model: "
                            "precision %s is for the engine '%s'",
                            cz_precision_name(options->plan.precision),
                            cz_engine_name(CZ_ENGINE_COMPRESS));
    /* Said shorter than the library says it. */
    if (access(path, R_OK) != 0)
        return cz_error_set(err, CZ_EIO, "%s: %s", path, strerror(errno));
    CZ_TRY(cz_ort_model_load(&engine->ort, path, options, err));
    return cz_error_prefix(err,
                           cz_ort_model_bind(engine->ort, options->plan.shapes,
                                             options->plan.n_shapes, err),
                           path);
}

/* A shape without a name that no input took: said, not ignored. */
static enum cz_status check_shapes(const struct cz_engine *engine,
                                   const struct cz_plan_options *options,
                                   struct cz_error *err)
{
    size_t count;
    const struct cz_port *inputs = cz_engine_inputs(engine, &count);
    for (size_t s = 0; s < options->n_shapes; s++) {
        const struct cz_input_shape *shape = &options->shapes[s];
        char text[CZ_DIMS_TEXT_BYTES];
        bool taken = shape->name;
        for (size_t i = 0; !taken && i < count; i++)
            taken = cz_dims_equal(&shape->dims, &inputs[i].dims);
        if (!taken)
            return cz_error_set(err, CZ_EINVAL,
                                "no input takes the shape %s: those of the "
                                "model are fixed",
                                cz_dims_text(&shape->dims, text));
    }
    return CZ_OK;
}

enum cz_status cz_engine_open(struct cz_engine **engine, const char *path,
                              const struct cz_engine_options *options,
                              struct cz_error *err)
{
    *engine = NULL;
    CZ_TRY(cz_cpu_check(err));
    struct cz_engine *opened = cz_calloc(1, sizeof *opened);
    if (!opened)
        return cz_error_nomem(err);
    enum cz_status status = options->kind == CZ_ENGINE_COMPRESS
                                ? open_plan(opened, path, options, err)
                                : open_ort(opened, path, options, err);
    if (status == CZ_OK)
        status = cz_error_prefix(err, check_shapes(opened, &options->plan, err),
                                 path);
    if (status == CZ_OK)
        *engine = opened;
    else
        cz_engine_close(opened);
    return status;
}

void cz_engine_close(struct cz_engine *engine)
{
    if (!engine)
        return;
    cz_plan_free(engine->plan);
    cz_model_free(engine->model);
    cz_ort_model_free(engine->ort);
    cz_free(engine);
}

const struct cz_port *cz_engine_inputs(const struct cz_engine *engine,
                                       size_t *count)
{
    return engine->ort ? cz_ort_model_inputs(engine->ort, count)
                       : cz_plan_inputs(engine->plan, count);
}

const struct cz_port *cz_engine_outputs(const struct cz_engine *engine,
                                        size_t *count)
{
    return engine->ort ? cz_ort_model_outputs(engine->ort, count)
                       : cz_plan_outputs(engine->plan, count);
}

enum cz_status cz_engine_run(struct cz_engine *engine, struct cz_error *err)
{
    return engine->ort ? cz_ort_model_run(engine->ort, err)
                       : cz_plan_run(engine->plan, err);
}

struct cz_plan *cz_engine_plan(const struct cz_engine *engine)
{
    return engine->plan;
}

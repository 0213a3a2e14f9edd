/* Images through the float model, for whoever wants to see its tensors. */
#include "core/alloc.h"
#include "quant/int8_internal.h"

struct run {
    const struct cz_int8_visit *visit;
    const struct cz_int8_options *options;
    struct cz_plan *plan;
    const struct cz_port **ports; /* [visit->count] */
};

static enum cz_status run_image(const struct run *run, size_t image,
                                struct cz_error *err)
{
    const struct cz_images *images = &run->options->images;
    CZ_TRY(images->fill(images->user, image, run->plan, err));
    CZ_TRY(cz_plan_run(run->plan, err));
    return run->visit->visit(run->visit->user, run->ports, image, err);
}

static enum cz_status run_images(const struct run *run, struct cz_error *err)
{
    const struct cz_int8_visit *visit = run->visit;
    const struct cz_images *images = &run->options->images;
    const size_t count =
        visit->images < images->count ? visit->images : images->count;
    for (size_t i = 0; i < visit->count; i++)
        run->ports[i] = cz_plan_find(run->plan, visit->names[i]);
    if (visit->begin)
        CZ_TRY(visit->begin(visit->user, run->ports, err));
    CZ_TRY(images->begin(images->user, run->plan, err));
    for (size_t i = 0; i < count; i++) {
        if (!cz_progress_tick(run->options->progress, visit->stage, i, count))
            return cz_error_set(err, CZ_EINTERRUPTED, "interrupted");
        CZ_TRY(run_image(run, i * images->count / count, err));
    }
    return CZ_OK;
}

enum cz_status cz_int8_visit_images(const struct cz_int8_visit *visit,
                                    const struct cz_int8_options *options,
                                    struct cz_model *model,
                                    struct cz_error *err)
{
    struct run run = {.visit = visit, .options = options};
    struct cz_plan_options plan_options = options->plan;
    plan_options.taps = visit->names;
    plan_options.n_taps = visit->count;
    run.ports = cz_calloc(visit->count + 1, sizeof(const struct cz_port *));
    enum cz_status status =
        run.ports ? cz_plan_compile(&run.plan, model, &plan_options, err)
                  : cz_error_nomem(err);
    if (status == CZ_OK)
        status = run_images(&run, err);
    cz_plan_free(run.plan);
    cz_free(run.ports);
    return status;
}

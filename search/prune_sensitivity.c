/* What pruning does to each layer: all others stay as they are, and the judge
 * looks at the boxes. */
#include <string.h>

#include "core/alloc.h"
#include "search/trial_internal.h"

/* A layer of the model when all of it is pruned. */
struct layer {
    char *pattern; /* that matches its weight alone; owned */
    bool changes;  /* it is not as sparse as that already */
};

struct trials {
    const struct cz_prune_trial_options *options;
    struct layer *layers; /* [n_layers] one for each row */
    size_t n_layers;
};

/* The text as a glob that matches it alone. */
static char *escape(const char *text)
{
    char *pattern = cz_calloc(2 * strlen(text) + 1, 1);
    for (char *to = pattern; pattern && *text; text++) {
        if (strchr("*?[\\", *text))
            *to++ = '\\';
        *to++ = *text;
    }
    return pattern;
}

static enum cz_status add_layer(struct trials *t,
                                struct cz_sensitivity *sensitivity,
                                const struct cz_prune_layer *from,
                                struct cz_error *err)
{
    struct layer *layer = &t->layers[t->n_layers];
    layer->pattern = escape(*from->weight ? from->weight : from->name);
    layer->changes = from->zeros > from->zeros_before;
    if (!layer->pattern)
        return cz_error_nomem(err);
    t->n_layers++;
    return cz_sensitivity_add(sensitivity, from->name, 0, err);
}

static enum cz_status list_layers(struct trials *t,
                                  struct cz_sensitivity *sensitivity,
                                  const struct cz_prune_report *report,
                                  struct cz_error *err)
{
    t->layers = cz_calloc(report->n_layers + 1, sizeof *t->layers);
    if (!t->layers)
        return cz_error_nomem(err);
    CZ_TRY(cz_sensitivity_start(sensitivity, report->n_layers, err));
    for (size_t i = 0; i < report->n_layers; i++) {
        if (!report->layers[i].skipped)
            CZ_TRY(add_layer(t, sensitivity, &report->layers[i], err));
    }
    return CZ_OK;
}

/* One trial. `rows`: NULL, or gets one for each layer. */
static enum cz_status run(double *difference, struct trials *t,
                          const struct cz_prune_options *prune,
                          struct cz_sensitivity *rows, struct cz_error *err)
{
    struct cz_model *model = NULL;
    struct cz_prune_report report = {0};
    struct cz_verdict verdict = {.difference = 0};
    const struct cz_model_source *source = &t->options->source;
    enum cz_status status = source->load(source->user, &model, err);
    if (status == CZ_OK)
        status = cz_prune_l1(model, prune, &report, err);
    if (status == CZ_OK && rows)
        status = list_layers(t, rows, &report, err);
    if (status == CZ_OK)
        status = cz_judge_measure(t->options->judge, model, &verdict, err);
    *difference = verdict.difference;
    cz_prune_report_fini(&report);
    cz_model_free(model);
    return status;
}

static enum cz_status measure_alone(struct cz_sensitivity_row *row,
                                    struct trials *t, size_t i,
                                    struct cz_error *err)
{
    const struct cz_prune_rule rule = {t->layers[i].pattern,
                                       t->options->prune.sparsity};
    struct cz_prune_options prune = CZ_PRUNE_OPTIONS_INIT;
    prune.threads = t->options->prune.threads;
    prune.rules = &rule;
    prune.n_rules = 1;
    if (!t->layers[i].changes)
        return CZ_OK;
    if (!cz_progress_tick(t->options->prune.progress, "layers", i, t->n_layers))
        return cz_error_set(err, CZ_EINTERRUPTED, "interrupted");
    return run(&row->difference, t, &prune, NULL, err);
}

enum cz_status
cz_sensitivity_prune(struct cz_sensitivity *sensitivity,
                     const struct cz_prune_trial_options *options,
                     struct cz_error *err)
{
    struct trials t = {.options = options};
    struct cz_prune_options prune = options->prune;
    prune.progress = NULL;
    *sensitivity = (struct cz_sensitivity){.n_rows = 0};
    enum cz_status status =
        run(&sensitivity->all, &t, &prune, sensitivity, err);
    for (size_t i = 0; i < t.n_layers && status == CZ_OK; i++)
        status = measure_alone(&sensitivity->rows[i], &t, i, err);
    for (size_t i = 0; i < t.n_layers; i++)
        cz_free(t.layers[i].pattern);
    cz_free(t.layers);
    return status;
}

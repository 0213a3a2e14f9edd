/* One quantization of a fresh model and what the judge says of it. */
#include <stdlib.h>
#include <string.h>

#include "core/alloc.h"
#include "search/trial_internal.h"

/* ---- rows ------------------------------------------------------------- */

/* The label of a layer, or where others have the same that of what it makes. */
static const char *name_of(const struct cz_int8_report *report, size_t layer)
{
    const struct cz_node *node = report->layers[layer].node;
    for (size_t i = 0; i < report->n_layers; i++) {
        if (i != layer && strcmp(cz_node_label(report->layers[i].node),
                                 cz_node_label(node)) == 0)
            return node->outputs[0]->name;
    }
    return cz_node_label(node);
}

static enum cz_status add_rows(struct cz_sensitivity *sensitivity,
                               const struct cz_int8_report *report,
                               struct cz_error *err)
{
    CZ_TRY(cz_sensitivity_start(sensitivity, report->n_layers, err));
    for (size_t i = 0; i < report->n_layers; i++) {
        const struct cz_int8_layer *layer = &report->layers[i];
        if (layer->state == CZ_INT8_DONE) {
            CZ_TRY(cz_sensitivity_add(sensitivity, name_of(report, i),
                                      layer->snr_db, err));
            cz_node_macs(layer->node,
                         &sensitivity->rows[sensitivity->n_rows - 1].macs);
        }
        if (layer->state == CZ_INT8_IS_LAST)
            CZ_TRY(
                cz_sensitivity_add_other(sensitivity, name_of(report, i), err));
    }
    return CZ_OK;
}

static int compare_noise(const void *a, const void *b)
{
    const struct cz_sensitivity_row *x = a, *y = b;
    if (x->snr_db != y->snr_db)
        return x->snr_db < y->snr_db ? -1 : 1;
    return strcmp(x->name, y->name);
}

void cz_sensitivity_sort_by_noise(struct cz_sensitivity *sensitivity)
{
    qsort(sensitivity->rows, sensitivity->n_rows, sizeof *sensitivity->rows,
          compare_noise);
}

/* ---- trials ----------------------------------------------------------- */

enum cz_status cz_trial_run(struct cz_verdict *verdict,
                            const struct cz_trial_options *options,
                            const struct cz_int8_options *int8,
                            struct cz_sensitivity *rows, struct cz_error *err)
{
    struct cz_model *model = NULL;
    struct cz_int8_report report = {0};
    const struct cz_model_source *source = &options->source;
    enum cz_status status = source->load(source->user, &model, err);
    if (status == CZ_OK)
        status = cz_int8_quantize(model, int8, &report, err);
    if (status == CZ_OK && rows)
        status = add_rows(rows, &report, err);
    if (status == CZ_OK)
        status = cz_judge_measure(options->judge, model, verdict, err);
    cz_int8_report_fini(&report);
    cz_model_free(model);
    return status;
}

enum cz_status cz_kept_start(struct cz_kept *kept,
                             const struct cz_int8_options *int8, size_t more,
                             struct cz_error *err)
{
    kept->names = cz_calloc(int8->n_keep + more + 1, sizeof *kept->names);
    if (!kept->names)
        return cz_error_nomem(err);
    for (size_t i = 0; i < int8->n_keep; i++)
        kept->names[i] = int8->keep[i];
    kept->count = int8->n_keep;
    return CZ_OK;
}

bool cz_trial_tick(const struct cz_trial_options *options, const char *stage,
                   size_t i, size_t count, struct cz_error *err)
{
    if (cz_progress_tick(options->int8->progress, stage, i, count))
        return true;
    cz_error_set(err, CZ_EINTERRUPTED, "interrupted");
    return false;
}

/* What int8 does to each layer: all others stay float32, and the judge looks at
 * the boxes. The images go through the float model once. */
#include <stdlib.h>
#include <string.h>

#include "core/alloc.h"
#include "search/search.h"

void cz_sensitivity_fini(struct cz_sensitivity *sensitivity)
{
    for (size_t i = 0; i < sensitivity->n_rows; i++)
        cz_free(sensitivity->rows[i].name);
    cz_free(sensitivity->rows);
    *sensitivity = (struct cz_sensitivity){.n_rows = 0};
}

/* ---- rows ------------------------------------------------------------- */

static enum cz_status add_row(struct cz_sensitivity *sensitivity,
                              const struct cz_int8_layer *layer,
                              struct cz_error *err)
{
    const char *name = cz_node_label(layer->node);
    const size_t size = strlen(name) + 1;
    struct cz_sensitivity_row *row = &sensitivity->rows[sensitivity->n_rows];
    row->name = cz_calloc(size, 1);
    if (!row->name)
        return cz_error_nomem(err);
    memcpy(row->name, name, size);
    row->snr_db = layer->snr_db;
    sensitivity->n_rows++;
    return CZ_OK;
}

static enum cz_status add_rows(struct cz_sensitivity *sensitivity,
                               const struct cz_int8_report *report,
                               struct cz_error *err)
{
    sensitivity->rows =
        cz_calloc(report->n_layers + 1, sizeof *sensitivity->rows);
    if (!sensitivity->rows)
        return cz_error_nomem(err);
    for (size_t i = 0; i < report->n_layers; i++) {
        if (report->layers[i].state == CZ_INT8_DONE)
            CZ_TRY(add_row(sensitivity, &report->layers[i], err));
    }
    return CZ_OK;
}

/* ---- trials ----------------------------------------------------------- */

/* Quantizes a fresh model and measures it. `rows`: NULL, or gets one for each
 * layer in int8. */
static enum cz_status attempt(double *difference,
                              const struct cz_trial_options *options,
                              const struct cz_int8_options *int8,
                              struct cz_sensitivity *rows, struct cz_error *err)
{
    struct cz_model *model = NULL;
    struct cz_int8_report report = {0};
    const struct cz_source *source = &options->source;
    enum cz_status status = source->load(source->user, &model, err);
    if (status == CZ_OK)
        status = cz_int8_quantize(model, int8, &report, err);
    if (status == CZ_OK && rows)
        status = add_rows(rows, &report, err);
    if (status == CZ_OK)
        status = cz_judge_measure(options->judge, model, difference, err);
    cz_int8_report_fini(&report);
    cz_model_free(model);
    return status;
}

/* Names of all that stays float32: what the caller keeps and more. */
struct kept {
    const char **names;
    size_t count;
};

static enum cz_status start_kept(struct kept *kept,
                                 const struct cz_int8_options *int8,
                                 size_t more, struct cz_error *err)
{
    kept->names = cz_calloc(int8->n_keep + more + 1, sizeof *kept->names);
    if (!kept->names)
        return cz_error_nomem(err);
    for (size_t i = 0; i < int8->n_keep; i++)
        kept->names[i] = int8->keep[i];
    kept->count = int8->n_keep;
    return CZ_OK;
}

static bool tick(const struct cz_trial_options *options, const char *stage,
                 size_t i, size_t count, struct cz_error *err)
{
    if (cz_progress_tick(options->int8->progress, stage, i, count))
        return true;
    cz_error_set(err, CZ_EINTERRUPTED, "interrupted");
    return false;
}

/* ---- each layer alone ------------------------------------------------- */

static enum cz_status measure_alone(struct cz_sensitivity *sensitivity,
                                    size_t row,
                                    const struct cz_trial_options *options,
                                    struct cz_error *err)
{
    struct cz_int8_options int8 = *options->int8;
    struct kept kept = {NULL, 0};
    CZ_TRY(start_kept(&kept, &int8, sensitivity->n_rows, err));
    for (size_t i = 0; i < sensitivity->n_rows; i++) {
        if (i != row)
            kept.names[kept.count++] = sensitivity->rows[i].name;
    }
    int8.keep = kept.names;
    int8.n_keep = kept.count;
    const enum cz_status status = attempt(&sensitivity->rows[row].difference,
                                          options, &int8, NULL, err);
    cz_free(kept.names);
    return status;
}

enum cz_status cz_sensitivity_measure(struct cz_sensitivity *sensitivity,
                                      const struct cz_trial_options *options,
                                      struct cz_error *err)
{
    *sensitivity = (struct cz_sensitivity){.n_rows = 0};
    CZ_TRY(attempt(&sensitivity->all, options, options->int8, sensitivity,
                   err));
    for (size_t i = 0; i < sensitivity->n_rows; i++) {
        if (!tick(options, "layers", i, sensitivity->n_rows, err))
            return CZ_EINTERRUPTED;
        CZ_TRY(measure_alone(sensitivity, i, options, err));
    }
    return CZ_OK;
}

/* ---- layers to keep --------------------------------------------------- */

/* A layer that is kept must bring the boxes nearer by this share. */
#define WORTH 0.2

void cz_keep_fini(struct cz_keep *keep)
{
    for (size_t i = 0; i < keep->count; i++)
        cz_free(keep->names[i]);
    cz_free(keep->names);
    *keep = (struct cz_keep){.count = 0};
}

static int compare_rows(const void *a, const void *b)
{
    const struct cz_sensitivity_row *x = a, *y = b;
    if (x->snr_db != y->snr_db)
        return x->snr_db < y->snr_db ? -1 : 1;
    return strcmp(x->name, y->name);
}

/* Tries with one layer more. */
static enum cz_status try_to_keep(struct cz_keep *keep, struct kept *kept,
                                  struct cz_sensitivity_row *row,
                                  const struct cz_trial_options *options,
                                  struct cz_error *err)
{
    struct cz_int8_options int8 = *options->int8;
    double difference;
    kept->names[kept->count] = row->name;
    int8.keep = kept->names;
    int8.n_keep = kept->count + 1;
    CZ_TRY(attempt(&difference, options, &int8, NULL, err));
    if (difference > (1 - WORTH) * keep->after)
        return CZ_OK;
    kept->count++;
    keep->after = difference;
    keep->names[keep->count++] = row->name;
    row->name = NULL;
    return CZ_OK;
}

static enum cz_status find_in(struct cz_keep *keep,
                              struct cz_sensitivity *layers,
                              const struct cz_trial_options *options,
                              struct cz_error *err)
{
    const size_t tried = layers->n_rows - 1 < CZ_KEEP_TRIED ? layers->n_rows - 1
                                                            : CZ_KEEP_TRIED;
    struct kept kept = {NULL, 0};
    enum cz_status status = start_kept(&kept, options->int8, tried, err);
    keep->names = cz_calloc(tried + 1, sizeof *keep->names);
    if (status == CZ_OK && !keep->names)
        status = cz_error_nomem(err);
    for (size_t i = 0; i < tried && status == CZ_OK; i++) {
        if (!tick(options, "layers to keep", i, tried, err))
            status = CZ_EINTERRUPTED;
        else
            status = try_to_keep(keep, &kept, &layers->rows[i], options, err);
    }
    cz_free(kept.names);
    return status;
}

enum cz_status cz_keep_find(struct cz_keep *keep,
                            const struct cz_trial_options *options,
                            struct cz_error *err)
{
    struct cz_sensitivity layers = {.n_rows = 0};
    *keep = (struct cz_keep){.count = 0};
    enum cz_status status =
        attempt(&keep->before, options, options->int8, &layers, err);
    keep->after = keep->before;
    if (status == CZ_OK) {
        qsort(layers.rows, layers.n_rows, sizeof *layers.rows, compare_rows);
        status = find_in(keep, &layers, options, err);
    }
    cz_sensitivity_fini(&layers);
    return status;
}

/* What int8 does to each layer: all others stay float32, and the judge looks at
 * the boxes. The images go through the float model once. */
#include "core/alloc.h"
#include "search/trial_internal.h"

/* ---- rows ------------------------------------------------------------- */

void cz_sensitivity_fini(struct cz_sensitivity *sensitivity)
{
    for (size_t i = 0; i < sensitivity->n_rows; i++)
        cz_free(sensitivity->rows[i].name);
    for (size_t i = 0; i < sensitivity->n_others; i++)
        cz_free(sensitivity->others[i]);
    cz_free(sensitivity->others);
    cz_free(sensitivity->rows);
    *sensitivity = (struct cz_sensitivity){.n_rows = 0};
}

enum cz_status cz_sensitivity_start(struct cz_sensitivity *sensitivity,
                                    size_t most, struct cz_error *err)
{
    sensitivity->rows = cz_calloc(most + 1, sizeof *sensitivity->rows);
    sensitivity->others = cz_calloc(most + 1, sizeof *sensitivity->others);
    return sensitivity->rows && sensitivity->others ? CZ_OK
                                                    : cz_error_nomem(err);
}

enum cz_status cz_sensitivity_add(struct cz_sensitivity *sensitivity,
                                  const char *name, double snr_db,
                                  struct cz_error *err)
{
    struct cz_sensitivity_row *row = &sensitivity->rows[sensitivity->n_rows];
    row->name = cz_strdup(name);
    if (!row->name)
        return cz_error_nomem(err);
    row->snr_db = snr_db;
    row->place = sensitivity->n_rows++;
    return CZ_OK;
}

enum cz_status cz_sensitivity_add_other(struct cz_sensitivity *sensitivity,
                                        const char *name, struct cz_error *err)
{
    char *copy = cz_strdup(name);
    if (!copy)
        return cz_error_nomem(err);
    sensitivity->others[sensitivity->n_others++] = copy;
    return CZ_OK;
}

/* ---- int8 ------------------------------------------------------------- */

enum cz_status cz_sensitivity_alone(struct cz_sensitivity *sensitivity,
                                    size_t row,
                                    const struct cz_trial_options *options,
                                    struct cz_error *err)
{
    struct cz_int8_options int8 = *options->int8;
    struct cz_kept kept = {NULL, 0};
    CZ_TRY(cz_kept_start(&kept, &int8,
                         sensitivity->n_rows + sensitivity->n_others, err));
    for (size_t i = 0; i < sensitivity->n_rows; i++) {
        if (i != row)
            kept.names[kept.count++] = sensitivity->rows[i].name;
    }
    for (size_t i = 0; i < sensitivity->n_others; i++)
        kept.names[kept.count++] = sensitivity->others[i];
    int8.keep = kept.names;
    int8.n_keep = kept.count;
    int8.keep_weights = true;
    struct cz_verdict verdict = {.difference = 0};
    const enum cz_status status =
        cz_trial_run(&verdict, options, &int8, NULL, err);
    sensitivity->rows[row].difference = verdict.difference;
    cz_free(kept.names);
    return status;
}

enum cz_status cz_sensitivity_measure(struct cz_sensitivity *sensitivity,
                                      const struct cz_trial_options *options,
                                      struct cz_error *err)
{
    *sensitivity = (struct cz_sensitivity){.n_rows = 0};
    struct cz_verdict all;
    CZ_TRY(cz_trial_run(&all, options, options->int8, sensitivity, err));
    sensitivity->all = all.difference;
    for (size_t i = 0; i < sensitivity->n_rows; i++) {
        if (!cz_trial_tick(options, "layers", i, sensitivity->n_rows, err))
            return CZ_EINTERRUPTED;
        CZ_TRY(cz_sensitivity_alone(sensitivity, i, options, err));
    }
    return CZ_OK;
}

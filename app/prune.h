/* Pruning as `compress MODEL` does it: which weights go, and what makes up for
 * them. */
#ifndef CZ_APP_PRUNE_H
#define CZ_APP_PRUNE_H

#include <jansson.h>

#include "app/compress_options.h"

struct app_prune_result {
    struct cz_prune_report report;
    struct cz_share share;
    struct cz_recover_report recover;
    struct cz_channels_report channels;
    double before_ms, after_ms; /* of a frame, with --target-ms */
    struct cz_cluster_report cluster;
    size_t images;  /* that it was recovered with, or shares are from */
    size_t windows; /* of each image and layer */
    /* A copy of the pruned model, for those that load it again; NULL where
     * pruning it again is as good. Owned, with its folder. */
    char *folder, *copy;
};

void app_prune_result_fini(struct app_prune_result *result);

/* Prunes the model, or only looks at it. */
enum cz_status app_prune(struct cz_model *model,
                         const struct app_compress_options *options,
                         struct app_prune_result *result, struct cz_error *err);

/* What happened, a row for each Conv, notes below the table, and as JSON. */
void app_prune_report_layers(const struct app_prune_result *result);
void app_prune_report_notes(const struct app_prune_result *result,
                            const struct app_compress_options *options);
json_t *app_prune_report_json(const struct app_prune_result *result,
                              const struct app_compress_options *options);

#endif

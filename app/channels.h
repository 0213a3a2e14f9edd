/* Which channels `compress MODEL` cuts: a share of them, or as many as bring
 * the model down to a size or a time. */
#ifndef CZ_APP_CHANNELS_H
#define CZ_APP_CHANNELS_H

#include "app/prune_options.h"
#include "detect/detect.h"

struct app_channels {
    const char *path; /* of the model */
    const struct app_prune_options *pruning;
    struct cz_images images; /* none for --importance l1 */
    struct cz_plan_options plan;
    struct cz_detector *detector; /* whose boxes judge trials */
    size_t lanes; /* cz_plan_lanes(), where time is the goal; else 0 */
    /* How long a frame takes, with --target-ms: as it was, the least median of
     * several rounds, and cut. */
    double before_ms, after_ms;
};

/* Chooses channels of `model`, which is the one in the file, inferred. For a
 * time, the same choice is cut out of copies, which run. Errors of
 * cz_channels_choose(); CZ_EINVAL where a frame does not get that fast. Free
 * the choice whatever the result. */
enum cz_status app_channels_choose(struct cz_channels **channels,
                                   struct cz_model *model,
                                   struct app_channels *options,
                                   struct cz_error *err);

#endif

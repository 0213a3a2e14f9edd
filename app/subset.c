/* Two sets of images; see subset.h. */
#include "app/subset.h"

#include "core/alloc.h"

/* Boxes are compared on a quarter of the images, but so many at least, and at
 * most. With fewer than four times the former in all, they calibrate, too. */
#define JUDGED_LEAST 8
#define JUDGED_MOST 16

/* Precision is measured on up to half of the images, and on so many at most. */
#define MEASURED 64

/* ---- images ----------------------------------------------------------- */

static enum cz_status begin(void *user, struct cz_plan *plan,
                            struct cz_error *err)
{
    const struct app_subset *subset = user;
    CZ_TRY(subset->all.begin(subset->all.user, plan, err));
    return subset->truth ? app_truth_bind(subset->truth, err) : CZ_OK;
}

static enum cz_status fill(void *user, size_t i, struct cz_plan *plan,
                           struct cz_error *err)
{
    const struct app_subset *subset = user;
    return subset->all.fill(subset->all.user, subset->indices[i], plan, err);
}

/* Those images whose `is_held` is as wanted; all with NULL. */
static enum cz_status choose(struct app_subset *subset, const bool *is_held,
                             bool wanted, struct cz_error *err)
{
    struct cz_images *images = &subset->images;
    *images = (struct cz_images){.begin = begin, .fill = fill, .user = subset};
    subset->indices = cz_calloc(subset->all.count + 1, sizeof *subset->indices);
    if (!subset->indices)
        return cz_error_nomem(err);
    for (size_t i = 0; i < subset->all.count; i++) {
        if (!is_held || is_held[i] == wanted)
            subset->indices[images->count++] = i;
    }
    return CZ_OK;
}

/* ---- which for what --------------------------------------------------- */

/* So many of the `count` images are for the judge. */
static size_t count_judged(size_t count, bool is_measured)
{
    const size_t most = is_measured ? MEASURED : JUDGED_MOST;
    size_t wanted = is_measured ? count / 2 : count / 4;
    wanted = wanted > JUDGED_LEAST ? wanted : JUDGED_LEAST;
    wanted = wanted < most ? wanted : most;
    return wanted < count ? wanted : count;
}

/* Marks `wanted` of those that can be judged, evenly spaced. */
static void hold_back(bool *is_held, const bool *can_be, size_t count,
                      size_t wanted)
{
    size_t able = 0, seen = 0, held = 0;
    for (size_t i = 0; i < count; i++)
        able += can_be[i];
    wanted = wanted < able ? wanted : able;
    for (size_t i = 0; i < count && held < wanted; i++) {
        if (!can_be[i])
            continue;
        is_held[i] = seen++ == (2 * held + 1) * able / (2 * wanted);
        held += is_held[i];
    }
}

enum cz_status app_subsets_split(struct app_subsets *subsets,
                                 struct app_calibration *calibration,
                                 struct app_truth *truth, struct cz_error *err)
{
    const struct cz_images all = app_calibration_images(calibration);
    const bool is_measured = truth->coco != NULL;
    const bool is_few = all.count < (is_measured ? 2 : 4) * JUDGED_LEAST;
    subsets->calibrating.all = subsets->judged.all = all;
    subsets->judged.truth = is_measured ? truth : NULL;
    bool *is_held = cz_calloc(2 * all.count + 1, sizeof *is_held);
    if (!is_held)
        return cz_error_nomem(err);
    bool *can_be = is_held + all.count;
    for (size_t i = 0; i < all.count; i++)
        can_be[i] = !is_measured || app_truth_knows(truth, i);
    hold_back(is_held, can_be, all.count, count_judged(all.count, is_measured));
    enum cz_status status =
        choose(&subsets->calibrating, is_few ? NULL : is_held, false, err);
    if (status == CZ_OK)
        status = choose(&subsets->judged, is_held, true, err);
    cz_free(is_held);
    return status;
}

void app_subsets_fini(struct app_subsets *subsets)
{
    cz_free(subsets->calibrating.indices);
    cz_free(subsets->judged.indices);
}

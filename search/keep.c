/* Which layers should stay float32.
 *
 * Layers that spoil the same signal hide each other: with one of them kept, the
 * others still spoil it. So the worst ones are first kept together, one, two,
 * four, ... of them, and then given back one by one where that does no harm. */
#include "core/alloc.h"
#include "search/trial_internal.h"

/* No more layers are kept where that would bring the boxes nearer by less than
 * this share; a layer is given back where it is enough without it, or the boxes
 * stay as near but for that. */
#define WORTH 0.2
#define HARM 0.05

struct search {
    const struct cz_trial_options *options;
    double enough;                 /* a drop that is good enough */
    struct cz_sensitivity *layers; /* the worst first */
    bool is_kept[CZ_KEEP_MOST];    /* of the first layers */
    size_t most;                   /* layers that are looked at */
    size_t done;                   /* trials */
    struct cz_verdict verdict;
};

void cz_keep_fini(struct cz_keep *keep)
{
    for (size_t i = 0; i < keep->count; i++)
        cz_free(keep->names[i]);
    cz_free(keep->names);
    *keep = (struct cz_keep){.count = 0};
}

/* With those layers kept that are so now. */
static enum cz_status attempt(struct search *s, struct cz_verdict *verdict,
                              struct cz_error *err)
{
    struct cz_int8_options int8 = *s->options->int8;
    struct cz_kept kept = {NULL, 0};
    if (!cz_trial_tick(s->options, "layers to keep", s->done++,
                       CZ_KEEP_MOST + CZ_KEEP_STEPS, err))
        return CZ_EINTERRUPTED;
    CZ_TRY(cz_kept_start(&kept, &int8, s->most, err));
    for (size_t i = 0; i < s->most; i++) {
        if (s->is_kept[i])
            kept.names[kept.count++] = s->layers->rows[i].name;
    }
    int8.keep = kept.names;
    int8.n_keep = kept.count;
    const enum cz_status status =
        cz_trial_run(verdict, s->options, &int8, NULL, err);
    cz_free(kept.names);
    return status;
}

/* The worst `count` layers. */
static void keep_worst(struct search *s, size_t count)
{
    for (size_t i = 0; i < s->most; i++)
        s->is_kept[i] = i < count;
}

/* Doubles the number of layers until it is enough, and takes the least that is
 * worth it. */
static enum cz_status keep_more(struct search *s, struct cz_error *err)
{
    struct cz_verdict verdicts[CZ_KEEP_STEPS];
    size_t steps = 0, best = 0;
    bool is_enough = false;
    for (size_t n = 1; n <= s->most && !is_enough; n *= 2) {
        keep_worst(s, n);
        CZ_TRY(attempt(s, &verdicts[steps++], err));
        is_enough = verdicts[steps - 1].drop <= s->enough;
    }
    for (size_t i = 0; i < steps; i++) {
        if (verdicts[i].difference >= (1 - WORTH) * s->verdict.difference)
            continue;
        s->verdict = verdicts[i];
        best = (size_t)1 << i;
    }
    keep_worst(s, best);
    return CZ_OK;
}

static enum cz_status give_back(struct search *s, struct cz_error *err)
{
    size_t kept = 0;
    for (size_t i = 0; i < s->most; i++)
        kept += s->is_kept[i];
    for (size_t i = s->most; i-- > 0 && kept > 1;) {
        struct cz_verdict verdict;
        if (!s->is_kept[i])
            continue;
        s->is_kept[i] = false;
        CZ_TRY(attempt(s, &verdict, err));
        if (verdict.drop > s->enough &&
            verdict.difference > (1 + HARM) * s->verdict.difference) {
            s->is_kept[i] = true;
            continue;
        }
        kept--;
        s->verdict = verdict;
    }
    return CZ_OK;
}

static enum cz_status start_names(struct cz_keep *keep, size_t most,
                                  struct cz_error *err)
{
    *keep = (struct cz_keep){.names = cz_calloc(most + 1, sizeof *keep->names)};
    return keep->names ? CZ_OK : cz_error_nomem(err);
}

static enum cz_status add_name(struct cz_keep *keep,
                               const struct cz_sensitivity_row *row,
                               struct cz_error *err)
{
    char *name = cz_strdup(row->name);
    if (!name)
        return cz_error_nomem(err);
    keep->names[keep->count++] = name;
    return CZ_OK;
}

static enum cz_status finish(const struct search *s, struct cz_keep *keep,
                             struct cz_error *err)
{
    CZ_TRY(start_names(keep, s->most, err));
    for (size_t i = 0; i < s->most; i++) {
        if (s->is_kept[i])
            CZ_TRY(add_name(keep, &s->layers->rows[i], err));
    }
    keep->after = s->verdict;
    return CZ_OK;
}

enum cz_status cz_keep_find(struct cz_keep *keep,
                            const struct cz_trial_options *options,
                            struct cz_sensitivity *layers,
                            const struct cz_verdict *before, double enough,
                            struct cz_error *err)
{
    struct search s = {.options = options,
                       .enough = enough,
                       .layers = layers,
                       .verdict = *before};
    *keep = (struct cz_keep){.count = 0};
    cz_sensitivity_sort_by_noise(layers);
    s.most =
        layers->n_rows - 1 < CZ_KEEP_MOST ? layers->n_rows - 1 : CZ_KEEP_MOST;
    CZ_TRY(keep_more(&s, err));
    CZ_TRY(give_back(&s, err));
    return finish(&s, keep, err);
}

/* ---- the first layers ------------------------------------------------- */

/* How many rows, from the first on, take the share of all their MACs; none
 * where those of one are not known. */
static size_t count_first(const struct cz_sensitivity *layers, double share)
{
    uint64_t all = 0, first = 0;
    size_t count = 0;
    for (size_t i = 0; i < layers->n_rows; i++) {
        if (!layers->rows[i].macs)
            return 0;
        all += layers->rows[i].macs;
    }
    while (count + 1 < layers->n_rows) {
        first += layers->rows[count].macs;
        if ((double)first > share * (double)all)
            break;
        count++;
    }
    return count;
}

enum cz_status cz_keep_first(struct cz_keep *keep,
                             const struct cz_trial_options *options,
                             const struct cz_sensitivity *layers, double share,
                             struct cz_sensitivity *rest, struct cz_error *err)
{
    struct cz_int8_options int8 = *options->int8;
    const size_t count = count_first(layers, share);
    CZ_TRY(start_names(keep, count, err));
    for (size_t i = 0; i < count; i++)
        CZ_TRY(add_name(keep, &layers->rows[i], err));
    if (!count)
        return CZ_OK;
    if (!cz_trial_tick(options, "first layers", 0, 1, err))
        return CZ_EINTERRUPTED;
    int8.keep = (const char *const *)keep->names;
    int8.n_keep = count;
    return cz_trial_run(&keep->after, options, &int8, rest, err);
}

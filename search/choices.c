/* Choices of quantization, tried in turn until one is good enough.
 *
 * A choice is a change of the options. It stays where it brings the boxes
 * nearer, or is good enough at last, and the next one is tried on top of it. To
 * add one: a row in the table. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/alloc.h"
#include "search/trial_internal.h"

/* Layers that are kept at most on top of those that cz_keep_find() keeps. */
#define SENSITIVE_MOST 8

/* A difference of boxes on few images that is so many times another one is
 * surely greater: it scatters by a fifth. */
#define CLEARLY 1.2

/* The first layers stay float32 where that brings the boxes nearer by this
 * share: it costs the runtime little, but not nothing. */
#define FIRST_WORTH 0.1

/* The trials that cz_choices_find() itself makes at most. */
#define TRIALS_MOST 32

struct hunt {
    const struct cz_choices_options *options;
    struct cz_choices *choices;
    size_t trials;
};

/* ---- the table -------------------------------------------------------- */

struct choice {
    const char *name;
    bool is_ranges; /* a method of ranges: */
    enum cz_range_method method;
    /* Else changes the options. */
    void (*apply)(struct cz_int8_options *int8);
    /* Whether it changes anything in the model; NULL: it does. */
    enum cz_status (*find)(bool *is_there, struct cz_model *model,
                           struct cz_error *err);
    bool is_other_model; /* that has to be calibrated anew */
};

static void equalize(struct cz_int8_options *int8)
{
    int8->equalize = true;
}

static enum cz_status find_pairs(bool *is_there, struct cz_model *model,
                                 struct cz_error *err)
{
    size_t pairs = 0;
    CZ_TRY(cz_equalize(model, &pairs, err));
    *is_there = pairs > 0;
    return CZ_OK;
}

static const struct choice table[] = {
    {"ranges mse", .is_ranges = true, .method = CZ_RANGE_MSE},
    {"ranges percentile", .is_ranges = true, .method = CZ_RANGE_PERCENTILE},
    {"ranges minmax", .is_ranges = true, .method = CZ_RANGE_MINMAX},
    {"equalization", .apply = equalize, .find = find_pairs,
     .is_other_model = true},
};

/* ---- a trial ---------------------------------------------------------- */

static struct cz_tried *add_row(struct hunt *h)
{
    return &h->choices->tried[h->choices->n_tried++];
}

static bool is_good(const struct hunt *h, const struct cz_verdict *verdict)
{
    const bool is_estimate = h->choices->evidence == CZ_EVIDENCE_BOXES;
    if (h->choices->evidence == CZ_EVIDENCE_OUTPUTS)
        return verdict->difference <= CZ_OUTPUTS_MOST ||
               h->options->max_drop >= 1;
    const double slack = is_estimate ? CZ_ESTIMATE_SLACK : 1;
    return verdict->drop <= slack * h->options->max_drop;
}

static void settle(struct hunt *h, const struct cz_verdict *verdict)
{
    const bool is_measured = h->choices->evidence == CZ_EVIDENCE_TRUTH;
    h->choices->verdict = *verdict;
    h->choices->holds = is_good(h, verdict);
    h->choices->fails =
        !h->choices->holds &&
        (!is_measured || -verdict->measured.high > h->options->max_drop);
}

/* By the boxes, or the outputs: of drops, measured on few images, the smallest
 * would be the luckiest. */
static bool is_better(const struct hunt *h, const struct cz_verdict *verdict)
{
    return verdict->difference < h->choices->verdict.difference;
}

/* Measures what the row is about, and takes it where it is better. */
static enum cz_status attempt(struct hunt *h, struct cz_tried *row,
                              const struct cz_int8_options *int8,
                              struct cz_error *err)
{
    const struct cz_trial_options *trial = &h->options->trial;
    if (!cz_trial_tick(trial, "choices", h->trials++, TRIALS_MOST, err))
        return CZ_EINTERRUPTED;
    CZ_TRY(cz_trial_run(&row->verdict, trial, int8, NULL, err));
    row->is_kept =
        is_better(h, &row->verdict) ||
        (is_good(h, &row->verdict) && !h->choices->holds &&
         row->verdict.difference <= CLEARLY * h->choices->verdict.difference);
    if (!row->is_kept)
        return CZ_OK;
    h->choices->int8 = *int8;
    settle(h, &row->verdict);
    return CZ_OK;
}

/* ---- as it was asked for ---------------------------------------------- */

/* A change that costs something besides accuracy. */
static bool may_take(const struct hunt *h, const struct cz_tried *row,
                     double most)
{
    return row->verdict.difference <= most &&
           (is_good(h, &row->verdict) || !h->choices->holds);
}

/* `kept`, of which the first n_keep are kept now, and more of which may be. */
static void set_names(struct cz_choices *c, const struct cz_kept *kept,
                      size_t n_keep)
{
    cz_free(c->names);
    c->names = kept->names;
    c->int8.keep = kept->names;
    c->int8.n_keep = n_keep;
}

/* On top of those that are. */
static enum cz_status keep_also(struct cz_choices *c,
                                const struct cz_keep *more,
                                struct cz_error *err)
{
    struct cz_kept kept;
    if (!more->count)
        return CZ_OK;
    CZ_TRY(cz_kept_start(&kept, &c->int8, more->count, err));
    for (size_t i = 0; i < more->count; i++)
        kept.names[kept.count++] = more->names[i];
    set_names(c, &kept, kept.count);
    return CZ_OK;
}

/* Says so of the trial of the first layers; where they are taken, `layers` and
 * `rest`, which it left in int8, change places. */
static enum cz_status take_first(struct hunt *h, struct cz_sensitivity *layers,
                                 struct cz_sensitivity *rest,
                                 struct cz_error *err)
{
    struct cz_choices *c = h->choices;
    const struct cz_sensitivity all = *layers;
    struct cz_tried *row = add_row(h);
    snprintf(row->choice, sizeof row->choice, "first layers float32 (%zu)",
             c->first.count);
    row->verdict = c->first.after;
    row->is_kept = may_take(h, row, (1 - FIRST_WORTH) * c->verdict.difference);
    if (!row->is_kept)
        return CZ_OK;
    settle(h, &row->verdict);
    *layers = *rest;
    *rest = all;
    return keep_also(c, &c->first, err);
}

/* The first layers see the finest picture, which has most to lose, and have few
 * channels, with which a runtime gains least by int8. `layers`, of the trial
 * without, become those of what is taken. */
static enum cz_status begin_with_first(struct hunt *h,
                                       struct cz_sensitivity *layers,
                                       struct cz_error *err)
{
    const struct cz_choices_options *options = h->options;
    struct cz_choices *c = h->choices;
    struct cz_sensitivity rest = {.n_rows = 0};
    if (!(options->first_share > 0 && c->verdict.difference > 0))
        return CZ_OK;
    enum cz_status status = cz_keep_first(&c->first, &options->trial, layers,
                                          options->first_share, &rest, err);
    if (status == CZ_OK && c->first.count)
        status = take_first(h, layers, &rest, err);
    cz_sensitivity_fini(&rest);
    return status;
}

static enum cz_status begin_with_keep(struct hunt *h,
                                      struct cz_sensitivity *layers,
                                      struct cz_error *err)
{
    struct cz_choices *c = h->choices;
    struct cz_trial_options trial = h->options->trial;
    const bool has_drop = c->evidence != CZ_EVIDENCE_OUTPUTS;
    const double enough = has_drop ? h->options->max_drop : -INFINITY;
    if (c->verdict.drop <= enough)
        return CZ_OK;
    trial.int8 = &c->int8;
    CZ_TRY(cz_keep_find(&c->keep, &trial, layers, &c->verdict, enough, err));
    struct cz_tried *row = add_row(h);
    snprintf(row->choice, sizeof row->choice, "layers of low SNR float32 (%zu)",
             c->keep.count);
    row->is_kept = c->keep.count > 0;
    row->verdict = c->keep.after;
    settle(h, &row->verdict);
    return keep_also(c, &c->keep, err);
}

/* What takes long, and so is left out of the trials before. It brings each
 * layer's output nearer; so it stays unless the boxes say clearly that it does
 * harm, or what was good enough would not be any more. */
static enum cz_status begin_with_learning(struct hunt *h, struct cz_error *err)
{
    struct cz_choices *c = h->choices;
    struct cz_int8_options int8 = c->int8;
    struct cz_tried *row = add_row(h);
    snprintf(row->choice, sizeof row->choice, "learned rounding and biases");
    int8.learn = true;
    CZ_TRY(cz_trial_run(&row->verdict, &h->options->trial, &int8, NULL, err));
    row->is_kept = may_take(h, row, CLEARLY * c->verdict.difference);
    if (!row->is_kept)
        return CZ_OK;
    c->int8 = int8;
    settle(h, &row->verdict);
    return CZ_OK;
}

static enum cz_status begin(struct hunt *h, struct cz_sensitivity *layers,
                            struct cz_error *err)
{
    const struct cz_trial_options *trial = &h->options->trial;
    struct cz_tried *first = add_row(h);
    struct cz_choices *c = h->choices;
    snprintf(first->choice, sizeof first->choice, "ranges %s",
             cz_range_method_name(c->int8.method));
    first->is_kept = true;
    CZ_TRY(cz_trial_run(&first->verdict, trial, trial->int8, layers, err));
    settle(h, &first->verdict);
    if (h->options->fixed_keep)
        return CZ_OK;
    CZ_TRY(begin_with_first(h, layers, err));
    return begin_with_keep(h, layers, err);
}

/* ---- rows of the table ------------------------------------------------ */

static enum cz_status is_there(bool *found, const struct hunt *h,
                               const struct choice *choice,
                               struct cz_error *err)
{
    const struct cz_model_source *source = &h->options->trial.source;
    struct cz_model *model = NULL;
    *found = true;
    if (!choice->find)
        return CZ_OK;
    CZ_TRY(source->load(source->user, &model, err));
    const enum cz_status status = choice->find(found, model, err);
    cz_model_free(model);
    return status;
}

/* With statistics of its own, which stay where the choice does. */
static enum cz_status attempt_other_model(struct hunt *h, struct cz_tried *row,
                                          struct cz_int8_options *int8,
                                          struct cz_error *err)
{
    struct cz_int8_statistics *statistics = cz_int8_statistics_new();
    if (!statistics)
        return cz_error_nomem(err);
    int8->statistics = statistics;
    const enum cz_status status = attempt(h, row, int8, err);
    if (row->is_kept) {
        struct cz_int8_statistics *old = h->choices->statistics;
        h->choices->statistics = statistics;
        statistics = old;
    }
    cz_int8_statistics_free(statistics);
    return status;
}

static enum cz_status try_choice(struct hunt *h, const struct choice *choice,
                                 struct cz_error *err)
{
    struct cz_int8_options int8 = h->choices->int8;
    const enum cz_range_method asked = h->options->trial.int8->method;
    bool found;
    if (choice->is_ranges &&
        (h->options->fixed_ranges || choice->method == asked))
        return CZ_OK;
    struct cz_tried *row = add_row(h);
    snprintf(row->choice, sizeof row->choice, "%s", choice->name);
    CZ_TRY(is_there(&found, h, choice, err));
    row->is_void = !found;
    if (!found)
        return CZ_OK;
    if (choice->is_ranges)
        int8.method = choice->method;
    else
        choice->apply(&int8);
    return choice->is_other_model ? attempt_other_model(h, row, &int8, err)
                                  : attempt(h, row, &int8, err);
}

/* ---- sensitive layers ------------------------------------------------- */

static int compare_differences(const void *a, const void *b)
{
    const struct cz_sensitivity_row *x = a, *y = b;
    return (x->difference < y->difference) - (x->difference > y->difference);
}

/* Sorts the first `count` rows, those of the lowest signal-to-noise ratio, by
 * what they do alone. */
static enum cz_status measure(struct hunt *h, size_t *count,
                              struct cz_error *err)
{
    struct cz_sensitivity *s = &h->choices->sensitive;
    struct cz_trial_options trial = h->options->trial;
    struct cz_int8_options int8 = h->choices->int8;
    struct cz_verdict verdict;
    int8.learn = false; /* in less time */
    trial.int8 = &int8;
    CZ_TRY(cz_trial_run(&verdict, &trial, trial.int8, s, err));
    cz_sensitivity_sort_by_noise(s);
    *count = s->n_rows < CZ_CHOICES_LOOKED ? s->n_rows : CZ_CHOICES_LOOKED;
    for (size_t i = 0; i < *count; i++) {
        if (!cz_trial_tick(&trial, "choices", h->trials++, TRIALS_MOST, err))
            return CZ_EINTERRUPTED;
        CZ_TRY(cz_sensitivity_alone(s, i, &trial, err));
    }
    qsort(s->rows, *count, sizeof *s->rows, compare_differences);
    return CZ_OK;
}

/* One layer, at least, stays in int8. */
static enum cz_status keep_sensitive(struct hunt *h, struct cz_error *err)
{
    struct cz_choices *c = h->choices;
    size_t count;
    struct cz_kept kept;
    CZ_TRY(measure(h, &count, err));
    const size_t before = c->int8.n_keep;
    CZ_TRY(cz_kept_start(&kept, &c->int8, count, err));
    set_names(c, &kept, before);
    for (size_t i = 0; i < count; i++)
        c->names[before + i] = c->sensitive.rows[i].name;
    for (size_t n = 1; n <= SENSITIVE_MOST && n <= count &&
                       n < c->sensitive.n_rows && !c->holds;
         n *= 2) {
        struct cz_int8_options int8 = c->int8;
        struct cz_tried *row = add_row(h);
        snprintf(row->choice, sizeof row->choice,
                 "most sensitive layers float32 (%zu)", n);
        int8.keep = c->names;
        int8.n_keep = before + n;
        CZ_TRY(attempt(h, row, &int8, err));
    }
    return CZ_OK;
}

/* ---- all of it -------------------------------------------------------- */

enum cz_status cz_choices_find(struct cz_choices *choices,
                               const struct cz_choices_options *options,
                               struct cz_error *err)
{
    struct hunt h = {.options = options, .choices = choices};
    *choices = (struct cz_choices){.int8 = *options->trial.int8,
                                   .evidence =
                                       cz_judge_evidence(options->trial.judge)};
    struct cz_sensitivity layers = {.n_rows = 0};
    const enum cz_status status = begin(&h, &layers, err);
    cz_sensitivity_fini(&layers);
    CZ_TRY(status);
    if (options->learn)
        CZ_TRY(begin_with_learning(&h, err));
    for (size_t i = 0; i < sizeof table / sizeof *table && !choices->holds; i++)
        CZ_TRY(try_choice(&h, &table[i], err));
    return choices->holds || options->fixed_keep ? CZ_OK
                                                 : keep_sensitive(&h, err);
}

void cz_choices_fini(struct cz_choices *choices)
{
    cz_keep_fini(&choices->first);
    cz_keep_fini(&choices->keep);
    cz_sensitivity_fini(&choices->sensitive);
    cz_free(choices->names);
    cz_int8_statistics_free(choices->statistics);
}

/* What the pruning tests share: prune a model, hold it against a sort. */
#ifndef CZ_TESTS_PRUNE_SUPPORT_H
#define CZ_TESTS_PRUNE_SUPPORT_H

#include <math.h>
#include <stdio.h>

#include "prune/prune.h"
#include "tests/support/support.h"
#include "tests/support/weights.h"

/* A model that was pruned, and what it held before and holds now. */
struct pruned {
    struct cz_model *model;
    struct cz_prune_report report;
    struct cz_test_operands before, after;
};

/* Prunes `model`, which the result takes over. */
static inline struct pruned prune(struct cz_model *model,
                                  const struct cz_prune_options *options)
{
    struct pruned p = {.model = model, .before = cz_test_operands_read(model)};
    assert_ok(cz_prune_l1(model, options, &p.report, cz_test_error()));
    p.after = cz_test_operands_read(model);
    return p;
}

static inline struct pruned prune_file(const char *name, double sparsity)
{
    struct cz_prune_options options = CZ_PRUNE_OPTIONS_INIT;
    options.sparsity = sparsity;
    return prune(cz_test_load(cz_test_model(name)), &options);
}

static inline void pruned_free(struct pruned *p)
{
    cz_test_operands_fini(&p->before);
    cz_test_operands_fini(&p->after);
    cz_prune_report_fini(&p->report);
    cz_model_free(p->model);
}

/* The report's row of a Conv. */
static inline const struct cz_prune_layer *row(const struct pruned *p,
                                               const char *conv)
{
    for (size_t i = 0; i < p->report.n_layers; i++)
        if (strcmp(p->report.layers[i].name, conv) == 0)
            return &p->report.layers[i];
    fail_msg("no row for '%s'", conv);
    return NULL;
}

/* How many weights of a Conv are zero now. */
static inline size_t zeros_of(struct pruned *p, const char *conv)
{
    struct cz_test_operand *w = cz_test_weight(&p->after, conv);
    return cz_test_count_zeros(w->values, w->count);
}

/* The Conv holds what a stable sort of its old weights makes of them, `k` of
 * them zero. */
static inline void check_conv(struct pruned *p, const char *conv, size_t k)
{
    struct cz_test_operand *want = cz_test_weight(&p->before, conv);
    cz_test_prune_values(want->values, want->count, k);
    assert_values_equal(cz_test_weight(&p->after, conv)->values, want->values,
                        want->count, conv);
}

/* Every Conv was pruned, each on its own, and nothing else changed. `before`
 * is used up. */
static inline void check_all_convs(struct pruned *p, double sparsity)
{
    for (size_t i = 0; i < p->report.n_layers; i++) {
        const struct cz_prune_layer *layer = &p->report.layers[i];
        assert_null(layer->skipped);
        size_t k = (size_t)rint(sparsity * (double)layer->weights);
        check_conv(p, layer->name, k);
        assert_int_equal(layer->zeros, zeros_of(p, layer->name));
    }
    assert_operands_equal(&p->after, &p->before);
}

/* The Conv was left alone for this reason. */
static inline void check_left_alone(struct pruned *p, const char *conv,
                                    const char *why)
{
    assert_non_null(row(p, conv)->skipped);
    assert_string_equal(row(p, conv)->skipped, why);
    if (row(p, conv)->weights)
        check_conv(p, conv, 0);
}

#endif

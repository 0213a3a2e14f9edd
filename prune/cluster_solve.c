/* A layer's weights in few values with the least error of its outputs:
 * cz_clusters_solve(). */
#include <math.h>
#include <string.h>

#include "core/alloc.h"
#include "prune/cluster_internal.h"

/* Times that weights are rounded to the values of the time before. */
#define ROUNDS 3

/* What was tried. */
struct trial {
    float *weights, *bias;
    double *errors; /* [channels] */
    double error;   /* their sum */
};

struct trials {
    const struct cz_lsq *lsq;
    size_t count, channels; /* weights, of which there are outputs */
    struct trial best, now;
    size_t values; /* that the best one has */
};

static enum cz_status new_trial(struct trial *t, const struct trials *s,
                                struct cz_error *err)
{
    t->weights = cz_calloc(s->count + 1, sizeof *t->weights);
    t->bias = cz_calloc(s->channels + 1, sizeof *t->bias);
    t->errors = cz_calloc(s->channels + 1, sizeof *t->errors);
    t->error = INFINITY;
    return t->weights && t->bias && t->errors ? CZ_OK : cz_error_nomem(err);
}

static void free_trial(struct trial *t)
{
    cz_free(t->weights);
    cz_free(t->bias);
    cz_free(t->errors);
}

static enum cz_status try(struct trials *s, const struct cz_clusters *c,
                          struct cz_error *err)
{
    struct trial *now = &s->now;
    cz_clusters_apply(now->weights, c);
    cz_lsq_level(now->bias, s->lsq, now->weights);
    CZ_TRY(cz_lsq_errors(now->errors, s->lsq, now->weights, now->bias, err));
    now->error = 0;
    for (size_t i = 0; i < s->channels; i++)
        now->error += now->errors[i];
    if (s->values == 0 || now->error < s->best.error) {
        const struct trial other = s->best;
        s->best = *now;
        *now = other;
        s->values = cz_clusters_count(c);
    }
    return CZ_OK;
}

static enum cz_status try_all(struct trials *s, struct cz_clusters *c,
                              const float *weights, struct cz_error *err)
{
    CZ_TRY(new_trial(&s->best, s, err));
    CZ_TRY(new_trial(&s->now, s, err));
    CZ_TRY(try(s, c, err));
    CZ_TRY(cz_clusters_fit(c, s->lsq, err));
    CZ_TRY(try(s, c, err));
    for (size_t i = 0; i < ROUNDS; i++) {
        CZ_TRY(cz_clusters_round(c, s->lsq, weights, err));
        CZ_TRY(cz_clusters_fit(c, s->lsq, err));
        CZ_TRY(try(s, c, err));
    }
    return CZ_OK;
}

static enum cz_status solve(struct trials *s, float *weights, float *bias,
                            struct cz_clusters *c, struct cz_error *err)
{
    const enum cz_status status = try_all(s, c, weights, err);
    if (status == CZ_OK)
        memcpy(weights, s->best.weights, s->count * sizeof *weights);
    if (status == CZ_OK && s->lsq->options.bias_is_free)
        memcpy(bias, s->best.bias, s->channels * sizeof *bias);
    free_trial(&s->best);
    free_trial(&s->now);
    return status;
}

enum cz_status cz_clusters_solve(float *weights, float *bias, size_t *values,
                                 const struct cz_lsq *lsq, size_t most,
                                 struct cz_error *err)
{
    const size_t channels = lsq->shape.groups * lsq->shape.outputs;
    struct trials s = {.lsq = lsq,
                       .count = channels * lsq->shape.inputs,
                       .channels = channels};
    struct cz_clusters c;
    enum cz_status status = cz_clusters_find(&c, weights, s.count, most, err);
    *values = c.distinct;
    if (status == CZ_OK && c.distinct > most) {
        status = solve(&s, weights, bias, &c, err);
        *values = s.values;
    }
    cz_clusters_fini(&c);
    return status;
}

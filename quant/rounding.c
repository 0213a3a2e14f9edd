/* Coordinate descent on the codes of each channel; see rounding.h. */
#include "quant/rounding.h"

#include <math.h>
#include <stdatomic.h>

#include "core/alloc.h"
#include "core/parallel.h"

#define LIMIT 127

/* Later rounds change next to nothing. */
#define ROUNDS 3

struct work {
    const struct cz_rounding *rounding;
    int8_t *codes;
    atomic_bool failed; /* for want of memory */
};

/* One channel. */
struct channel {
    const struct cz_weights *all;
    const float *values, *moments; /* [n], [n, n] */
    const uint8_t *most_codes;     /* [inputs], or NULL */
    int8_t *codes;                 /* [n] */
    float *slope;                  /* [n] H (q - w) */
    float scale;
    size_t n;
};

static void add_row(float *restrict slope, const float *restrict row, size_t n,
                    float factor)
{
    for (size_t i = 0; i < n; i++)
        slope[i] += factor * row[i];
}

static void find_slope(const struct channel *c)
{
    for (size_t i = 0; i < c->n; i++) {
        const float error = (float)c->codes[i] * c->scale - c->values[i];
        add_row(c->slope, c->moments + i * c->n, c->n, error);
    }
}

/* The greatest magnitude of weight i's code, if it has the sign of that of the
 * weight with which it makes a pair. */
static int limit_of(const struct channel *c, size_t i, int sign)
{
    const size_t other = cz_weights_pair_of(c->all, i);
    const size_t window = c->n / c->all->inputs;
    if (!c->most_codes || other == c->n || c->codes[other] * sign <= 0)
        return LIMIT;
    const int x = c->most_codes[i / window];
    const int rest =
        CZ_PAIR_MOST - c->codes[other] * sign * c->most_codes[other / window];
    return x && rest / x < LIMIT ? rest / x : LIMIT;
}

static int best_code(const struct channel *c, size_t i)
{
    const float step = c->slope[i] / (c->moments[i * c->n + i] * c->scale);
    const float code = rintf((float)c->codes[i] - step);
    const int sign = code < 0 ? -1 : 1;
    const int limit = limit_of(c, i, sign);
    return sign * (int)fminf(fabsf(code), (float)limit);
}

/* Gives each code its best value once; false where none has changed. */
static bool improve(const struct channel *c)
{
    bool changed = false;
    for (size_t i = 0; i < c->n; i++) {
        const int code = best_code(c, i);
        const bool is_pruned = c->values[i] == 0 && c->codes[i] == 0;
        if (code == c->codes[i] || is_pruned)
            continue;
        add_row(c->slope, c->moments + i * c->n, c->n,
                (float)(code - c->codes[i]) * c->scale);
        c->codes[i] = (int8_t)code;
        changed = true;
    }
    return changed;
}

static void learn_channel(void *user, size_t i)
{
    struct work *work = user;
    const struct cz_rounding *r = work->rounding;
    const struct cz_weights *w = r->weights;
    const size_t group = i * w->groups / w->channels;
    const struct channel c = {
        .all = w,
        .values = w->values + i * w->per_channel,
        .moments = r->moments + group * w->per_channel * w->per_channel,
        .most_codes = w->most_codes ? w->most_codes + group * w->inputs : NULL,
        .codes = work->codes + i * w->per_channel,
        .slope = cz_calloc(w->per_channel + 1, sizeof *c.slope),
        .scale = r->scales[i],
        .n = w->per_channel};
    if (!c.slope) {
        atomic_store(&work->failed, true);
        return;
    }
    find_slope(&c);
    for (int round = 0; round < ROUNDS && improve(&c); round++)
        ;
    cz_free(c.slope);
}

enum cz_status cz_rounding_learn(int8_t *codes,
                                 const struct cz_rounding *rounding,
                                 struct cz_error *err)
{
    struct work work = {.rounding = rounding, .codes = codes};
    cz_parallel_for(rounding->weights->channels, rounding->threads,
                    learn_channel, &work);
    return atomic_load(&work.failed) ? cz_error_nomem(err) : CZ_OK;
}

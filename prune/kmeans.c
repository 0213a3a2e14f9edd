/* k-means in one dimension: cz_clusters_find().
 *
 * Of sorted numbers a cluster is a stretch, ended by the midpoint to the next
 * centre, and sums over a stretch are differences of sums from the first number
 * on: a step of Lloyd's method is k searches, however many numbers there are.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/alloc.h"
#include "core/compare.h"
#include "core/random.h"
#include "prune/cluster.h"
#include "prune/cluster_internal.h"

/* Times that k-means++ draws; the start of even distances comes besides. */
#define DRAWS 3
/* Steps from one start; the cost then falls by next to nothing. */
#define MAX_STEPS 1000

/* Numbers to be clustered. */
struct numbers {
    float *sorted;          /* [n] */
    double *sums, *squares; /* [n + 1] of the first i */
    size_t n, distinct;
};

struct kmeans {
    const struct numbers *numbers;
    double *centres; /* [count] rising */
    size_t *bounds;  /* [count + 1] where each cluster begins */
    size_t count;
};

/* ---- numbers ---------------------------------------------------------- */

/* Those of the weights that are not zero. */
static enum cz_status sort_numbers(struct numbers *s, const float *weights,
                                   size_t n, struct cz_error *err)
{
    *s = (struct numbers){.n = 0};
    s->sorted = cz_realloc_array(NULL, n + 1, sizeof *s->sorted);
    s->sums = cz_calloc(n + 1, sizeof *s->sums);
    s->squares = cz_calloc(n + 1, sizeof *s->squares);
    if (!s->sorted || !s->sums || !s->squares)
        return cz_error_nomem(err);
    for (size_t i = 0; i < n; i++) {
        if (weights[i] != 0)
            s->sorted[s->n++] = weights[i];
    }
    qsort(s->sorted, s->n, sizeof *s->sorted, cz_compare_floats);
    for (size_t i = 0; i < s->n; i++) {
        const double value = (double)s->sorted[i];
        s->sums[i + 1] = s->sums[i] + value;
        s->squares[i + 1] = s->squares[i] + value * value;
        s->distinct += i == 0 || s->sorted[i] != s->sorted[i - 1];
    }
    return CZ_OK;
}

static void free_numbers(struct numbers *s)
{
    cz_free(s->sorted);
    cz_free(s->sums);
    cz_free(s->squares);
}

/* The squared distances of numbers from..to-1 from a centre. */
static double cost_of(const struct numbers *s, size_t from, size_t to,
                      double centre)
{
    const double cost = s->squares[to] - s->squares[from] -
                        2 * centre * (s->sums[to] - s->sums[from]) +
                        centre * centre * (double)(to - from);
    return cost > 0 ? cost : 0; /* by rounding */
}

/* ---- Lloyd's method --------------------------------------------------- */

/* The first number from `from` on that is above x. */
static size_t first_above(const struct numbers *s, size_t from, double x)
{
    size_t to = s->n;
    while (from < to) {
        const size_t middle = from + (to - from) / 2;
        if ((double)s->sorted[middle] > x)
            to = middle;
        else
            from = middle + 1;
    }
    return from;
}

/* Each number to its nearest centre; true when one has changed. */
static bool assign(struct kmeans *m)
{
    bool has_changed = m->bounds[m->count] != m->numbers->n;
    m->bounds[m->count] = m->numbers->n;
    for (size_t i = 1; i < m->count; i++) {
        const size_t bound = first_above(
            m->numbers, m->bounds[i - 1],
            m->centres[i - 1] + (m->centres[i] - m->centres[i - 1]) / 2);
        has_changed |= bound != m->bounds[i];
        m->bounds[i] = bound;
    }
    return has_changed;
}

/* Each centre to the mean of its numbers; where it has none, it stays. */
static void centre(struct kmeans *m)
{
    const double *sums = m->numbers->sums;
    for (size_t i = 0; i < m->count; i++) {
        const size_t from = m->bounds[i], to = m->bounds[i + 1];
        if (from < to)
            m->centres[i] = (sums[to] - sums[from]) / (double)(to - from);
    }
}

static double lloyd(struct kmeans *m)
{
    double cost = 0;
    for (size_t step = 0; assign(m) && step < MAX_STEPS; step++)
        centre(m);
    for (size_t i = 0; i < m->count; i++)
        cost +=
            cost_of(m->numbers, m->bounds[i], m->bounds[i + 1], m->centres[i]);
    return cost;
}

/* ---- starts ----------------------------------------------------------- */

static void start_even(struct kmeans *m, size_t count)
{
    const double least = (double)m->numbers->sorted[0];
    const double most = (double)m->numbers->sorted[m->numbers->n - 1];
    m->count = count;
    memset(m->bounds, 0, (count + 1) * sizeof *m->bounds);
    for (size_t i = 0; i < count; i++)
        m->centres[i] =
            count > 1 ? least + (most - least) * (double)i / (double)(count - 1)
                      : least;
}

static void insert(struct kmeans *m, double value)
{
    size_t i = m->count++;
    for (; i > 0 && m->centres[i - 1] > value; i--)
        m->centres[i] = m->centres[i - 1];
    m->centres[i] = value;
    m->bounds[m->count] = 0;
}

/* The number of this cluster up to which its cost adds up to `share`. */
static size_t find_share(const struct kmeans *m, size_t cluster, double share)
{
    size_t from = m->bounds[cluster], to = m->bounds[cluster + 1] - 1;
    while (from < to) {
        const size_t middle = from + (to - from) / 2;
        if (cost_of(m->numbers, m->bounds[cluster], middle + 1,
                    m->centres[cluster]) > share)
            to = middle;
        else
            from = middle + 1;
    }
    return from;
}

/* A number that becomes a centre, with a probability that is its cost. */
static size_t draw_number(const struct kmeans *m, uint64_t *state)
{
    double total = 0, share, cost;
    size_t last = 0;
    for (size_t i = 0; i < m->count; i++) {
        total +=
            cost_of(m->numbers, m->bounds[i], m->bounds[i + 1], m->centres[i]);
        if (m->bounds[i] < m->bounds[i + 1])
            last = i;
    }
    share = cz_random_share(state) * total;
    for (size_t i = 0; i <= last; i++) {
        cost =
            cost_of(m->numbers, m->bounds[i], m->bounds[i + 1], m->centres[i]);
        if (i == last || (share < cost && m->bounds[i] < m->bounds[i + 1]))
            return find_share(m, i, share);
        share -= cost;
    }
    return 0; /* not reached: `last` was */
}

static void start_drawn(struct kmeans *m, size_t count, uint64_t *state)
{
    const struct numbers *s = m->numbers;
    const size_t first = (size_t)(cz_random_share(state) * (double)s->n);
    m->count = 0;
    memset(m->bounds, 0, (count + 1) * sizeof *m->bounds);
    insert(m, (double)s->sorted[first]);
    while (m->count < count) {
        assign(m);
        insert(m, (double)s->sorted[draw_number(m, state)]);
    }
    memset(m->bounds, 0, (count + 1) * sizeof *m->bounds);
}

/* The best of some starts, in `best`; `m` is room. */
static void run(struct kmeans *best, struct kmeans *m, size_t count)
{
    uint64_t state = count;
    double least;
    start_even(best, count);
    least = lloyd(best);
    for (size_t i = 0; i < DRAWS; i++) {
        start_drawn(m, count, &state);
        const double cost = lloyd(m);
        if (cost < least) {
            const struct kmeans other = *best;
            *best = *m;
            *m = other;
            least = cost;
        }
    }
}

/* ---- clusters --------------------------------------------------------- */

/* Upper ends [count] of the clusters, the first being that of zero. */
static size_t cluster_of(const float *ends, size_t count, float weight)
{
    size_t from = 1, to = count - 1;
    while (from < to) {
        const size_t middle = from + (to - from) / 2;
        if (ends[middle] >= weight)
            to = middle;
        else
            from = middle + 1;
    }
    return weight == 0 ? 0 : from;
}

static void group(struct cz_clusters *c, const float *ends,
                  const float *weights)
{
    for (size_t i = 0; i < c->n_weights; i++)
        c->of[i] = (uint16_t)cluster_of(ends, c->count, weights[i]);
}

/* The numbers are the values. */
static void take_numbers(struct cz_clusters *c, float *ends,
                         const struct numbers *s)
{
    for (size_t i = 0; i < s->n; i++) {
        if (i == 0 || s->sorted[i] != s->sorted[i - 1])
            ends[c->count++] = s->sorted[i];
    }
    memcpy(c->values, ends, c->count * sizeof *ends);
}

static enum cz_status take_centres(struct cz_clusters *c, float *ends,
                                   const struct numbers *s, size_t count,
                                   struct cz_error *err)
{
    struct kmeans best = {.numbers = s}, room = best;
    double *centres = cz_calloc(2 * count, sizeof *centres);
    size_t *bounds = cz_calloc(2 * (count + 1), sizeof *bounds);
    if (centres && bounds) {
        best.centres = centres;
        best.bounds = bounds;
        room.centres = centres + count;
        room.bounds = bounds + count + 1;
        run(&best, &room, count);
        for (size_t i = 0; i < count; i++) {
            if (best.bounds[i] == best.bounds[i + 1])
                continue;
            ends[c->count] = s->sorted[best.bounds[i + 1] - 1];
            c->values[c->count++] = (float)best.centres[i];
        }
    }
    cz_free(centres);
    cz_free(bounds);
    return centres && bounds ? CZ_OK : cz_error_nomem(err);
}

static enum cz_status find(struct cz_clusters *c, struct numbers *s,
                           const float *weights, size_t most,
                           struct cz_error *err)
{
    CZ_TRY(sort_numbers(s, weights, c->n_weights, err));
    const bool has_zeros = s->n < c->n_weights;
    float *ends = cz_calloc(most + 1, sizeof *ends);
    c->values = cz_calloc(most + 1, sizeof *c->values);
    c->of = cz_calloc(c->n_weights + 1, sizeof *c->of);
    enum cz_status status =
        ends && c->values && c->of ? CZ_OK : cz_error_nomem(err);
    c->distinct = s->distinct + has_zeros;
    c->count = 1;
    if (status == CZ_OK && c->distinct <= most)
        take_numbers(c, ends, s);
    else if (status == CZ_OK)
        status = take_centres(c, ends, s, most - has_zeros, err);
    if (status == CZ_OK)
        group(c, ends, weights);
    cz_free(ends);
    return status;
}

enum cz_status cz_clusters_find(struct cz_clusters *clusters,
                                const float *weights, size_t n, size_t most,
                                struct cz_error *err)
{
    struct numbers numbers;
    *clusters = (struct cz_clusters){.n_weights = n};
    const enum cz_status status = find(clusters, &numbers, weights, most, err);
    free_numbers(&numbers);
    return status;
}

void cz_clusters_fini(struct cz_clusters *clusters)
{
    cz_free(clusters->values);
    cz_free(clusters->of);
    *clusters = (struct cz_clusters){.count = 0};
}

size_t cz_clusters_count(const struct cz_clusters *clusters)
{
    bool is_used[CZ_CLUSTERS_MAX + 1] = {false};
    size_t used = 0;
    for (size_t i = 0; i < clusters->n_weights; i++) {
        used += !is_used[clusters->of[i]];
        is_used[clusters->of[i]] = true;
    }
    return used;
}

void cz_clusters_apply(float *weights, const struct cz_clusters *clusters)
{
    for (size_t i = 0; i < clusters->n_weights; i++)
        weights[i] = clusters->values[clusters->of[i]];
}

/* The values of a layer's clusters by least squares: cz_clusters_fit().
 *
 * With the weights of an output channel being v = C c, C saying who has which
 * value, its error is c' (C' xx C) c - 2 (C' xy) c: one system for all channels
 * is the sum of theirs. C' xx C are sums over pairs of inputs; they are made in
 * bands of columns, so that a band of xx is read from memory once for all
 * channels of a piece. */
#include <math.h>
#include <stdatomic.h>
#include <string.h>

#include "core/alloc.h"
#include "core/parallel.h"
#include "prune/cluster_internal.h"

/* Columns of xx at once. */
#define BAND ((size_t)64)
/* Pieces of the output channels, each with sums of its own: never more than
 * PIECES, whatever the number of threads, so that all add up in one order. */
#define PIECES ((size_t)16)

/* What one piece adds up. */
struct sums {
    double *matrix; /* [count, count] */
    double *vector; /* [count] */
};

struct fitting {
    const struct cz_clusters *clusters;
    const struct cz_lsq *lsq;
    struct sums *pieces; /* [n_pieces] */
    size_t n_pieces, channels_each;
    atomic_bool has_failed;
};

/* The inputs of a channel by their cluster. */
struct members {
    uint32_t *inputs; /* [inputs] */
    uint32_t *starts; /* [count + 1] */
};

/* ---- sums ------------------------------------------------------------- */

static void sort_members(struct members *m, const uint16_t *of, size_t n,
                         size_t count)
{
    memset(m->starts, 0, (count + 1) * sizeof *m->starts);
    for (size_t i = 0; i < n; i++)
        m->starts[of[i] + 1]++;
    for (size_t k = 0; k < count; k++)
        m->starts[k + 1] += m->starts[k];
    for (size_t i = n; i-- > 0;) /* down to where the cluster before begins */
        m->inputs[--m->starts[of[i] + 1]] = (uint32_t)i;
    for (size_t k = 0; k < count; k++)
        m->starts[k] = m->starts[k + 1];
    m->starts[count] = (uint32_t)n;
}

/* A band of xx [n, columns of BAND], of one channel. */
static void add_band(double *matrix, const struct fitting *f,
                     const struct members *m, const uint16_t *of,
                     const double *band, size_t columns)
{
    const size_t n = f->lsq->shape.inputs, count = f->clusters->count;
    for (size_t k = 1; k < count; k++) {
        double sum[BAND] = {0};
        if (m->starts[k] == m->starts[k + 1])
            continue;
        for (size_t i = m->starts[k]; i < m->starts[k + 1]; i++) {
            const double *row = band + m->inputs[i] * n;
            for (size_t j = 0; j < columns; j++)
                sum[j] += row[j];
        }
        for (size_t j = 0; j < columns; j++)
            matrix[k * count + of[j]] += sum[j];
    }
}

/* xy, and the ridge towards the values as they are. */
static void add_outputs(struct sums *s, const struct fitting *f, size_t channel)
{
    const struct cz_lsq *lsq = f->lsq;
    const size_t n = lsq->shape.inputs, count = f->clusters->count;
    const double ridge = lsq->ridge[channel / lsq->shape.outputs];
    const uint16_t *of = f->clusters->of + channel * n;
    for (size_t i = 0; i < n; i++) {
        const size_t k = of[i];
        s->vector[k] +=
            lsq->xy[channel * n + i] + ridge * (double)f->clusters->values[k];
        s->matrix[k * count + k] += ridge;
    }
}

/* Channels first..end-1, of one group. */
static void add_channels(struct sums *s, const struct fitting *f,
                         struct members *members, size_t first, size_t end)
{
    const struct cz_clusters *c = f->clusters;
    const size_t n = f->lsq->shape.inputs;
    const size_t group = first / f->lsq->shape.outputs;
    const double *xx = f->lsq->xx + group * n * n;
    for (size_t i = first; i < end; i++) {
        sort_members(&members[i - first], c->of + i * n, n, c->count);
        add_outputs(s, f, i);
    }
    for (size_t from = 0; from < n; from += BAND) {
        const size_t columns = n - from < BAND ? n - from : BAND;
        for (size_t i = first; i < end; i++)
            add_band(s->matrix, f, &members[i - first], c->of + i * n + from,
                     xx + from, columns);
    }
}

static struct members *new_members(size_t channels, size_t n, size_t count)
{
    const size_t each = n + count + 1;
    struct members *m = cz_calloc(channels, sizeof *m);
    uint32_t *room = cz_calloc(channels * each, sizeof *room);
    if (!m || !room) {
        cz_free(m);
        cz_free(room);
        return NULL;
    }
    for (size_t i = 0; i < channels; i++)
        m[i] = (struct members){room + i * each, room + i * each + n};
    return m;
}

static void free_members(struct members *m)
{
    if (m)
        cz_free(m->inputs);
    cz_free(m);
}

static void add_piece(void *user, size_t piece)
{
    struct fitting *f = user;
    const struct cz_lsq_shape *shape = &f->lsq->shape;
    const size_t channels = shape->groups * shape->outputs;
    const size_t count = f->clusters->count;
    size_t i = piece * f->channels_each, end = i + f->channels_each;
    struct sums *s = &f->pieces[piece];
    struct members *members =
        new_members(f->channels_each, shape->inputs, count);
    s->matrix = cz_calloc(count * (count + 1), sizeof *s->matrix);
    if (s->matrix)
        s->vector = s->matrix + count * count;
    if (!members || !s->matrix)
        atomic_store(&f->has_failed, true);
    end = end < channels ? end : channels;
    while (i < end && members && s->matrix) {
        const size_t behind = (i / shape->outputs + 1) * shape->outputs;
        const size_t stop = behind < end ? behind : end;
        add_channels(s, f, members, i, stop);
        i = stop;
    }
    free_members(members);
}

/* ---- solution --------------------------------------------------------- */

/* The sums of the first piece are those of all. */
static void add_pieces(struct fitting *f)
{
    const size_t count = f->clusters->count;
    double *sum = f->pieces[0].matrix;
    for (size_t p = 1; p < f->n_pieces; p++) {
        for (size_t i = 0; i < count * (count + 1); i++)
            sum[i] += f->pieces[p].matrix[i];
    }
}

/* All but zero. Who has no members is alone: 1 c = its value. */
static void solve(struct cz_clusters *c, const struct fitting *f)
{
    const int count = (int)c->count, k = count - 1, one = 1;
    const struct sums *s = &f->pieces[0];
    int info = 0;
    for (size_t i = 1; i < c->count; i++) {
        double *diagonal = &s->matrix[i * c->count + i];
        if (*diagonal == 0) {
            *diagonal = 1;
            s->vector[i] = (double)c->values[i];
        }
    }
    if (k)
        f->lsq->blas->dposv("L", &k, &one, s->matrix + c->count + 1, &count,
                            s->vector + 1, &k, &info);
    double sum = 0;
    for (size_t i = 1; i < c->count; i++)
        sum += fabs(s->vector[i]);
    for (size_t i = 1; i < c->count && info == 0 && isfinite(sum); i++)
        c->values[i] = (float)s->vector[i];
}

enum cz_status cz_clusters_fit(struct cz_clusters *clusters,
                               const struct cz_lsq *lsq, struct cz_error *err)
{
    const size_t channels = lsq->shape.groups * lsq->shape.outputs;
    struct fitting f = {.clusters = clusters, .lsq = lsq};
    if (channels == 0)
        return CZ_OK;
    f.channels_each = (channels + PIECES - 1) / PIECES;
    f.n_pieces = (channels + f.channels_each - 1) / f.channels_each;
    f.pieces = cz_calloc(f.n_pieces + 1, sizeof *f.pieces);
    if (!f.pieces)
        return cz_error_nomem(err);
    cz_parallel_for(f.n_pieces, lsq->options.threads, add_piece, &f);
    const bool has_failed = atomic_load(&f.has_failed);
    if (!has_failed) {
        add_pieces(&f);
        solve(clusters, &f);
    }
    for (size_t i = 0; i < f.n_pieces; i++)
        cz_free(f.pieces[i].matrix);
    cz_free(f.pieces);
    return has_failed ? cz_error_nomem(err) : CZ_OK;
}

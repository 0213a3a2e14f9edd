/* The arithmetic of Resize (ONNX operator specification; where that leaves a
 * choice, as ONNX Runtime computes, in float32).
 *
 * An output element is a weighted sum of input elements, and the weights are
 * a product of one factor for each axis. Along the last axis that is resized
 * the factors are kept in a small table, which many rows share. Cubic is Keys'
 * kernel (Cubic Convolution Interpolation, 1981); antialiasing widens a kernel
 * by the factor that the axis shrinks, as PIL does. */
#include <math.h>
#include <string.h>

#include "core/sizes.h"
#include "engine/resize_internal.h"

/* Outputs whose factors are in a table; factors of each at a time. */
#define PIECE 64
#define FACTORS 4
/* Rows that share a table. */
#define ROWS 64
/* The leading axes that are kept count as one. */
#define AXES (CZ_RANK_MAX + 1)

struct resize {
    const struct cz_resize_params *params;
    size_t n; /* axes, of which the last is the one with a table */
    struct cz_resize_axis axis[AXES];
    size_t in_stride[AXES]; /* in blocks */
    size_t block;           /* elements behind the last axis */
    size_t rows;            /* of the output */
    size_t element_bytes;
    const char *x;
    char *y;
};

/* ---- positions -------------------------------------------------------- */

static float crop_position(const struct cz_resize_axis *a, float x)
{
    float last = (float)(a->in - 1);
    if (a->out == 1)
        return 0.5f * (a->roi_begin + a->roi_end) * last;
    return a->roi_begin * last +
           x * (a->roi_end - a->roi_begin) * last / (float)(a->out - 1);
}

/* The position in the input that output i means. */
static float position_of(const struct resize *r, const struct cz_resize_axis *a,
                         int64_t i)
{
    const float x = (float)i, in = (float)a->in, out = (float)a->out;
    float shift;
    if (a->is_kept)
        return x;
    switch (r->params->position) {
    case CZ_POSITION_ASYMMETRIC:
        return x / a->scale;
    case CZ_POSITION_ALIGN_CORNERS:
        return a->out == 1 ? 0 : x * (in - 1) / (out - 1);
    case CZ_POSITION_PYTORCH_HALF_PIXEL:
        return a->out == 1 ? 0 : (x + 0.5f) / a->scale - 0.5f;
    case CZ_POSITION_TF_HALF_PIXEL_FOR_NN:
        return (x + 0.5f) / a->scale;
    case CZ_POSITION_TF_CROP_AND_RESIZE:
        return crop_position(a, x);
    case CZ_POSITION_HALF_PIXEL_SYMMETRIC:
        shift = in / 2 * (1 - out / (a->scale * in));
        return shift + (x + 0.5f) / a->scale - 0.5f;
    default:
        return (x + 0.5f) / a->scale - 0.5f;
    }
}

static bool is_outside(const struct resize *r, const struct cz_resize_axis *a,
                       float position)
{
    return r->params->position == CZ_POSITION_TF_CROP_AND_RESIZE &&
           !(position >= 0 && position <= (float)(a->in - 1));
}

/* A float as an integer of least..most, also where it is NaN. */
static int64_t to_int(float x, int64_t least, int64_t most)
{
    if (!(x > (float)least))
        return least;
    return x < (float)most ? (int64_t)x : most;
}

static int64_t nearest_of(const struct resize *r,
                          const struct cz_resize_axis *a, float x)
{
    switch (r->params->nearest) {
    case CZ_NEAREST_ROUND_PREFER_FLOOR:
        x = ceilf(x - 0.5f);
        break;
    case CZ_NEAREST_ROUND_PREFER_CEIL:
        x = roundf(x);
        break;
    case CZ_NEAREST_FLOOR:
        x = floorf(x);
        break;
    case CZ_NEAREST_CEIL:
        x = ceilf(x);
        break;
    case CZ_NEAREST_SIMPLE:
        x = a->scale < 1 ? ceilf(x) : floorf(x);
        break;
    }
    return to_int(x, 0, a->in - 1);
}

/* ---- factors ---------------------------------------------------------- */

/* The inputs that make output i along an axis: elements first..first+count-1
 * of the axis, which may lie outside of it. */
struct reach {
    float position;
    float widen; /* of the kernel: 1, or more for antialiasing */
    float total; /* to divide the factors by */
    int64_t first, count;
    bool is_outside;
};

static float cubic(float a, float x)
{
    x = fabsf(x);
    if (x < 1)
        return ((a + 2) * x - (a + 3)) * x * x + 1;
    return x < 2 ? (((x - 5) * x + 8) * x - 4) * a : 0;
}

/* The factor of input first + k, before the division. */
static float weigh(const struct resize *r, const struct cz_resize_axis *a,
                   const struct reach *reach, int64_t k)
{
    const struct cz_resize_params *p = r->params;
    int64_t at = reach->first + k;
    float x = ((float)at - reach->position) / reach->widen;
    if (a->is_kept)
        return 1;
    if (p->exclude_outside && (at < 0 || at >= a->in))
        return 0;
    if (p->mode == CZ_RESIZE_CUBIC)
        return cubic(p->cubic_a, x);
    return fabsf(x) < 1 ? 1 - fabsf(x) : 0;
}

static struct reach reach_of(const struct resize *r,
                             const struct cz_resize_axis *a, int64_t i)
{
    const struct cz_resize_params *p = r->params;
    struct reach reach = {.position = position_of(r, a, i),
                          .widen = 1,
                          .total = 1,
                          .first = i,
                          .count = 1};
    if (a->is_kept)
        return reach;
    float radius = p->mode == CZ_RESIZE_CUBIC ? 2 : 1;
    if (p->antialias && a->scale < 1)
        reach.widen = 1 / a->scale;
    reach.is_outside = is_outside(r, a, reach.position);
    float from = floorf(reach.position - radius * reach.widen) + 1;
    reach.count = (int64_t)ceilf(2 * radius * reach.widen);
    reach.first = to_int(from, -reach.count - 1, a->in + 1);
    if (!p->antialias && !p->exclude_outside)
        return reach;
    reach.total = 0;
    for (int64_t k = 0; k < reach.count; k++)
        reach.total += weigh(r, a, &reach, k);
    if (reach.total == 0)
        reach.total = 1;
    return reach;
}

static size_t clamp(int64_t i, int64_t size)
{
    return i < 0 ? 0 : (size_t)(i < size ? i : size - 1);
}

/* ---- rows ------------------------------------------------------------- */

/* What a row of the output is made of, axis by axis but for the last. */
struct row {
    struct reach reach[AXES];
    bool is_outside;
};

static struct row row_of(const struct resize *r, size_t number)
{
    struct row row = {.is_outside = false};
    for (size_t i = r->n - 1; i-- > 0;) {
        const struct cz_resize_axis *a = &r->axis[i];
        row.reach[i] = reach_of(r, a, (int64_t)(number % (size_t)a->out));
        number /= (size_t)a->out;
        row.is_outside |= row.reach[i].is_outside;
    }
    return row;
}

/* The factors for outputs [from, from + count) of the last axis; those of
 * an output outside are 0. */
struct table {
    size_t from, count;
    struct reach reach[PIECE];
    size_t at[PIECE][FACTORS];
    float factor[PIECE][FACTORS];
};

/* Factors `group` * FACTORS and on. The return value tells whether there are
 * any. */
static bool fill_table(struct table *t, const struct resize *r, int64_t group)
{
    const struct cz_resize_axis *a = &r->axis[r->n - 1];
    bool any = false;
    for (size_t i = 0; i < t->count; i++) {
        const struct reach *reach = &t->reach[i];
        for (int64_t k = 0; k < FACTORS; k++) {
            int64_t n = group * FACTORS + k;
            bool used = n < reach->count && !reach->is_outside;
            t->at[i][k] = clamp(reach->first + n, a->in) * r->block;
            t->factor[i][k] = used ? weigh(r, a, reach, n) / reach->total : 0;
            any |= n < reach->count;
        }
    }
    return any;
}

/* y = y with `weight` times what the table takes from a row x of the input */
static void add_row(const struct resize *r, const struct table *t, float weight,
                    const float *x, float *y)
{
    if (r->block == 1) {
        for (size_t i = 0; i < t->count; i++) {
            const float *f = t->factor[i];
            const size_t *at = t->at[i];
            y[i] += weight * (f[0] * x[at[0]] + f[1] * x[at[1]] +
                              f[2] * x[at[2]] + f[3] * x[at[3]]);
        }
        return;
    }
    for (size_t i = 0; i < t->count; i++) {
        for (size_t k = 0; k < FACTORS; k++) {
            const float factor = weight * t->factor[i][k];
            const float *from = x + t->at[i][k];
            for (size_t b = 0; factor != 0 && b < r->block; b++)
                y[i * r->block + b] += factor * from[b];
        }
    }
}

/* Adds every row of the input that has a part in the row of the output. */
static void add_rows(const struct resize *r, const struct table *t,
                     const struct row *row, float *y)
{
    int64_t k[AXES] = {0};
    const float *x = (const float *)(const void *)r->x;
    size_t i;
    do {
        size_t at = 0;
        float weight = 1;
        for (i = 0; i + 1 < r->n; i++) {
            const struct reach *reach = &row->reach[i];
            weight *= weigh(r, &r->axis[i], reach, k[i]) / reach->total;
            at += clamp(reach->first + k[i], r->axis[i].in) * r->in_stride[i];
        }
        if (weight != 0)
            add_row(r, t, weight, x + at * r->block, y);
        /* Next: count up k, the last axis first. */
        for (i = r->n - 1; i-- > 0;) {
            if (++k[i] < row->reach[i].count)
                break;
            k[i] = 0;
        }
    } while (i != SIZE_MAX);
}

static void start_row(const struct resize *r, const struct table *t,
                      const struct row *row, float *y)
{
    for (size_t i = 0; i < t->count; i++) {
        bool outside = row->is_outside || t->reach[i].is_outside;
        for (size_t b = 0; b < r->block; b++)
            y[i * r->block + b] = outside ? r->params->extrapolation : 0;
    }
}

/* One piece of the last axis, for `count` rows from `first` on. */
static void blend_piece(const struct resize *r, struct table *t,
                        const struct row *rows, size_t first, size_t count)
{
    const struct cz_resize_axis *a = &r->axis[r->n - 1];
    for (size_t i = 0; i < t->count; i++)
        t->reach[i] = reach_of(r, a, (int64_t)(t->from + i));
    for (int64_t group = 0; fill_table(t, r, group); group++) {
        for (size_t i = 0; i < count; i++) {
            size_t at = (first + i) * (size_t)a->out + t->from;
            float *y = (float *)(void *)r->y + at * r->block;
            if (group == 0)
                start_row(r, t, &rows[i], y);
            if (!rows[i].is_outside)
                add_rows(r, t, &rows[i], y);
        }
    }
}

static void blend_rows(void *user, size_t item)
{
    const struct resize *r = user;
    const size_t width = (size_t)r->axis[r->n - 1].out;
    const size_t first = item * ROWS, count = cz_least(ROWS, r->rows - first);
    struct row rows[ROWS];
    struct table table;
    for (size_t i = 0; i < count; i++)
        rows[i] = row_of(r, first + i);
    for (size_t i = 0; i < width; i += PIECE) {
        table.from = i;
        table.count = cz_least(PIECE, width - i);
        blend_piece(r, &table, rows, first, count);
    }
}

/* ---- nearest ---------------------------------------------------------- */

#define OUTSIDE SIZE_MAX

/* The elements of a piece of a row: copies of input blocks. */
struct copies {
    size_t from, count;
    size_t at[PIECE]; /* OUTSIDE: extrapolated */
    bool is_run;      /* at[i] = at[0] + i */
    bool is_doubled;  /* at[i] = at[0] + i / 2, and count is even */
};

static size_t source_of(const struct resize *r, size_t axis, int64_t i)
{
    const struct cz_resize_axis *a = &r->axis[axis];
    if (a->is_kept)
        return (size_t)i;
    float x = position_of(r, a, i);
    return is_outside(r, a, x) ? OUTSIDE : (size_t)nearest_of(r, a, x);
}

static void fill_copies(struct copies *c, const struct resize *r)
{
    c->is_run = true;
    c->is_doubled = c->count % 2 == 0;
    for (size_t i = 0; i < c->count; i++) {
        c->at[i] = source_of(r, r->n - 1, (int64_t)(c->from + i));
        bool usable = c->at[i] != OUTSIDE;
        c->is_run &= usable && c->at[i] == c->at[0] + i;
        c->is_doubled &= usable && c->at[i] == c->at[0] + i / 2;
    }
}

/* The first block of the input's row for row `number` of the output; OUTSIDE
 * where it is extrapolated. */
static size_t source_row(const struct resize *r, size_t number)
{
    size_t at = 0;
    for (size_t i = r->n - 1; i-- > 0;) {
        size_t out = (size_t)r->axis[i].out;
        size_t from = source_of(r, i, (int64_t)(number % out));
        number /= out;
        if (from == OUTSIDE)
            return OUTSIDE;
        at += from * r->in_stride[i];
    }
    return at;
}

/* memcpy() of a size that the compiler knows, for the usual ones. */
static inline void copy_block(char *to, const char *from, size_t bytes)
{
    switch (bytes) {
    case 1:
        *to = *from;
        break;
    case 4:
        memcpy(to, from, 4);
        break;
    default:
        memcpy(to, from, bytes);
    }
}

static void copy_row(const struct copies *c, char *restrict y,
                     const char *restrict x, size_t bytes)
{
    const char *first = x + c->at[0] * bytes;
    if (c->is_run) {
        memcpy(y, first, c->count * bytes);
    } else if (c->is_doubled && bytes == 4) {
        for (size_t i = 0; i < c->count / 2; i++) {
            memcpy(y + 8 * i, first + 4 * i, 4);
            memcpy(y + 8 * i + 4, first + 4 * i, 4);
        }
    } else {
        for (size_t i = 0; i < c->count; i++)
            copy_block(y + i * bytes, x + c->at[i] * bytes, bytes);
    }
}

/* The same where some elements may be extrapolated: float32 then. */
static void crop_row(const struct resize *r, const struct copies *c, float *y,
                     const float *x)
{
    for (size_t i = 0; i < c->count; i++) {
        bool outside = !x || c->at[i] == OUTSIDE;
        for (size_t b = 0; b < r->block; b++)
            *y++ =
                outside ? r->params->extrapolation : x[c->at[i] * r->block + b];
    }
}

static void copy_piece(const struct resize *r, const struct copies *c,
                       size_t from, size_t to)
{
    const size_t bytes = r->block * r->element_bytes;
    const size_t row_bytes = (size_t)r->axis[r->n - 1].out * bytes;
    const bool crop = r->params->position == CZ_POSITION_TF_CROP_AND_RESIZE;
    size_t before = OUTSIDE;
    for (size_t i = from; i < to; i++) {
        size_t at = source_row(r, i);
        const char *x = at == OUTSIDE ? NULL : r->x + at * bytes;
        char *y = r->y + i * row_bytes + c->from * bytes;
        if (crop)
            crop_row(r, c, (float *)(void *)y, (const float *)(const void *)x);
        else if (at == before)
            memcpy(y, y - row_bytes, c->count * bytes);
        else
            copy_row(c, y, x, bytes);
        before = at;
    }
}

static void copy_rows(void *user, size_t item)
{
    const struct resize *r = user;
    const size_t width = (size_t)r->axis[r->n - 1].out;
    const size_t from = item * ROWS, to = cz_least(from + ROWS, r->rows);
    struct copies copies;
    for (size_t i = 0; i < width; i += PIECE) {
        copies.from = i;
        copies.count = cz_least(PIECE, width - i);
        fill_copies(&copies, r);
        copy_piece(r, &copies, from, to);
    }
}

/* ---- all -------------------------------------------------------------- */

/* The axes: what is kept in front counts as one, what is kept behind is part
 * of the block. */
static struct resize resize_of(const struct cz_step *step)
{
    const struct cz_array *x = step->inputs[0];
    const struct cz_resize_params *p = step->params;
    struct resize r = {.params = p,
                       .n = 1,
                       .axis = {{.in = 1, .out = 1, .is_kept = true}},
                       .x = x->data,
                       .y = step->outputs[0]->data,
                       .element_bytes = cz_element_bytes(x->dtype)};
    size_t rank = x->dims.rank, first = 0, last = rank;
    while (first + 1 < rank && p->axis[first].is_kept)
        r.axis[0].in *= p->axis[first++].in;
    r.axis[0].out = r.axis[0].in;
    while (last > first + 1 && p->axis[last - 1].is_kept)
        last--;
    for (size_t i = first; i < last; i++)
        r.axis[r.n++] = p->axis[i];
    r.block = cz_dims_product(&x->dims, last, rank);
    r.rows = 1;
    size_t stride = 1;
    for (size_t i = r.n; i-- > 0;) {
        r.in_stride[i] = stride;
        stride *= (size_t)r.axis[i].in;
        r.rows *= i + 1 < r.n ? (size_t)r.axis[i].out : 1;
    }
    return r;
}

void cz_resize_run(const struct cz_step *step, const struct cz_exec *exec)
{
    if (cz_array_count(step->outputs[0]) == 0)
        return;
    struct resize r = resize_of(step);
    cz_team_for(exec, (r.rows + ROWS - 1) / ROWS,
                r.params->mode == CZ_RESIZE_NEAREST ? copy_rows : blend_rows,
                &r);
}

/* MatMul (numpy.matmul's rules) and Gemm.
 *
 * The product is made in tiles of the output, small enough to stay in the
 * first cache. A transposed right operand is copied tile by tile, so that the
 * inner loop always runs along rows. */
#include <inttypes.h>
#include <string.h>

#include "core/sizes.h"
#include "engine/attr_internal.h"
#include "engine/finish_internal.h"
#include "engine/matrix_internal.h"

/* A tile: ROWS x COLUMNS of the output, DEPTH terms of each sum at a time. */
#define ROWS 32
#define COLUMNS 64
#define DEPTH 64

/* Adds `depth` terms to a tile of the output. */
struct terms {
    const struct cz_product *p;
    const void *a, *b;
    void *y;
    size_t rows, columns, depth;
    size_t b_row; /* b is contiguous along rows */
};

/* Four terms at a time, so that y is loaded and stored less. */
#define DEFINE_TYPE(type)                                                      \
    static void add_##type(const struct terms *t)                              \
    {                                                                          \
        const struct cz_product *p = t->p;                                     \
        for (size_t i = 0; i < t->rows; i++) {                                 \
            const type *a = (const type *)t->a + i * p->a_row;                 \
            const type *b = t->b;                                              \
            type *restrict y = (type *)t->y + i * p->n;                        \
            size_t k = 0;                                                      \
            for (; k + 4 <= t->depth; k += 4, b += 4 * t->b_row) {             \
                const type a0 = a[k * p->a_column];                            \
                const type a1 = a[(k + 1) * p->a_column];                      \
                const type a2 = a[(k + 2) * p->a_column];                      \
                const type a3 = a[(k + 3) * p->a_column];                      \
                const type *restrict b1 = b + t->b_row;                        \
                const type *restrict b2 = b1 + t->b_row;                       \
                const type *restrict b3 = b2 + t->b_row;                       \
                for (size_t c = 0; c < t->columns; c++)                        \
                    y[c] += a0 * b[c] + a1 * b1[c] + a2 * b2[c] + a3 * b3[c];  \
            }                                                                  \
            for (; k < t->depth; k++, b += t->b_row) {                         \
                const type a0 = a[k * p->a_column];                            \
                for (size_t c = 0; c < t->columns; c++)                        \
                    y[c] += a0 * b[c];                                         \
            }                                                                  \
        }                                                                      \
    }                                                                          \
    static void pack_##type(void *to, const void *from,                        \
                            const struct cz_product *p, size_t depth,          \
                            size_t columns)                                    \
    {                                                                          \
        type *y = to;                                                          \
        const type *x = from;                                                  \
        for (size_t c = 0; c < columns; c++) {                                 \
            for (size_t k = 0; k < depth; k++)                                 \
                y[k * COLUMNS + c] = x[k * p->b_row + c * p->b_column];        \
        }                                                                      \
    }

/* Integers wrap around, as numpy's do: the signed ones are computed as
 * unsigned. */
DEFINE_TYPE(float)
DEFINE_TYPE(double)
DEFINE_TYPE(uint32_t)
DEFINE_TYPE(uint64_t)

struct arithmetic {
    void (*add)(const struct terms *t);
    void (*pack)(void *to, const void *from, const struct cz_product *p,
                 size_t depth, size_t columns);
};

static const struct arithmetic *arithmetic_of(enum cz_dtype dtype)
{
    static const struct arithmetic f32 = {add_float, pack_float};
    static const struct arithmetic f64 = {add_double, pack_double};
    static const struct arithmetic i32 = {add_uint32_t, pack_uint32_t};
    static const struct arithmetic i64 = {add_uint64_t, pack_uint64_t};
    switch (dtype) {
    case CZ_DTYPE_FLOAT:
        return &f32;
    case CZ_DTYPE_DOUBLE:
        return &f64;
    case CZ_DTYPE_INT32:
    case CZ_DTYPE_UINT32:
        return &i32;
    case CZ_DTYPE_INT64:
    case CZ_DTYPE_UINT64:
        return &i64;
    default:
        return NULL;
    }
}

/* ---- running ---------------------------------------------------------- */

/* A step's products in the making. */
struct work {
    struct cz_matrices matrices;
    const struct arithmetic *arithmetic;
    size_t bytes; /* of an element */
    const char *a, *b;
    char *y;
};

struct tile {
    size_t batch, row, column; /* where it begins */
    size_t rows, columns;
};

static struct tile tile_of(const struct cz_matrices *m, size_t i)
{
    size_t across = cz_divide_up(m->p.n, COLUMNS),
           down = cz_divide_up(m->p.m, ROWS);
    struct tile t = {.column = i % across * COLUMNS,
                     .row = i / across % down * ROWS,
                     .batch = i / across / down};
    t.rows = cz_least(ROWS, m->p.m - t.row);
    t.columns = cz_least(COLUMNS, m->p.n - t.column);
    return t;
}

size_t cz_matrices_offset(const struct cz_matrices *m,
                          const size_t strides[CZ_RANK_MAX], size_t i)
{
    size_t offset = 0;
    for (size_t d = m->batch.rank; d-- > 0;) {
        offset += i % (size_t)m->batch.size[d] * strides[d];
        i /= (size_t)m->batch.size[d];
    }
    return offset;
}

void cz_matrices_scale(const struct cz_matrices *m, float *y, size_t row,
                       size_t column, size_t count)
{
    const float alpha = m->gemm->alpha, beta = m->gemm->beta;
    const float *c = m->c ? m->c->data : NULL;
    for (size_t i = 0; i < count && alpha != 1; i++)
        y[i] *= alpha;
    for (size_t i = 0; i < count && c; i++)
        y[i] += beta * c[row * m->c_row + (column + i) * m->c_column];
}

static void finish_tile(const struct work *work, const struct tile *t)
{
    const struct cz_matrices *m = &work->matrices;
    if (m->step->outputs[0]->dtype != CZ_DTYPE_FLOAT)
        return;
    for (size_t i = 0; i < t->rows; i++) {
        size_t from = (t->batch * m->p.m + t->row + i) * m->p.n + t->column;
        if (m->gemm)
            cz_matrices_scale(m, (float *)(void *)work->y + from, t->row + i,
                              t->column, t->columns);
        cz_step_finish(m->step, from, t->columns);
    }
}

static void make_tile(void *user, size_t i)
{
    const struct work *work = user;
    const struct cz_matrices *m = &work->matrices;
    const struct cz_product *p = &m->p;
    const size_t bytes = work->bytes;
    struct tile t = tile_of(m, i);
    _Alignas(16) char packed[DEPTH * COLUMNS * sizeof(double)];
    size_t a = cz_matrices_offset(m, m->a_batch, t.batch) + t.row * p->a_row;
    size_t b =
        cz_matrices_offset(m, m->b_batch, t.batch) + t.column * p->b_column;
    char *y = work->y + ((t.batch * p->m + t.row) * p->n + t.column) * bytes;
    for (size_t r = 0; r < t.rows; r++)
        memset(y + r * p->n * bytes, 0, t.columns * bytes);
    for (size_t k = 0; k < p->k; k += DEPTH) {
        struct terms terms = {.p = p,
                              .a = work->a + (a + k * p->a_column) * bytes,
                              .b = work->b + (b + k * p->b_row) * bytes,
                              .y = y,
                              .rows = t.rows,
                              .columns = t.columns,
                              .depth = cz_least(DEPTH, p->k - k),
                              .b_row = p->b_row};
        if (p->b_column != 1) {
            work->arithmetic->pack(packed, terms.b, p, terms.depth, t.columns);
            terms.b = packed;
            terms.b_row = COLUMNS;
        }
        work->arithmetic->add(&terms);
    }
    finish_tile(work, &t);
}

static enum cz_status run(struct cz_step *step, const struct cz_exec *exec,
                          struct cz_error *err)
{
    const struct cz_array *a = step->inputs[0], *b = step->inputs[1];
    struct work work = {.matrices = cz_matrices_of(step),
                        .arithmetic = arithmetic_of(a->dtype),
                        .bytes = cz_element_bytes(a->dtype),
                        .a = a->data,
                        .b = b->data,
                        .y = step->outputs[0]->data};
    const struct cz_matrices *m = &work.matrices;
    (void)err;
    cz_team_for(exec,
                m->count * cz_divide_up(m->p.m, ROWS) *
                    cz_divide_up(m->p.n, COLUMNS),
                make_tile, &work);
    return CZ_OK;
}

/* ---- MatMul ----------------------------------------------------------- */

/* The operand as [..., rows, columns]; a vector is a row on the left, a
 * column on the right. */
static struct cz_dims matrix_dims(const struct cz_dims *dims, bool is_left)
{
    struct cz_dims matrix = *dims;
    if (dims->rank != 1)
        return matrix;
    matrix.rank = 2;
    matrix.size[0] = is_left ? 1 : dims->size[0];
    matrix.size[1] = is_left ? dims->size[0] : 1;
    return matrix;
}

static enum cz_status check_types(const struct cz_step *step,
                                  struct cz_error *err)
{
    enum cz_dtype dtype = step->inputs[0]->dtype;
    if (!arithmetic_of(dtype))
        return cz_step_unsupported(step, err, "input 0 is %s",
                                   cz_dtype_name(dtype));
    return cz_step_want_dtype(step, 1, dtype, err);
}

static enum cz_status shape_matmul(struct cz_step *step, struct cz_error *err)
{
    const struct cz_dims *x = &step->inputs[0]->dims;
    const struct cz_dims *w = &step->inputs[1]->dims;
    struct cz_dims a = matrix_dims(x, true), b = matrix_dims(w, false), y;
    char left[CZ_DIMS_TEXT_BYTES], right[CZ_DIMS_TEXT_BYTES];
    CZ_TRY(check_types(step, err));
    if (x->rank == 0 || w->rank == 0)
        return cz_step_error(step, err, "an operand has no dimensions");
    int64_t m = a.size[a.rank - 2], n = b.size[b.rank - 1];
    bool fits = a.size[a.rank - 1] == b.size[b.rank - 2];
    a.rank -= 2;
    b.rank -= 2;
    if (!fits || !cz_dims_broadcast(&y, &a, &b))
        return cz_step_error(step, err, "its operands are %s and %s",
                             cz_dims_text(x, left), cz_dims_text(w, right));
    if (x->rank > 1)
        y.size[y.rank++] = m;
    if (w->rank > 1)
        y.size[y.rank++] = n;
    return cz_step_output(step, 0, step->inputs[0]->dtype, &y, err);
}

/* Strides of the batch dims, of matrices of `count` elements. */
static void batch_strides(const struct cz_dims *own, const struct cz_dims *all,
                          size_t count, size_t strides[CZ_RANK_MAX])
{
    cz_dims_broadcast_strides(own, all, strides);
    for (size_t i = 0; i < all->rank; i++)
        strides[i] *= count;
}

static void read_matmul(struct cz_matrices *m)
{
    const struct cz_step *step = m->step;
    struct cz_dims a = matrix_dims(&step->inputs[0]->dims, true);
    struct cz_dims b = matrix_dims(&step->inputs[1]->dims, false);
    m->p = (struct cz_product){.m = (size_t)a.size[a.rank - 2],
                               .n = (size_t)b.size[b.rank - 1],
                               .k = (size_t)a.size[a.rank - 1],
                               .a_column = 1,
                               .b_column = 1};
    m->p.a_row = m->p.k;
    m->p.b_row = m->p.n;
    a.rank -= 2;
    b.rank -= 2;
    if (cz_dims_product(&b, 0, b.rank) == 1) { /* they are rows of one */
        m->p.m *= cz_dims_product(&a, 0, a.rank);
        return;
    }
    cz_dims_broadcast(&m->batch, &a, &b);
    batch_strides(&a, &m->batch, m->p.m * m->p.k, m->a_batch);
    batch_strides(&b, &m->batch, m->p.k * m->p.n, m->b_batch);
}

/* ---- Gemm ------------------------------------------------------------- */

static enum cz_status parse_gemm(struct cz_step *step,
                                 const struct cz_node *node,
                                 struct cz_error *err)
{
    struct cz_attrs attrs = {step, node, err};
    struct cz_gemm_params *p = step->params;
    *p = (struct cz_gemm_params){.alpha = 1, .beta = 1};
    CZ_TRY(cz_attrs_float(&attrs, "alpha", &p->alpha));
    CZ_TRY(cz_attrs_float(&attrs, "beta", &p->beta));
    CZ_TRY(cz_attrs_bool(&attrs, "transA", &p->trans_a));
    return cz_attrs_bool(&attrs, "transB", &p->trans_b);
}

static enum cz_status shape_gemm(struct cz_step *step, struct cz_error *err)
{
    const struct cz_gemm_params *p = step->params;
    const struct cz_dims *a = &step->inputs[0]->dims;
    const struct cz_dims *b = &step->inputs[1]->dims;
    const struct cz_array *c = cz_step_input(step, 2);
    struct cz_dims both;
    char left[CZ_DIMS_TEXT_BYTES], right[CZ_DIMS_TEXT_BYTES];
    for (size_t i = 0; i < 3; i++)
        CZ_TRY(cz_step_want_dtype(step, i, CZ_DTYPE_FLOAT, err));
    CZ_TRY(cz_step_want_rank(step, 0, 2, err));
    CZ_TRY(cz_step_want_rank(step, 1, 2, err));
    if (a->size[!p->trans_a] != b->size[p->trans_b])
        return cz_step_error(
            step, err, "%s%s times %s%s", cz_dims_text(a, left),
            p->trans_a ? " transposed" : "", cz_dims_text(b, right),
            p->trans_b ? " transposed" : "");
    struct cz_dims y = {2, {a->size[p->trans_a], b->size[!p->trans_b]}};
    if (c &&
        (!cz_dims_broadcast(&both, &c->dims, &y) || !cz_dims_equal(&both, &y)))
        return cz_step_error(step, err, "its sum is of %s and %s",
                             cz_dims_text(&y, left),
                             cz_dims_text(&c->dims, right));
    return cz_step_output(step, 0, CZ_DTYPE_FLOAT, &y, err);
}

static void read_gemm(struct cz_matrices *m)
{
    const struct cz_step *step = m->step;
    const struct cz_gemm_params *p = step->params;
    const struct cz_dims *a = &step->inputs[0]->dims;
    const struct cz_dims *b = &step->inputs[1]->dims;
    size_t a_width = (size_t)a->size[1], b_width = (size_t)b->size[1];
    m->gemm = p;
    m->p = (struct cz_product){.m = (size_t)a->size[p->trans_a],
                               .k = (size_t)a->size[!p->trans_a],
                               .n = (size_t)b->size[!p->trans_b],
                               .a_row = p->trans_a ? 1 : a_width,
                               .a_column = p->trans_a ? a_width : 1,
                               .b_row = p->trans_b ? 1 : b_width,
                               .b_column = p->trans_b ? b_width : 1};
    m->c = cz_step_input(step, 2);
    if (m->c) {
        size_t strides[CZ_RANK_MAX];
        cz_dims_broadcast_strides(&m->c->dims, &step->outputs[0]->dims,
                                  strides);
        m->c_row = strides[0];
        m->c_column = strides[1];
    }
}

struct cz_matrices cz_matrices_of(const struct cz_step *step)
{
    struct cz_matrices m = {.step = step};
    if (strcmp(step->op->op_type, "Gemm") == 0)
        read_gemm(&m);
    else
        read_matmul(&m);
    m.count = cz_dims_product(&m.batch, 0, m.batch.rank);
    return m;
}

#define GEMM(since_, least_)                                                   \
    {                                                                          \
        .op_type = "Gemm", .since = since_, .min_inputs = least_,              \
        .max_inputs = 3, .params_size = sizeof(struct cz_gemm_params),         \
        .parse = parse_gemm, .shape = shape_gemm, .run = run                   \
    }

const struct cz_op cz_ops_matrix[] = {
    {.op_type = "MatMul",
     .since = 1,
     .min_inputs = 2,
     .max_inputs = 2,
     .shape = shape_matmul,
     .run = run},
    GEMM(7, 3),
    GEMM(11, 2),
    {.op_type = NULL},
};

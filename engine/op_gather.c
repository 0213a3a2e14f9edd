/* Operators that read where tensors of indices say: Gather, GatherElements,
 * GatherND, OneHot. By the ONNX operator specification. Indices are checked
 * before anything is read. */
#include <inttypes.h>
#include <string.h>

#include "engine/element_internal.h"

struct gather {
    int64_t number; /* the attribute axis, or batch_dims */
    size_t axis;
};

static enum cz_status parse_gather(struct cz_step *step,
                                   const struct cz_node *node,
                                   struct cz_error *err)
{
    struct gather *p = step->params;
    (void)err;
    p->number = cz_node_attr_int(node, "axis", 0);
    return CZ_OK;
}

/* Items of work for cz_team_for(): small ones are not worth a thread. */
static size_t part_count(const struct cz_exec *exec, size_t items, size_t bytes)
{
    const size_t most = exec->threads * 2;
    if (items * bytes < (size_t)1 << 20)
        return 1;
    return items < most ? items : most;
}

/* ---- Gather ----------------------------------------------------------- */

static enum cz_status shape_gather(struct cz_step *step, struct cz_error *err)
{
    struct gather *p = step->params;
    const struct cz_dims *x = &step->inputs[0]->dims;
    const struct cz_dims *index = &step->inputs[1]->dims;
    struct cz_dims y = {0};
    CZ_TRY(cz_step_axis(step, p->number, x->rank, &p->axis, err));
    CZ_TRY(cz_step_want_index_dtype(step, 1, err));
    if (x->rank - 1 + index->rank > CZ_RANK_MAX)
        return cz_step_unsupported(step, err, "%zu dimensions",
                                   x->rank - 1 + index->rank);
    for (size_t i = 0; i < p->axis; i++)
        y.size[y.rank++] = x->size[i];
    for (size_t i = 0; i < index->rank; i++)
        y.size[y.rank++] = index->size[i];
    for (size_t i = p->axis + 1; i < x->rank; i++)
        y.size[y.rank++] = x->size[i];
    return cz_step_output(step, 0, step->inputs[0]->dtype, &y, err);
}

struct gather_job {
    const struct cz_array *x, *index;
    struct cz_array *y;
    size_t count, bytes; /* of the indices, of what each of them takes */
    size_t size;         /* of the axis */
    size_t n_items, n_parts;
};

/* Item: one index in one position of the axes before. */
static void gather_part(void *user, size_t part)
{
    const struct gather_job *job = user;
    const size_t end = job->n_items * (part + 1) / job->n_parts;
    for (size_t i = job->n_items * part / job->n_parts; i < end; i++) {
        size_t at;
        cz_index_wrap(&at, cz_index_get(job->index, i % job->count), job->size);
        at += i / job->count * job->size;
        memcpy((char *)job->y->data + i * job->bytes,
               (const char *)job->x->data + at * job->bytes, job->bytes);
    }
}

static enum cz_status run_gather(struct cz_step *step,
                                 const struct cz_exec *exec,
                                 struct cz_error *err)
{
    const struct gather *p = step->params;
    const struct cz_array *x = step->inputs[0];
    struct gather_job job = {
        .x = x,
        .index = step->inputs[1],
        .y = step->outputs[0],
        .count = cz_array_count(step->inputs[1]),
        .bytes = cz_copy_row_bytes(x, p->axis + 1),
        .size = (size_t)x->dims.size[p->axis],
        .n_items = cz_dims_product(&x->dims, 0, p->axis),
    };
    CZ_TRY(cz_step_check_indices(step, 1, job.size, err));
    if (!cz_array_count(job.y))
        return CZ_OK;
    job.n_items *= job.count;
    job.n_parts = part_count(exec, job.n_items, job.bytes);
    cz_team_for(exec, job.n_parts, gather_part, &job);
    return CZ_OK;
}

/* ---- GatherElements --------------------------------------------------- */

static enum cz_status shape_elements(struct cz_step *step, struct cz_error *err)
{
    struct gather *p = step->params;
    const struct cz_dims *x = &step->inputs[0]->dims;
    const struct cz_dims *index = &step->inputs[1]->dims;
    CZ_TRY(cz_step_axis(step, p->number, x->rank, &p->axis, err));
    CZ_TRY(cz_step_check_index_dims(step, p->axis, err));
    return cz_step_output(step, 0, step->inputs[0]->dtype, index, err);
}

static enum cz_status run_elements(struct cz_step *step,
                                   const struct cz_exec *exec,
                                   struct cz_error *err)
{
    const struct gather *p = step->params;
    const struct cz_array *x = step->inputs[0], *index = step->inputs[1];
    const size_t size = (size_t)x->dims.size[p->axis], last = x->dims.rank - 1;
    const size_t bytes = cz_element_bytes(x->dtype);
    size_t strides[CZ_RANK_MAX];
    char *to = step->outputs[0]->data;
    (void)exec;
    if (!cz_array_count(index))
        return CZ_OK;
    cz_dims_strides(&x->dims, strides);
    const size_t columns = (size_t)index->dims.size[last];
    const size_t column = last == p->axis ? 0 : 1;
    for (size_t row = 0; row < cz_array_count(index) / columns; row++) {
        const size_t start =
            cz_index_row_start(&index->dims, row, p->axis, strides);
        for (size_t c = 0; c < columns; c++, to += bytes) {
            const int64_t k = cz_index_get(index, row * columns + c);
            size_t at;
            if (!cz_index_wrap(&at, k, size))
                return cz_step_bad_index(step, k, size, err);
            at = start + at * strides[p->axis] + c * column;
            memcpy(to, (const char *)x->data + at * bytes, bytes);
        }
    }
    return CZ_OK;
}

/* ---- GatherND --------------------------------------------------------- */

static enum cz_status parse_nd(struct cz_step *step, const struct cz_node *node,
                               struct cz_error *err)
{
    struct gather *p = step->params;
    p->number = cz_node_attr_int(node, "batch_dims", 0);
    if (p->number < 0 || p->number >= CZ_RANK_MAX)
        return cz_step_error(step, err, "batch_dims is %" PRId64, p->number);
    p->axis = (size_t)p->number;
    return CZ_OK;
}

static enum cz_status shape_nd(struct cz_step *step, struct cz_error *err)
{
    const struct gather *p = step->params;
    const struct cz_dims *x = &step->inputs[0]->dims;
    const struct cz_dims *index = &step->inputs[1]->dims;
    const size_t batch = p->axis;
    char text[CZ_DIMS_TEXT_BYTES], other[CZ_DIMS_TEXT_BYTES];
    struct cz_dims y = {0};
    CZ_TRY(cz_step_want_index_dtype(step, 1, err));
    bool fits = index->rank > batch && x->rank > batch;
    for (size_t i = 0; fits && i < batch; i++)
        fits = x->size[i] == index->size[i];
    int64_t depth = fits ? index->size[index->rank - 1] : 0;
    if (depth < 1 || depth > (int64_t)(x->rank - batch))
        return cz_step_error(step, err,
                             "indices of %s do not fit to data of %s with "
                             "%zu batch dimensions",
                             cz_dims_text(index, text), cz_dims_text(x, other),
                             batch);
    const size_t first = batch + (size_t)depth;
    if (index->rank - 1 + x->rank - first > CZ_RANK_MAX)
        return cz_step_unsupported(step, err, "%zu dimensions",
                                   index->rank - 1 + x->rank - first);
    for (size_t i = 0; i + 1 < index->rank; i++)
        y.size[y.rank++] = index->size[i];
    for (size_t i = first; i < x->rank; i++)
        y.size[y.rank++] = x->size[i];
    return cz_step_output(step, 0, step->inputs[0]->dtype, &y, err);
}

static enum cz_status run_nd(struct cz_step *step, const struct cz_exec *exec,
                             struct cz_error *err)
{
    const struct gather *p = step->params;
    const struct cz_array *x = step->inputs[0], *index = step->inputs[1];
    const size_t depth = (size_t)index->dims.size[index->dims.rank - 1];
    const size_t bytes = cz_copy_row_bytes(x, p->axis + depth);
    const size_t count = cz_array_count(index) / depth;
    const size_t per_batch =
        cz_dims_product(&index->dims, p->axis, index->dims.rank - 1);
    (void)exec;
    for (size_t i = 0; i < count; i++) {
        size_t at = i / per_batch;
        for (size_t d = 0; d < depth; d++) {
            const size_t size = (size_t)x->dims.size[p->axis + d];
            const int64_t k = cz_index_get(index, i * depth + d);
            size_t part;
            if (!cz_index_wrap(&part, k, size))
                return cz_step_bad_index(step, k, size, err);
            at = at * size + part;
        }
        cz_copy_bytes((char *)step->outputs[0]->data + i * bytes,
                      (const char *)x->data + at * bytes, bytes);
    }
    return CZ_OK;
}

/* ---- OneHot ----------------------------------------------------------- */

static enum cz_status parse_one_hot(struct cz_step *step,
                                    const struct cz_node *node,
                                    struct cz_error *err)
{
    struct gather *p = step->params;
    (void)err;
    p->number = cz_node_attr_int(node, "axis", -1);
    return CZ_OK;
}

/* Any number as an integer: cut, and out of every range for the absurd. */
static int64_t read_whole(const void *data, enum cz_dtype dtype, size_t i)
{
    const struct cz_elements elements = {
        .data = (void *)(uintptr_t)data,
        .count = i + 1,
        .stride = cz_element_bytes(dtype),
        .dtype = dtype,
    };
    if (dtype == CZ_DTYPE_INT64)
        return ((const int64_t *)data)[i];
    double x = cz_elements_get(&elements, i);
    return x > -1e15 && x < 1e15 ? (int64_t)x : INT64_MAX;
}

static enum cz_status shape_one_hot(struct cz_step *step, struct cz_error *err)
{
    struct gather *p = step->params;
    const struct cz_dims *index = &step->inputs[0]->dims;
    const struct cz_array *depth = step->inputs[1], *values = step->inputs[2];
    struct cz_dims y = {.rank = index->rank + 1};
    if (y.rank > CZ_RANK_MAX)
        return cz_step_unsupported(step, err, "%zu dimensions", y.rank);
    CZ_TRY(cz_step_axis(step, p->number, y.rank, &p->axis, err));
    if (cz_array_count(depth) != 1 || cz_array_count(values) != 2)
        return cz_step_error(step, err,
                             "depth has %zu numbers, want 1, and values %zu, "
                             "want 2",
                             cz_array_count(depth), cz_array_count(values));
    if (!depth->known) {
        cz_step_set_dynamic(step);
        return CZ_OK;
    }
    for (size_t i = 0; i < y.rank; i++)
        y.size[i] = i < p->axis    ? index->size[i]
                    : i == p->axis ? read_whole(depth->known, depth->dtype, 0)
                                   : index->size[i - 1];
    return cz_step_output(step, 0, values->dtype, &y, err);
}

static enum cz_status run_one_hot(struct cz_step *step,
                                  const struct cz_exec *exec,
                                  struct cz_error *err)
{
    const struct gather *p = step->params;
    const struct cz_array *index = step->inputs[0], *values = step->inputs[2];
    struct cz_array *y = step->outputs[0];
    const size_t depth = (size_t)y->dims.size[p->axis];
    const size_t inner = cz_dims_product(&y->dims, p->axis + 1, y->dims.rank);
    const size_t bytes = cz_element_bytes(y->dtype);
    (void)exec;
    (void)err;
    cz_copy_fill(y->data, values->data, bytes, cz_array_count(y));
    if (!cz_array_count(y))
        return CZ_OK;
    for (size_t i = 0; i < cz_array_count(index); i++) {
        size_t at;
        if (!cz_index_wrap(&at, read_whole(index->data, index->dtype, i),
                           depth))
            continue; /* all off, as the specification has it */
        at = (i / inner * depth + at) * inner + i % inner;
        memcpy((char *)y->data + at * bytes, (const char *)values->data + bytes,
               bytes);
    }
    return CZ_OK;
}

#define PARAMS sizeof(struct gather)

const struct cz_op cz_ops_gather[] = {
    {"Gather", 1, 0, 2, 2, PARAMS, parse_gather, shape_gather, run_gather},
    {"GatherElements", 11, 0, 2, 2, PARAMS, parse_gather, shape_elements,
     run_elements},
    /* 12: batch_dims */
    {"GatherND", 11, 0, 2, 2, PARAMS, parse_nd, shape_nd, run_nd},
    {"GatherND", 12, 0, 2, 2, PARAMS, parse_nd, shape_nd, run_nd},
    {"OneHot", 9, 0, 3, 3, PARAMS, parse_one_hot, shape_one_hot, run_one_hot},
    {.op_type = NULL},
};

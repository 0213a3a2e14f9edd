/* Where each array is while a frame runs: one block of memory for all.
 *
 * First arrays that can share bytes are tied together: what a view makes lies
 * where its input lies, the parts that a Concat joins are made inside its
 * output, the parts of a Split are read inside its input, an elementwise step
 * overwrites an input that nobody needs any more. Then every remaining root
 * gets an offset, the largest first, at the lowest place that is free while it
 * lives (Y. Pisarchyk, J. Lee, "Efficient Memory Management for Deep Neural
 * Net Inference", 2020, section 5.2, "greedy by size"). */
#include <stdlib.h>
#include <string.h>

#include "core/checked.h"
#include "engine/plan_internal.h"

#define ALIGNMENT ((size_t)64)
/* Looking for a free place takes time that grows with the square of this. */
#define ROOTS_MAX 20000

static bool has_place(const struct cz_array *array)
{
    return !array->is_constant && !array->is_dynamic;
}

/* ---- life times ------------------------------------------------------- */

static void live(struct cz_array *array, size_t step)
{
    if (!array)
        return;
    if (array->first_step > step)
        array->first_step = step;
    if (array->last_step < step)
        array->last_step = step;
}

static void find_lives(struct cz_plan *plan)
{
    for (size_t i = 0; i < plan->n_arrays; i++) {
        struct cz_array *a = plan->arrays[i];
        a->root = a;
        a->n_tied = 0;
        a->offset = 0;
        a->first_step = SIZE_MAX;
        a->last_step = 0;
    }
    for (size_t i = 0; i < plan->n_steps; i++) {
        const struct cz_step *step = plan->steps[i];
        for (size_t k = 0; k < step->n_inputs; k++)
            live(step->inputs[k], i);
        for (size_t k = 0; k < step->n_outputs; k++)
            live(step->outputs[k], i);
        live(step->residual, i);
    }
    for (size_t i = 0; i < plan->n_arrays; i++) {
        struct cz_array *a = plan->arrays[i];
        const bool stays = plan->options.keep_all || a->is_input;
        if (stays) /* from one frame to the next */
            live(a, 0);
        if (stays || a->is_kept)
            live(a, plan->n_steps);
    }
}

/* ---- sharing bytes ---------------------------------------------------- */

static struct cz_array *root_of(struct cz_array *array, size_t *offset)
{
    *offset = 0;
    while (array->root != array) {
        *offset += array->offset;
        array = array->root;
    }
    return array;
}

/* Puts the root `array` at `offset` of the root `host`. */
static void tie(struct cz_array *array, struct cz_array *host, size_t offset)
{
    array->root = host;
    host->n_tied++;
    array->offset = offset;
    live(host, array->first_step);
    live(host, array->last_step);
}

static void tie_view(struct cz_step *step)
{
    struct cz_array *in = step->inputs[0], *out = step->outputs[0];
    size_t offset;
    if (!(step->op->flags & CZ_OP_VIEW) || !has_place(in))
        return;
    struct cz_array *root = root_of(in, &offset);
    tie(out, root, offset);
}

bool cz_parts_are_contiguous(const struct cz_plan *plan,
                             const struct cz_array *whole,
                             struct cz_array *const *parts, size_t n_parts)
{
    size_t axis = 0, sum = 0;
    for (size_t i = 0; i < n_parts; i++) {
        if (!parts[i] || parts[i]->dims.rank != whole->dims.rank ||
            parts[i]->layout != whole->layout)
            return false;
        sum += parts[i]->size_bytes;
    }
    while (axis < whole->dims.rank && whole->dims.size[axis] == 1)
        axis++;
    if (whole->layout == CZ_LAYOUT_PLAIN) {
        for (size_t i = 0; i < n_parts; i++) {
            for (size_t d = axis + 1; d < whole->dims.rank; d++) {
                if (parts[i]->dims.size[d] != whole->dims.size[d])
                    return false;
            }
        }
        return sum == whole->size_bytes;
    }
    for (size_t i = 0; i < n_parts; i++) {
        if ((size_t)parts[i]->dims.size[1] %
                cz_plan_block(plan, whole->dtype) !=
            0)
            return false;
    }
    return whole->dims.size[0] == 1 && sum == whole->size_bytes;
}

static void tie_split(const struct cz_plan *plan, struct cz_step *step)
{
    struct cz_array *in = step->inputs[0];
    size_t offset;
    if (strcmp(step->op->op_type, "Split") != 0 || !has_place(in) ||
        !cz_parts_are_contiguous(plan, in, step->outputs, step->n_outputs))
        return;
    struct cz_array *root = root_of(in, &offset);
    for (size_t i = 0; i < step->n_outputs; i++) {
        tie(step->outputs[i], root, offset);
        offset += step->outputs[i]->size_bytes;
    }
}

/* May `root`, in which part `index` is, lie at `start` of the Concat's output,
 * where the part is to be at `at`? Wherever it covers another part, that part
 * must be in `root` at the same place. */
static bool fits_in_whole(struct cz_array *root, size_t start,
                          const struct cz_step *concat, size_t index, size_t at)
{
    const size_t end = start + root->size_bytes;
    if (end > concat->outputs[0]->size_bytes)
        return false;
    while (index > 0 && at > start)
        at -= concat->inputs[--index]->size_bytes;
    for (; index < concat->n_inputs && at < end; index++) {
        size_t offset, size = concat->inputs[index]->size_bytes;
        const struct cz_array *other = root_of(concat->inputs[index], &offset);
        bool overlaps = start < at + size;
        if (overlaps && (other != root || start + offset != at))
            return false;
        at += size;
    }
    return true;
}

static void tie_concat(const struct cz_plan *plan, struct cz_step *step)
{
    struct cz_array *out = step->outputs[0];
    size_t at = 0, offset;
    if (strcmp(step->op->op_type, "Concat") != 0 ||
        !cz_parts_are_contiguous(plan, out, step->inputs, step->n_inputs))
        return;
    for (size_t i = 0; i < step->n_inputs; i++) {
        struct cz_array *part = step->inputs[i];
        struct cz_array *root = root_of(part, &offset);
        if (root != out && has_place(part) && at >= offset &&
            fits_in_whole(root, at - offset, step, i, at))
            tie(root, out, at - offset);
        at += part->size_bytes;
    }
}

/* Is `array` the only one that lies in its root? */
static bool is_alone(const struct cz_array *array)
{
    return array->root == array && array->n_tied == 0;
}

/* Lets an elementwise step overwrite its first operand. */
static void tie_in_place(struct cz_step *step, size_t index)
{
    struct cz_array *in = step->n_inputs ? step->inputs[0] : NULL;
    struct cz_array *out = step->outputs[0];
    if (!(step->op->flags & CZ_OP_ELEMENTWISE) || !in || !has_place(in) ||
        in->is_input || in->is_kept || in->last_step != index ||
        in->size_bytes != out->size_bytes || in->layout != out->layout ||
        !cz_dims_equal(&in->dims, &out->dims) || out->root != out ||
        !is_alone(in))
        return;
    tie(out, in, 0);
}

static void share_bytes(struct cz_plan *plan)
{
    struct cz_step **steps = plan->steps;
    if (plan->options.keep_all)
        return;
    for (size_t i = 0; i < plan->n_steps; i++) {
        if (!steps[i]->is_dynamic) {
            tie_view(steps[i]);
            tie_split(plan, steps[i]);
        }
    }
    for (size_t i = 0; i < plan->n_steps; i++) {
        if (!steps[i]->is_dynamic)
            tie_concat(plan, steps[i]);
    }
    for (size_t i = 0; i < plan->n_steps; i++) {
        if (!steps[i]->is_dynamic)
            tie_in_place(steps[i], i);
    }
}

/* ---- offsets ---------------------------------------------------------- */

static int by_falling_size(const void *a, const void *b)
{
    const struct cz_array *x = *(struct cz_array *const *)a;
    const struct cz_array *y = *(struct cz_array *const *)b;
    if (x->size_bytes != y->size_bytes)
        return x->size_bytes < y->size_bytes ? 1 : -1;
    return (x->id > y->id) - (x->id < y->id);
}

static size_t aligned(size_t bytes)
{
    return (bytes + ALIGNMENT - 1) & ~(ALIGNMENT - 1);
}

/* Bytes that are taken, and while which steps run. */
struct slot {
    size_t offset, end, first_step, last_step;
};

/* The lowest offset at which `array` meets none of the `n` slots, which are
 * sorted by offset; and its place in that order. */
static size_t find_offset(const struct cz_array *array,
                          const struct slot *slots, size_t n, size_t *position)
{
    size_t offset = 0;
    for (size_t i = 0; i < n; i++) {
        const struct slot *other = &slots[i];
        if (array->first_step > other->last_step ||
            other->first_step > array->last_step)
            continue;
        if (offset + array->size_bytes <= other->offset)
            break;
        if (other->end > offset)
            offset = other->end;
    }
    *position = n;
    while (*position > 0 && slots[*position - 1].offset > offset)
        --*position;
    return offset;
}

/* Gives each root its offset; returns the bytes that all need. */
static size_t place_roots(struct cz_array **roots, size_t n, struct slot *slots)
{
    size_t total = 0;
    qsort(roots, n, sizeof *roots, by_falling_size);
    for (size_t i = 0; i < n; i++) {
        size_t at = i, offset = total;
        if (n <= ROOTS_MAX)
            offset = find_offset(roots[i], slots, i, &at);
        roots[i]->offset = offset;
        memmove(slots + at + 1, slots + at, (i - at) * sizeof *slots);
        slots[at] =
            (struct slot){offset, aligned(offset + roots[i]->size_bytes),
                          roots[i]->first_step, roots[i]->last_step};
        total = slots[at].end > total ? slots[at].end : total;
    }
    return total;
}

/* Lists the roots that need a place; false where their bytes overflow. */
static bool list_roots(const struct cz_plan *plan, struct cz_array **roots,
                       size_t *n)
{
    size_t sum = 0;
    *n = 0;
    for (size_t i = 0; i < plan->n_arrays; i++) {
        struct cz_array *a = plan->arrays[i];
        if (a->root != a || !has_place(a) || a->first_step == SIZE_MAX)
            continue;
        if (!cz_add_size(sum, aligned(a->size_bytes), &sum))
            return false;
        roots[(*n)++] = a;
    }
    return true;
}

static enum cz_status find_offsets(struct cz_plan *plan, struct cz_error *err)
{
    enum cz_status status = CZ_OK;
    size_t n;
    struct cz_array **roots =
        cz_realloc_array(NULL, plan->n_arrays + 1, sizeof *roots);
    struct slot *slots =
        cz_realloc_array(NULL, plan->n_arrays + 1, sizeof *slots);
    if (!roots || !slots)
        status = cz_error_nomem(err);
    else if (!list_roots(plan, roots, &n))
        status = cz_error_set(err, CZ_ESHAPE,
                              "its values need more memory than can be "
                              "addressed");
    else
        plan->memory_bytes = place_roots(roots, n, slots);
    cz_free(roots);
    cz_free(slots);
    return status;
}

/* ---- addresses -------------------------------------------------------- */

static void set_addresses(struct cz_plan *plan)
{
    for (size_t i = 0; i < plan->n_arrays; i++) {
        struct cz_array *a = plan->arrays[i];
        size_t offset;
        const struct cz_array *root = root_of(a, &offset);
        if (has_place(a) && root->first_step != SIZE_MAX)
            a->data = plan->memory + root->offset + offset;
    }
}

enum cz_status cz_plan_place(struct cz_plan *plan, struct cz_error *err)
{
    find_lives(plan);
    share_bytes(plan);
    CZ_TRY(find_offsets(plan, err));
    plan->memory = cz_pages_alloc(plan->memory_bytes);
    if (!plan->memory)
        return cz_error_set(err, CZ_ENOMEM,
                            "out of memory: a frame needs %.1f GB",
                            (double)plan->memory_bytes / 1e9);
    set_addresses(plan);
    return CZ_OK;
}

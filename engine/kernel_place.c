/* Concat and Split of whole blocks of bytes: where memory.c let parts be made
 * inside the whole nothing is left to do, the others are copied. */
#include <string.h>

#include "engine/kernels_internal.h"

static bool fits(const struct cz_plan *plan, const struct cz_array *whole,
                 struct cz_array *const *parts, size_t n_parts)
{
    const struct cz_dims *dims = &whole->dims;
    int64_t channels = 0;
    if (whole->layout == CZ_LAYOUT_PLAIN)
        return cz_parts_are_contiguous(plan, whole, parts, n_parts);
    for (size_t i = 0; i < n_parts; i++) {
        const struct cz_dims *part = &parts[i]->dims;
        if (parts[i]->layout != CZ_LAYOUT_BLOCKED || part->rank != dims->rank ||
            part->size[0] != dims->size[0] ||
            (size_t)part->size[1] % cz_plan_block(plan, whole->dtype) != 0)
            return false;
        channels += part->size[1];
    }
    return channels == dims->size[1];
}

static bool fits_concat(const struct cz_step *step, const struct cz_plan *plan)
{
    for (size_t i = 0; i < step->n_inputs; i++) {
        if (!step->inputs[i])
            return false;
    }
    return fits(plan, step->outputs[0], step->inputs, step->n_inputs);
}

static bool fits_split(const struct cz_step *step, const struct cz_plan *plan)
{
    for (size_t i = 0; i < step->n_outputs; i++) {
        if (!step->outputs[i])
            return false;
    }
    return fits(plan, step->inputs[0], step->outputs, step->n_outputs);
}

/* Images of the batch; plain parts are contiguous, as if there were one. */
static size_t images(const struct cz_array *whole)
{
    return whole->layout == CZ_LAYOUT_BLOCKED ? (size_t)whole->dims.size[0] : 1;
}

static enum cz_status run_concat(struct cz_step *step,
                                 const struct cz_exec *exec,
                                 struct cz_error *err)
{
    const struct cz_array *out = step->outputs[0];
    size_t n = images(out), offset = 0;
    (void)exec;
    (void)err;
    for (size_t i = 0; i < step->n_inputs; i++) {
        const struct cz_array *in = step->inputs[i];
        size_t bytes = in->size_bytes / n;
        char *to = (char *)out->data + offset;
        for (size_t k = 0; k < n && in->data != to; k++)
            memcpy(to + k * (out->size_bytes / n),
                   (const char *)in->data + k * bytes, bytes);
        offset += bytes;
    }
    return CZ_OK;
}

static enum cz_status run_split(struct cz_step *step,
                                const struct cz_exec *exec,
                                struct cz_error *err)
{
    const struct cz_array *in = step->inputs[0];
    size_t n = images(in), offset = 0;
    (void)exec;
    (void)err;
    for (size_t i = 0; i < step->n_outputs; i++) {
        const struct cz_array *out = step->outputs[i];
        size_t bytes = out->size_bytes / n;
        const char *from = (const char *)in->data + offset;
        for (size_t k = 0; k < n && out->data != from; k++)
            memcpy((char *)out->data + k * bytes,
                   from + k * (in->size_bytes / n), bytes);
        offset += bytes;
    }
    return CZ_OK;
}

const struct cz_kernel cz_kernels_place[] = {
    {.name = "place",
     .op_type = "Concat",
     .fits = fits_concat,
     .run = run_concat},
    {.name = "place", .op_type = "Split", .fits = fits_split, .run = run_split},
    {.name = NULL},
};

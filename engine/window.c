/* Windows of Conv, ConvTranspose and the pools: reading them from a node, and
 * what auto_pad and ceil_mode make of them (ONNX operator specification;
 * where that is vague, as ONNX Runtime does it). */
#include <inttypes.h>

#include "engine/window_internal.h"

#define SPATIAL CZ_SPATIAL_MAX

/* Sizes and attributes are at most this: their products fit. */
#define SIZE_MOST INT32_MAX

/* ---- reading ---------------------------------------------------------- */

/* One of the node's lists; `per_dim` numbers for each dimension. */
struct list {
    const char *name;
    int64_t *ints;
    int64_t least, otherwise;
    size_t per_dim;
};

/* All lists of a node must tell the same number of dimensions. */
static enum cz_status read_list(const struct list *list, size_t *spatial,
                                const struct cz_attrs *attrs)
{
    size_t n = list->per_dim * SPATIAL, given;
    struct cz_attrs_list want = {list->ints, n, {list->least, SIZE_MOST}};
    CZ_TRY(cz_attrs_ints(attrs, list->name, want, &given));
    for (size_t i = given; i < n; i++)
        list->ints[i] = list->otherwise;
    if (given == 0)
        return CZ_OK;
    if (given % list->per_dim ||
        (*spatial && given != *spatial * list->per_dim))
        return cz_step_error(attrs->step, attrs->err,
                             "'%s' has %zu numbers, want %zu for each of %zu "
                             "dimensions",
                             list->name, given, list->per_dim,
                             *spatial ? *spatial : given / list->per_dim);
    *spatial = given / list->per_dim;
    return CZ_OK;
}

static enum cz_status read_auto_pad(struct cz_window *w,
                                    const struct cz_attrs *attrs)
{
    static const char *const words[] = {"NOTSET", "SAME_UPPER", "SAME_LOWER",
                                        "VALID", NULL};
    size_t word = CZ_PAD_GIVEN;
    CZ_TRY(cz_attrs_word(attrs, "auto_pad", words, &word));
    w->auto_pad = (enum cz_auto_pad)word;
    return CZ_OK;
}

enum cz_status cz_window_parse(struct cz_window *w,
                               const struct cz_attrs *attrs)
{
    int64_t pads[2 * SPATIAL];
    const struct list lists[] = {
        {"kernel_shape", w->kernel, 1, 1, 1},
        {"strides", w->strides, 1, 1, 1},
        {"dilations", w->dilations, 1, 1, 1},
        {"pads", pads, 0, 0, 2},
    };
    w->spatial = 0;
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++)
        CZ_TRY(read_list(&lists[i], &w->spatial, attrs));
    CZ_TRY(read_auto_pad(w, attrs));
    CZ_TRY(cz_attrs_bool(attrs, "ceil_mode", &w->ceil_mode));
    w->has_kernel = cz_node_attr(attrs->node, "kernel_shape") != NULL;
    for (size_t i = 0; i < SPATIAL; i++) {
        bool used = w->auto_pad == CZ_PAD_GIVEN && i < w->spatial;
        w->pads_begin[i] = used ? pads[i] : 0;
        w->pads_end[i] = used ? pads[i + w->spatial] : 0;
    }
    return CZ_OK;
}

/* ---- fitting ---------------------------------------------------------- */

static enum cz_status fit_weight(struct cz_window *w,
                                 const struct cz_step *step,
                                 const struct cz_dims *weight,
                                 struct cz_error *err)
{
    for (size_t i = 0; i < w->spatial; i++) {
        int64_t size = weight->size[i + 2];
        if (size < 1 || size > SIZE_MOST)
            return cz_step_error(step, err,
                                 "dimension %zu of its weight is %" PRId64,
                                 i + 2, size);
        if (w->has_kernel && w->kernel[i] != size)
            return cz_step_error(
                step, err, "kernel_shape says %" PRId64 ", the weight %" PRId64,
                w->kernel[i], size);
        w->kernel[i] = size;
    }
    return CZ_OK;
}

enum cz_status cz_window_fit(struct cz_window *w, const struct cz_step *step,
                             const struct cz_dims *input,
                             const struct cz_dims *weight, struct cz_error *err)
{
    char text[CZ_DIMS_TEXT_BYTES];
    if (input->rank < 3)
        return cz_step_error(step, err, "input 0 is %s, want [N,C,H,W]",
                             cz_dims_text(input, text));
    if (input->rank - 2 > SPATIAL)
        return cz_step_unsupported(step, err, "%zu spatial dimensions",
                                   input->rank - 2);
    if (weight && weight->rank != input->rank)
        return cz_step_error(step, err,
                             "its input has %zu dimensions, its weight %zu",
                             input->rank, weight->rank);
    if (w->spatial && w->spatial != input->rank - 2)
        return cz_step_error(step, err,
                             "its attributes are for %zu spatial dimensions, "
                             "its input is %s",
                             w->spatial, cz_dims_text(input, text));
    for (size_t i = 2; i < input->rank; i++) {
        if (input->size[i] > SIZE_MOST)
            return cz_step_error(step, err, "input 0 is %s",
                                 cz_dims_text(input, text));
    }
    w->spatial = input->rank - 2;
    if (weight)
        return fit_weight(w, step, weight, err);
    return w->has_kernel ? CZ_OK : cz_step_error(step, err, "no kernel_shape");
}

/* ---- auto_pad and ceil_mode ------------------------------------------- */

void cz_window_pad(struct cz_window *w, size_t i, int64_t total, bool odd_first)
{
    w->pads_begin[i] = odd_first ? total - total / 2 : total / 2;
    w->pads_end[i] = total - w->pads_begin[i];
}

static enum cz_status too_small(const struct cz_window *w,
                                const struct cz_step *step, size_t i,
                                int64_t size, struct cz_error *err)
{
    return cz_step_error(step, err,
                         "dimension %zu of its input is %" PRId64
                         " with %" PRId64
                         " of padding, too small for a kernel of %" PRId64
                         " with a dilation of %" PRId64,
                         i + 2, size, w->pads_begin[i] + w->pads_end[i],
                         w->kernel[i], w->dilations[i]);
}

/* The number of windows along dimension i; 0 where not even one fits. */
static int64_t slide(struct cz_window *w, size_t i, int64_t size)
{
    int64_t stride = w->strides[i];
    int64_t extent = w->dilations[i] * (w->kernel[i] - 1) + 1;
    if (w->auto_pad == CZ_PAD_SAME_UPPER || w->auto_pad == CZ_PAD_SAME_LOWER) {
        int64_t count = (size + stride - 1) / stride;
        int64_t total = (count - 1) * stride + extent - size;
        cz_window_pad(w, i, total > 0 && count > 0 ? total : 0,
                      w->auto_pad == CZ_PAD_SAME_LOWER);
        return count;
    }
    int64_t room = size + w->pads_begin[i] + w->pads_end[i] - extent;
    if (room < 0)
        return 0;
    int64_t steps = (w->ceil_mode ? room + stride - 1 : room) / stride;
    /* A window may not start in the padding behind the image. */
    if (w->ceil_mode && steps * stride >= size + w->pads_begin[i])
        steps--;
    return steps + 1;
}

enum cz_status cz_window_resolve(struct cz_window *w,
                                 const struct cz_step *step,
                                 const struct cz_dims *input,
                                 struct cz_dims *output, struct cz_error *err)
{
    output->rank = input->rank;
    for (size_t i = 0; i < w->spatial; i++) {
        int64_t size = input->size[i + 2];
        output->size[i + 2] = slide(w, i, size);
        if (output->size[i + 2] == 0 && size > 0)
            return too_small(w, step, i, size, err);
    }
    return CZ_OK;
}

/* ---- for kernels ------------------------------------------------------ */

struct cz_window cz_window_3d(const struct cz_window *w)
{
    size_t missing = SPATIAL - w->spatial;
    struct cz_window all = {.spatial = SPATIAL,
                            .auto_pad = w->auto_pad,
                            .ceil_mode = w->ceil_mode,
                            .has_kernel = true};
    for (size_t i = 0; i < SPATIAL; i++) {
        bool own = i >= missing;
        all.kernel[i] = own ? w->kernel[i - missing] : 1;
        all.strides[i] = own ? w->strides[i - missing] : 1;
        all.dilations[i] = own ? w->dilations[i - missing] : 1;
        all.pads_begin[i] = own ? w->pads_begin[i - missing] : 0;
        all.pads_end[i] = own ? w->pads_end[i - missing] : 0;
    }
    return all;
}

void cz_window_sizes(const struct cz_dims *dims, int64_t sizes[SPATIAL])
{
    size_t missing = SPATIAL + 2 - dims->rank;
    for (size_t i = 0; i < SPATIAL; i++)
        sizes[i] = i < missing ? 1 : dims->size[i - missing + 2];
}

static int64_t divide_up(int64_t a, int64_t b)
{
    return a <= 0 ? 0 : (a - 1) / b + 1;
}

struct cz_span cz_window_inside(int64_t stride, int64_t offset, int64_t size,
                                int64_t count)
{
    struct cz_span span = {-offset, size - offset};
    if (stride != 1)
        span = (struct cz_span){divide_up(-offset, stride),
                                divide_up(size - offset, stride)};
    if (span.begin < 0)
        span.begin = 0;
    if (span.end < 0)
        span.end = 0;
    if (span.end > count)
        span.end = count;
    if (span.begin > span.end)
        span.begin = span.end;
    return span;
}

struct cz_span cz_window_taps(const struct cz_window *w, size_t i, int64_t at,
                              int64_t size)
{
    return cz_window_inside(w->dilations[i],
                            at * w->strides[i] - w->pads_begin[i], size,
                            w->kernel[i]);
}

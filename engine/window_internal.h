/* Windows that slide over an image: what Conv, ConvTranspose and the pools
 * share. An array is [N,C,...] with one to three spatial dimensions. */
#ifndef CZ_ENGINE_WINDOW_INTERNAL_H
#define CZ_ENGINE_WINDOW_INTERNAL_H

#include "engine/attr_internal.h"

#define CZ_SPATIAL_MAX 3

enum cz_auto_pad {
    CZ_PAD_GIVEN,
    CZ_PAD_SAME_UPPER, /* the odd one at the end */
    CZ_PAD_SAME_LOWER, /* at the beginning */
    CZ_PAD_VALID
};

struct cz_window {
    size_t spatial; /* dimensions behind batch and channel */
    int64_t kernel[CZ_SPATIAL_MAX], strides[CZ_SPATIAL_MAX];
    int64_t dilations[CZ_SPATIAL_MAX];
    /* What is added before and behind the input: as given, until
     * cz_window_resolve() has worked out auto_pad. */
    int64_t pads_begin[CZ_SPATIAL_MAX], pads_end[CZ_SPATIAL_MAX];
    enum cz_auto_pad auto_pad;
    bool ceil_mode;
    bool has_kernel; /* the node has a kernel_shape */
};

/* The params of Conv and, with what it has more, ConvTranspose. After shape()
 * the window is resolved: its kernel is the weight's, its pads are explicit. */
struct cz_conv_params {
    struct cz_window window;
    int64_t group;
    /* ConvTranspose */
    int64_t output_padding[CZ_SPATIAL_MAX], output_shape[CZ_SPATIAL_MAX];
    bool has_output_shape;
};

/* Reads kernel_shape, strides, dilations, pads, auto_pad and ceil_mode; what
 * is missing gets its default, spatial is 0 where nothing tells it. */
enum cz_status cz_window_parse(struct cz_window *window,
                               const struct cz_attrs *attrs);

/* Sets the number of spatial dimensions from the input's rank, and the kernel
 * from the weight's dims behind the first two; `weight` is NULL for a pool. */
enum cz_status cz_window_fit(struct cz_window *window,
                             const struct cz_step *step,
                             const struct cz_dims *input,
                             const struct cz_dims *weight,
                             struct cz_error *err);

/* Sets the pads and the spatial dims of `output`. Where ceil_mode lets the
 * last windows reach beyond pads_end, they do. CZ_ESHAPE where the input is
 * smaller than the window. */
enum cz_status cz_window_resolve(struct cz_window *window,
                                 const struct cz_step *step,
                                 const struct cz_dims *input,
                                 struct cz_dims *output, struct cz_error *err);

/* Shares `total` elements of padding along dimension i; `odd_first`: the odd
 * one goes to the beginning. */
void cz_window_pad(struct cz_window *window, size_t i, int64_t total,
                   bool odd_first);

/* The window, and the spatial sizes of an array, as if there were three
 * dimensions: those in front have size 1. */
struct cz_window cz_window_3d(const struct cz_window *window);
void cz_window_sizes(const struct cz_dims *dims, int64_t sizes[CZ_SPATIAL_MAX]);

/* [begin, end) */
struct cz_span {
    int64_t begin, end;
};

/* The taps of the window at output position `at` along dimension i that lie
 * inside an input of `size`. Tap t reads position
 * at * stride - pads_begin + t * dilation. */
struct cz_span cz_window_taps(const struct cz_window *window, size_t i,
                              int64_t at, int64_t size);

/* The positions x of `count` whose image x * stride + offset lies inside
 * [0, size). */
struct cz_span cz_window_inside(int64_t stride, int64_t offset, int64_t size,
                                int64_t count);

#endif

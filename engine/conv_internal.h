/* What the fast kernels of Conv share: the sizes of a 2-d convolution on
 * blocked arrays, and their packed weights. */
#ifndef CZ_ENGINE_CONV_INTERNAL_H
#define CZ_ENGINE_CONV_INTERNAL_H

#include "engine/simd_internal.h"
#include "engine/storage_internal.h"

struct cz_conv_shape {
    size_t batch, group;
    size_t in_channels, in_h, in_w; /* of the whole input, not of a group */
    size_t out_channels, out_h, out_w;
    size_t kernel_h, kernel_w, stride_h, stride_w, dilation_h, dilation_w;
    size_t pad_top, pad_left;
    size_t lanes, in_blocks, out_blocks;
    bool is_plain; /* the input; the output is always blocked */
};

/* The sizes of a Conv step that the fast kernels may take: static, 2-d,
 * float32, weights and bias constant, a blocked output of plan->block lanes.
 * False for all others. */
bool cz_conv_shape(struct cz_conv_shape *shape, const struct cz_step *step,
                   const struct cz_plan *plan);

/* The same from the step's dims and params, which are not checked; the lanes
 * are the blocks' of input and output. */
struct cz_conv_params;
void cz_conv_read_shape(struct cz_conv_shape *shape, const struct cz_step *step,
                        const struct cz_conv_params *params, size_t lanes);

/* The bias of the step, or zeros, in out_blocks * lanes floats. */
void cz_conv_pack_bias(const struct cz_step *step,
                       const struct cz_conv_shape *shape, float *bias);

/* The activation and the residual of the step for the sums of n pixels of one
 * block, which begin `at` floats into the output; lanes without a channel
 * become 0. */
void cz_conv_finish(const struct cz_step *step,
                    const struct cz_conv_shape *shape,
                    const struct cz_simd *simd, size_t at, size_t n);

/* The elements of an image plane of the input and of the output, of one block
 * or, in a plain input, one channel. */
size_t cz_conv_in_plane(const struct cz_conv_shape *shape);
size_t cz_conv_out_plane(const struct cz_conv_shape *shape);

/* The output columns [*from, *to) whose windows do not reach over the left or
 * right border. */
void cz_conv_inside(const struct cz_conv_shape *shape, size_t *from,
                    size_t *to);

/* 1 x 1 of stride 1: makes the image a single row. */
void cz_conv_flatten(struct cz_conv_shape *shape);

/* The rows and columns of the input that so many of the output are made of. */
size_t cz_conv_window_rows(const struct cz_conv_shape *shape, size_t rows);
size_t cz_conv_window_columns(const struct cz_conv_shape *shape,
                              size_t columns);

/* Where the window of an output row or column begins in the input. */
ptrdiff_t cz_conv_window_y(const struct cz_conv_shape *shape, size_t y);
ptrdiff_t cz_conv_window_x(const struct cz_conv_shape *shape, size_t x);

/* Copies rows x columns pixels of `unit` elements, here floats, from position
 * (y, x) of a plane of the input, with zeros where that is outside. */
struct cz_conv_window {
    ptrdiff_t y, x;
    size_t rows, columns, unit;
};
void cz_conv_copy_window(const struct cz_conv_shape *shape, const float *plane,
                         const struct cz_conv_window *window, float *to);

/* What of row r of a window is inside the input: `inside` pixels, of which the
 * first is element `from` of a plane, behind `left` that are not; 0 and 0 where
 * the whole row is outside. */
struct cz_conv_row {
    size_t left, inside, from;
};
struct cz_conv_row cz_conv_window_row(const struct cz_conv_shape *shape,
                                      const struct cz_conv_window *window,
                                      size_t r);

/* Blocks of output channels come in pairs, the last one may be alone. */
size_t cz_conv_pairs(const struct cz_conv_shape *shape);
size_t cz_conv_pair_outputs(const struct cz_conv_shape *shape, size_t pair);

#endif

/* The kernels, in the order in which they are tried. */
#ifndef CZ_ENGINE_KERNELS_INTERNAL_H
#define CZ_ENGINE_KERNELS_INTERNAL_H

#include "engine/plan_internal.h"

/* The tables, each ended by a row without a name. */
extern const struct cz_kernel cz_kernels_winograd[];  /* 3x3, stride 1 */
extern const struct cz_kernel cz_kernels_depthwise[]; /* a channel a group */
extern const struct cz_kernel cz_kernels_direct[];    /* group 1, any window */
extern const struct cz_kernel cz_kernels_blocked[];   /* MaxPool, Resize */
extern const struct cz_kernel cz_kernels_channels[];  /* means, Mul, Add */
extern const struct cz_kernel cz_kernels_transpose[]; /* ConvTranspose */
/* Conv and ConvTranspose on plain arrays; MatMul, Gemm: by our own products of
 * matrices, or by those of OpenBLAS. */
extern const struct cz_kernel cz_kernels_im2col[];
extern const struct cz_kernel cz_kernels_matmul[];
extern const struct cz_kernel cz_kernels_openblas_im2col[];
extern const struct cz_kernel cz_kernels_openblas_matmul[];
extern const struct cz_kernel cz_kernels_onednn[];
extern const struct cz_kernel cz_kernels_narrow[]; /* group 1, any window */
/* On codes, like those without codes_. */
extern const struct cz_kernel cz_kernels_codes_winograd[];
extern const struct cz_kernel cz_kernels_codes_depthwise[];
extern const struct cz_kernel cz_kernels_codes_direct[];
extern const struct cz_kernel cz_kernels_place[]; /* Concat, Split */
extern const struct cz_kernel cz_kernels_simd[];  /* activations, Softmax */
extern const struct cz_kernel cz_kernels_codes[]; /* all but convolutions */

/* CZ_EINVAL where a list as in cz_plan_options.kernels names none of them. */
enum cz_status cz_kernels_check(const char *list, struct cz_error *err);

/* Does any kernel fit the step as it is? */
bool cz_kernel_exists(const struct cz_step *step, const struct cz_plan *plan);

/* The same if its image, and its output with what is added to it, had these
 * layouts. */
bool cz_kernel_exists_for(struct cz_step *step, const struct cz_plan *plan,
                          enum cz_layout in, enum cz_layout out);

/* Makes `kernel` the step's and prepares it; where that fails, the step is left
 * without one. */
enum cz_status cz_kernel_take(struct cz_step *step, const struct cz_plan *plan,
                              const struct cz_kernel *kernel,
                              struct cz_error *err);

/* Leaves the step without a kernel. */
void cz_kernel_drop(struct cz_step *step);

#endif

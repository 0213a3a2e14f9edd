/* The tables of fast kernels, each ended by a row without a name. */
#ifndef CZ_ENGINE_KERNELS_INTERNAL_H
#define CZ_ENGINE_KERNELS_INTERNAL_H

#include "engine/plan_internal.h"

extern const struct cz_kernel cz_kernels_winograd[];  /* 3x3, stride 1 */
extern const struct cz_kernel cz_kernels_depthwise[]; /* a channel a group */
extern const struct cz_kernel cz_kernels_direct[];    /* group 1, any window */

#endif

/* OpenBLAS, opened when a plan is compiled and a kernel of it is to be timed or
 * was the fastest: the program is built, starts and runs without it. */
#ifndef CZ_ENGINE_OPENBLAS_INTERNAL_H
#define CZ_ENGINE_OPENBLAS_INTERNAL_H

#include "core/blas.h"
#include "engine/gemm_internal.h"

/* Multiplications that are worth loading it. */
#define CZ_OPENBLAS_MACS_MIN ((size_t)4 << 20)

struct cz_openblas {
    bool was_tried;
    const struct cz_blas *blas; /* NULL: not there */
};

/* Nothing is loaded yet. NULL without memory. */
struct cz_openblas *cz_openblas_new(void);
void cz_openblas_free(struct cz_openblas *openblas);

/* Loads it, the first time; false where it is not installed: see core/blas.h.
 * Each thread has a buffer of its own there, of which a product touches about
 * 1 MB. */
bool cz_openblas_load(struct cz_openblas *openblas);

/* All sizes and distances fit into an int. */
void cz_openblas_run(const struct cz_openblas *openblas,
                     const struct cz_gemm *gemm);

#endif

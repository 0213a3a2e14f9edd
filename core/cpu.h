/* What the processor can do, found at run time. */
#ifndef CZ_CORE_CPU_H
#define CZ_CORE_CPU_H

#include <stdbool.h>

#include "core/error.h"

enum cz_cpu_feature {
    CZ_CPU_DOTPROD,    /* aarch64: dot products of int8 (FEAT_DotProd) */
    CZ_CPU_FP16,       /* aarch64: float16 arithmetic (FEAT_FP16) */
    CZ_CPU_AVX2,       /* x86-64: with FMA */
    CZ_CPU_AVX512,     /* F, with what CZ_CPU_AVX2 asks for */
    CZ_CPU_AVX512_BF16 /* with BW and what CZ_CPU_AVX512 asks for */
};

/* Whether kernels may use `feature`: the processor has it, and the environment
 * variable CZ_CPU allows it: baseline, dotprod, fp16 (and dot products), avx2,
 * avx512 (without AVX512_BF16), avx512_bf16; unset, empty or anything else: no
 * limit. Asked when a plan is compiled. */
bool cz_cpu_has(enum cz_cpu_feature feature);

/* All that CZ_CPU may be; ends with NULL. */
extern const char *const cz_cpu_levels[];

/* CZ_EINVAL where CZ_CPU is anything else. */
enum cz_status cz_cpu_check(struct cz_error *err);

/* What kernels may use, as CZ_CPU names it. */
const char *cz_cpu_level(void);

#endif

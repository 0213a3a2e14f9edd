/* What the processor can do, found at run time. */
#ifndef CZ_CORE_CPU_H
#define CZ_CORE_CPU_H

#include <stdbool.h>

enum cz_cpu_feature {
    CZ_CPU_AVX2,  /* with FMA */
    CZ_CPU_AVX512 /* F, with what CZ_CPU_AVX2 asks for */
};

/* Whether kernels may use `feature`: the processor has it, and the environment
 * variable CZ_CPU (baseline, avx2 or avx512; unset: no limit) allows it.
 */
bool cz_cpu_has(enum cz_cpu_feature feature);

#endif

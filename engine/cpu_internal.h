/* What the processor can do, found at run time. */
#ifndef CZ_ENGINE_CPU_INTERNAL_H
#define CZ_ENGINE_CPU_INTERNAL_H

#include <stdbool.h>

enum cz_cpu_feature {
    CZ_CPU_AVX2,       /* with FMA */
    CZ_CPU_AVX512,     /* F, with what CZ_CPU_AVX2 asks for */
    CZ_CPU_AVX512_BF16 /* with BW and what CZ_CPU_AVX512 asks for */
};

/* Whether kernels may use `feature`: the processor has it, and the environment
 * variable CZ_CPU (baseline, avx2 or avx512, which is without AVX512_BF16;
 * unset: no limit) allows it. Asked when a plan is compiled. */
bool cz_cpu_has(enum cz_cpu_feature feature);

#endif

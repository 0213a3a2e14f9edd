/* The choice among the kinds of loops of narrow_internal.h. */
#include "core/cpu.h"
#include "engine/narrow_internal.h"

const struct cz_narrow *cz_bf16_find(size_t lanes)
{
#ifdef __aarch64__
    if (lanes == cz_bf16_neon.lanes)
        return &cz_bf16_neon;
#endif
#ifdef __x86_64__
    if (lanes == 16 && cz_cpu_has(CZ_CPU_AVX512_BF16))
        return &cz_bf16_native;
    if (lanes == 16 && cz_cpu_has(CZ_CPU_AVX512))
        return &cz_bf16_avx512;
    if (lanes == 8 && cz_cpu_has(CZ_CPU_AVX2))
        return &cz_bf16_avx2;
#endif
    return lanes == cz_bf16_plain.lanes ? &cz_bf16_plain : NULL;
}

const struct cz_narrow *cz_fp16_find(size_t lanes)
{
#ifdef __aarch64__
    if (lanes == cz_fp16_neon.lanes && cz_cpu_has(CZ_CPU_FP16))
        return &cz_fp16_neon;
#endif
    (void)lanes;
    return NULL;
}

/* The processor's features, and the limit that CZ_CPU sets. */
#include "engine/cpu_internal.h"

#include <stdlib.h>
#include <string.h>

static bool is_allowed(enum cz_cpu_feature feature)
{
    const char *limit = getenv("CZ_CPU");
    if (!limit)
        return true;
    if (!strcmp(limit, "baseline"))
        return false;
    if (!strcmp(limit, "avx2"))
        return feature == CZ_CPU_AVX2;
    return strcmp(limit, "avx512") != 0 || feature != CZ_CPU_AVX512_BF16;
}

bool cz_cpu_has(enum cz_cpu_feature feature)
{
    if (!is_allowed(feature))
        return false;
#if defined(__x86_64__)
    if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("fma"))
        return false;
    if (feature == CZ_CPU_AVX2)
        return true;
    if (feature == CZ_CPU_AVX512)
        return __builtin_cpu_supports("avx512f");
    return __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512bf16");
#else
    return false;
#endif
}

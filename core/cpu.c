/* The processor's features, and the limit that CZ_CPU sets. */
#include "core/cpu.h"

#include <stdlib.h>
#include <string.h>
#ifdef __aarch64__
#include <asm/hwcap.h>
#include <sys/auxv.h>
#endif

/* Level i allows the first i features; a processor has those of its kind. */
const char *const cz_cpu_levels[] = {"baseline", "dotprod",     "fp16", "avx2",
                                     "avx512",   "avx512_bf16", NULL};

#define N_LEVELS (sizeof cz_cpu_levels / sizeof *cz_cpu_levels - 1)
_Static_assert(N_LEVELS == CZ_CPU_AVX512_BF16 + 2, "a level for each feature");

/* The level that CZ_CPU names; N_LEVELS where it is none. */
static size_t find_limit(const char *text)
{
    size_t i = 0;
    while (text && i < N_LEVELS && strcmp(cz_cpu_levels[i], text) != 0)
        i++;
    return text ? i : N_LEVELS;
}

static bool is_allowed(enum cz_cpu_feature feature)
{
    return (size_t)feature < find_limit(getenv("CZ_CPU"));
}

enum cz_status cz_cpu_check(struct cz_error *err)
{
    const char *text = getenv("CZ_CPU");
    if (!text || !*text || find_limit(text) < N_LEVELS)
        return CZ_OK;
    return cz_error_set(err, CZ_EINVAL,
                        "CZ_CPU is '%.100s', want baseline, dotprod, fp16, "
                        "avx2, avx512 or avx512_bf16",
                        text);
}

const char *cz_cpu_level(void)
{
    size_t i = N_LEVELS - 1;
    while (i > 0 && !cz_cpu_has((enum cz_cpu_feature)(i - 1)))
        i--;
    return cz_cpu_levels[i];
}

static bool is_there(enum cz_cpu_feature feature)
{
#if defined(__x86_64__)
    if (feature < CZ_CPU_AVX2 || !__builtin_cpu_supports("avx2") ||
        !__builtin_cpu_supports("fma"))
        return false;
    if (feature == CZ_CPU_AVX2)
        return true;
    if (feature == CZ_CPU_AVX512)
        return __builtin_cpu_supports("avx512f");
    return __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512bf16");
#elif defined(__aarch64__)
    const unsigned long has = getauxval(AT_HWCAP);
    return (feature == CZ_CPU_DOTPROD && (has & HWCAP_ASIMDDP) != 0) ||
           (feature == CZ_CPU_FP16 && (has & HWCAP_ASIMDHP) != 0);
#else
    (void)feature;
    return false;
#endif
}

bool cz_cpu_has(enum cz_cpu_feature feature)
{
    return is_allowed(feature) && is_there(feature);
}

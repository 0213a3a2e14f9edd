/* float16 conversion: plain C, and F16C where the CPU has it.
 *
 * The fast forms convert eight values a step. The one that counts falls back
 * to the plain one for a group that holds a value outside float16's range, so
 * that clamping and counting are written once. */
#include "core/half.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

#if defined(__x86_64__)
#include <cpuid.h>
#include <immintrin.h>
#endif

#include "core/bits.h"

float cz_half_to_float(uint16_t half)
{
    uint32_t sign = (uint32_t)(half & 0x8000) << 16;
    uint32_t exponent = (half >> 10) & 0x1f;
    uint32_t mantissa = half & 0x3ff;
    if (exponent == 0x1f)
        return cz_bits_float(sign | 0x7f800000 | mantissa << 13);
    if (exponent == 0) {
        float magnitude = (float)mantissa * CZ_HALF_MIN_POSITIVE;
        return sign ? -magnitude : magnitude;
    }
    return cz_bits_float(sign | (exponent + 112) << 23 | mantissa << 13);
}

uint16_t cz_half_from_float(float value)
{
    uint32_t bits = cz_float_bits(value);
    uint16_t sign = (uint16_t)(bits >> 16 & 0x8000);
    uint32_t magnitude = bits & 0x7fffffff;
    if (magnitude > 0x7f800000)
        return sign | 0x7e00;
    if (magnitude >= 0x477ff000) /* 65520 and above round to infinity */
        return sign | 0x7c00;
    if (magnitude < 0x38800000) /* below 2^-14: subnormal, steps of 2^-24 */
        return (uint16_t)(sign | (uint16_t)lrintf(fabsf(value) * 0x1p24f));
    uint32_t odd = magnitude >> 13 & 1;
    return (uint16_t)(sign | (magnitude - 0x38000000 + 0xfff + odd) >> 13);
}

float cz_bfloat16_to_float(uint16_t bits)
{
    return cz_bits_float((uint32_t)bits << 16);
}

uint16_t cz_bfloat16_from_float(float value)
{
    uint32_t bits = cz_float_bits(value);
    if ((bits & 0x7fffffff) > 0x7f800000)
        return (uint16_t)(bits >> 16 | 0x40); /* NaN stays NaN */
    return (uint16_t)((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

/* ---- many, as they are ------------------------------------------------ */

#if defined(__x86_64__)
static bool has_f16c(void)
{
    unsigned a, b, c, d;
    /* AVX2 tells that the system saves the wide registers. */
    return __builtin_cpu_supports("avx2") && __get_cpuid(1, &a, &b, &c, &d) &&
           (c & bit_F16C);
}

/* They stop before what does not fill a vector; how many were done. */
__attribute__((target("avx2,f16c"))) static size_t
widen_f16c(float *floats, const uint16_t *halves, size_t count)
{
    size_t i = 0;
    for (; i + 8 <= count; i += 8) {
        __m128i h =
            _mm_loadu_si128((const __m128i *)(const void *)(halves + i));
        _mm256_storeu_ps(floats + i, _mm256_cvtph_ps(h));
    }
    return i;
}

__attribute__((target("avx2,f16c"))) static size_t
narrow_f16c(uint16_t *halves, const float *floats, size_t count)
{
    size_t i = 0;
    for (; i + 8 <= count; i += 8) {
        __m256 v = _mm256_loadu_ps(floats + i);
        _mm_storeu_si128((__m128i *)(void *)(halves + i),
                         _mm256_cvtps_ph(v, _MM_FROUND_TO_NEAREST_INT));
    }
    return i;
}
#endif

void cz_half_widen_ref(float *floats, const uint16_t *halves, size_t count)
{
    for (size_t i = 0; i < count; i++)
        floats[i] = cz_half_to_float(halves[i]);
}

void cz_half_narrow_ref(uint16_t *halves, const float *floats, size_t count)
{
    for (size_t i = 0; i < count; i++)
        halves[i] = cz_half_from_float(floats[i]);
}

void cz_half_widen(float *floats, const uint16_t *halves, size_t count)
{
    size_t done = 0;
#if defined(__x86_64__)
    if (has_f16c())
        done = widen_f16c(floats, halves, count);
#endif
    cz_half_widen_ref(floats + done, halves + done, count - done);
}

void cz_half_narrow(uint16_t *halves, const float *floats, size_t count)
{
    size_t done = 0;
#if defined(__x86_64__)
    if (has_f16c())
        done = narrow_f16c(halves, floats, count);
#endif
    cz_half_narrow_ref(halves + done, floats + done, count - done);
}

void cz_bfloat16_widen(float *floats, const uint16_t *bits, size_t count)
{
    for (size_t i = 0; i < count; i++)
        floats[i] = cz_bfloat16_to_float(bits[i]);
}

void cz_bfloat16_narrow(uint16_t *bits, const float *floats, size_t count)
{
    for (size_t i = 0; i < count; i++)
        bits[i] = cz_bfloat16_from_float(floats[i]);
}

/* ---- many, clamped and counted ---------------------------------------- */

static uint16_t convert_counted(float value, struct cz_half_counts *counts)
{
    float magnitude = fabsf(value);
    if (isnan(value)) {
        counts->nan++;
    } else if (isinf(value)) {
        counts->infinite++;
    } else if (magnitude > CZ_HALF_MAX) {
        counts->clamped++;
        value = copysignf(CZ_HALF_MAX, value);
    } else if (magnitude != 0 && magnitude < CZ_HALF_MIN_POSITIVE) {
        counts->raised++;
        value = copysignf(CZ_HALF_MIN_POSITIVE, value);
    }
    return cz_half_from_float(value);
}

void cz_half_from_floats_ref(void *half, const void *values, size_t count,
                             struct cz_half_counts *counts)
{
    for (size_t i = 0; i < count; i++) {
        float value;
        memcpy(&value, (const char *)values + i * sizeof value, sizeof value);
        uint16_t bits = convert_counted(value, counts);
        memcpy((char *)half + i * sizeof bits, &bits, sizeof bits);
    }
}

#if defined(__x86_64__)
__attribute__((target("avx2,f16c"))) static void
half_from_floats_f16c(void *half, const void *values, size_t count,
                      struct cz_half_counts *counts)
{
    const char *in = values;
    char *out = half;
    const __m256 sign = _mm256_set1_ps(-0.0f);
    const __m256 smallest = _mm256_set1_ps(CZ_HALF_MIN_POSITIVE);
    const __m256 largest = _mm256_set1_ps(CZ_HALF_MAX);
    size_t i = 0;
    for (; i + 8 <= count; i += 8) {
        __m256 v = _mm256_loadu_ps((const float *)(in + i * 4));
        __m256 magnitude = _mm256_andnot_ps(sign, v);
        __m256 in_range =
            _mm256_and_ps(_mm256_cmp_ps(magnitude, smallest, _CMP_GE_OQ),
                          _mm256_cmp_ps(magnitude, largest, _CMP_LE_OQ));
        __m256 zero = _mm256_cmp_ps(magnitude, _mm256_setzero_ps(), _CMP_EQ_OQ);
        if (_mm256_movemask_ps(_mm256_or_ps(in_range, zero)) == 0xff) {
            __m128i h = _mm256_cvtps_ph(v, _MM_FROUND_TO_NEAREST_INT);
            _mm_storeu_si128((__m128i *)(out + i * 2), h);
        } else {
            cz_half_from_floats_ref(out + i * 2, in + i * 4, 8, counts);
        }
    }
    cz_half_from_floats_ref(out + i * 2, in + i * 4, count - i, counts);
}
#endif

void cz_half_from_floats(void *half, const void *values, size_t count,
                         struct cz_half_counts *counts)
{
    if (!count) /* an empty tensor has no address */
        return;
#if defined(__x86_64__)
    if (has_f16c()) {
        half_from_floats_f16c(half, values, count, counts);
        return;
    }
#endif
    cz_half_from_floats_ref(half, values, count, counts);
}

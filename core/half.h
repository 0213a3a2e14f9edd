/* float16 (IEEE 754 binary16) and bfloat16 against float32.
 *
 * Bit patterns travel as uint16_t. Rounding is to nearest, ties to even. */
#ifndef CZ_CORE_HALF_H
#define CZ_CORE_HALF_H

#include <stddef.h>
#include <stdint.h>

#define CZ_HALF_MAX 65504.0f          /* largest finite float16 */
#define CZ_HALF_MIN_POSITIVE 0x1p-24f /* smallest subnormal, 5.96e-8 */

float cz_half_to_float(uint16_t half);
uint16_t cz_half_from_float(float value); /* overflow gives infinity */
float cz_bfloat16_to_float(uint16_t bits);
uint16_t cz_bfloat16_from_float(float value);

/* The same for `count` elements, as fast as the processor can: F16C where it
 * has it. */
void cz_half_widen(float *floats, const uint16_t *halves, size_t count);
void cz_half_narrow(uint16_t *halves, const float *floats, size_t count);
void cz_bfloat16_widen(float *floats, const uint16_t *bits, size_t count);
void cz_bfloat16_narrow(uint16_t *bits, const float *floats, size_t count);

/* The plain C forms of the two of which there is a faster one; the payloads of
 * NaNs may differ. */
void cz_half_widen_ref(float *floats, const uint16_t *halves, size_t count);
void cz_half_narrow_ref(uint16_t *halves, const float *floats, size_t count);

/* What cz_half_from_floats() met. */
struct cz_half_counts {
    size_t clamped; /* finite, beyond +-65504: became +-65504 */
    size_t raised;  /* not zero, below 2^-24: became +-2^-24 */
    size_t infinite;
    size_t nan;
};

/* Converts `count` float32 values to float16 and adds what it met to
 * `counts`. Values beyond the range are clamped; values that would vanish
 * become the smallest one of their sign; infinities and NaNs stay what they
 * are. `half` may be the memory of `values` itself: element i is written
 * after element i was read, and lies before it. Neither needs alignment. */
void cz_half_from_floats(void *half, const void *values, size_t count,
                         struct cz_half_counts *counts);

/* The plain C form that every faster one is tested against. */
void cz_half_from_floats_ref(void *half, const void *values, size_t count,
                             struct cz_half_counts *counts);

#endif

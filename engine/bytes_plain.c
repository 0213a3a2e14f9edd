/* The loops over codes for any processor, and the choice among the kinds. */
#include "core/cpu.h"
#include "engine/bytes_internal.h"

#define TARGET

#include "engine/bytes_loops.h"

static void map(const uint8_t table[CZ_CODES], uint8_t *y, const uint8_t *x,
                size_t n)
{
    for (size_t i = 0; i < n; i++)
        y[i] = table[x[i]];
}

const struct cz_byte_loops cz_byte_loops_plain = {quantize, dequantize, map,
                                                  add};

const struct cz_byte_loops *cz_byte_loops_find(void)
{
#ifdef __x86_64__
    if (cz_cpu_has(CZ_CPU_AVX2))
        return &cz_byte_loops_avx2;
#endif
    return &cz_byte_loops_plain;
}

/* The letterbox's loops in the compiler's default instructions, and the choice
 * between them and others. */
#include "core/cpu.h"
#include "detect/letterbox_internal.h"

#define TARGET
#include "detect/letterbox_rows.h"

static void row_resize(int16_t *planes, const uint8_t *pixels, size_t width,
                       const struct cz_axis *x)
{
    row_resize_from(0, planes, pixels, width, x);
}

const struct cz_rows cz_rows_plain = {row_split, row_resize, row_blend,
                                      row_to_float};

const struct cz_rows *cz_rows_find(void)
{
#ifdef __x86_64__
    if (cz_cpu_has(CZ_CPU_AVX2))
        return &cz_rows_avx2;
#endif
    return &cz_rows_plain;
}

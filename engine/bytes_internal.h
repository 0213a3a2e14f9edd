/* The inner loops over codes, once for each kind of vector unit: in C that the
 * compiler makes vectors of, bytes_loops.h, compiled by bytes_plain.c for any
 * processor and by bytes_avx2.c, which looks tables up in registers. */
#ifndef CZ_ENGINE_BYTES_INTERNAL_H
#define CZ_ENGINE_BYTES_INTERNAL_H

#include "engine/codes_internal.h"

/* Codes of one of the two types as bytes: what a byte is follows from the code
 * by a change of its highest bit. */
struct cz_byte_add {
    const struct cz_add_codes_params *params;
    enum cz_dtype a, b, y;
};

struct cz_byte_loops {
    /* y[i] = the code of x[i], x[i] = what the code y[i] stands for, n times;
     * codes are bytes. */
    void (*quantize)(const struct cz_coding *coding, uint8_t *y, const float *x,
                     size_t n);
    void (*dequantize)(const struct cz_coding *coding, float *y,
                       const uint8_t *x, size_t n);
    /* y[i] = table[x[i]]; y may be x */
    void (*map)(const uint8_t table[CZ_CODES], uint8_t *y, const uint8_t *x,
                size_t n);
    /* AddCodes; y may be a */
    void (*add)(const struct cz_byte_add *add, uint8_t *y, const uint8_t *a,
                const uint8_t *b, size_t n);
};

/* The fastest one that the processor has (CZ_CPU may limit it). */
const struct cz_byte_loops *cz_byte_loops_find(void);

extern const struct cz_byte_loops cz_byte_loops_plain;
#ifdef __x86_64__
extern const struct cz_byte_loops cz_byte_loops_avx2;
#endif

#endif

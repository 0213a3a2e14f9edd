/* The loops of bytes_internal.h in C, to be compiled for one kind of
 * processor. The file that includes it defines TARGET, the function attribute
 * that switches its instructions on. */
#define LOOP static TARGET

/* 128 where codes are signed: code = (byte ^ flip) - flip. */
static inline int32_t flip_of(enum cz_dtype dtype)
{
    return dtype == CZ_DTYPE_INT8 ? 128 : 0;
}

LOOP void quantize(const struct cz_coding *coding, uint8_t *restrict y,
                   const float *restrict x, size_t n)
{
    const float scale = coding->scale;
    const int32_t zero = coding->zero;
    const enum cz_dtype dtype = coding->dtype;
    for (size_t i = 0; i < n; i++)
        y[i] = cz_code_of(dtype, x[i] / scale, zero);
}

LOOP void dequantize(const struct cz_coding *coding, float *restrict y,
                     const uint8_t *restrict x, size_t n)
{
    const float scale = coding->scale;
    const int32_t flip = flip_of(coding->dtype), zero = coding->zero + flip;
    for (size_t i = 0; i < n; i++)
        y[i] = (float)((x[i] ^ flip) - zero) * scale;
}

LOOP void add(const struct cz_byte_add *add, uint8_t *y, const uint8_t *a,
              const uint8_t *b, size_t n)
{
    const struct cz_add_codes_params p = *add->params;
    const int32_t flip_a = flip_of(add->a), flip_b = flip_of(add->b);
    const enum cz_dtype dtype = add->y;
    for (size_t i = 0; i < n; i++) {
        const int32_t u = (a[i] ^ flip_a) - flip_a,
                      v = (b[i] ^ flip_b) - flip_b;
        const float sum = (float)u * p.a_factor + (float)v * p.b_factor;
        y[i] = cz_code_of(dtype, sum + p.offset, p.y_zero);
    }
}

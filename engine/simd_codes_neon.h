/* What the loops of simd_codes.h need besides products of quads, in NEON: for
 * all files that include them on aarch64. */
#include "engine/simd_macros.h"

#define LANES 4
#define PIXELS 4
#define IS_SATURATING false
#define X_SHIFT 128
#define ORDER                                                                  \
    {                                                                          \
        0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15                   \
    }

typedef uint8_t quads __attribute__((vector_size(16), may_alias));
typedef int16_t words __attribute__((vector_size(16), may_alias));
typedef int32_t sums __attribute__((vector_size(16), may_alias));
typedef uint32_t wraps __attribute__((vector_size(16), may_alias));
typedef float floats __attribute__((vector_size(16), may_alias));
typedef int16x4x2_t couples; /* the first words, the second */

INLINE void load_words(words *w, const uint8_t *x, uint8_t flip)
{
    *w = (words)vmovl_u8(veor_u8(vld1_u8(x), vdup_n_u8(flip)));
}

INLINE void load_couples(couples *c, const int16_t *w)
{
    *c = vld2_s16(w);
}

INLINE void splat_couple(couples *c, const int16_t *x)
{
    c->val[0] = vdup_n_s16(x[0]);
    c->val[1] = vdup_n_s16(x[1]);
}

INLINE void interleave(couples *c, const words *a, const words *b)
{
    UNROLL
    for (size_t i = 0; i < 2; i++) {
        const int16x8_t first = (int16x8_t)a[i], second = (int16x8_t)b[i];
        c[2 * i].val[0] = vget_low_s16(first);
        c[2 * i].val[1] = vget_low_s16(second);
        c[2 * i + 1].val[0] = vget_high_s16(first);
        c[2 * i + 1].val[1] = vget_high_s16(second);
    }
}

INLINE void add_couples(sums *s, const couples *x, const couples *w)
{
    const int32x4_t first = vmlal_s16((int32x4_t)*s, x->val[0], w->val[0]);
    *s = (sums)vmlal_s16(first, x->val[1], w->val[1]);
}

INLINE void round_words(words *w, const floats *f, int16_t zero)
{
    const int16x4_t low = vqmovn_s32(vcvtnq_s32_f32((float32x4_t)f[0]));
    const int16x8_t both =
        vqmovn_high_s32(low, vcvtnq_s32_f32((float32x4_t)f[1]));
    *w = (words)vqaddq_s16(both, vdupq_n_s16(zero));
}

INLINE void store_codes(const words *w, size_t pixels, bool is_signed,
                        uint8_t *y)
{
    UNROLL
    for (size_t i = 0; i < 2 * pixels; i++) {
        const int16x8_t word = (int16x8_t)w[i];
        vst1_u8(y + 8 * i, is_signed ? vreinterpret_u8_s8(vqmovn_s16(word))
                                     : vqmovun_s16(word));
    }
}

INLINE void store_floats(const floats *y, const struct cz_codes_finish *f,
                         size_t at)
{
    UNROLL
    for (size_t i = 0; i < 4; i++) {
        if (f->floats[i])
            vst1q_f32(f->floats[i] + at, (float32x4_t)y[i]);
    }
}

/* The loops of narrow_internal.h for NEON. */
#ifdef __aarch64__
#include <arm_neon.h>

#include "engine/narrow_internal.h"

#define LANES 4
#define PIXELS 12
#define IS_NATIVE 0
#define TARGET
#define MULTIPLY_ADD(a, b, c) vfmaq_f32(c, a, b)

typedef float32x4_t vec;
typedef float vec_at __attribute__((vector_size(16), aligned(4), may_alias));
typedef uint32_t words_at
    __attribute__((vector_size(16), aligned(2), may_alias));

#include "engine/bf16_loops.h"

const struct cz_narrow cz_bf16_neon = BF16_LOOPS;
#endif

/* The loops of narrow_internal.h in the compiler's own vectors, for
 * any processor. */
#include "engine/narrow_internal.h"

#define LANES 8
#define PIXELS 4
#define IS_NATIVE 0
#define TARGET
#define MULTIPLY_ADD(a, b, c) ((a) * (b) + (c))

typedef float vec __attribute__((vector_size(32)));
typedef float vec_at __attribute__((vector_size(32), aligned(4), may_alias));
typedef uint32_t words_at
    __attribute__((vector_size(32), aligned(2), may_alias));

#include "engine/bf16_loops.h"

const struct cz_narrow cz_bf16_plain = BF16_LOOPS;

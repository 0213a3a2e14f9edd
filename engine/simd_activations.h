/* Activations and Softmax: a part of simd_loops.h.
 *
 * exp(x) is 2^n 2^r with x log2(e) = n + r, and 2^r is (a + r) / (a - r), where
 * a, which is r / tanh(r log(2) / 2), is taken for a quadratic function: that
 * costs a relative error of 5e-7, and activations divide anyway. */
#include <math.h>

/* ---- activations ------------------------------------------------------ */

/* Vectors that are worked on in turns: what one of them waits for hides behind
 * the other. Vectors go by address, as those of simd_plain.c have no registers
 * to be passed in. */
#define TURNS 2

#define EACH                                                                   \
    UNROLL                                                                     \
    for (size_t k = 0; k < count; k++)

/* Below it sigmoid(x) is taken for what it is here, 1.6e-38. */
#define LEAST SPLAT(-87)

/* exp(-x) = up / down for x in [-87, 87], beyond 87 that of 87; anything where
 * x is less than LEAST. */
INLINE void exp_of_minus(const vec *x, vec *up, vec *down, size_t count)
{
    const vec round = SPLAT(0x1.8p23f); /* adding it leaves an integer */
    const vec scale = SPLAT(-0x1.715476p+0f);
    vec r[TURNS], n[TURNS], a[TURNS];
    EACH r[k] = MIN(SPLAT(87), x[k]);
    EACH n[k] = MULTIPLY_ADD(r[k], scale, round);
    EACH r[k] = MULTIPLY_ADD(r[k], scale, round - n[k]);
    EACH a[k] = r[k] * r[k];
    EACH a[k] =
        MULTIPLY_ADD(a[k], SPLAT(0x1.d801a6p-4f), SPLAT(0x1.71550ep+1f));
    EACH down[k] = a[k] - r[k];
    EACH a[k] += r[k];
    EACH up[k] = (vec)((ivec)a[k] + ((ivec)n[k] << 23)); /* a * 2^n */
}

/* The `kind` is a constant where this is used. */
INLINE void activate(const struct cz_activation *a,
                     enum cz_activation_kind kind, vec *y, size_t count)
{
    const vec zero = SPLAT(0), one = SPLAT(1);
    const vec alpha = SPLAT(a->alpha), beta = SPLAT(a->beta);
    vec e[TURNS], d[TURNS];
    switch (kind) {
    case CZ_ACT_RELU:
        EACH y[k] = MAX(zero, y[k]);
        break;
    case CZ_ACT_LEAKY_RELU:
        EACH y[k] = MULTIPLY_ADD(MIN(zero, y[k]), alpha, MAX(zero, y[k]));
        break;
    case CZ_ACT_CLIP:
        EACH y[k] = MIN(beta, MAX(alpha, y[k]));
        break;
    case CZ_ACT_SIGMOID:
        EACH y[k] = MAX(LEAST, y[k]);
        exp_of_minus(y, e, d, count);
        EACH y[k] = d[k] / (d[k] + e[k]);
        break;
    case CZ_ACT_SILU: /* the product too: sigmoid(-1e38) would not be 0 */
        EACH y[k] = MAX(LEAST, y[k]);
        exp_of_minus(y, e, d, count);
        EACH y[k] *= d[k] / (d[k] + e[k]);
        break;
    case CZ_ACT_HARD_SIGMOID:
        EACH e[k] = MULTIPLY_ADD(y[k], alpha, beta);
        EACH y[k] = MIN(one, MAX(zero, e[k]));
        break;
    case CZ_ACT_HARD_SWISH:
        EACH e[k] = MULTIPLY_ADD(y[k], SPLAT(1 / 6.0f), SPLAT(0.5f));
        EACH y[k] *= MIN(one, MAX(zero, e[k]));
        break;
    default:
        break;
    }
}

INLINE void finish_turn(const struct cz_activation *activation, float *y,
                        const float *residual, size_t count,
                        enum cz_activation_kind kind)
{
    vec v[TURNS];
    EACH v[k] = LOAD(y + k * LANES);
    activate(activation, kind, v, count);
    if (residual) {
        EACH v[k] += LOAD(residual + k * LANES);
    }
    EACH STORE(y + k * LANES, v[k]);
}

INLINE void finish_with(const struct cz_activation *activation, float *y,
                        const float *residual, size_t n,
                        enum cz_activation_kind kind)
{
    size_t i = 0;
    for (; i + TURNS <= n; i += TURNS)
        finish_turn(activation, y + i * LANES,
                    residual ? residual + i * LANES : NULL, TURNS, kind);
    for (; i < n; i++)
        finish_turn(activation, y + i * LANES,
                    residual ? residual + i * LANES : NULL, 1, kind);
}

static void finish_each(const struct cz_activation *activation, float *y,
                        const float *residual, size_t n)
{
    for (size_t i = 0; i < n * LANES; i++)
        y[i] = cz_activate(activation, y[i]) + (residual ? residual[i] : 0);
}

#define KIND(kind)                                                             \
    case kind:                                                                 \
        finish_with(activation, y, residual, n, kind);                         \
        break;

TARGET static void finish(const struct cz_activation *activation, float *y,
                          const float *residual, size_t n)
{
    switch (activation->kind) {
    case CZ_ACT_NONE:
        if (residual)
            finish_with(activation, y, residual, n, CZ_ACT_NONE);
        break;
        KIND(CZ_ACT_RELU)
        KIND(CZ_ACT_LEAKY_RELU)
        KIND(CZ_ACT_CLIP)
        KIND(CZ_ACT_SIGMOID)
        KIND(CZ_ACT_SILU)
        KIND(CZ_ACT_HARD_SIGMOID)
        KIND(CZ_ACT_HARD_SWISH)
    default:
        finish_each(activation, y, residual, n);
    }
}

#undef KIND

/* ---- softmax ---------------------------------------------------------- */

TARGET static void softmax(const float *x, float *y, size_t count,
                           size_t stride)
{
    vec most = LOAD(x), sum = SPLAT(0);
    for (size_t i = 1; i < count; i++)
        most = MAX(most, LOAD(x + i * stride));
    for (size_t i = 0; i < count; i++) {
        vec minus_x = most - LOAD(x + i * stride), up, down;
        exp_of_minus(&minus_x, &up, &down, 1);
        STORE(y + i * stride, up / down);
        sum += up / down;
    }
    const vec share = SPLAT(1) / sum;
    for (size_t i = 0; i < count; i++)
        STORE(y + i * stride, LOAD(y + i * stride) * share);
}

/* y = exp(x - most) for `count` vectors, which are added to *sum. */
INLINE void exp_turn(const float *x, float *y, const vec *most, size_t count,
                     vec *sum)
{
    vec v[TURNS], up[TURNS], down[TURNS];
    EACH v[k] = *most - LOAD(x + k * LANES);
    exp_of_minus(v, up, down, count);
    EACH v[k] = up[k] / down[k];
    EACH *sum += v[k];
    EACH STORE(y + k * LANES, v[k]);
}

TARGET static void softmax_row(const float *x, float *y, size_t count)
{
    const size_t n = count / LANES, left = count % LANES;
    float tail[LANES], lanes[LANES], total = 0;
    vec most = SPLAT(x[0]), sum = SPLAT(0);
    for (size_t l = 0; l < LANES; l++) /* e^-87 is nothing beside e^0 */
        tail[l] = l < left ? x[n * LANES + l] : -INFINITY;
    for (size_t i = 0; i < n; i++)
        most = MAX(most, LOAD(x + i * LANES));
    most = MAX(most, LOAD(tail));
    STORE(lanes, most);
    for (size_t l = 1; l < LANES; l++)
        lanes[0] = lanes[l] > lanes[0] ? lanes[l] : lanes[0];
    most = SPLAT(lanes[0]);
    size_t i = 0;
    for (; i + TURNS <= n; i += TURNS)
        exp_turn(x + i * LANES, y + i * LANES, &most, TURNS, &sum);
    for (; i < n; i++)
        exp_turn(x + i * LANES, y + i * LANES, &most, 1, &sum);
    if (left)
        exp_turn(tail, tail, &most, 1, &sum);
    STORE(lanes, sum);
    for (size_t l = 0; l < LANES; l++)
        total += lanes[l];
    const float share = 1 / total;
    for (i = 0; i < n; i++)
        STORE(y + i * LANES, LOAD(y + i * LANES) * SPLAT(share));
    for (size_t l = 0; l < left; l++)
        y[n * LANES + l] = tail[l] * share;
}

/* See silu.h. All codes of x are few: what y becomes of each is a table, and an
 * attempt costs a look into it for each bin of the histogram. */
#include "quant/silu.h"

#include <float.h>

#include "quant/range_internal.h"

/* Points of a bin that stand for its values, which lie evenly. */
#define POINTS 2

/* ---- error ------------------------------------------------------------ */

/* Where values are, how many, and what the SiLU makes of them. */
struct values {
    size_t n;
    float x[POINTS * CZ_OBSERVER_BINS];
    double y[POINTS * CZ_OBSERVER_BINS];
    double count[POINTS * CZ_OBSERVER_BINS];
};

static double sigmoid(double x)
{
    return 1 / (1 + exp(-x));
}

static void find_values(struct values *v, const struct cz_observer *o)
{
    v->n = 0;
    for (size_t i = 0; i < CZ_OBSERVER_BINS; i++) {
        const double count = cz_bin_count(o, i), from = cz_bin_edge(o, i);
        for (size_t k = 0; k < POINTS && count > 0; k++) {
            const double middle =
                from + ((double)k + 0.5) / POINTS * o->bin_width;
            const double x = fmax(fmin(middle, (double)o->max), (double)o->min);
            v->x[v->n] = (float)x;
            v->y[v->n] = x * sigmoid(x);
            v->count[v->n++] = count / POINTS;
        }
    }
}

static float round_to(float value, struct cz_affine affine)
{
    uint8_t code;
    cz_affine_to_uint8(&code, &value, 1, affine);
    cz_affine_from_uint8(&value, &code, 1, affine);
    return value;
}

/* The sum of squared errors. */
static double total_error(const struct cz_silu *silu, const struct values *v,
                          struct cz_affine x)
{
    double made[UINT8_MAX + 1], sum = 0;
    for (int i = 0; i <= UINT8_MAX; i++) {
        const float value = (float)(i - x.zero_point) * x.scale;
        const float gate = round_to((float)sigmoid((double)value), silu->g);
        made[i] = (double)round_to(value * gate, silu->y);
    }
    uint8_t of[POINTS * CZ_OBSERVER_BINS];
    cz_affine_to_uint8(of, v->x, v->n, x);
    for (size_t i = 0; i < v->n; i++)
        sum += v->count[i] * (made[of[i]] - v->y[i]) * (made[of[i]] - v->y[i]);
    return sum;
}

double cz_silu_error(const struct cz_silu *silu, struct cz_affine x_codes)
{
    struct values values;
    if (!silu->x->values)
        return 0;
    find_values(&values, silu->x);
    return total_error(silu, &values, x_codes) / (double)silu->x->values;
}

/* ---- search ----------------------------------------------------------- */

/* Least values that are tried: halves up from where a SiLU is 0. */
#define LOWEST (-8.0)
#define LOW_STEP 0.5

/* Scales that are tried: so many, each as much less than the one before. */
#define SCALES 48
#define SCALE_STEP 0.97

struct search {
    const struct cz_silu *silu;
    struct values values;
    struct cz_affine best;
    double best_error;
};

static void attempt(struct search *s, double low, double scale)
{
    if (scale < (double)FLT_MIN)
        return;
    const struct cz_affine affine = {
        (float)scale, (int32_t)lrint(fmin(-low / scale, UINT8_MAX))};
    const double error = total_error(s->silu, &s->values, affine);
    if (error < s->best_error) {
        s->best = affine;
        s->best_error = error;
    }
}

/* The greatest magnitude that y has where x is `low` or less. */
static double magnitude_below(double low)
{
    return low > (double)CZ_SILU_MIN_AT ? -(double)CZ_SILU_MIN
                                        : -low * sigmoid(low);
}

struct cz_affine cz_silu_input_codes(const struct cz_silu *silu,
                                     struct cz_affine start)
{
    const double y_step = (double)silu->y.scale;
    const double least = fmax(fmin((double)silu->x->min, 0), LOWEST);
    const double most = fmax((double)silu->x->max, 0);
    struct search s = {.silu = silu, .best = start};
    find_values(&s.values, silu->x);
    s.best_error = total_error(silu, &s.values, start);
    for (double low = least; low <= 0; low += LOW_STEP) {
        if (low > least && magnitude_below(low) > y_step / 2)
            break;
        double scale = (most - low) / UINT8_MAX;
        attempt(&s, low, y_step);
        for (int i = 0; i < SCALES; i++, scale *= SCALE_STEP)
            attempt(&s, low, scale);
    }
    return s.best;
}

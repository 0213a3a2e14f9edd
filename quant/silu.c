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

struct codes {
    struct cz_affine g, y;
};

/* The sum of squared errors. */
static double total_error(const struct values *v, struct cz_affine x,
                          const struct codes *codes)
{
    double made[256], sum = 0;
    for (int i = 0; i < 256; i++) {
        const float value = (float)(i - x.zero_point) * x.scale;
        const float gate = round_to((float)sigmoid((double)value), codes->g);
        made[i] = (double)round_to(value * gate, codes->y);
    }
    uint8_t of[POINTS * CZ_OBSERVER_BINS];
    cz_affine_to_uint8(of, v->x, v->n, x);
    for (size_t i = 0; i < v->n; i++)
        sum += v->count[i] * (made[of[i]] - v->y[i]) * (made[of[i]] - v->y[i]);
    return sum;
}

double cz_silu_error(const struct cz_observer *x, struct cz_affine x_codes,
                     struct cz_affine g_codes, struct cz_affine y_codes)
{
    struct values values;
    const struct codes codes = {g_codes, y_codes};
    find_values(&values, x);
    return x->values ? total_error(&values, x_codes, &codes) / (double)x->values
                     : 0;
}

/* ---- search ----------------------------------------------------------- */

/* Least values that are tried: halves up from where a SiLU is 0. */
#define LOWEST (-8.0)
#define LOW_STEP 0.5

/* Scales that are tried: so many, each as much less than the one before. */
#define SCALES 48
#define SCALE_STEP 0.97

struct search {
    struct values values;
    struct codes codes;
    struct cz_affine best;
    double best_error;
};

static void attempt(struct search *s, double low, double scale)
{
    if (scale < (double)FLT_MIN)
        return;
    const struct cz_affine affine = {
        (float)scale, (int32_t)lrint(fmin(-low / scale, UINT8_MAX))};
    const double error = total_error(&s->values, affine, &s->codes);
    if (error < s->best_error) {
        s->best = affine;
        s->best_error = error;
    }
}

/* The greatest magnitude that y has where x is `low` or less. */
static double magnitude_below(double low)
{
    const double at_min = -1.2784645; /* of CZ_SILU_MIN */
    return low > at_min ? -(double)CZ_SILU_MIN : -low * sigmoid(low);
}

struct cz_affine cz_silu_input_codes(const struct cz_observer *x,
                                     struct cz_affine start,
                                     struct cz_affine g_codes,
                                     struct cz_affine y_codes)
{
    struct search s = {.codes = {g_codes, y_codes}, .best = start};
    find_values(&s.values, x);
    s.best_error = total_error(&s.values, start, &s.codes);
    const double least = fmax(fmin((double)x->min, 0), LOWEST);
    for (double low = least; low <= 0; low += LOW_STEP) {
        if (low > least && magnitude_below(low) > (double)y_codes.scale / 2)
            break;
        double scale = (fmax((double)x->max, 0) - low) / 255;
        attempt(&s, low, (double)y_codes.scale);
        for (int i = 0; i < SCALES; i++, scale *= SCALE_STEP)
            attempt(&s, low, scale);
    }
    return s.best;
}

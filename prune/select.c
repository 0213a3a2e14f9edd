/* Selection by radix: the magnitudes' bits are counted digit by digit from
 * the top, each pass looking only at those that share the digits found so
 * far. That is quickselect with fixed pivots: linear for every input, also
 * one that was made to be slow, and independent of the order of the weights.
 */
#include "prune/select_internal.h"

#include <math.h>
#include <string.h>

#include "core/alloc.h"
#include "core/half.h"

/* Two passes over many float32 weights, with counters for 16 bits; three over
 * few, whose counters are cleared faster. */
#define LARGE ((size_t)1 << 16)
#define DIGIT_BITS_LARGE 16
#define DIGIT_BITS_SMALL 11
#define NARROW_BITS 31 /* a float32 without its sign */
#define WIDE_BITS 63   /* a double without its sign */

/* ---- magnitudes ------------------------------------------------------- */

static uint32_t float_magnitude(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits & 0x7fffffff;
}

static uint32_t load_float(const char *at)
{
    float value;
    memcpy(&value, at, sizeof value);
    return float_magnitude(value);
}

static uint32_t load_half(const char *at)
{
    uint16_t bits;
    memcpy(&bits, at, sizeof bits);
    return float_magnitude(cz_half_to_float(bits));
}

static uint32_t load_bfloat16(const char *at)
{
    uint16_t bits;
    memcpy(&bits, at, sizeof bits);
    return float_magnitude(cz_bfloat16_to_float(bits));
}

static cz_magnitude load_wide(const struct cz_elements *tensor, size_t i)
{
    double value = fabs(cz_elements_get(tensor, i));
    cz_magnitude bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

#define LOOP(tensor, stride, load, statement)                                  \
    for (size_t i = 0; i < (tensor)->count; i++) {                             \
        char *at = (char *)(tensor)->data + i * (stride);                      \
        const __auto_type key = load; /* uint32_t or cz_magnitude */           \
        (void)at;                                                              \
        statement                                                              \
    }

/* Runs `statement` for every element of `tensor` in order: `i` its index,
 * `key` its magnitude, `at` its place. One loop for each type, so that
 * loading is inlined. */
#define FOR_EACH(tensor, wide, statement)                                      \
    do {                                                                       \
        if (wide) {                                                            \
            LOOP(tensor, (tensor)->stride, load_wide(tensor, i), statement)    \
        } else if ((tensor)->dtype == CZ_DTYPE_FLOAT) {                        \
            LOOP(tensor, sizeof(float), load_float(at), statement)             \
        } else if ((tensor)->dtype == CZ_DTYPE_FLOAT16) {                      \
            LOOP(tensor, (tensor)->stride, load_half(at), statement)           \
        } else {                                                               \
            LOOP(tensor, (tensor)->stride, load_bfloat16(at), statement)       \
        }                                                                      \
    } while (0)

/* ---- selection -------------------------------------------------------- */

/* Counts the digit behind `shift` of the magnitudes in `tensor` that begin with
 * `prefix`; `n_prefix` bits of it lie above the digit, `digits` is the number
 * of values that the digit can have. */
static void count_digits(size_t *counts, const struct cz_elements *tensor,
                         bool wide, cz_magnitude prefix, unsigned shift,
                         size_t digits)
{
    const unsigned known = shift + (unsigned)__builtin_ctzl(digits);
    if (known == (wide ? WIDE_BITS : NARROW_BITS)) {
        FOR_EACH(tensor, wide, { counts[key >> shift]++; });
    } else {
        FOR_EACH(tensor, wide, {
            if (key >> known == prefix)
                counts[(key >> shift) & (digits - 1)]++;
        });
    }
}

struct cz_selection cz_select_smallest(const struct cz_elements *tensors,
                                       size_t n_tensors, size_t k)
{
    bool wide = false;
    size_t total = 0;
    for (size_t t = 0; t < n_tensors; t++) {
        wide |= tensors[t].dtype == CZ_DTYPE_DOUBLE;
        total += tensors[t].count;
    }
    size_t few[(size_t)1 << DIGIT_BITS_SMALL];
    size_t *many = NULL;
    if (total >= LARGE)
        many = cz_calloc((size_t)1 << DIGIT_BITS_LARGE, sizeof *many);
    /* Without memory for the large ones the small counters do. */
    size_t *counts = many ? many : few;
    const unsigned digit_bits = many ? DIGIT_BITS_LARGE : DIGIT_BITS_SMALL;
    /* Of the threshold the bits above `shift` are known: `prefix`. k is its
     * rank among the magnitudes that begin with it. */
    cz_magnitude prefix = 0;
    unsigned shift = wide ? WIDE_BITS : NARROW_BITS;
    while (shift > 0) {
        const unsigned bits = shift < digit_bits ? shift : digit_bits;
        const size_t digits = (size_t)1 << bits;
        shift -= bits;
        memset(counts, 0, digits * sizeof *counts);
        for (size_t t = 0; t < n_tensors; t++)
            count_digits(counts, &tensors[t], wide, prefix, shift, digits);
        size_t digit = 0;
        while (k > counts[digit])
            k -= counts[digit++];
        prefix = prefix << bits | digit;
    }
    cz_free(many);
    return (struct cz_selection){prefix, k, wide};
}

size_t cz_select_zero(struct cz_elements *tensor,
                      struct cz_selection *selection)
{
    const cz_magnitude threshold = selection->threshold;
    const size_t size = cz_dtype_bits(tensor->dtype) / 8;
    size_t zeros = 0;
    FOR_EACH(tensor, selection->wide, {
        if (key <= threshold) {
            bool is_tie = key == threshold;
            if (!is_tie || selection->ties > 0)
                memset(at, 0, size);
            if (!is_tie || selection->ties > 0 || key == 0)
                zeros++;
            selection->ties -= is_tie && selection->ties > 0;
        }
    });
    return zeros;
}

struct cz_weight_counts cz_count_weights(const struct cz_elements *tensor)
{
    const bool wide = tensor->dtype == CZ_DTYPE_DOUBLE;
    const cz_magnitude infinity =
        wide ? UINT64_C(0x7ff) << 52 : UINT64_C(0xff) << 23;
    size_t zeros = 0, bad = 0, first_bad = tensor->count;
    FOR_EACH(tensor, wide, {
        zeros += key == 0;
        bad += key >= infinity;
    });
    if (bad)
        FOR_EACH(tensor, wide, {
            if (key >= infinity && i < first_bad)
                first_bad = i;
        });
    return (struct cz_weight_counts){zeros, first_bad};
}

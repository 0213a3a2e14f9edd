/* Selection by radix: the magnitudes' bits are counted digit by digit from
 * the top, each pass looking only at those that share the digits found so
 * far. That is quickselect with fixed pivots: linear for every input, also
 * one that was made to be slow, and independent of the order of the weights.
 */
#include "prune/select_internal.h"

#include <stdbool.h>
#include <string.h>

#include "core/half.h"

#define DIGIT_BITS 12
#define DIGITS (1u << DIGIT_BITS)
#define KEY_BITS 63 /* a double without its sign */

/* An infinity's bits; NaNs lie above. */
#define FIRST_BAD 0x7ff0000000000000u

static cz_magnitude key_of_double(double value)
{
    cz_magnitude bits;
    memcpy(&bits, &value, sizeof bits);
    return bits & ~(UINT64_C(1) << 63);
}

static double load_float(const char *at)
{
    float value;
    memcpy(&value, at, sizeof value);
    return (double)value;
}

static double load_double(const char *at)
{
    double value;
    memcpy(&value, at, sizeof value);
    return value;
}

static double load_half(const char *at)
{
    uint16_t bits;
    memcpy(&bits, at, sizeof bits);
    return (double)cz_half_to_float(bits);
}

static double load_bfloat16(const char *at)
{
    uint16_t bits;
    memcpy(&bits, at, sizeof bits);
    return (double)cz_bfloat16_to_float(bits);
}

/* Runs `statement` for every element of `tensor`, `key` being its magnitude
 * and `at` its place; one loop for each type, so that loading is inlined. */
#define FOR_EACH_KEY_AS(tensor, load, statement)                               \
    for (size_t i = 0; i < (tensor)->count; i++) {                             \
        char *at = (char *)(tensor)->data + i * (tensor)->stride;              \
        cz_magnitude key = key_of_double(load(at));                            \
        (void)at;                                                              \
        statement                                                              \
    }

#define FOR_EACH_KEY(tensor, statement)                                        \
    do {                                                                       \
        if ((tensor)->dtype == CZ_DTYPE_FLOAT) {                               \
            FOR_EACH_KEY_AS(tensor, load_float, statement)                     \
        } else if ((tensor)->dtype == CZ_DTYPE_FLOAT16) {                      \
            FOR_EACH_KEY_AS(tensor, load_half, statement)                      \
        } else if ((tensor)->dtype == CZ_DTYPE_BFLOAT16) {                     \
            FOR_EACH_KEY_AS(tensor, load_bfloat16, statement)                  \
        } else {                                                               \
            FOR_EACH_KEY_AS(tensor, load_double, statement)                    \
        }                                                                      \
    } while (0)

/* How many low bits of a key are 0 for all values of a type: the mantissa
 * bits that a double has more. */
static unsigned idle_bits(enum cz_dtype dtype)
{
    switch (dtype) {
    case CZ_DTYPE_FLOAT:
        return 52 - 23;
    case CZ_DTYPE_FLOAT16:
        return 52 - 10;
    case CZ_DTYPE_BFLOAT16:
        return 52 - 7;
    default:
        return 0;
    }
}

struct cz_selection cz_select_smallest(const struct cz_elements *tensors,
                                       size_t n_tensors, size_t k)
{
    unsigned idle = KEY_BITS;
    for (size_t t = 0; t < n_tensors; t++) {
        unsigned bits = idle_bits(tensors[t].dtype);
        idle = bits < idle ? bits : idle;
    }
    /* Of the threshold the bits above `shift` are known: `prefix`. k is its
     * rank among the keys that begin with it. */
    cz_magnitude prefix = 0;
    unsigned shift = KEY_BITS;
    while (shift > idle) {
        size_t counts[DIGITS] = {0};
        const unsigned known = shift;
        shift = shift > idle + DIGIT_BITS ? shift - DIGIT_BITS : idle;
        const size_t mask = ((size_t)1 << (known - shift)) - 1;
        for (size_t t = 0; t < n_tensors; t++)
            FOR_EACH_KEY(&tensors[t], {
                if (key >> known == prefix)
                    counts[(key >> shift) & mask]++;
            });
        size_t digit = 0;
        while (k > counts[digit])
            k -= counts[digit++];
        prefix = prefix << (known - shift) | digit;
    }
    return (struct cz_selection){prefix << idle, k};
}

size_t cz_select_zero(struct cz_elements *tensor,
                      struct cz_selection *selection)
{
    const cz_magnitude threshold = selection->threshold;
    const size_t size = cz_dtype_bits(tensor->dtype) / 8;
    size_t zeros = 0;
    FOR_EACH_KEY(tensor, {
        bool is_tie = key == threshold && selection->ties > 0;
        selection->ties -= is_tie;
        if (is_tie || key < threshold)
            memset(at, 0, size);
        zeros += is_tie || key < threshold || key == 0;
    });
    return zeros;
}

struct cz_weight_counts cz_count_weights(const struct cz_elements *tensor)
{
    struct cz_weight_counts counts = {.first_bad = tensor->count};
    cz_magnitude largest = 0;
    FOR_EACH_KEY(tensor, {
        counts.zeros += key == 0;
        if (key > largest)
            largest = key;
    });
    if (largest >= FIRST_BAD)
        FOR_EACH_KEY(tensor, {
            if (key >= FIRST_BAD && counts.first_bad == tensor->count)
                counts.first_bad = i;
        });
    return counts;
}

/* Selection of the k smallest magnitudes in one pass and a little.
 *
 * A sample says between which two magnitudes the k-th is all but certain to
 * lie; one pass counts what is below them and collects what is between them
 * (R. Floyd, R. Rivest, "Expected time bounds for selection", CACM 18(3),
 * 1975). Among those few, and among all where the sample was wrong, a radix
 * selection finds it: the magnitudes' bits are counted digit by digit from the
 * top, each pass looking only at those that share the digits found so far.
 * Both are linear for every input, also one that was made to be slow. */
#include "prune/select_internal.h"

#include <math.h>
#include <string.h>

#include "core/alloc.h"
#include "core/half.h"

#define DIGIT_BITS 11
#define SAMPLE 1024
#define SAMPLED_FROM ((size_t)16 * SAMPLE) /* with fewer it does not pay */
#define NARROW_BITS 31                     /* a float32 without its sign */
#define WIDE_BITS 63                       /* a double without its sign */

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

static struct cz_selection select_by_radix(const struct cz_elements *tensors,
                                           size_t n_tensors, size_t k,
                                           bool wide)
{
    size_t counts[(size_t)1 << DIGIT_BITS];
    size_t equal = 0;
    /* Of the threshold the bits above `shift` are known: `prefix`. k is its
     * rank among the magnitudes that begin with it. */
    cz_magnitude prefix = 0;
    unsigned shift = wide ? WIDE_BITS : NARROW_BITS;
    while (shift > 0) {
        const unsigned bits = shift < DIGIT_BITS ? shift : DIGIT_BITS;
        const size_t digits = (size_t)1 << bits;
        shift -= bits;
        memset(counts, 0, digits * sizeof *counts);
        for (size_t t = 0; t < n_tensors; t++)
            count_digits(counts, &tensors[t], wide, prefix, shift, digits);
        size_t digit = 0;
        while (k > counts[digit])
            k -= counts[digit++];
        prefix = prefix << bits | digit;
        equal = counts[digit];
    }
    if (k == equal)
        return (struct cz_selection){prefix + 1, 0, wide};
    return (struct cz_selection){prefix, k, wide};
}

/* ---- the few that matter ---------------------------------------------- */

/* Magnitudes as bits of float32, which is a tensor like another. */
static struct cz_elements as_tensor(uint32_t *keys, size_t count)
{
    return (struct cz_elements){.data = keys,
                                .stride = sizeof *keys,
                                .count = count,
                                .dtype = CZ_DTYPE_FLOAT};
}

static size_t take_sample(uint32_t keys[SAMPLE],
                          const struct cz_elements *tensors, size_t n_tensors,
                          size_t total)
{
    const size_t step = total / SAMPLE;
    size_t n = 0, next = step / 2;
    for (size_t t = 0; t < n_tensors; t++) {
        const struct cz_elements *e = &tensors[t];
        for (; next < e->count && n < SAMPLE; next += step) {
            float value = (float)cz_elements_get(e, next);
            keys[n++] = float_magnitude(value);
        }
        next -= next < e->count ? next : e->count;
    }
    return n;
}

/* Between which magnitudes the k-th of `total` lies, going by a sample: 4
 * standard deviations of its rank there, and some, to either side. */
static void bracket(uint32_t *from, uint32_t *to, struct cz_elements sample,
                    double share)
{
    const double n = (double)sample.count;
    const double margin = 4 * sqrt(n * share * (1 - share)) + 4;
    const double low = floor(n * share - margin);
    const double high = ceil(n * share + margin);
    *from = 0;
    *to = UINT32_MAX;
    if (low >= 1)
        *from =
            (uint32_t)select_by_radix(&sample, 1, (size_t)low, false).threshold;
    if (high <= n)
        *to = (uint32_t)select_by_radix(&sample, 1, (size_t)high, false)
                  .threshold;
}

/* Collects the magnitudes of `tensor` from `from` to `to` in `keys`, which has
 * room for capacity + 1, and adds to `below` the number of smaller ones. */
static void collect(uint32_t *keys, size_t *n_keys, size_t *below,
                    const struct cz_elements *tensor, size_t capacity,
                    uint32_t from, uint32_t to)
{
    size_t n = *n_keys, smaller = 0;
    FOR_EACH(tensor, false, {
        smaller += (uint32_t)key < from;
        keys[n] = (uint32_t)key; /* kept if n goes on */
        n += (key >= from) & (key <= to) & (n < capacity);
    });
    *n_keys = n;
    *below += smaller;
}

/* Selects by sample; false, with no selection, where the sample was wrong,
 * too many magnitudes are alike, or memory is short. */
static bool select_by_sample(struct cz_selection *selection,
                             const struct cz_elements *tensors,
                             size_t n_tensors, size_t total, size_t k)
{
    uint32_t sample[SAMPLE], from, to;
    const size_t capacity = total / 4;
    uint32_t *keys = cz_realloc_array(NULL, capacity + 1, sizeof *keys);
    size_t n_keys = 0, below = 0;
    if (!keys)
        return false;
    size_t n_sample = take_sample(sample, tensors, n_tensors, total);
    bracket(&from, &to, as_tensor(sample, n_sample), (double)k / (double)total);
    for (size_t t = 0; t < n_tensors; t++)
        collect(keys, &n_keys, &below, &tensors[t], capacity, from, to);
    bool found = n_keys < capacity && k > below && k - below <= n_keys;
    if (found) {
        struct cz_elements few = as_tensor(keys, n_keys);
        *selection = select_by_radix(&few, 1, k - below, false);
    }
    cz_free(keys);
    return found;
}

struct cz_selection cz_select_smallest(const struct cz_elements *tensors,
                                       size_t n_tensors, size_t k)
{
    struct cz_selection selection;
    bool wide = false;
    size_t total = 0;
    for (size_t t = 0; t < n_tensors; t++) {
        wide |= tensors[t].dtype == CZ_DTYPE_DOUBLE;
        total += tensors[t].count;
    }
    if (!wide && total >= SAMPLED_FROM &&
        select_by_sample(&selection, tensors, n_tensors, total, k))
        return selection;
    return select_by_radix(tensors, n_tensors, k, wide);
}

/* ---- zeroing ---------------------------------------------------------- */

/* Float32 without ties left, as almost always: no branch in the loop. */
static size_t zero_floats(char *data, size_t count, uint32_t threshold)
{
    size_t zeros = 0;
    for (size_t i = 0; i < count; i++) {
        uint32_t bits;
        memcpy(&bits, data + i * sizeof bits, sizeof bits);
        bool is_small = (int32_t)(bits & 0x7fffffff) < (int32_t)threshold;
        bits = is_small ? 0 : bits;
        memcpy(data + i * sizeof bits, &bits, sizeof bits);
        zeros += (bits & 0x7fffffff) == 0;
    }
    return zeros;
}

size_t cz_select_zero(struct cz_elements *tensor,
                      struct cz_selection *selection)
{
    const cz_magnitude threshold = selection->threshold;
    const size_t size = cz_dtype_bits(tensor->dtype) / 8;
    size_t zeros = 0;
    if (tensor->dtype == CZ_DTYPE_FLOAT && !selection->wide &&
        !selection->ties && threshold <= INT32_MAX)
        return zero_floats(tensor->data, tensor->count, (uint32_t)threshold);
    FOR_EACH(tensor, selection->wide, {
        bool is_tie = key == threshold && selection->ties > 0;
        if (key < threshold || is_tie)
            memset(at, 0, size);
        zeros += key < threshold || is_tie || key == 0;
        selection->ties -= is_tie;
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

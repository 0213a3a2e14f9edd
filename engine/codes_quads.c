/* An order of quads in which int16 sums of their products do not saturate.
 *
 * vpmaddubsw adds the products of two neighbours in int16. They fit, whatever
 * the codes, where the weights of one sign add up to 128 at most; where that
 * holds for two quads together, their sums may be added in int16 as well, which
 * saves one instruction of six. Most quads find a partner. Where nothing
 * saturates all do: two in a turn of the loop.
 *
 * Where quads of a block of channels are not even safe alone, its channels are
 * matched anew, each with one whose weights are small where its own are large;
 * the loops then pick the lanes of such a quad one by one, which is nearly
 * free. What is unsafe even so is taken twice, with half of its weights. */
#include "engine/codes_quads_internal.h"

#include <stdlib.h>
#include <string.h>

#include "core/sizes.h"

/* Quads that wait for a partner. */
#define WAITING_MAX 48

/* Sums of two neighbours' weights for each output, by sign. */
#define SUMS (CZ_CODES_QUAD_WEIGHTS / 2)

struct extent {
    uint16_t of[2 * SUMS];
};

struct waiting {
    struct cz_codes_quad quad;
    struct extent extent;
};

/* Lists while they grow, and what is in none of them yet. */
enum { PAIRS, SINGLES, MIXED_PAIRS, MIXED_SINGLES, LISTS };

struct order {
    const struct cz_codes_conv *conv;
    const struct cz_step *step;
    size_t block;
    struct cz_codes_quad *lists[LISTS];
    size_t counts[LISTS]; /* of quads */
    struct waiting waiting[WAITING_MAX];
    size_t n_waiting;
};

/* All in two halves. */
size_t cz_codes_quads_max(const struct cz_codes_conv *conv)
{
    const struct cz_conv_shape *s = &conv->shape;
    return 2 * s->kernel_h * s->kernel_w *
           cz_divide_up(s->in_channels, CZ_CODES_QUAD);
}

size_t cz_codes_quads_mixed(const struct cz_codes_quads *quads)
{
    return 2 * quads->counts.pairs + quads->counts.singles;
}

size_t cz_codes_quads_count(const struct cz_codes_quads *quads)
{
    return cz_codes_quads_mixed(quads) + 2 * quads->counts.mixed_pairs +
           quads->counts.mixed_singles;
}

/* ---- weights ---------------------------------------------------------- */

static int8_t part_of(int8_t w, enum cz_codes_part part)
{
    const int half = w / 2;
    switch (part) {
    case CZ_QUAD_HALF:
        return (int8_t)half;
    case CZ_QUAD_OTHER_HALF:
        return (int8_t)(w - half);
    default:
        return w;
    }
}

void cz_codes_quad_weights(int8_t w[CZ_CODES_QUAD_WEIGHTS],
                           const struct cz_codes_conv *conv,
                           const struct cz_step *step, size_t block,
                           const struct cz_codes_quad *quad)
{
    for (size_t i = 0; i < CZ_CODES_QUAD_WEIGHTS; i++)
        w[i] = part_of(
            cz_codes_weight(
                conv, step, block * CZ_CODES_BLOCK + i / CZ_CODES_QUAD,
                quad->first + quad->lanes[i % CZ_CODES_QUAD], quad->position),
            quad->part);
}

static void measure(struct extent *extent, const struct order *o,
                    const struct cz_codes_quad *quad)
{
    int8_t w[CZ_CODES_QUAD_WEIGHTS];
    cz_codes_quad_weights(w, o->conv, o->step, o->block, quad);
    memset(extent, 0, sizeof *extent);
    for (size_t i = 0; i < CZ_CODES_QUAD_WEIGHTS; i++) {
        uint16_t *of = extent->of + i / 2 + (w[i] < 0 ? SUMS : 0);
        *of = (uint16_t)(*of + (w[i] < 0 ? -w[i] : w[i]));
    }
}

/* Are the products of both together safe? */
static bool fit_together(const struct extent *a, const struct extent *b)
{
    unsigned unsafe = 0;
    for (size_t i = 0; i < 2 * SUMS; i++)
        unsafe |= a->of[i] + b->of[i] > CZ_CODES_SAFE;
    return !unsafe;
}

static bool is_safe(const struct extent *extent)
{
    static const struct extent nothing;
    return fit_together(extent, &nothing);
}

/* ---- lists ------------------------------------------------------------ */

/* Are its lanes neighbours? */
static bool is_mixed(const struct cz_codes_quad *quad)
{
    bool mixed = quad->lanes[0] % CZ_CODES_QUAD;
    for (size_t i = 1; i < CZ_CODES_QUAD; i++)
        mixed |= quad->lanes[i] != quad->lanes[0] + i;
    return mixed;
}

static void append(struct order *o, size_t list,
                   const struct cz_codes_quad *quad)
{
    o->lists[list][o->counts[list]++] = *quad;
}

static void push_pair(struct order *o, const struct cz_codes_quad *a,
                      const struct cz_codes_quad *b)
{
    const size_t list = is_mixed(a) || is_mixed(b) ? MIXED_PAIRS : PAIRS;
    append(o, list, a);
    append(o, list, b);
}

static void push_single(struct order *o, const struct cz_codes_quad *quad)
{
    append(o, is_mixed(quad) ? MIXED_SINGLES : SINGLES, quad);
}

static void stop_waiting(struct order *o, size_t i)
{
    o->n_waiting--;
    memmove(o->waiting + i, o->waiting + i + 1,
            (o->n_waiting - i) * sizeof *o->waiting);
}

/* The first that fits becomes the quad's partner. No more than WAITING_MAX
 * wait: the oldest stays single then. */
static void push(struct order *o, const struct cz_codes_quad *quad,
                 const struct extent *extent)
{
    size_t i = 0;
    while (i < o->n_waiting && !fit_together(&o->waiting[i].extent, extent))
        i++;
    if (i < o->n_waiting) {
        push_pair(o, &o->waiting[i].quad, quad);
        stop_waiting(o, i);
        return;
    }
    if (o->n_waiting == WAITING_MAX) {
        push_single(o, &o->waiting[0].quad);
        stop_waiting(o, 0);
    }
    o->waiting[o->n_waiting++] = (struct waiting){*quad, *extent};
}

static void push_parts(struct order *o, struct cz_codes_quad quad)
{
    struct extent extent;
    measure(&extent, o, &quad);
    if (is_safe(&extent)) {
        push(o, &quad, &extent);
        return;
    }
    for (quad.part = CZ_QUAD_HALF; quad.part <= CZ_QUAD_OTHER_HALF;
         quad.part++) {
        measure(&extent, o, &quad);
        push(o, &quad, &extent);
    }
}

/* ---- channels --------------------------------------------------------- */

/* The channels of a block at one position of the window. */
struct channels {
    uint32_t position, first;
    uint8_t lanes[CZ_CODES_BLOCK]; /* in the order in which they become quads */
    uint32_t partners[CZ_CODES_BLOCK]; /* bit j: may stand beside j */
    size_t count;                      /* a multiple of 4 */
};

static void find_partners(struct channels *channels, const struct order *o)
{
    int8_t w[CZ_CODES_BLOCK][CZ_CODES_BLOCK]; /* [channel][output] */
    for (size_t i = 0; i < channels->count * CZ_CODES_BLOCK; i++)
        w[i / CZ_CODES_BLOCK][i % CZ_CODES_BLOCK] = cz_codes_weight(
            o->conv, o->step, o->block * CZ_CODES_BLOCK + i % CZ_CODES_BLOCK,
            channels->first + i / CZ_CODES_BLOCK, channels->position);
    for (size_t i = 0; i < channels->count; i++) {
        for (size_t j = 0; j < i; j++) {
            unsigned unsafe = 0;
            for (size_t k = 0; k < CZ_CODES_BLOCK; k++)
                unsafe |= abs(w[i][k] + w[j][k]) > CZ_CODES_SAFE;
            if (!unsafe) {
                channels->partners[i] |= 1u << j;
                channels->partners[j] |= 1u << i;
            }
        }
    }
}

static bool all_safe(const struct channels *channels)
{
    bool safe = true;
    for (size_t i = 0; i < channels->count; i += 2)
        safe &= channels->partners[i] >> (i + 1) & 1;
    return safe;
}

/* The channel among these that has the fewest partners left; CZ_CODES_BLOCK
 * where there is none. */
static size_t most_wanted(const struct channels *channels, uint32_t among,
                          uint32_t left)
{
    size_t best = CZ_CODES_BLOCK;
    int fewest = CZ_CODES_BLOCK;
    for (size_t i = 0; i < channels->count; i++) {
        const int n = __builtin_popcount(channels->partners[i] & left);
        if ((among >> i & 1) && n < fewest) {
            fewest = n;
            best = i;
        }
    }
    return best;
}

/* Couples of channels that may stand side by side first, then those that found
 * no partner. */
static void match(struct channels *channels)
{
    uint8_t alone[CZ_CODES_BLOCK];
    uint32_t left = (1u << channels->count) - 1;
    size_t n = 0, n_alone = 0;
    while (n + n_alone < channels->count) {
        const size_t i = most_wanted(channels, left, left);
        left &= ~(1u << i);
        const size_t j =
            most_wanted(channels, channels->partners[i] & left, left);
        if (j == CZ_CODES_BLOCK) {
            alone[n_alone++] = (uint8_t)i;
            continue;
        }
        left &= ~(1u << j);
        channels->lanes[n++] = (uint8_t)i;
        channels->lanes[n++] = (uint8_t)j;
    }
    memcpy(channels->lanes + n, alone, n_alone);
}

/* The quads of a block of channels at a position of the window. */
static void push_block(struct order *o, uint32_t position, uint32_t first,
                       size_t unit)
{
    const size_t inputs = o->conv->shape.in_channels - first;
    const bool saturates = o->conv->loops->is_saturating;
    struct channels channels = {
        .position = position,
        .first = first,
        .count = cz_least(cz_round_up(cz_least(inputs, unit), CZ_CODES_QUAD),
                          CZ_CODES_BLOCK)};
    for (size_t i = 0; i < CZ_CODES_BLOCK; i++)
        channels.lanes[i] = (uint8_t)i;
    if (saturates) {
        find_partners(&channels, o);
        if (!all_safe(&channels))
            match(&channels);
    }
    for (size_t i = 0; i < channels.count; i += CZ_CODES_QUAD) {
        struct cz_codes_quad quad = {position, first, {0}, CZ_QUAD_WHOLE};
        memcpy(quad.lanes, channels.lanes + i, CZ_CODES_QUAD);
        if (saturates)
            push_parts(o, quad);
        else
            push(o, &quad, &(struct extent){{0}}); /* fits with any other */
    }
}

/* ---- the order -------------------------------------------------------- */

/* The lists, one behind the other. */
static void join(struct cz_codes_quads *quads, const struct order *o)
{
    struct cz_codes_quad *to = quads->quads;
    for (size_t i = 0; i < LISTS; i++) {
        memcpy(to, o->lists[i], o->counts[i] * sizeof *to);
        to += o->counts[i];
    }
    quads->counts = (struct cz_codes_counts){
        .pairs = o->counts[PAIRS] / 2,
        .singles = o->counts[SINGLES],
        .mixed_pairs = o->counts[MIXED_PAIRS] / 2,
        .mixed_singles = o->counts[MIXED_SINGLES],
    };
}

enum cz_status cz_codes_quads_order(struct cz_codes_quads *quads,
                                    const struct cz_codes_conv *conv,
                                    const struct cz_step *step, size_t block,
                                    size_t unit, struct cz_error *err)
{
    const struct cz_conv_shape *s = &conv->shape;
    const size_t most = cz_codes_quads_max(conv);
    struct order o = {.conv = conv, .step = step, .block = block};
    struct cz_codes_quad *lists = cz_calloc(most, LISTS * sizeof *lists);
    if (!lists)
        return cz_error_nomem(err);
    for (size_t i = 0; i < LISTS; i++)
        o.lists[i] = lists + i * most;
    for (size_t first = 0; first < s->in_channels; first += unit) {
        for (size_t i = 0; i < s->kernel_h * s->kernel_w; i++)
            push_block(&o, (uint32_t)i, (uint32_t)first, unit);
    }
    for (size_t i = 0; i < o.n_waiting; i++)
        push_single(&o, &o.waiting[i].quad);
    join(quads, &o);
    cz_free(lists);
    return CZ_OK;
}

/* Random models in QDQ form. All that works on codes is exact, so plans with
 * blocks and fast kernels give what plain C gives, to the bit; and what float
 * operators between the conversions give, but for steps that grow on the way.
 */
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "tests/support/random_graph.h"
#include "tests/support/rewrite.h"

#define GRAPHS 400
#define PIECES_MAX 6
#define TEXT_BYTES 16384
/* Of the outputs' range, on average: a step or two. */
#define CLOSE 0.02

/* A graph that is being written. Its values are codes q0, q1, ... and what
 * they stand for: v0, v1, ... */
struct graph {
    struct cz_random random;
    char text[TEXT_BYTES];
    size_t size;
    size_t values;
    size_t channels[PIECES_MAX * 4]; /* of a value */
    size_t large[PIECES_MAX * 4];    /* twice the image's height and width? */
    const char *type;                /* of most codes */
};

static void add(struct graph *g, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static void add(struct graph *g, const char *format, ...)
{
    va_list list;
    va_start(list, format);
    const int n =
        vsnprintf(g->text + g->size, sizeof g->text - g->size, format, list);
    va_end(list);
    assert_true(n >= 0 && g->size + (size_t)n < sizeof g->text);
    g->size += (size_t)n;
}

static size_t below(struct graph *g, size_t n)
{
    return cz_random_below(&g->random, n);
}

/* Codes of f<value>, with scales of their own or those of value `like`. */
static void add_codes(struct graph *g, size_t channels, size_t large,
                      const char *like)
{
    const size_t v = g->values++;
    const char *type = below(g, 4) ? g->type : "i8";
    g->channels[v] = channels;
    g->large[v] = large;
    if (like)
        add(g, "const s%zu f32[] %s; const z%zu %s[] 30; ", v, like, v,
            g->type);
    else
        add(g, "const s%zu f32[] 0.0%zu; const z%zu %s[] %zu; ", v,
            1 + below(g, 6), v, type, below(g, 120));
    add(g,
        "q%zu = QuantizeLinear(f%zu, s%zu, z%zu); "
        "v%zu = DequantizeLinear(q%zu, s%zu, z%zu)\n",
        v, v, v, v, v, v, v, v);
}

static size_t random_value(struct graph *g)
{
    return below(g, 3) ? g->values - 1 : below(g, g->values);
}

static void add_conv(struct graph *g)
{
    static const size_t outputs[] = {16, 32, 48, 64, 5, 24};
    const size_t v = g->values, x = random_value(g), m = outputs[below(g, 6)];
    const size_t k = 1 + 2 * below(g, 2);
    add(g,
        "const k%zu f32[%zu,%zu,%zu,%zu] random; const t%zu f32[%zu] 0.01 "
        "0.007; const y%zu i8[%zu] 0; const b%zu f32[%zu] random\n",
        v, m, g->channels[x], k, k, v, m, v, m, v, m);
    add(g,
        "kq%zu = QuantizeLinear(k%zu, t%zu, y%zu) axis=0\n"
        "w%zu = DequantizeLinear(kq%zu, t%zu, y%zu) axis=0\n"
        "f%zu = Conv(v%zu, w%zu, b%zu) pads=[%zu,%zu,%zu,%zu]\n",
        v, v, v, v, v, v, v, v, v, x, v, v, k / 2, k / 2, k / 2, k / 2);
    add_codes(g, m, g->large[x], NULL);
}

/* x * sigmoid(x), quantized in three places, or one operator. */
static void add_function(struct graph *g)
{
    static const char *const names[] = {"Sigmoid", "Relu", "Tanh", "LeakyRelu"};
    const size_t v = g->values, x = random_value(g);
    add(g, "f%zu = %s(v%zu)\n", v, names[below(g, 4)], x);
    add_codes(g, g->channels[x], g->large[x], NULL);
    if (below(g, 2))
        return;
    add(g, "f%zu = Mul(v%zu, v%zu)\n", v + 1, v, x);
    add_codes(g, g->channels[x], g->large[x], NULL);
}

/* Another value of the same channels and size, or the same one. */
static size_t partner(struct graph *g, size_t x, bool any_channels)
{
    const size_t first = below(g, g->values);
    for (size_t i = 0; i < g->values; i++) {
        const size_t v = (first + i) % g->values;
        if (v != x && g->large[v] == g->large[x] &&
            (any_channels || g->channels[v] == g->channels[x]))
            return v;
    }
    return x;
}

static void add_sum(struct graph *g)
{
    const size_t x = random_value(g);
    add(g, "f%zu = Add(v%zu, v%zu)\n", g->values, x, partner(g, x, false));
    add_codes(g, g->channels[x], g->large[x], NULL);
}

static void add_concat(struct graph *g)
{
    const size_t x = random_value(g), other = partner(g, x, true);
    add(g, "f%zu = Concat(v%zu, v%zu) axis=1\n", g->values, x, other);
    add_codes(g, g->channels[x] + g->channels[other], g->large[x], NULL);
}

static void add_move(struct graph *g)
{
    const size_t v = g->values, x = random_value(g);
    const bool grows = !g->large[x] && below(g, 2);
    if (grows)
        add(g,
            "const r%zu f32[4] 1 1 2 2; f%zu = Resize(v%zu, , r%zu) "
            "mode=\"nearest\" coordinate_transformation_mode=\"asymmetric\" "
            "nearest_mode=\"floor\"\n",
            v, v, x, v);
    else
        add(g, "f%zu = MaxPool(v%zu) kernel_shape=[3,3] pads=[1,1,1,1]\n", v,
            x);
    add_codes(g, g->channels[x], g->large[x] || grows, NULL);
}

static void add_split(struct graph *g)
{
    const size_t v = g->values, x = random_value(g);
    const size_t half = g->channels[x] / 2;
    if (half == 0)
        return;
    add(g, "const h%zu i64[2] %zu %zu; f%zu, f%zu = Split(v%zu, h%zu) axis=1\n",
        v, half, g->channels[x] - half, v, v + 1, x, v);
    add_codes(g, half, g->large[x], NULL);
    add_codes(g, g->channels[x] - half, g->large[x], "0.03");
}

static void write_graph(struct graph *g, uint64_t seed)
{
    static void (*const pieces[])(struct graph * g) = {
        add_conv, add_conv,   add_conv, add_function, add_function,
        add_sum,  add_concat, add_move, add_split};
    memset(g, 0, sizeof *g);
    g->random.state = seed;
    g->type = below(g, 2) ? "u8" : "i8";
    const size_t channels = below(g, 2) ? 16 : 3;
    add(g, "in f0 f32[%zu,%zu,%zu,%zu]\n", 1 + below(g, 2), channels,
        1 + below(g, 12), 1 + below(g, 12));
    add_codes(g, channels, 0, "0.01");
    for (size_t n = 1 + below(g, PIECES_MAX); n > 0; n--)
        pieces[below(g, sizeof pieces / sizeof *pieces)](g);
    add(g, "out v%zu\n", g->values - 1);
    if (g->values > 1)
        add(g, "out q%zu\n", below(g, g->values - 1));
}

/* The mean difference as a share of the range. */
static double mean_difference(const struct cz_port *a, const struct cz_port *b)
{
    const float *x = a->data, *y = b->data;
    double sum = 0, range = 1e-6;
    size_t n = 1;
    for (size_t i = 0; i < a->dims.rank; i++)
        n *= (size_t)a->dims.size[i];
    for (size_t i = 0; i < n; i++) {
        sum += fabs((double)x[i] - (double)y[i]);
        range = fmax(range, fabs((double)y[i]));
    }
    return sum / (double)n / range;
}

static void plans_agree(void **state)
{
    (void)state;
    static struct graph g;
    for (uint64_t seed = 1; seed <= GRAPHS; seed++) {
        write_graph(&g, seed);
        struct cz_model *model = cz_test_graph(g.text);
        struct cz_plan *fast = cz_test_compile(model, NULL, NULL);
        struct cz_plan *plain = cz_test_compile(model, "-layout", NULL);
        struct cz_plan *floats = cz_test_compile(model, "-fuse_codes", NULL);
        cz_test_random_frame(fast, seed);
        cz_test_random_frame(plain, seed);
        cz_test_random_frame(floats, seed);
        if (cz_test_difference(fast, plain) != 0)
            fail_msg("graph %d: kernels differ:\n%s", (int)seed, g.text);
        const double difference = mean_difference(
            cz_plan_outputs(fast, NULL), cz_plan_outputs(floats, NULL));
        if (!(difference < CLOSE))
            fail_msg("graph %d: floats differ by %g:\n%s", (int)seed,
                     difference, g.text);
        cz_plan_free(fast);
        cz_plan_free(plain);
        cz_plan_free(floats);
        cz_model_free(model);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(plans_agree)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

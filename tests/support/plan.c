/* See plan.h. */
#include "tests/support/plan.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/half.h"
#include "tests/support/support.h"

#define STEPS_BYTES 65536
#define GRAPH_BYTES 65536
#define VALUES_MAX 256

static uint64_t next(uint64_t *state)
{
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return *state >> 33;
}

static size_t below(uint64_t *state, size_t n)
{
    return (size_t)(next(state) % n);
}

/* ---- inputs ----------------------------------------------------------- */

static void randomize(const struct cz_port *port, uint64_t *state)
{
    if (port->dtype == CZ_DTYPE_FLOAT) {
        float *values = port->data;
        for (size_t i = 0; i < port->size_bytes / sizeof *values; i++)
            values[i] = (float)next(state) / (float)(1u << 30) - 1;
    } else if (port->dtype == CZ_DTYPE_FLOAT16) {
        uint16_t *values = port->data;
        for (size_t i = 0; i < port->size_bytes / sizeof *values; i++)
            values[i] =
                cz_half_from_float((float)next(state) / (float)(1u << 30) - 1);
    } else {
        size_t bytes = cz_dtype_bits(port->dtype) / 8;
        memset(port->data, 0, port->size_bytes);
        for (size_t i = 0; i < port->size_bytes; i += bytes)
            ((char *)port->data)[i] = (char)(next(state) & 1);
    }
}

void cz_test_randomize(struct cz_plan *plan, uint64_t seed)
{
    size_t count;
    const struct cz_port *inputs = cz_plan_inputs(plan, &count);
    for (size_t i = 0; i < count; i++)
        randomize(&inputs[i], &seed);
}

/* ---- steps ------------------------------------------------------------ */

const char *cz_test_steps(const struct cz_plan *plan)
{
    static char text[STEPS_BYTES];
    size_t at = 0;
    *text = 0;
    for (size_t i = 0; i < cz_plan_step_count(plan); i++) {
        at += (size_t)snprintf(text + at, sizeof text - at, "%s%s",
                               i ? " " : "", cz_plan_step(plan, i).op_type);
        assert_true(at < sizeof text);
    }
    return text;
}

/* ---- outputs ---------------------------------------------------------- */

double cz_test_port_difference(const struct cz_port *a, const struct cz_port *b)
{
    double worst = 0;
    assert_int_equal(a->dtype, b->dtype);
    assert_int_equal(a->dims.rank, b->dims.rank);
    assert_int_equal(a->size_bytes, b->size_bytes);
    if (a->dtype != CZ_DTYPE_FLOAT)
        return memcmp(a->data, b->data, a->size_bytes) ? 1 : 0;
    const float *x = a->data, *y = b->data;
    for (size_t i = 0; i < a->size_bytes / sizeof *x; i++) {
        double more =
            fabs((double)x[i] - (double)y[i]) / fmax(1, fabs((double)y[i]));
        if (more > worst || isnan(x[i]) != isnan(y[i]))
            worst = isnan(more) ? INFINITY : more;
    }
    return worst;
}

double cz_test_difference(const struct cz_plan *a, const struct cz_plan *b)
{
    size_t count, other;
    double worst = 0;
    const struct cz_port *x = cz_plan_outputs(a, &count);
    const struct cz_port *y = cz_plan_outputs(b, &other);
    assert_int_equal(count, other);
    for (size_t i = 0; i < count; i++)
        worst = fmax(worst, cz_test_port_difference(&x[i], &y[i]));
    return worst;
}

/* ---- random graphs ---------------------------------------------------- */

struct value {
    char name[16];
    size_t channels, side; /* [1, channels, side, side] */
    bool is_read;
};

struct graph {
    uint64_t state;
    char *text;
    size_t size, n, n_constants;
    struct value values[VALUES_MAX];
};

static void add(struct graph *g, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static void add(struct graph *g, const char *format, ...)
{
    va_list list;
    va_start(list, format);
    g->size += (size_t)vsnprintf(g->text + g->size, GRAPH_BYTES - g->size,
                                 format, list);
    va_end(list);
    assert_true(g->size < GRAPH_BYTES);
}

static struct value *new_value(struct graph *g, size_t channels, size_t side)
{
    struct value *v = &g->values[g->n];
    assert_true(g->n < VALUES_MAX);
    *v = (struct value){.channels = channels, .side = side};
    snprintf(v->name, sizeof v->name, "v%zu", g->n++);
    return v;
}

/* Mostly a recent one, so that graphs are deep. */
static struct value *any_value(struct graph *g)
{
    size_t recent = g->n < 4 || below(&g->state, 4) == 0 ? g->n : 4;
    struct value *v = &g->values[g->n - 1 - below(&g->state, recent)];
    v->is_read = true;
    return v;
}

static void add_conv(struct graph *g, const struct value *x)
{
    static const size_t widths[] = {8, 16, 16, 32, 12};
    size_t k = below(&g->state, 2) ? 3 : 1, out = widths[below(&g->state, 5)];
    size_t stride = x->side > 4 && below(&g->state, 5) == 0 ? 2 : 1;
    bool is_depthwise = below(&g->state, 5) == 0;
    size_t in = is_depthwise ? 1 : x->channels;
    if (is_depthwise)
        out = x->channels;
    size_t w = g->n_constants++;
    struct value *y = new_value(g, out, (x->side - 1) / stride + 1);
    add(g, "const w%zu f32[%zu,%zu,%zu,%zu] random; const s%zu f32[] %f\n", w,
        out, in, k, k, w, 1.5 / sqrt((double)(in * k * k)));
    add(g, "k%zu = Mul(w%zu, s%zu)\n", w, w, w);
    add(g,
        "%s = Conv(%s, k%zu) group=%zu strides=[%zu,%zu] pads=[%zu,%zu,%zu,"
        "%zu]\n",
        y->name, x->name, w, is_depthwise ? out : 1, stride, stride, k / 2,
        k / 2, k / 2, k / 2);
}

static void add_silu(struct graph *g, const struct value *x)
{
    struct value *gate = new_value(g, x->channels, x->side);
    struct value *y = new_value(g, x->channels, x->side);
    gate->is_read = true;
    add(g, "%s = Sigmoid(%s); %s = Mul(%s, %s)\n", gate->name, x->name, y->name,
        x->name, gate->name);
}

/* Another value with the same height and width; NULL: there is none. */
static struct value *partner(struct graph *g, const struct value *x,
                             bool same_channels)
{
    for (size_t i = 0; i < 8; i++) {
        struct value *v = &g->values[below(&g->state, g->n)];
        if (v->side == x->side &&
            (!same_channels || v->channels == x->channels)) {
            v->is_read = true;
            return v;
        }
    }
    return NULL;
}

static void add_binary(struct graph *g, const struct value *x)
{
    static const char *const ops[] = {"Add", "Add", "Add", "Mul", "Sub", "Max"};
    const char *op = ops[below(&g->state, 6)];
    const struct value *b = partner(g, x, true);
    if (!b)
        return;
    struct value *y = new_value(g, x->channels, x->side);
    add(g, "%s = %s(%s, %s)\n", y->name, op, x->name, b->name);
}

static void add_concat(struct graph *g, const struct value *x)
{
    const struct value *b = partner(g, x, false), *c = partner(g, x, false);
    if (!b || !c || x->channels + b->channels + c->channels > 128)
        return;
    struct value *y =
        new_value(g, x->channels + b->channels + c->channels, x->side);
    add(g, "%s = Concat(%s, %s, %s) axis=1\n", y->name, x->name, b->name,
        c->name);
}

static void add_split(struct graph *g, const struct value *x)
{
    if (x->channels % 2 != 0)
        return;
    struct value *a = new_value(g, x->channels / 2, x->side);
    struct value *b = new_value(g, x->channels / 2, x->side);
    add(g, "%s, %s = Split(%s) axis=1\n", a->name, b->name, x->name);
}

/* To lines and back, with a transposition in between or not. */
static void add_views(struct graph *g, const struct value *x)
{
    size_t n = g->n_constants++;
    struct value *y = new_value(g, x->channels, x->side);
    bool turns = below(&g->state, 2);
    add(g, "const a%zu i64[3] 1 %zu %zu; const b%zu i64[4] 1 %zu %zu %zu\n", n,
        x->channels, x->side * x->side, n, x->channels, x->side, x->side);
    add(g, "l%zu = Reshape(%s, a%zu)\n", n, x->name, n);
    if (turns)
        add(g,
            "t%zu = Transpose(l%zu) perm=[0,2,1]; e%zu = Neg(t%zu); "
            "r%zu = Transpose(e%zu) perm=[0,2,1]\n",
            n, n, n, n, n, n);
    else
        add(g, "r%zu = Abs(l%zu)\n", n, n);
    add(g, "%s = Reshape(r%zu, b%zu)\n", y->name, n, n);
}

static void add_slice(struct graph *g, const struct value *x)
{
    size_t n = g->n_constants++, half = x->channels / 2;
    if (half == 0)
        return;
    struct value *y = new_value(g, half, x->side);
    add(g,
        "const f%zu i64[1] %zu; const t%zu i64[1] %zu; const x%zu i64[1] 1\n",
        n, x->channels - half, n, x->channels, n);
    add(g, "%s = Slice(%s, f%zu, t%zu, x%zu)\n", y->name, x->name, n, n, n);
}

static void add_unary(struct graph *g, const struct value *x)
{
    static const char *const ops[] = {
        "Relu", "Sigmoid", "Tanh", "Neg", "Abs", "Elu", "Identity", "Softsign"};
    const char *op = ops[below(&g->state, 8)];
    struct value *y = new_value(g, x->channels, x->side);
    add(g, "%s = %s(%s)\n", y->name, op, x->name);
}

static void add_pool(struct graph *g, const struct value *x)
{
    struct value *y = new_value(g, x->channels, x->side);
    add(g, "%s = MaxPool(%s) kernel_shape=[3,3] pads=[1,1,1,1]\n", y->name,
        x->name);
}

static void add_node(struct graph *g)
{
    static void (*const adders[])(struct graph *, const struct value *) = {
        add_conv,   add_conv,   add_conv,  add_silu,  add_silu,
        add_binary, add_binary, add_unary, add_unary, add_concat,
        add_split,  add_views,  add_slice, add_pool};
    adders[below(&g->state, sizeof adders / sizeof *adders)](g, any_value(g));
}

const char *cz_test_random_graph(uint64_t seed, size_t n_nodes)
{
    static char text[GRAPH_BYTES];
    struct graph g = {.state = seed * 2654435761u + 1, .text = text};
    new_value(&g, 3, 5 + below(&g.state, 8));
    add(&g, "in %s f32[1,3,%zu,%zu]\n", g.values[0].name, g.values[0].side,
        g.values[0].side);
    add_conv(&g, &g.values[0]);
    g.values[0].is_read = true;
    while (g.n < n_nodes)
        add_node(&g);
    for (size_t i = 1; i < g.n; i++) {
        if (!g.values[i].is_read || below(&g.state, 16) == 0)
            add(&g, "out %s\n", g.values[i].name);
    }
    return text;
}

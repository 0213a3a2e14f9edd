/* See random_graph.h. Every value carries how large its numbers may be, so
 * that products of products stay small enough to compare. */
#include "tests/support/random_graph.h"

#include <math.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>

#include "tests/support/support.h"

#define VALUES_MAX 160
#define SIZE_MAX_OF_VALUE 8.0 /* larger ones are brought back to 1 */
#define COUNT_MAX 20000       /* elements of a value */
#define CHANNELS_MAX 96

struct value {
    char name[16];
    size_t rank;
    long dims[4];
    double size;  /* of its numbers, about */
    bool is_part; /* of a Split: wanted in a Concat */
};

struct maker {
    struct cz_random random;
    char *text;
    size_t at;
    struct value values[VALUES_MAX];
    size_t n_values, n_constants;
};

/* ---- chance ----------------------------------------------------------- */

size_t cz_random_below(struct cz_random *random, size_t n)
{
    random->state = random->state * 6364136223846793005u + 1442695040888963407u;
    return (size_t)((random->state >> 33) % n);
}

static long pick(struct maker *m, const long *from, size_t n)
{
    return from[cz_random_below(&m->random, n)];
}

#define PICK(m, ...)                                                           \
    pick(m, (const long[]){__VA_ARGS__},                                       \
         sizeof((const long[]){__VA_ARGS__}) / sizeof(long))

static bool one_in(struct maker *m, size_t n)
{
    return cz_random_below(&m->random, n) == 0;
}

/* ---- text ------------------------------------------------------------- */

__attribute__((format(printf, 2, 3))) static void put(struct maker *m,
                                                      const char *format, ...)
{
    va_list list;
    va_start(list, format);
    int n =
        vsnprintf(m->text + m->at, CZ_RANDOM_TEXT_BYTES - m->at, format, list);
    va_end(list);
    m->at += (size_t)n;
    assert_true(n >= 0 && m->at < CZ_RANDOM_TEXT_BYTES);
}

static void put_dims(struct maker *m, const long *dims, size_t rank)
{
    for (size_t i = 0; i < rank; i++)
        put(m, "%s%ld", i ? "," : "[", dims[i]);
    put(m, rank ? "]" : "[]");
}

/* A random constant; returns the number in its name, k7. */
static size_t put_weights(struct maker *m, const long *dims, size_t rank,
                          double size)
{
    put(m, "const k%zu f32", m->n_constants);
    put_dims(m, dims, rank);
    put(m, " random %zu %.9g\n", cz_random_below(&m->random, 1 << 30), size);
    return m->n_constants++;
}

static size_t put_ints(struct maker *m, const long *ints, size_t n)
{
    put(m, "const k%zu i64[%zu]", m->n_constants, n);
    for (size_t i = 0; i < n; i++)
        put(m, " %ld", ints[i]);
    put(m, "\n");
    return m->n_constants++;
}

/* ---- values ----------------------------------------------------------- */

static long count_of(const struct value *v)
{
    long count = 1;
    for (size_t i = 0; i < v->rank; i++)
        count *= v->dims[i];
    return count;
}

/* A new value of these dims, not yet made by a node. */
static struct value *add(struct maker *m, const long *dims, size_t rank,
                         double size)
{
    assert_true(m->n_values < VALUES_MAX);
    struct value *v = &m->values[m->n_values];
    *v = (struct value){.rank = rank, .size = size};
    memcpy(v->dims, dims, rank * sizeof *dims);
    snprintf(v->name, sizeof v->name, "v%zu", m->n_values++);
    return v;
}

static struct value *like(struct maker *m, const struct value *v, double size)
{
    return add(m, v->dims, v->rank, size);
}

/* Any value of the rank (0: of 3 or 4), mostly a late one; NULL where chance
 * finds none. */
static struct value *any(struct maker *m, size_t rank)
{
    for (size_t tries = 0; tries < 20; tries++) {
        size_t range = one_in(m, 3) || m->n_values < 4 ? m->n_values : 4;
        size_t back = cz_random_below(&m->random, range);
        struct value *v = &m->values[m->n_values - 1 - back];
        if (!rank || v->rank == rank)
            return v;
    }
    return NULL;
}

/* Another name for numbers that are at most about 1. */
static struct value *calm(struct maker *m, struct value *v)
{
    if (v->size <= SIZE_MAX_OF_VALUE)
        return v;
    struct value *y = like(m, v, 1);
    put(m, "%s = Tanh(%s)\n", y->name, v->name);
    return y;
}

/* A value with all dims of `v` but for `axis` (4: none). */
static struct value *partner(struct maker *m, const struct value *v,
                             size_t axis, bool wants_part)
{
    for (size_t tries = 0; tries < 30; tries++) {
        struct value *w = &m->values[cz_random_below(&m->random, m->n_values)];
        bool fits = w->rank == v->rank && (!wants_part || w->is_part);
        for (size_t i = 0; fits && i < v->rank; i++)
            fits = i == axis || w->dims[i] == v->dims[i];
        if (fits)
            return w;
    }
    return NULL;
}

/* ---- convolutions ----------------------------------------------------- */

struct window {
    long kernel, stride, dilation, before, after, out;
};

/* Along an axis of `in` pixels; false where it would leave nothing. */
static bool make_window(struct maker *m, struct window *w, long in)
{
    w->kernel = PICK(m, 1, 1, 3, 3, 3, 5, 2, 4);
    w->stride = PICK(m, 1, 1, 1, 2, 3);
    w->dilation = one_in(m, 5) ? 2 : 1;
    long reach = (w->kernel - 1) * w->dilation;
    w->before = one_in(m, 4) ? PICK(m, 0, 1, 2) : reach / 2;
    w->after = one_in(m, 4) ? PICK(m, 0, 1, 2) : reach / 2;
    if (w->before > reach || w->after > reach)
        w->before = w->after = 0;
    w->out = (in + w->before + w->after - reach - 1) / w->stride + 1;
    return in + w->before + w->after > reach;
}

static void put_windows(struct maker *m, const struct window w[2])
{
    put(m, " strides=[%ld,%ld] dilations=[%ld,%ld] pads=[%ld,%ld,%ld,%ld]",
        w[0].stride, w[1].stride, w[0].dilation, w[1].dilation, w[0].before,
        w[1].before, w[0].after, w[1].after);
}

/* Conv to `channels` (0: any number). */
static struct value *put_conv(struct maker *m, struct value *x, long channels,
                              const struct window w[2])
{
    const long in = x->dims[1];
    long group = 1;
    if (!channels && one_in(m, 3)) { /* depthwise, or with a multiplier */
        group = in;
        channels = in * (one_in(m, 4) && in <= 16 ? 2 : 1);
    } else {
        channels = channels ? channels
                            : PICK(m, 1, 5, 8, 12, 16, 16, 16, 24, 32, 32, 48);
        for (long g = PICK(m, 1, 1, 2, 4); g > 1 && group == 1; g /= 2)
            group = in % g == 0 && channels % g == 0 ? g : 1;
    }
    x = calm(m, x);
    long dims[] = {channels, in / group, w[0].kernel, w[1].kernel};
    double fan_in = (double)(dims[1] * dims[2] * dims[3]);
    size_t weights = put_weights(m, dims, 4, 2 / sqrt(fan_in));
    size_t bias = one_in(m, 3) ? 0 : put_weights(m, dims, 1, 1) + 1;
    struct value *y =
        add(m, (long[]){x->dims[0], channels, w[0].out, w[1].out}, 4, 2);
    y->size = x->size + 1;
    put(m, "%s = Conv(%s, k%zu", y->name, x->name, weights);
    if (bias)
        put(m, ", k%zu", bias - 1);
    put(m, ") group=%ld", group);
    put_windows(m, w);
    put(m, "\n");
    return y;
}

static struct value *put_norm(struct maker *m, struct value *x)
{
    const long channels[] = {x->dims[1]};
    size_t scale = put_weights(m, channels, 1, 1);
    size_t shift = put_weights(m, channels, 1, 1);
    size_t mean = put_weights(m, channels, 1, .5);
    struct value *y = like(m, x, x->size + 2);
    put(m,
        "const k%zu f32[%ld] %s\n%s = BatchNormalization(%s, "
        "k%zu, k%zu, k%zu, k%zu) epsilon=0.001\n",
        m->n_constants, channels[0], channels[0] < 3 ? "1.5" : "1.5 0.5 0.75",
        y->name, x->name, scale, shift, mean, m->n_constants);
    m->n_constants++;
    return y;
}

static struct value *put_activation(struct maker *m, struct value *x)
{
    static const char *const single[] = {
        "Relu(%s)",         "LeakyRelu(%s) alpha=0.1",
        "HardSwish(%s)",    "HardSigmoid(%s) alpha=0.166666 beta=0.5",
        "Sigmoid(%s)",      "Tanh(%s)",
        "Elu(%s)",          "Softplus(%s)",
        "Clip(%s, k0, k1)", "Neg(%s)",
    };
    static const char *const gates[] = {
        "%s = Sigmoid(%s)\n",
        "%s = HardSigmoid(%s) alpha=0.1666667 beta=0.5\n",
        "%s = HardSigmoid(%s) alpha=0.2 beta=0.5\n",
    };
    struct value *y;
    x = calm(m, x);
    if (one_in(m, 2)) {
        y = like(m, x, x->size);
        put(m, "%s = ", y->name);
        put(m, single[cz_random_below(&m->random, 10)], x->name);
        put(m, "\n");
        return y;
    }
    struct value *gate = like(m, x, 1);
    if (one_in(m, 4)) {
        put(m, "s%s = Softplus(%s)\n%s = Tanh(s%s)\n", gate->name, x->name,
            gate->name, gate->name);
    } else {
        put(m, gates[cz_random_below(&m->random, 3)], gate->name, x->name);
    }
    y = like(m, x, x->size);
    bool first = one_in(m, 2);
    put(m, "%s = Mul(%s, %s)\n", y->name, first ? gate->name : x->name,
        first ? x->name : gate->name);
    return y;
}

static struct value *follow_conv(struct maker *m, struct value *y)
{
    if (one_in(m, 3))
        y = put_norm(m, y);
    return one_in(m, 3) ? y : put_activation(m, y);
}

static void piece_conv(struct maker *m)
{
    struct value *x = any(m, 4);
    struct window w[2];
    if (!x || !make_window(m, &w[0], x->dims[2]) ||
        !make_window(m, &w[1], x->dims[3]))
        return;
    if (one_in(m, 2)) /* square, as most are */
        w[1] = w[0];
    w[1].out = (x->dims[3] + w[1].before + w[1].after -
                (w[1].kernel - 1) * w[1].dilation - 1);
    if (w[1].out < 0 || w[0].out * w[1].out > 400)
        return;
    w[1].out = w[1].out / w[1].stride + 1;
    follow_conv(m, put_conv(m, x, 0, w));
}

/* A convolution of v that gives `channels` in the same size. */
static struct value *same_size_conv(struct maker *m, struct value *v,
                                    long channels)
{
    struct window w[2];
    long kernel = channels * v->dims[1] > 2048 ? 1 : PICK(m, 1, 3, 3, 5);
    for (size_t i = 0; i < 2; i++)
        w[i] = (struct window){
            kernel, 1, 1, (kernel - 1) / 2, (kernel - 1) / 2, v->dims[2 + i]};
    return put_conv(m, v, channels, w);
}

static void piece_transposed_conv(struct maker *m)
{
    struct value *x = any(m, 4);
    if (!x || x->dims[2] > 8 || x->dims[3] > 8)
        return;
    x = calm(m, x);
    long out = PICK(m, 4, 8, 16), kernel = PICK(m, 2, 3);
    size_t weights =
        put_weights(m, (long[]){x->dims[1], out, kernel, kernel}, 4, .2);
    struct value *y =
        add(m,
            (long[]){x->dims[0], out, (x->dims[2] - 1) * 2 + kernel,
                     (x->dims[3] - 1) * 2 + kernel},
            4, x->size + 2);
    put(m, "%s = ConvTranspose(%s, k%zu) strides=[2,2]\n", y->name, x->name,
        weights);
    follow_conv(m, y);
}

/* ---- sums ------------------------------------------------------------- */

static void put_binary(struct maker *m, const char *op, const struct value *a,
                       const struct value *b, double size)
{
    struct value *y = like(m, a, size);
    bool turned = one_in(m, 2);
    put(m, "%s = %s(%s, %s)\n", y->name, op, turned ? b->name : a->name,
        turned ? a->name : b->name);
    if (one_in(m, 3))
        put_activation(m, y);
}

/* x + f(x), f(x) + g(x), x + z. */
static void piece_residual(struct maker *m)
{
    struct value *x = any(m, 4), *a, *b;
    if (!x)
        return;
    switch (cz_random_below(&m->random, 4)) {
    case 0:
        a = same_size_conv(m, x, x->dims[1]);
        put_binary(m, "Add", a, x, a->size + x->size);
        return;
    case 1:
        a = same_size_conv(m, x, x->dims[1]);
        a = put_activation(m, a);
        put_binary(m, "Add", x, a, a->size + x->size);
        return;
    case 2:
        a = same_size_conv(m, x, x->dims[1]);
        b = one_in(m, 2) ? partner(m, x, 4, false) : NULL;
        b = same_size_conv(m, b ? b : x, x->dims[1]);
        put_binary(m, "Add", a, b, a->size + b->size);
        return;
    default:
        a = partner(m, x, 4, false);
        if (a)
            put_binary(m, "Add", a, x, a->size + x->size);
    }
}

static void piece_binary(struct maker *m)
{
    static const char *const ops[] = {"Mul", "Add", "Sub", "Max"};
    const char *op = ops[cz_random_below(&m->random, 4)];
    struct value *x = any(m, 0);
    if (!x)
        return;
    x = calm(m, x);
    struct value *other = one_in(m, 2) ? partner(m, x, 4, false) : NULL;
    if (other) {
        other = calm(m, other);
        double size = *op == 'M' ? x->size * other->size + x->size
                                 : x->size + other->size;
        put_binary(m, op, x, other, size);
        return;
    }
    long dims[4] = {1, 1, 1, 1};
    for (size_t i = 0; i < x->rank; i++) /* broadcast along some axes */
        dims[i] = one_in(m, 2) ? x->dims[i] : 1;
    size_t skip = cz_random_below(&m->random, x->rank + 1);
    size_t k = put_weights(m, dims + skip, x->rank - skip, 1);
    struct value *y = like(m, x, x->size + 1);
    put(m, "%s = %s(%s, k%zu)\n", y->name, op, x->name, k);
}

/* x * sigmoid(conv(mean(x))): the squeeze and excitation of PP-YOLOE. */
static void piece_gate(struct maker *m)
{
    struct value *x = any(m, 4);
    if (!x)
        return;
    struct value *mean =
        add(m, (long[]){x->dims[0], x->dims[1], 1, 1}, 4, x->size);
    put(m, "%s = GlobalAveragePool(%s)\n", mean->name, x->name);
    struct value *gate = put_activation(m, same_size_conv(m, mean, x->dims[1]));
    struct value *y = like(m, x, x->size * (gate->size + 1));
    put(m, "%s = Mul(%s, %s)\n", y->name, x->name, gate->name);
}

/* ---- parts ------------------------------------------------------------ */

static void piece_concat(struct maker *m)
{
    struct value *parts[4], *x = any(m, 4);
    size_t axis = one_in(m, 5) ? cz_random_below(&m->random, 4) : 1;
    size_t n = 1 + cz_random_below(&m->random, 4);
    if (!x)
        return;
    parts[0] = x;
    for (size_t i = 1; i < n; i++) {
        parts[i] = partner(m, x, axis, one_in(m, 2));
        if (!parts[i] && axis == 1)
            parts[i] = same_size_conv(m, x, PICK(m, 3, 8, 16, 16, 32));
        if (!parts[i])
            parts[i] = x;
    }
    struct value sum = *x;
    for (size_t i = 1; i < n; i++) {
        sum.dims[axis] += parts[i]->dims[axis];
        sum.size = fmax(sum.size, parts[i]->size);
    }
    if (count_of(&sum) > COUNT_MAX || sum.dims[1] > CHANNELS_MAX)
        return;
    size_t turn = cz_random_below(&m->random, n);
    struct value *y = like(m, &sum, sum.size);
    put(m, "%s = Concat(", y->name);
    for (size_t i = 0; i < n; i++)
        put(m, "%s%s", i ? ", " : "", parts[(i + turn) % n]->name);
    put(m, ") axis=%zu\n", axis);
}

static void piece_split(struct maker *m)
{
    struct value *x = any(m, 4);
    size_t axis = one_in(m, 5) ? 2 : 1;
    long part[3], n = PICK(m, 2, 2, 3);
    if (!x || x->dims[axis] < n)
        return;
    long rest = x->dims[axis];
    long unit = rest % 16 == 0 && rest / 16 >= n ? 16
                : rest % 8 == 0 && rest / 8 >= n ? 8
                                                 : 1;
    if (one_in(m, 4))
        unit = 1;
    for (long i = 0; i < n - 1; i++) {
        long most = rest / unit - (n - 1 - i);
        part[i] = unit * (1 + (long)cz_random_below(&m->random, (size_t)most));
        rest -= part[i];
    }
    part[n - 1] = rest;
    size_t sizes = put_ints(m, part, (size_t)n);
    size_t first = m->n_values;
    for (long i = 0; i < n; i++) {
        struct value *y = like(m, x, x->size);
        y->dims[axis] = part[i];
        y->is_part = true;
    }
    for (long i = 0; i < n; i++)
        put(m, "%s%s", i ? ", " : "", m->values[first + (size_t)i].name);
    put(m, " = Split(%s, k%zu) axis=%zu\n", x->name, sizes, axis);
}

/* The parts of one Split, some changed, joined: C2f. */
static void piece_split_concat(struct maker *m)
{
    size_t before = m->n_values;
    piece_split(m);
    size_t n = m->n_values - before;
    for (size_t i = 0; i < n; i++) {
        if (m->values[before + i].dims[2] != m->values[before].dims[2])
            return;
    }
    if (n == 0)
        return;
    const char *names[4];
    long channels = 0;
    double size = 0;
    for (size_t i = 0; i < n; i++) {
        struct value *v = &m->values[before + i];
        if (one_in(m, 2))
            v = same_size_conv(m, v, one_in(m, 2) ? v->dims[1] : 16);
        names[i] = v->name;
        channels += v->dims[1];
        size = fmax(size, v->size);
    }
    struct value *y = like(m, &m->values[before], size);
    y->dims[1] = channels;
    put(m, "%s = Concat(%s", y->name, names[0]);
    for (size_t i = 1; i < n; i++)
        put(m, ", %s", names[i]);
    put(m, ") axis=1\n");
}

/* ---- windows, moves, views -------------------------------------------- */

static void piece_pool(struct maker *m)
{
    struct value *x = any(m, 4);
    struct window w[2];
    long kernel = PICK(m, 2, 3, 5);
    long stride = PICK(m, 1, 1, 2), pad = one_in(m, 4) ? 0 : kernel / 2;
    if (!x)
        return;
    for (size_t i = 0; i < 2; i++) {
        long span = x->dims[2 + i] + 2 * pad - kernel;
        if (span < 0)
            return;
        w[i] = (struct window){kernel, stride, 1, pad, pad, span / stride + 1};
    }
    bool max = !one_in(m, 3);
    struct value *y = add(
        m, (long[]){x->dims[0], x->dims[1], w[0].out, w[1].out}, 4, x->size);
    put(m, "%s = %s(%s) kernel_shape=[%ld,%ld] strides=[%ld,%ld] ", y->name,
        max ? "MaxPool" : "AveragePool", x->name, kernel, kernel, stride,
        stride);
    put(m, "pads=[%ld,%ld,%ld,%ld]\n", pad, pad, pad, pad);
}

static void piece_resize(struct maker *m)
{
    static const char *const modes[] = {
        "mode=\"nearest\" coordinate_transformation_mode=\"asymmetric\" "
        "nearest_mode=\"floor\"",
        "mode=\"linear\"",
        "mode=\"nearest\"",
    };
    struct value *x = any(m, 4);
    if (!x || count_of(x) * 4 > COUNT_MAX)
        return;
    struct value *y =
        add(m, (long[]){x->dims[0], x->dims[1], x->dims[2] * 2, x->dims[3] * 2},
            4, x->size);
    put(m, "const k%zu f32[4] 1 1 2 2\n%s = Resize(%s, , k%zu) %s\n",
        m->n_constants, y->name, x->name, m->n_constants,
        modes[cz_random_below(&m->random, 3)]);
    m->n_constants++;
}

static void piece_transpose(struct maker *m)
{
    struct value *x = any(m, 0);
    size_t order[4] = {0, 1, 2, 3};
    long dims[4];
    if (!x || x->rank < 3)
        return;
    for (size_t i = 1; i < x->rank; i++) {
        size_t k = 1 + cz_random_below(&m->random, x->rank - 1);
        size_t o = order[i];
        order[i] = order[k];
        order[k] = o;
    }
    for (size_t i = 0; i < x->rank; i++)
        dims[i] = x->dims[order[i]];
    if (dims[1] > CHANNELS_MAX)
        return;
    struct value *y = add(m, dims, x->rank, x->size);
    put(m, "%s = Transpose(%s) perm=[", y->name, x->name);
    for (size_t i = 0; i < x->rank; i++)
        put(m, "%s%zu", i ? "," : "", order[i]);
    put(m, "]\n");
}

/* [N,C,H,W] to [N,C,H*W], or [N,C,L] to [N,1,C,L]; by a constant, or by what
 * the shape says at compile time. */
static void piece_reshape(struct maker *m)
{
    struct value *x = any(m, 0), *y;
    if (!x)
        return;
    const long *d = x->dims;
    if (x->rank == 4)
        y = add(m, (long[]){d[0], d[1], d[2] * d[3]}, 3, x->size);
    else
        y = add(m, (long[]){d[0], d[2], 1, d[1]}, 4, x->size);
    if (y->dims[1] > CHANNELS_MAX) {
        m->n_values--;
        return;
    }
    if (x->rank == 4 && one_in(m, 2)) {
        size_t k = put_ints(m, (long[]){0, 1}, 2);
        size_t last = put_ints(m, (long[]){-1}, 1);
        put(m, "h%s = Shape(%s)\nt%s = Gather(h%s, k%zu)\n", y->name, x->name,
            y->name, y->name, k);
        put(m, "c%s = Concat(t%s, k%zu) axis=0\n%s = Reshape(%s, c%s)\n",
            y->name, y->name, last, y->name, x->name, y->name);
        return;
    }
    size_t k = put_ints(m, y->dims, y->rank);
    put(m, "%s = Reshape(%s, k%zu)\n", y->name, x->name, k);
}

static void piece_slice(struct maker *m)
{
    struct value *x = any(m, 0);
    if (!x)
        return;
    size_t axis = cz_random_below(&m->random, x->rank);
    long n = x->dims[axis];
    if (n < 2)
        return;
    long start = (long)cz_random_below(&m->random, (size_t)n);
    long end =
        start + 1 + (long)cz_random_below(&m->random, (size_t)(n - start));
    long step = one_in(m, 3) ? 2 : 1;
    size_t k = put_ints(m, &start, 1);
    put_ints(m, &end, 1);
    put_ints(m, (long[]){(long)axis}, 1);
    put_ints(m, &step, 1);
    struct value *y = like(m, x, x->size);
    y->dims[axis] = (end - start + step - 1) / step;
    put(m, "%s = Slice(%s, k%zu, k%zu, k%zu, k%zu)\n", y->name, x->name, k,
        k + 1, k + 2, k + 3);
}

static void piece_softmax(struct maker *m)
{
    struct value *x = any(m, 0);
    if (!x)
        return;
    x = calm(m, x);
    struct value *y = like(m, x, 1);
    put(m, "%s = Softmax(%s) axis=%zu\n", y->name, x->name,
        cz_random_below(&m->random, x->rank));
}

static void piece_identity(struct maker *m)
{
    struct value *x = any(m, 0);
    if (!x)
        return;
    struct value *y = like(m, x, x->size);
    if (one_in(m, 2)) {
        put(m, "%s = Identity(%s)\n", y->name, x->name);
    } else {
        size_t k = put_ints(m, x->dims, x->rank);
        put(m, "%s = Reshape(%s, k%zu)\n", y->name, x->name, k);
    }
}

static void piece_activation(struct maker *m)
{
    struct value *x = any(m, 0);
    if (x)
        put_activation(m, x);
}

static void piece_matrix(struct maker *m)
{
    struct value *x = any(m, 3);
    if (!x)
        return;
    x = calm(m, x);
    long dims[] = {x->dims[2], PICK(m, 1, 7, 16)};
    size_t k = put_weights(m, dims, 2, 2 / sqrt((double)dims[0]));
    struct value *y =
        add(m, (long[]){x->dims[0], x->dims[1], dims[1]}, 3, x->size + 1);
    put(m, "%s = MatMul(%s, k%zu)\n", y->name, x->name, k);
}

/* ---- whole graphs ----------------------------------------------------- */

static void (*const pieces[])(struct maker *) = {
    piece_conv,         piece_conv,     piece_conv,
    piece_conv,         piece_conv,     piece_residual,
    piece_residual,     piece_residual, piece_concat,
    piece_concat,       piece_concat,   piece_concat,
    piece_split,        piece_split,    piece_split_concat,
    piece_split_concat, piece_pool,     piece_resize,
    piece_transpose,    piece_reshape,  piece_slice,
    piece_softmax,      piece_identity, piece_activation,
    piece_activation,   piece_binary,   piece_binary,
    piece_gate,         piece_matrix,   piece_transposed_conv,
};

#define N_KINDS (sizeof pieces / sizeof *pieces)

static void put_input(struct maker *m, const char *name, long batch)
{
    struct value *v =
        add(m,
            (long[]){batch, PICK(m, 3, 5, 8, 16, 16, 16, 24, 32),
                     PICK(m, 1, 4, 5, 7, 8, 13), PICK(m, 1, 4, 6, 7, 8, 14)},
            4, 1);
    snprintf(v->name, sizeof v->name, "%s", name);
    put(m, "in %s f32", name);
    put_dims(m, v->dims, 4);
    put(m, "\n");
}

/* The last value, and some others. */
static void put_outputs(struct maker *m, struct cz_random *random)
{
    size_t inputs = m->values[1].name[0] == 'z' ? 2 : 1;
    for (size_t i = inputs; i < m->n_values; i++) {
        if (i + 1 == m->n_values || cz_random_below(random, 10) == 0)
            put(m, "out %s\n", m->values[i].name);
    }
}

void cz_random_graph(char text[CZ_RANDOM_TEXT_BYTES], char tap[16],
                     uint64_t seed, size_t n_pieces)
{
    struct maker m = {.random = {seed * 0x9e3779b97f4a7c15u}, .text = text};
    struct cz_random outputs = {seed ^ 0x5deece66du};
    cz_random_below(&m.random, 2);
    put(&m, "const k0 f32[] -0.5\nconst k1 f32[] 1.25\n");
    m.n_constants = 2;
    long batch = one_in(&m, 4) ? 2 : 1;
    put_input(&m, "x", batch);
    if (one_in(&m, 4))
        put_input(&m, "z", batch);
    size_t before = m.n_values;
    for (size_t i = 0; i < n_pieces || m.n_values == before; i++) {
        if (m.n_values + 16 < VALUES_MAX && m.at + 4096 < CZ_RANDOM_TEXT_BYTES)
            pieces[cz_random_below(&m.random, N_KINDS)](&m);
    }
    put_outputs(&m, &outputs);
    snprintf(tap, 16, "%s",
             m.values[cz_random_below(&outputs, m.n_values)].name);
}

/* Operators of one operand, element by element: arithmetic, trigonometry,
 * activations, by the ONNX operator specification. Rounding is to even.
 *
 * float32 goes through cz_activate() where it has the function, so that a
 * fused activation and one by itself agree. Clip is in op_clip.c, Cast in
 * op_cast.c. */
#include <string.h>
#include <tgmath.h>

#include "engine/attr_internal.h"
#include "engine/op_facts_internal.h"
#include "engine/scalar_internal.h"
#include "engine/walk_internal.h"

/* One operator: its kernel for each element type, NULL where it has none. */
struct unary {
    const char *op_type;
    enum cz_activation_kind activation;
    float alpha, beta; /* the attributes' defaults */
    bool makes_bool;
    void (*of[CZ_DTYPE_COUNT])(const struct cz_row *row);
};

struct unary_params {
    const struct unary *unary;
    struct cz_activation activation; /* alpha and beta for all of them */
    bool detect_negative, detect_positive;
};

/* ---- kernels ---------------------------------------------------------- */

/* y = `expression` of each v, with the operator's p. */
#define UNARY(op, name, T, R, expression)                                      \
    static void op##_##name(const struct cz_row *row)                          \
    {                                                                          \
        const struct unary_params *p = row->user;                              \
        const T *x = row->x[0];                                                \
        R *y = row->y;                                                         \
        (void)p;                                                               \
        for (size_t i = 0; i < row->count; i++) {                              \
            const T v = x[i];                                                  \
            y[i] = (R)(expression);                                            \
        }                                                                      \
    }

/* The same expression for both floats: <tgmath.h> takes the function of v's
 * type. */
#define FLOATS(op, expression)                                                 \
    UNARY(op, f32, float, float, expression)                                   \
    UNARY(op, f64, double, double, expression)

static void activate_f32(const struct cz_row *row)
{
    const struct unary_params *p = row->user;
    const float *x = row->x[0];
    float *y = row->y;
    for (size_t i = 0; i < row->count; i++)
        y[i] = cz_activate(&p->activation, x[i]);
}

#define ALPHA p->activation.alpha
#define BETA p->activation.beta

FLOATS(abs, fabs(v))
FLOATS(neg, -v)
FLOATS(exp, exp(v))
FLOATS(log, log(v))
FLOATS(sqrt, sqrt(v))
FLOATS(reciprocal, 1 / v)
FLOATS(floor, floor(v))
FLOATS(ceil, ceil(v))
FLOATS(round, rint(v))
FLOATS(sign, v != v ? v : (float)((v > 0) - (v < 0)))
FLOATS(sin, sin(v))
FLOATS(cos, cos(v))
FLOATS(tan, tan(v))
FLOATS(asin, asin(v))
FLOATS(acos, acos(v))
FLOATS(atan, atan(v))
FLOATS(sinh, sinh(v))
FLOATS(cosh, cosh(v))
FLOATS(asinh, asinh(v))
FLOATS(acosh, acosh(v))
FLOATS(atanh, atanh(v))
FLOATS(erf, erf(v))
FLOATS(softplus, (v > 0 ? v : 0) + log1p(exp(-fabs(v))))
FLOATS(softsign, v / (1 + fabs(v)))
FLOATS(selu, (v > 0 ? v : ALPHA * expm1(v)) * BETA)
FLOATS(celu, v > 0 ? v : ALPHA * expm1(v / ALPHA))
FLOATS(thresholded_relu, v > ALPHA ? v : 0)
FLOATS(gelu_tanh,
       v / 2 * (1 + tanh(v * (1 + v * v * 0.044715f) * 0.79788456080286536f)))
UNARY(is_nan, f32, float, uint8_t, v != v)
UNARY(is_nan, f64, double, uint8_t, v != v)
#define IS_INF isinf(v) && (v < 0 ? p->detect_negative : p->detect_positive)
UNARY(is_inf, f32, float, uint8_t, IS_INF)
UNARY(is_inf, f64, double, uint8_t, IS_INF)
UNARY(not, b8, uint8_t, uint8_t, v == 0)

/* Cut off to 0..1; NaN stays NaN. */
static double unit(double v)
{
    return v < 0 ? 0 : v > 1 ? 1 : v;
}

/* Those that float32 has from cz_activate(). */
UNARY(sigmoid, f64, double, double, 1 / (1 + exp(-v)))
UNARY(tanh, f64, double, double, tanh(v))
UNARY(relu, f64, double, double, v < 0 ? 0 : v)
UNARY(leaky_relu, f64, double, double, v < 0 ? ALPHA * v : v)
UNARY(elu, f64, double, double, v < 0 ? ALPHA * expm1(v) : v)
UNARY(mish, f64, double, double, tanh(log1p(exp(v))) * v)
UNARY(gelu, f64, double, double, v / 2 * (1 + erf(v * 0.70710678118654752)))
UNARY(hard_swish, f64, double, double, unit(v / 6 + 0.5) * v)
UNARY(hard_sigmoid, f64, double, double, unit(BETA + ALPHA * v))

/* The lowest number is its own negative, as in numpy. */
#define SIGNED(dtype, T, name, low, high)                                      \
    UNARY(abs, name, T, T, v < 0 ? 0 - (uint64_t)v : (uint64_t)v)              \
    UNARY(neg, name, T, T, 0 - (uint64_t)v)                                    \
    UNARY(sign, name, T, T, (v > 0) - (v < 0))                                 \
    UNARY(relu, name, T, T, v < 0 ? 0 : v)                                     \
    UNARY(bitwise_not, name, T, T, ~v)
#define UNSIGNED(dtype, T, name, low, high)                                    \
    UNARY(abs, name, T, T, v)                                                  \
    UNARY(sign, name, T, T, v > 0)                                             \
    UNARY(bitwise_not, name, T, T, ~v)
CZ_EACH_SIGNED(SIGNED)
CZ_EACH_UNSIGNED(UNSIGNED)

/* ---- the list --------------------------------------------------------- */

#define ACTIVATION(op, kind)                                                   \
    .activation = CZ_ACT_##kind, .of[CZ_DTYPE_FLOAT] = activate_f32,           \
    .of[CZ_DTYPE_DOUBLE] = op##_f64

static const struct unary unaries[] = {
    {"Abs", CZ_OF_NUMBERS(abs)},
    {"Neg", CZ_OF_FLOATS(neg), CZ_OF_SIGNED(neg)},
    {"Sign", CZ_OF_NUMBERS(sign)},
    {"Exp", CZ_OF_FLOATS(exp)},
    {"Log", CZ_OF_FLOATS(log)},
    {"Sqrt", CZ_OF_FLOATS(sqrt)},
    {"Reciprocal", CZ_OF_FLOATS(reciprocal)},
    {"Floor", CZ_OF_FLOATS(floor)},
    {"Ceil", CZ_OF_FLOATS(ceil)},
    {"Round", CZ_OF_FLOATS(round)},
    {"Sin", CZ_OF_FLOATS(sin)},
    {"Cos", CZ_OF_FLOATS(cos)},
    {"Tan", CZ_OF_FLOATS(tan)},
    {"Asin", CZ_OF_FLOATS(asin)},
    {"Acos", CZ_OF_FLOATS(acos)},
    {"Atan", CZ_OF_FLOATS(atan)},
    {"Sinh", CZ_OF_FLOATS(sinh)},
    {"Cosh", CZ_OF_FLOATS(cosh)},
    {"Asinh", CZ_OF_FLOATS(asinh)},
    {"Acosh", CZ_OF_FLOATS(acosh)},
    {"Atanh", CZ_OF_FLOATS(atanh)},
    {"Erf", CZ_OF_FLOATS(erf)},
    {"Sigmoid", ACTIVATION(sigmoid, SIGMOID)},
    {"Tanh", ACTIVATION(tanh, TANH)},
    {"Relu", ACTIVATION(relu, RELU), CZ_OF_SIGNED(relu)},
    {"LeakyRelu", ACTIVATION(leaky_relu, LEAKY_RELU), .alpha = 0.01f},
    {"Elu", ACTIVATION(elu, ELU), .alpha = 1},
    {"HardSigmoid", ACTIVATION(hard_sigmoid, HARD_SIGMOID), .alpha = 0.2f,
     .beta = 0.5f},
    {"HardSwish", ACTIVATION(hard_swish, HARD_SWISH)},
    {"Mish", ACTIVATION(mish, MISH)},
    {"Gelu", ACTIVATION(gelu, GELU)},
    {"Gelu:tanh", CZ_OF_FLOATS(gelu_tanh)},
    {"Selu", CZ_OF_FLOATS(selu), .alpha = 1.6732632423543772f,
     .beta = 1.0507009873554805f},
    {"Celu", CZ_OF_FLOATS(celu), .alpha = 1},
    {"Softplus", CZ_OF_FLOATS(softplus)},
    {"Softsign", CZ_OF_FLOATS(softsign)},
    {"ThresholdedRelu", CZ_OF_FLOATS(thresholded_relu), .alpha = 1},
    {"Not", .of[CZ_DTYPE_BOOL] = not_b8},
    {"IsNaN", CZ_OF_FLOATS(is_nan), .makes_bool = true},
    {"IsInf", CZ_OF_FLOATS(is_inf), .makes_bool = true},
    {"BitwiseNot", CZ_OF_INTS(bitwise_not)},
};

static const struct unary *find(const char *op_type)
{
    for (size_t i = 0; i < sizeof unaries / sizeof *unaries; i++) {
        if (strcmp(unaries[i].op_type, op_type) == 0)
            return &unaries[i];
    }
    return NULL;
}

/* ---- the operator ----------------------------------------------------- */

static enum cz_status parse(struct cz_step *step, const struct cz_node *node,
                            struct cz_error *err)
{
    const struct cz_attrs attrs = {step, node, err};
    struct unary_params *p = step->params;
    p->unary = find(step->op->op_type);
    p->activation.kind = p->unary->activation;
    p->activation.alpha = p->unary->alpha;
    p->activation.beta = p->unary->beta;
    CZ_TRY(cz_attrs_float(&attrs, "alpha", &p->activation.alpha));
    CZ_TRY(cz_attrs_float(&attrs, "beta", &p->activation.beta));
    /* Only Selu has it. */
    return cz_attrs_float(&attrs, "gamma", &p->activation.beta);
}

static enum cz_status parse_is_inf(struct cz_step *step,
                                   const struct cz_node *node,
                                   struct cz_error *err)
{
    const struct cz_attrs attrs = {step, node, err};
    struct unary_params *p = step->params;
    p->unary = find(step->op->op_type);
    p->detect_negative = p->detect_positive = true;
    CZ_TRY(cz_attrs_bool(&attrs, "detect_negative", &p->detect_negative));
    return cz_attrs_bool(&attrs, "detect_positive", &p->detect_positive);
}

static enum cz_status parse_gelu(struct cz_step *step,
                                 const struct cz_node *node,
                                 struct cz_error *err)
{
    static const char *const words[] = {"none", "tanh", NULL};
    const struct cz_attrs attrs = {step, node, err};
    struct unary_params *p = step->params;
    size_t form = 0;
    CZ_TRY(cz_attrs_word(&attrs, "approximate", words, &form));
    p->unary = find(form == 0 ? "Gelu" : "Gelu:tanh");
    p->activation.kind = p->unary->activation;
    return CZ_OK;
}

static enum cz_status shape(struct cz_step *step, struct cz_error *err)
{
    const struct unary *unary = ((struct unary_params *)step->params)->unary;
    const struct cz_array *x = step->inputs[0];
    if (!unary->of[x->dtype])
        return cz_step_unsupported(step, err, "not for elements of %s",
                                   cz_dtype_name(x->dtype));
    return cz_step_output(step, 0, unary->makes_bool ? CZ_DTYPE_BOOL : x->dtype,
                          &x->dims, err);
}

static enum cz_status run(struct cz_step *step, const struct cz_exec *exec,
                          struct cz_error *err)
{
    (void)err;
    const struct unary_params *p = step->params;
    const struct cz_array *x = step->inputs[0];
    cz_walk_run(&(struct cz_walk){.output = step->outputs[0],
                                  .n_inputs = 1,
                                  .inputs = {x},
                                  .kernel = p->unary->of[x->dtype],
                                  .user = p},
                exec);
    return CZ_OK;
}

bool cz_op_activation(const struct cz_step *step,
                      struct cz_activation *activation)
{
    if (!step->inputs[0] || step->inputs[0]->dtype != CZ_DTYPE_FLOAT)
        return false;
    if (strcmp(step->op->op_type, "Clip") == 0)
        return cz_op_clip(step, activation);
    if (step->op->run != run)
        return false;
    *activation = ((const struct unary_params *)step->params)->activation;
    return activation->kind != CZ_ACT_NONE;
}

#define UNARY_ROW(name, version, parser, flag)                                 \
    {                                                                          \
        .op_type = name, .since = version, .flags = flag, .min_inputs = 1,     \
        .max_inputs = 1, .params_size = sizeof(struct unary_params),           \
        .parse = parser, .shape = shape, .run = run                            \
    }
#define ROW(name, version) UNARY_ROW(name, version, parse, 0)
/* Of 0 it is finite. */
#define SAFE(name, version) UNARY_ROW(name, version, parse, CZ_OP_ELEMENTWISE)

const struct cz_op cz_ops_pointwise[] = {
    SAFE("Abs", 6),
    SAFE("Neg", 6),
    SAFE("Sign", 9),
    SAFE("Exp", 6),
    ROW("Log", 6),
    SAFE("Sqrt", 6),
    ROW("Reciprocal", 6),
    SAFE("Floor", 6),
    SAFE("Ceil", 6),
    SAFE("Round", 11),
    SAFE("Sin", 7),
    SAFE("Cos", 7),
    SAFE("Tan", 7),
    SAFE("Asin", 7),
    SAFE("Acos", 7),
    SAFE("Atan", 7),
    SAFE("Sinh", 9),
    SAFE("Cosh", 9),
    SAFE("Asinh", 9),
    ROW("Acosh", 9),
    SAFE("Atanh", 9),
    SAFE("Erf", 9),
    SAFE("Sigmoid", 6),
    SAFE("Tanh", 6),
    SAFE("Relu", 6),
    SAFE("LeakyRelu", 6),
    SAFE("Elu", 6),
    SAFE("HardSigmoid", 6),
    SAFE("HardSwish", 14),
    SAFE("Mish", 18),
    UNARY_ROW("Gelu", 20, parse_gelu, CZ_OP_ELEMENTWISE),
    SAFE("Selu", 6),
    ROW("Celu", 12), /* 0 / alpha */
    SAFE("Softplus", 1),
    SAFE("Softsign", 1),
    SAFE("ThresholdedRelu", 10),
    ROW("Not", 1),
    ROW("IsNaN", 9),
    UNARY_ROW("IsInf", 10, parse_is_inf, 0),
    ROW("BitwiseNot", 18),
    {.op_type = NULL},
};

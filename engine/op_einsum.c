/* Einsum: sums of products over named dimensions, as numpy.einsum has them.
 * Plain loops over all names; what a detector multiplies in earnest is MatMul.
 */
#include <ctype.h>
#include <inttypes.h>
#include <string.h>

#include "core/checked.h"
#include "engine/attr_internal.h"

#define OPERANDS 8
#define EQUATION_BYTES 256
/* Letters, then the dimensions that an ellipsis stands for. */
#define LETTERS 52
#define LABELS (LETTERS + CZ_RANK_MAX)
/* Multiplications that a frame may take. */
#define WORK_MAX ((size_t)1 << 40)

struct einsum_params {
    char equation[EQUATION_BYTES]; /* without spaces */
};

/* The labels of an operand or of the output. */
struct term {
    size_t rank;
    size_t label[CZ_RANK_MAX];
};

/* The equation, once the ranks are known. */
struct equation {
    size_t n;
    struct term operands[OPERANDS], output;
    int64_t size[LABELS]; /* -1: not used */
};

/* ---- parsing ---------------------------------------------------------- */

static enum cz_status parse(struct cz_step *step, const struct cz_node *node,
                            struct cz_error *err)
{
    struct einsum_params *params = step->params;
    const char *text = cz_node_attr_string(node, "equation", "");
    size_t at = 0;
    for (; *text; text++) {
        if (*text == ' ')
            continue;
        if (!isalpha((unsigned char)*text) && !strchr(".,->", *text))
            return cz_step_error(step, err, "'%c' in its equation", *text);
        if (at + 1 == EQUATION_BYTES)
            return cz_step_unsupported(step, err,
                                       "an equation of more than %d letters",
                                       EQUATION_BYTES - 1);
        params->equation[at++] = *text;
    }
    if (at == 0)
        return cz_step_error(step, err, "no equation");
    return CZ_OK;
}

static size_t letter(char c)
{
    return islower((unsigned char)c) ? (size_t)(c - 'a')
                                     : (size_t)(c - 'A' + 26);
}

/* Reads the labels of text[0..length); an ellipsis stands for `rest`
 * dimensions, aligned to the last of LABELS. */
static bool read_term(struct term *term, const char *text, size_t length,
                      size_t rest)
{
    bool ellipsis = false;
    term->rank = 0;
    for (size_t i = 0; i < length; i++) {
        size_t count = 1, label = 0;
        if (isalpha((unsigned char)text[i])) {
            label = letter(text[i]);
        } else if (!ellipsis && length - i >= 3 &&
                   memcmp(text + i, "...", 3) == 0) {
            ellipsis = true;
            count = rest;
            label = LABELS - rest;
            i += 2;
        } else {
            return false;
        }
        for (size_t k = 0; k < count; k++) {
            if (term->rank == CZ_RANK_MAX)
                return false;
            term->label[term->rank++] = label + k;
        }
    }
    return true;
}

/* The dimensions that the ellipsis of a term stands for. */
static size_t rest_of(const char *text, size_t length, size_t rank)
{
    size_t letters = 0;
    bool dots = false;
    for (size_t i = 0; i < length; i++) {
        letters += isalpha((unsigned char)text[i]) != 0;
        dots |= text[i] == '.';
    }
    return dots && rank > letters ? rank - letters : 0;
}

/* Takes in the sizes that an operand gives its labels. Those of an ellipsis
 * are broadcast. */
static bool set_sizes(struct equation *e, const struct term *term,
                      const struct cz_dims *dims)
{
    for (size_t i = 0; i < term->rank; i++) {
        int64_t *size = &e->size[term->label[i]];
        if (*size < 0 || *size == 1)
            *size = dims->size[i];
        else if (dims->size[i] != *size && dims->size[i] != 1)
            return false;
    }
    return true;
}

/* Without an arrow: the ellipsis, then all letters that occur once. */
static bool implicit_output(struct equation *e, size_t rest)
{
    /* As numpy sorts them: capitals first. */
    static const char order[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    size_t count[LABELS] = {0};
    for (size_t n = 0; n < e->n; n++) {
        for (size_t i = 0; i < e->operands[n].rank; i++)
            count[e->operands[n].label[i]]++;
    }
    e->output.rank = 0;
    for (size_t i = LABELS - rest; i < LABELS; i++)
        e->output.label[e->output.rank++] = i;
    for (const char *c = order; *c; c++) {
        if (count[letter(*c)] != 1)
            continue;
        if (e->output.rank == CZ_RANK_MAX)
            return false;
        e->output.label[e->output.rank++] = letter(*c);
    }
    return true;
}

static bool check_output(const struct equation *e)
{
    bool seen[LABELS] = {false};
    for (size_t i = 0; i < e->output.rank; i++) {
        size_t label = e->output.label[i];
        if (seen[label] || e->size[label] < 0)
            return false;
        seen[label] = true;
    }
    return true;
}

static enum cz_status malformed(const struct cz_step *step,
                                struct cz_error *err)
{
    const struct einsum_params *params = step->params;
    return cz_step_error(step, err, "'%.100s' does not fit its %zu operands",
                         params->equation, step->n_inputs);
}

static enum cz_status read_equation(struct equation *e,
                                    const struct cz_step *step,
                                    struct cz_error *err)
{
    const char *text = ((const struct einsum_params *)step->params)->equation;
    const char *arrow = strstr(text, "->");
    const char *end = arrow ? arrow : text + strlen(text);
    size_t most = 0;
    e->n = step->n_inputs;
    for (size_t i = 0; i < LABELS; i++)
        e->size[i] = -1;
    for (size_t n = 0; n < e->n; n++) {
        const struct cz_array *x = step->inputs[n];
        const char *comma = memchr(text, ',', (size_t)(end - text));
        size_t length = (size_t)((comma ? comma : end) - text);
        struct term *term = &e->operands[n];
        if (!x || !comma != (n + 1 == e->n))
            return malformed(step, err);
        size_t rest = rest_of(text, length, x->dims.rank);
        if (!read_term(term, text, length, rest) ||
            term->rank != x->dims.rank || !set_sizes(e, term, &x->dims))
            return malformed(step, err);
        most = rest > most ? rest : most;
        text = comma ? comma + 1 : end;
    }
    bool fits = arrow
                    ? read_term(&e->output, arrow + 2, strlen(arrow + 2), most)
                    : implicit_output(e, most);
    return fits && check_output(e) ? CZ_OK : malformed(step, err);
}

/* ---- computing -------------------------------------------------------- */

/* Loops over all labels: those of the output in its order, then those that
 * are summed. */
struct loops {
    size_t n_output, n;
    int64_t size[LABELS];
    size_t stride[LABELS][OPERANDS]; /* of the operands, in elements */
};

/* An operand's stride along a label: the sum where it is there twice; 0 where
 * it is broadcast. */
static size_t stride_of(const struct term *term, const struct cz_dims *dims,
                        size_t label)
{
    size_t strides[CZ_RANK_MAX], sum = 0;
    cz_dims_strides(dims, strides);
    for (size_t i = 0; i < term->rank; i++) {
        if (term->label[i] == label && dims->size[i] != 1)
            sum += strides[i];
    }
    return sum;
}

static void add_loop(struct loops *loops, const struct cz_step *step,
                     const struct equation *e, size_t label)
{
    loops->size[loops->n] = e->size[label];
    for (size_t n = 0; n < e->n; n++)
        loops->stride[loops->n][n] =
            stride_of(&e->operands[n], &step->inputs[n]->dims, label);
    loops->n++;
}

static struct loops loops_of(const struct cz_step *step,
                             const struct equation *e)
{
    struct loops loops = {.n = 0};
    bool done[LABELS] = {false};
    for (size_t i = 0; i < e->output.rank; i++) {
        add_loop(&loops, step, e, e->output.label[i]);
        done[e->output.label[i]] = true;
    }
    loops.n_output = loops.n;
    for (size_t i = 0; i < LABELS; i++) {
        if (!done[i] && e->size[i] >= 0)
            add_loop(&loops, step, e, i);
    }
    return loops;
}

static enum cz_status shape(struct cz_step *step, struct cz_error *err)
{
    struct equation e;
    struct cz_dims y;
    size_t work;
    if (step->n_inputs > OPERANDS)
        return cz_step_unsupported(step, err, "%zu operands", step->n_inputs);
    for (size_t n = 0; n < step->n_inputs; n++)
        CZ_TRY(cz_step_want_dtype(step, n, step->inputs[0]->dtype, err));
    enum cz_dtype dtype = step->inputs[0]->dtype;
    if (dtype != CZ_DTYPE_FLOAT && dtype != CZ_DTYPE_DOUBLE &&
        dtype != CZ_DTYPE_INT32 && dtype != CZ_DTYPE_INT64)
        return cz_step_unsupported(step, err, "input 0 is %s",
                                   cz_dtype_name(dtype));
    CZ_TRY(read_equation(&e, step, err));
    struct loops loops = loops_of(step, &e);
    if (!cz_dims_count(loops.size, loops.n, &work) || work > WORK_MAX)
        return cz_step_unsupported(step, err, "more than %zu products",
                                   WORK_MAX);
    y.rank = e.output.rank;
    for (size_t i = 0; i < y.rank; i++)
        y.size[i] = e.size[e.output.label[i]];
    return cz_step_output(step, 0, dtype, &y, err);
}

struct einsum {
    const struct cz_step *step;
    enum cz_dtype dtype;
    struct loops loops;
    size_t outputs, terms; /* elements; products of each */
};

/* The product of one element of each operand: as a double, or for integers
 * as what wraps around. */
static void add_product(const struct einsum *s, const size_t *at, double *sum,
                        uint64_t *whole)
{
    double product = 1;
    uint64_t integer = 1;
    for (size_t n = 0; n < s->step->n_inputs; n++) {
        const void *x = s->step->inputs[n]->data;
        switch (s->dtype) {
        case CZ_DTYPE_FLOAT:
            product *= (double)((const float *)x)[at[n]];
            break;
        case CZ_DTYPE_DOUBLE:
            product *= ((const double *)x)[at[n]];
            break;
        case CZ_DTYPE_INT32:
            integer *= (uint64_t)((const int32_t *)x)[at[n]];
            break;
        default:
            integer *= (uint64_t)((const int64_t *)x)[at[n]];
        }
    }
    *sum += product;
    *whole += integer;
}

static void store(const struct einsum *s, size_t i, double sum, uint64_t whole)
{
    void *y = s->step->outputs[0]->data;
    switch (s->dtype) {
    case CZ_DTYPE_FLOAT:
        ((float *)y)[i] = (float)sum;
        break;
    case CZ_DTYPE_DOUBLE:
        ((double *)y)[i] = sum;
        break;
    case CZ_DTYPE_INT32:
        ((int32_t *)y)[i] = (int32_t)(uint32_t)whole;
        break;
    default:
        ((int64_t *)y)[i] = (int64_t)whole;
    }
}

static void sum_element(void *user, size_t i)
{
    const struct einsum *s = user;
    const struct loops *loops = &s->loops;
    const size_t n_operands = s->step->n_inputs;
    size_t at[OPERANDS] = {0}, left = i;
    int64_t index[LABELS] = {0};
    double sum = 0;
    uint64_t whole = 0;
    for (size_t l = loops->n_output; l-- > 0;) {
        size_t size = (size_t)loops->size[l];
        for (size_t n = 0; n < n_operands; n++)
            at[n] += left % size * loops->stride[l][n];
        left /= size;
    }
    for (size_t t = 0; t < s->terms; t++) {
        add_product(s, at, &sum, &whole);
        for (size_t l = loops->n; l-- > loops->n_output;) {
            bool wraps = ++index[l] == loops->size[l];
            size_t steps = wraps ? (size_t)loops->size[l] - 1 : 1;
            for (size_t n = 0; n < n_operands; n++)
                at[n] += wraps ? 0 - steps * loops->stride[l][n]
                               : loops->stride[l][n];
            if (!wraps)
                break;
            index[l] = 0;
        }
    }
    store(s, i, sum, whole);
}

static enum cz_status run(struct cz_step *step, const struct cz_exec *exec,
                          struct cz_error *err)
{
    struct equation e;
    CZ_TRY(read_equation(&e, step, err));
    struct einsum s = {.step = step,
                       .dtype = step->inputs[0]->dtype,
                       .loops = loops_of(step, &e),
                       .outputs = cz_array_count(step->outputs[0]),
                       .terms = 1};
    for (size_t l = s.loops.n_output; l < s.loops.n; l++)
        s.terms *= (size_t)s.loops.size[l];
    cz_team_for(exec, s.outputs, sum_element, &s);
    return CZ_OK;
}

const struct cz_op cz_ops_einsum[] = {
    {.op_type = "Einsum",
     .since = 12,
     .min_inputs = 1,
     .max_inputs = SIZE_MAX,
     .params_size = sizeof(struct einsum_params),
     .parse = parse,
     .shape = shape,
     .run = run},
    {.op_type = NULL},
};

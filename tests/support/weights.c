/* Snapshots of a model's constants. */
#include "tests/support/weights.h"

#include <math.h>
#include <stdlib.h>

#include "core/alloc.h"
#include "tests/support/support.h"

/* ---- reading ---------------------------------------------------------- */

static void add(struct cz_test_operands *operands, struct cz_node *node,
                size_t input, struct cz_tensor *tensor)
{
    struct cz_elements elements;
    if (cz_dtype_bits(tensor->dtype) < 8)
        return;
    operands->items = cz_realloc_array(operands->items, operands->count + 1,
                                       sizeof *operands->items);
    assert_non_null(operands->items);
    assert_ok(cz_tensor_elements(tensor, &elements, cz_test_error()));
    double *values = cz_calloc(elements.count, sizeof *values);
    assert_non_null(values);
    for (size_t i = 0; i < elements.count; i++)
        values[i] = cz_elements_get(&elements, i);
    operands->items[operands->count++] = (struct cz_test_operand){
        node, input, tensor, elements.count, tensor->dtype, values};
}

static enum cz_status read_node(void *user, struct cz_node *node)
{
    struct cz_value *weight = NULL;
    for (size_t i = 0; i < node->n_inputs; i++) {
        struct cz_value *value = node->inputs[i];
        if (cz_node_is(node, "Conv") && i == 1 && cz_node_weight(node, &weight))
            value = weight;
        if (value && value->constant)
            add(user, node, i, value->constant);
    }
    return CZ_OK;
}

static bool is_weight(const struct cz_test_operand *o)
{
    return cz_node_is(o->node, "Conv") && o->input == 1;
}

static bool is_weight_of_a_conv(const struct cz_test_operands *operands,
                                const struct cz_tensor *tensor)
{
    for (size_t i = 0; i < operands->count; i++)
        if (operands->items[i].tensor == tensor &&
            is_weight(&operands->items[i]))
            return true;
    return false;
}

struct cz_test_operands cz_test_operands_read(struct cz_model *model)
{
    struct cz_test_operands all = {NULL, 0};
    size_t kept = 0;
    cz_graph_visit(cz_model_graph(model), read_node, &all);
    for (size_t i = 0; i < all.count; i++) {
        struct cz_test_operand o = all.items[i];
        if (is_weight(&o) || !is_weight_of_a_conv(&all, o.tensor))
            all.items[kept++] = o;
        else
            cz_free(o.values);
    }
    all.count = kept;
    return all;
}

void cz_test_operands_fini(struct cz_test_operands *operands)
{
    for (size_t i = 0; i < operands->count; i++)
        cz_free(operands->items[i].values);
    cz_free(operands->items);
    *operands = (struct cz_test_operands){NULL, 0};
}

struct cz_test_operand *cz_test_weight(struct cz_test_operands *operands,
                                       const char *conv)
{
    for (size_t i = 0; i < operands->count; i++) {
        struct cz_test_operand *o = &operands->items[i];
        if (is_weight(o) && strcmp(cz_node_label(o->node), conv) == 0)
            return o;
    }
    fail_msg("no Conv '%s' with a constant weight", conv);
    return NULL;
}

/* ---- pruning ---------------------------------------------------------- */

struct ranked {
    double magnitude;
    size_t index;
};

static int by_magnitude(const void *a, const void *b)
{
    const struct ranked *x = a, *y = b;
    if (x->magnitude != y->magnitude)
        return x->magnitude < y->magnitude ? -1 : 1;
    return x->index < y->index ? -1 : 1;
}

void cz_test_prune_values(double *values, size_t count, size_t k)
{
    struct ranked *ranked = cz_calloc(count, sizeof *ranked);
    assert_non_null(ranked);
    for (size_t i = 0; i < count; i++)
        ranked[i] = (struct ranked){fabs(values[i]), i};
    qsort(ranked, count, sizeof *ranked, by_magnitude);
    for (size_t i = 0; i < k; i++)
        values[ranked[i].index] = 0;
    cz_free(ranked);
}

size_t cz_test_count_zeros(const double *values, size_t count)
{
    size_t zeros = 0;
    for (size_t i = 0; i < count; i++)
        zeros += fpclassify(values[i]) == FP_ZERO;
    return zeros;
}

/* ---- comparing -------------------------------------------------------- */

void assert_values_equal(const double *values, const double *other,
                         size_t count, const char *what)
{
    for (size_t i = 0; i < count; i++)
        if (memcmp(&values[i], &other[i], sizeof *values) != 0)
            fail_msg("%s: element %zu is %.17g, want %.17g", what, i, values[i],
                     other[i]);
}

void assert_operands_equal(const struct cz_test_operands *operands,
                           const struct cz_test_operands *other)
{
    assert_int_equal(operands->count, other->count);
    for (size_t i = 0; i < operands->count; i++) {
        const struct cz_test_operand *a = &operands->items[i];
        const struct cz_test_operand *b = &other->items[i];
        assert_int_equal(a->dtype, b->dtype);
        assert_int_equal(a->count, b->count);
        assert_values_equal(a->values, b->values, a->count,
                            cz_node_label(a->node));
    }
}

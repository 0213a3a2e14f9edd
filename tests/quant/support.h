/* What the float16 tests share: convert a model, look at its Casts and
 * types. */
#ifndef CZ_TESTS_QUANT_SUPPORT_H
#define CZ_TESTS_QUANT_SUPPORT_H

#include "quant/quant.h"
#include "tests/support/graph_text.h"
#include "tests/support/support.h"

struct halved {
    struct cz_model *model;
    struct cz_fp16_report report;
};

/* Converts `model`, which the result takes over. */
static inline struct halved convert(struct cz_model *model,
                                    struct cz_fp16_options options)
{
    struct halved h = {.model = model};
    assert_ok(cz_fp16_convert(model, &options, &h.report, cz_test_error()));
    return h;
}

static inline struct halved convert_file(const char *name)
{
    return convert(cz_test_load(cz_test_model(name)),
                   (struct cz_fp16_options)CZ_FP16_OPTIONS_INIT);
}

static inline struct halved convert_text(const char *text)
{
    return convert(cz_test_graph(text),
                   (struct cz_fp16_options)CZ_FP16_OPTIONS_INIT);
}

static inline enum cz_dtype dtype_of(struct halved *h, const char *value)
{
    return cz_test_value(h->model, value)->dtype;
}

/* The type in which a node reads its input: behind a Cast, that of the Cast. */
static inline enum cz_dtype reads(struct halved *h, const char *node,
                                  size_t input)
{
    return cz_test_node(h->model, node)->inputs[input]->dtype;
}

static inline size_t count_nodes(struct cz_model *model, const char *op_type)
{
    struct cz_graph *graph = cz_model_graph(model);
    size_t count = 0;
    for (size_t i = 0; i < graph->n_nodes; i++)
        count += cz_node_is(graph->nodes[i], op_type);
    return count;
}

/* Element i of a constant of the main graph, as a number. */
static inline double element(struct cz_model *model, const char *value,
                             size_t i)
{
    struct cz_elements e;
    struct cz_tensor *constant = cz_test_value(model, value)->constant;
    assert_non_null(constant);
    assert_ok(cz_tensor_elements(constant, &e, cz_test_error()));
    assert_in_range(i, 0, e.count - 1);
    return cz_elements_get(&e, i);
}

static inline void halved_free(struct halved *h)
{
    cz_model_free(h->model);
}

#define assert_half(dtype) assert_int_equal((dtype), CZ_DTYPE_FLOAT16)
#define assert_float(dtype) assert_int_equal((dtype), CZ_DTYPE_FLOAT)

#endif

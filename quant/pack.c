/* Tables of the box decode, the places of anchors and their strides, are whole
 * and half numbers: float16 holds them exactly, in half the bytes. */
#include "core/half.h"
#include "quant/quant.h"

/* A Cast takes some 80 bytes of the file. */
#define BYTES_LEAST 1024

/* Operators that take operands from anywhere: of others, runtimes want some as
 * initializers (a weight, a scale, the sizes of a Resize). */
static bool is_arithmetic(const struct cz_node *node)
{
    static const char *const ops[] = {"Add", "Sub", "Mul", "Div"};
    for (size_t i = 0; i < sizeof ops / sizeof *ops; i++) {
        if (cz_node_is(node, ops[i]))
            return true;
    }
    return false;
}

static bool is_table(const struct cz_value *value)
{
    if (!value->constant || value->dtype != CZ_DTYPE_FLOAT || value->is_input ||
        value->is_output || !value->n_uses)
        return false;
    for (size_t i = 0; i < value->n_uses; i++) {
        if (!is_arithmetic(value->uses[i].node))
            return false;
    }
    return value->constant->count * sizeof(float) >= BYTES_LEAST;
}

static enum cz_status fits_half(bool *fits, struct cz_tensor *tensor,
                                struct cz_error *err)
{
    struct cz_elements elements;
    CZ_TRY(cz_tensor_elements(tensor, &elements, err));
    *fits = true;
    for (size_t i = 0; i < elements.count && *fits; i++) {
        const float number = (float)cz_elements_get(&elements, i);
        *fits = cz_half_to_float(cz_half_from_float(number)) == number;
    }
    return CZ_OK;
}

static enum cz_status pack(struct cz_value *value, struct cz_error *err)
{
    const struct cz_node_spec spec = {
        .op_type = "Cast", .suffix = "_fp32", .dtype = CZ_DTYPE_FLOAT};
    struct cz_half_counts counts = {0};
    struct cz_node *cast;
    const size_t readers = value->n_uses;
    CZ_TRY(cz_value_append(&cast, value, &spec, err));
    CZ_TRY(cz_node_set_attr_int(cast, "to", CZ_DTYPE_FLOAT, err));
    for (size_t i = readers; i-- > 0;)
        CZ_TRY(cz_value_move_use(value, i, cast->outputs[0], err));
    CZ_TRY(cz_tensor_to_half(value->constant, &counts, err));
    cz_value_set_dtype(value, CZ_DTYPE_FLOAT16);
    return CZ_OK;
}

static enum cz_status pack_all(struct cz_graph *graph, size_t *packed,
                               struct cz_error *err)
{
    const size_t n = graph->n_values; /* edits add more behind these */
    for (size_t i = 0; i < n; i++) {
        struct cz_value *value = graph->values[i];
        bool fits = false;
        if (is_table(value))
            CZ_TRY(fits_half(&fits, value->constant, err));
        if (fits)
            CZ_TRY(pack(value, err));
        *packed += fits;
    }
    return CZ_OK;
}

enum cz_status cz_pack_tables(struct cz_model *model, size_t *packed,
                              struct cz_error *err)
{
    struct cz_graph *graph = cz_model_graph(model);
    *packed = 0;
    cz_graph_edit_begin(graph);
    const enum cz_status status = pack_all(graph, packed, err);
    cz_graph_edit_end(graph);
    return status;
}

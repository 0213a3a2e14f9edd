/* Quantizing from start to end: raise, place, calibrate, write. */
#include "quant/int8_internal.h"

#include "core/alloc.h"
#include "quant/equalize.h"

#define OPSET 13

/* ---- names ------------------------------------------------------------ */

const char *cz_int8_target_name(enum cz_int8_target target)
{
    return target == CZ_INT8_TENSORRT ? "tensorrt" : "onnxruntime";
}

const char *cz_int8_state_text(enum cz_int8_state state)
{
    static const char *const texts[] = {
        [CZ_INT8_DONE] = "int8",
        [CZ_INT8_IS_LAST] = "its output goes into the decode tail",
        [CZ_INT8_IS_TAIL] = "part of the decode tail",
        [CZ_INT8_KEPT] = "kept",
        [CZ_INT8_SMALL] = "too few channels for TensorRT",
        [CZ_INT8_COMPUTED] = "its weight is computed",
    };
    return texts[state];
}

void cz_int8_report_fini(struct cz_int8_report *report)
{
    cz_free(report->layers);
    report->layers = NULL;
}

/* ---- what is refused -------------------------------------------------- */

static enum cz_status find_quantized(void *user, struct cz_node *node)
{
    static const char *const ops[] = {"QuantizeLinear", "DequantizeLinear",
                                      "QLinearConv", "ConvInteger",
                                      "DynamicQuantizeLinear"};
    const struct cz_node **found = user;
    for (size_t i = 0; i < sizeof ops / sizeof *ops; i++) {
        if (cz_node_is(node, ops[i]))
            *found = node;
    }
    return CZ_OK;
}

static enum cz_status check(struct cz_model *model,
                            const struct cz_int8_options *options,
                            struct cz_error *err)
{
    const struct cz_node *quantized = NULL;
    struct cz_stats stats;
    cz_graph_visit(cz_model_graph(model), find_quantized, &quantized);
    if (quantized)
        return cz_error_set(err, CZ_EINVAL,
                            "the model is quantized already: %s '%.200s'",
                            quantized->op_type, cz_node_label(quantized));
    cz_model_count(&stats, model);
    if (stats.dtype != CZ_DTYPE_FLOAT && stats.parameters)
        return cz_error_set(err, CZ_EINVAL,
                            "the model's weights are %s: quantize the float32 "
                            "model that it was made from",
                            cz_dtype_name(stats.dtype));
    if (!options->images.count)
        return cz_error_set(err, CZ_EINVAL, "no images to calibrate with");
    return CZ_OK;
}

/* ---- all of it -------------------------------------------------------- */

static enum cz_status raise_opset(struct cz_model *model,
                                  struct cz_int8_report *report,
                                  struct cz_error *err)
{
    report->opset_before = cz_model_opset(model, "");
    CZ_TRY(cz_model_raise_ir(model, 4, err));
    if (report->opset_before < OPSET) {
        struct cz_raise_report raised;
        CZ_TRY(cz_model_raise_opset(model, OPSET, &raised, err));
        CZ_TRY(cz_graph_infer(cz_model_graph(model), err));
    }
    report->opset = cz_model_opset(model, "");
    return CZ_OK;
}

static enum cz_status quantize(struct cz_model *model,
                               const struct cz_int8_options *options,
                               struct cz_int8_statistics *statistics,
                               struct cz_int8_report *report,
                               struct cz_error *err)
{
    struct cz_int8_plan plan = {0};
    enum cz_status status =
        cz_int8_plan_make(&plan, cz_model_graph(model), options, report, err);
    plan.statistics = statistics;
    if (status == CZ_OK)
        status = cz_int8_calibrate(&plan, model, err);
    if (status == CZ_OK) {
        cz_int8_find_noise(&plan, report);
        status = cz_int8_weights_make(&plan, err);
    }
    if (status == CZ_OK && options->learn)
        status = cz_int8_learn(&plan, model, err);
    if (status == CZ_OK)
        status = cz_int8_write(&plan, err);
    cz_int8_plan_fini(&plan);
    return status;
}

enum cz_status cz_int8_quantize(struct cz_model *model,
                                const struct cz_int8_options *options,
                                struct cz_int8_report *report,
                                struct cz_error *err)
{
    *report = (struct cz_int8_report){.images = options->images.count};
    CZ_TRY(check(model, options, err));
    CZ_TRY(raise_opset(model, report, err));
    if (options->equalize)
        CZ_TRY(cz_equalize(model, &report->equalized, err));
    struct cz_int8_statistics *own =
        options->statistics ? NULL : cz_int8_statistics_new();
    if (!own && !options->statistics)
        return cz_error_nomem(err);
    const enum cz_status status =
        quantize(model, options, own ? own : options->statistics, report, err);
    cz_int8_statistics_free(own);
    return status;
}

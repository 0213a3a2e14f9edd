/* Any bytes as a model: load, infer, count, find the head, prune, cut
 * channels, convert, pack. Nothing is written; external data is refused, there
 * being no folder. */
#include <stddef.h>
#include <stdint.h>

#include "onnx/onnx.h"
#include "prune/channels.h"
#include "prune/prune.h"
#include "quant/quant.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static void read_all(struct cz_model *model)
{
    struct cz_stats stats;
    struct cz_prune_report report;
    struct cz_error err;
    int64_t classes;
    bool checked;
    cz_model_check(model, &checked, &err);
    cz_model_count(&stats, model);
    cz_graph_head(cz_model_graph(model), &classes);
    cz_prune_inspect(model, 0, &report, &err);
    cz_prune_report_fini(&report);
}

static void prune(struct cz_model *model, enum cz_prune_scope scope)
{
    struct cz_prune_options options = CZ_PRUNE_OPTIONS_INIT;
    struct cz_prune_report report;
    struct cz_error err;
    options.sparsity = .3;
    options.scope = scope;
    options.threads = 1;
    cz_prune_l1(model, &options, &report, &err);
    cz_prune_report_fini(&report);
}

/* False where the model is good for nothing any more. */
static bool cut_channels(struct cz_model *model, size_t multiple)
{
    struct cz_channels_options options = CZ_CHANNELS_OPTIONS_INIT;
    struct cz_channels *channels;
    struct cz_error err;
    options.importance = CZ_CHANNELS_L1;
    options.ratio = .5;
    options.multiple = multiple;
    options.plan.threads = 1;
    if (cz_channels_choose(&channels, model, &options, &err) != CZ_OK)
        return true;
    struct cz_channels_report report;
    const bool is_cut = cz_channels_report(&report, channels, &err) == CZ_OK &&
                        cz_channels_mask(channels, &err) == CZ_OK &&
                        cz_channels_cut(channels, &err) == CZ_OK;
    cz_channels_report_fini(&report);
    cz_channels_free(channels);
    return is_cut && cz_graph_infer(cz_model_graph(model), &err) == CZ_OK;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct cz_error err;
    struct cz_model *model;
    struct cz_fp16_report report;
    struct cz_fp16_options options = CZ_FP16_OPTIONS_INIT;
    if (cz_model_parse(&model, bytes, size, "fuzz", NULL, &err) != CZ_OK)
        return 0;
    if (cz_graph_infer(cz_model_graph(model), &err) == CZ_OK) {
        read_all(model);
        /* What no option says is taken from the input, so that it stays
         * the same for the same bytes. */
        prune(model, size % 2 ? CZ_PRUNE_GLOBAL : CZ_PRUNE_LAYER);
        options.half_io = size % 3 == 0;
        options.half_decode = size % 5 == 0;
        size_t packed;
        if ((size % 7 > 3 || cut_channels(model, 1 + size % 7)) &&
            cz_fp16_convert(model, &options, &report, &err) == CZ_OK)
            cz_pack_tables(model, &packed, &err);
    }
    cz_model_free(model);
    return 0;
}

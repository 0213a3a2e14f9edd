/* What int8 did; see int8_report.h. */
#include "app/int8_report.h"

#include <inttypes.h>

#include "app/text.h"

/* A table of fewer trials than this says nothing that the notes do not. */
#define SHOWN_TRIED 2

/* ---- text ------------------------------------------------------------- */

/* What a convolution computes in. */
static const char *layer_type(const struct cz_int8_layer *layer)
{
    if (layer->state == CZ_INT8_DONE)
        return "int8";
    return layer->node->outputs[0]->dtype == CZ_DTYPE_FLOAT16 ? "float16"
                                                              : "float32";
}

void app_int8_report_layers(const struct cz_int8_report *int8)
{
    printf("%-7s  %s\n", "type", "Conv");
    for (size_t i = 0; i < int8->n_layers; i++) {
        const struct cz_int8_layer *layer = &int8->layers[i];
        const bool is_done = layer->state == CZ_INT8_DONE;
        printf("%-7s  ", layer_type(layer));
        app_print_clean(stdout, cz_node_label(layer->node));
        if (!is_done)
            printf("  (%s)", cz_int8_state_text(layer->state));
        putchar('\n');
    }
    putchar('\n');
}

static bool is_estimate(const struct cz_choices *choices)
{
    return choices->evidence == CZ_EVIDENCE_BOXES;
}

void app_int8_report_tried(FILE *file, const struct app_int8_result *int8)
{
    const struct cz_choices *choices = &int8->choices;
    fprintf(file, "%10s  %10s  %-6s  tried on %zu images\n", "difference",
            is_estimate(choices) ? "AP lost*" : "AP lost", "", int8->judged);
    for (size_t i = 0; i < choices->n_tried; i++) {
        const struct cz_tried *tried = &choices->tried[i];
        if (tried->is_void)
            fprintf(file, "%10s  %10s  %-6s  %s: changes nothing here\n", "-",
                    "-", "", tried->choice);
        else
            fprintf(file, "%10.4f  %10.4f  %-6s  %s\n",
                    tried->verdict.difference, tried->verdict.drop,
                    tried->is_kept ? "kept" : "", tried->choice);
    }
    if (is_estimate(choices))
        fputs("(*: estimated from the difference of the boxes)\n", file);
}

/* The layers that trials have found. */
static void print_kept(const struct cz_choices *choices)
{
    const struct cz_int8_options *found = &choices->int8;
    if (!choices->names || !found->n_keep)
        return;
    printf("note: %.2g with these in int8, too, which stay float32 (--keep "
           "NAME names\n      others, --keep none none):\n",
           choices->tried[0].verdict.difference);
    for (size_t i = 0; i < found->n_keep; i++) {
        fputs("      ", stdout);
        app_print_clean(stdout, found->keep[i]);
        puts("");
    }
}

/* What a float16 rest is good for. TensorRT 8.6.1, "Operators", Quantize: its
 * scales are float32. NVIDIA ModelOpt raises to opset 19 for float16 ones. */
static void print_mixed_notes(const struct app_compress_options *options)
{
    if (options->int8_options.int8.target == CZ_INT8_TENSORRT)
        puts("note: float16 scales want opset 19 and TensorRT 10 or later; for "
             "TensorRT 8 leave\n      --fp16 out, and give it to trtexec");
    else
        puts("note: on CPUs without float16 arithmetic, x86 among them, ONNX "
             "Runtime computes\n      it in float32: --fp16 saves hardly a "
             "byte here, and no time");
}

/* What the judge says of a model that is no detector for it. */
static void print_outputs(const struct app_int8_result *int8)
{
    fputs("note: no boxes to judge by: ", stdout);
    app_print_clean(stdout, int8->no_decoder.message);
    printf("\nnote: outputs on %zu images are %.2g from those of float32 (0: "
           "equal, 1: as far as\n      they are from 0); --max-drop was not "
           "checked\n",
           int8->judged, int8->choices.verdict.difference);
    print_kept(&int8->choices);
}

/* What the mAP lost is made of. */
static void print_measured(const struct cz_choices *choices)
{
    const struct cz_coco_delta *measured = &choices->verdict.measured;
    printf("      (%.4f measured, 95 %%: %.4f to %.4f; %.4f estimated from the "
           "boxes)\n",
           0 - measured->difference, 0 - measured->high, 0 - measured->low,
           CZ_DROP_PER_DIFFERENCE * choices->verdict.difference);
    if (!choices->holds)
        puts("note: on so few images that may be chance; 'compress eval' on "
             "more tells");
}

/* What the judge says. */
static void print_verdict(const struct app_int8_result *int8, double max_drop)
{
    const struct cz_choices *choices = &int8->choices;
    if (choices->evidence == CZ_EVIDENCE_OUTPUTS) {
        print_outputs(int8);
        return;
    }
    printf("note: boxes on %zu images are %.2g from those of float32 (0: "
           "equal, 1: none found);\n      mAP50-95 lost: %.4f%s; --max-drop "
           "is %g\n",
           int8->judged, choices->verdict.difference, choices->verdict.drop,
           is_estimate(choices) ? ", estimated from that" : "", max_drop);
    if (choices->evidence == CZ_EVIDENCE_TRUTH)
        print_measured(choices);
    print_kept(choices);
    if (choices->n_tried > SHOWN_TRIED)
        app_int8_report_tried(stdout, int8);
}

void app_int8_report_notes(const struct app_int8_result *result,
                           const struct app_compress_options *options)
{
    const struct cz_int8_report *int8 = &result->report;
    printf("note: int8 for %s: %zu of %zu convolutions, %zu tensors, ranges "
           "from %zu images\n",
           cz_int8_target_name(options->int8_options.int8.target),
           int8->convolutions, int8->n_layers, int8->tensors, int8->images);
    if (int8->opset_before < int8->opset)
        printf("note: opset %" PRId64 " was raised to %" PRId64
               ", the first with a scale for each channel\n",
               int8->opset_before, int8->opset);
    if (int8->equalized)
        printf("note: weights of %zu pairs of convolutions were equalized\n",
               int8->equalized);
    print_verdict(result, options->int8_options.max_drop);
    if (result->judged_calibrate)
        puts("note: too few images to hold any back: these were calibrated "
             "with, too");
    if (options->pruning.is_asked)
        puts("note: float32 is the pruned model here: what pruning costs comes "
             "on top,\n      'compress eval' tells");
    if (options->fp16)
        print_mixed_notes(options);
    if (is_estimate(&result->choices))
        puts("note: 'compress eval' tells what int8 costs in accuracy");
}

/* ---- JSON ------------------------------------------------------------- */

static json_t *int8_layer_json(const struct cz_int8_layer *layer)
{
    const bool is_done = layer->state == CZ_INT8_DONE;
    json_t *object = json_object();
    json_object_set_new(object, "name",
                        app_json_text(cz_node_label(layer->node)));
    json_object_set_new(object, "type", json_string(layer_type(layer)));
    json_object_set_new(
        object, "reason",
        app_json_maybe(is_done ? NULL : cz_int8_state_text(layer->state)));
    json_object_set_new(object, "snr_db",
                        is_done ? app_json_rounded(layer->snr_db, 100)
                                : json_null());
    return object;
}

static json_t *tried_json(const struct cz_choices *choices)
{
    json_t *rows = json_array();
    for (size_t i = 0; i < choices->n_tried; i++) {
        const struct cz_tried *tried = &choices->tried[i];
        const struct cz_verdict *verdict = &tried->verdict;
        json_t *row = json_object();
        json_object_set_new(row, "choice", json_string(tried->choice));
        json_object_set_new(row, "difference",
                            tried->is_void
                                ? json_null()
                                : app_json_rounded(verdict->difference, 1e6));
        json_object_set_new(row, "drop",
                            tried->is_void
                                ? json_null()
                                : app_json_rounded(verdict->drop, 1e6));
        json_object_set_new(row, "kept", json_boolean(tried->is_kept));
        json_array_append_new(rows, row);
    }
    return rows;
}

/* A loss of mAP, null where there is no truth. */
static json_t *measured_json(const struct cz_choices *choices, double change)
{
    return choices->evidence == CZ_EVIDENCE_TRUTH ? app_json_real(0 - change)
                                                  : json_null();
}

static void add_verdict(json_t *object, const struct app_int8_result *int8,
                        double max_drop)
{
    const struct cz_choices *choices = &int8->choices;
    const struct cz_coco_delta *measured = &choices->verdict.measured;
    const bool has_boxes = choices->evidence != CZ_EVIDENCE_OUTPUTS;
    json_object_set_new(object, "equalized",
                        app_json_count(int8->report.equalized));
    json_object_set_new(object, "judged_images", app_json_count(int8->judged));
    json_object_set_new(object, "difference_all",
                        app_json_real(choices->tried[0].verdict.difference));
    json_object_set_new(object, "difference",
                        app_json_real(choices->verdict.difference));
    json_object_set_new(object, "drop",
                        has_boxes ? app_json_real(choices->verdict.drop)
                                  : json_null());
    json_object_set_new(object, "drop_measured",
                        measured_json(choices, measured->difference));
    json_object_set_new(object, "drop_low",
                        measured_json(choices, measured->high));
    json_object_set_new(object, "drop_high",
                        measured_json(choices, measured->low));
    json_object_set_new(object, "drop_is_estimate",
                        json_boolean(is_estimate(choices)));
    json_object_set_new(object, "max_drop", json_real(max_drop));
    json_object_set_new(object, "holds", json_boolean(choices->holds));
    json_object_set_new(object, "tried", tried_json(choices));
}

json_t *app_int8_report_json(const struct app_int8_result *result,
                             double max_drop)
{
    const struct cz_int8_report *int8 = &result->report;
    const struct cz_int8_options *options = &result->choices.int8;
    json_t *object = json_object(), *layers = json_array();
    json_object_set_new(object, "type", json_string("int8"));
    json_object_set_new(object, "target",
                        json_string(cz_int8_target_name(options->target)));
    json_object_set_new(object, "ranges",
                        json_string(cz_range_method_name(options->method)));
    json_object_set_new(object, "images", app_json_count(int8->images));
    json_object_set_new(object, "tensors", app_json_count(int8->tensors));
    json_object_set_new(object, "convolutions",
                        app_json_count(int8->convolutions));
    for (size_t i = 0; i < int8->n_layers; i++)
        json_array_append_new(layers, int8_layer_json(&int8->layers[i]));
    json_object_set_new(object, "layers", layers);
    add_verdict(object, result, max_drop);
    return object;
}

/* The report of `compress MODEL`: a short table, or JSON. */
#include "app/compress_report.h"

#include <inttypes.h>
#include <stdio.h>

#include "app/text.h"

static double ratio(uint64_t part, uint64_t whole)
{
    return whole ? (double)part / (double)whole : 0;
}

/* So many Convs that were left alone are named. */
#define LEFT_ALONE_MAX 3

/* A table of fewer trials than this says nothing that the notes do not. */
#define SHOWN_TRIED 2

/* ---- text ------------------------------------------------------------- */

static void print_layers(const struct cz_prune_report *prune)
{
    char weights[APP_NUMBER_BYTES], zeros[APP_NUMBER_BYTES];
    printf("%12s %12s %7s  %s\n", "weights", "zeros", "share", "Conv");
    for (size_t i = 0; i < prune->n_layers; i++) {
        const struct cz_prune_layer *layer = &prune->layers[i];
        printf("%12s %12s %6.2f%%  ", app_count(weights, layer->weights),
               app_count(zeros, layer->zeros),
               100 * ratio(layer->zeros, layer->weights));
        app_print_clean(stdout, layer->name);
        if (layer->skipped)
            printf("  (left alone: %s)", layer->skipped);
        putchar('\n');
    }
    putchar('\n');
}

/* What a convolution computes in. */
static const char *layer_type(const struct cz_int8_layer *layer)
{
    if (layer->state == CZ_INT8_DONE)
        return "int8";
    return layer->node->outputs[0]->dtype == CZ_DTYPE_FLOAT16 ? "float16"
                                                              : "float32";
}

static void print_int8_layers(const struct cz_int8_report *int8)
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

static const char *precision_after(const struct app_compress_report *r)
{
    if (r->options->int8)
        return r->options->fp16 ? "int8+fp16" : "int8";
    return app_precision(r->edited.dtype);
}

static void print_row(const char *what, const char *before, const char *after,
                      const char *note)
{
    printf("  %-14s %14s %14s%s%s\n", what, before, after, *note ? "   " : "",
           note);
}

static void print_sizes(const char *what, uint64_t before, uint64_t after)
{
    char a[APP_NUMBER_BYTES], b[APP_NUMBER_BYTES], note[APP_NUMBER_BYTES];
    snprintf(note, sizeof note, "x %.3f", ratio(after, before));
    print_row(what, app_bytes(a, before), app_bytes(b, after), note);
}

static void print_totals(const struct app_compress_report *r)
{
    char a[APP_NUMBER_BYTES], b[APP_NUMBER_BYTES], note[64];
    print_row("", "before", "after", "");
    print_row("precision", app_precision(r->stats.dtype), precision_after(r),
              "");
    app_count(a, r->stats.parameters);
    print_row("parameters", a, a, "");
    snprintf(note, sizeof note, "%.2f %% of %s Conv weights",
             100 * ratio(r->prune.zeros, r->prune.weights),
             app_si(a, r->prune.weights));
    print_row("zero weights", app_count(a, r->prune.zeros_before),
              app_count(b, r->prune.zeros), note);
    app_si(a, r->stats.macs);
    snprintf(note, sizeof note, "%s with weights that are not zero",
             app_si(b, r->macs_nonzero));
    print_row("MACs", a, a, note);
    print_sizes("file", r->input.bytes, r->output.bytes);
    print_sizes("file, gzip", r->input.gzip_bytes, r->output.gzip_bytes);
}

static void print_left_alone(const struct cz_prune_report *prune)
{
    size_t count = 0;
    for (size_t i = 0; i < prune->n_layers; i++) {
        if (!prune->layers[i].skipped || ++count > LEFT_ALONE_MAX)
            continue;
        fputs("note: left alone: ", stdout);
        app_print_clean(stdout, prune->layers[i].name);
        printf(" (%s)\n", prune->layers[i].skipped);
    }
    if (count > LEFT_ALONE_MAX)
        printf("note: left alone: %zu more; --verbose lists them\n",
               count - LEFT_ALONE_MAX);
}

static void print_fp16_notes(const struct cz_fp16_report *fp16)
{
    printf("note: float16: %zu tensors, %zu operators, %zu Casts added; %zu "
           "operators stay\n      float32\n",
           fp16->tensors, fp16->nodes, fp16->casts, fp16->nodes_kept);
    if (fp16->clamped) {
        printf("note: float16: %zu values beyond 65504 were clamped, the "
               "first\n      in ",
               fp16->clamped);
        app_print_clean(stdout, fp16->clamped_in);
        putchar('\n');
    }
    if (fp16->raised)
        printf("note: float16: %zu values too small for it became +-6e-8, not "
               "0\n",
               fp16->raised);
}

static bool is_estimate(const struct cz_choices *choices)
{
    return choices->evidence == CZ_EVIDENCE_BOXES;
}

void app_compress_report_tried(FILE *file, const struct app_int8_result *int8)
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
    if (!choices->keep.count && !choices->names)
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
static void print_mixed_notes(const struct app_compress_report *r)
{
    if (r->options->int8_options.int8.target == CZ_INT8_TENSORRT)
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

/* What the judge says. */
static void print_verdict(const struct app_compress_report *r)
{
    const struct app_int8_result *int8 = &r->int8;
    const struct cz_choices *choices = &int8->choices;
    if (choices->evidence == CZ_EVIDENCE_OUTPUTS) {
        print_outputs(int8);
        return;
    }
    printf("note: boxes on %zu images are %.2g from those of float32 (0: "
           "equal, 1: none found);\n      mAP50-95 lost: %.4f, %s; --max-drop "
           "is %g\n",
           int8->judged, choices->verdict.difference, choices->verdict.drop,
           is_estimate(choices) ? "estimated from that" : "measured on them",
           r->options->int8_options.max_drop);
    print_kept(choices);
    if (choices->n_tried > SHOWN_TRIED)
        app_compress_report_tried(stdout, int8);
}

static void print_int8_notes(const struct app_compress_report *r)
{
    const struct cz_int8_report *int8 = &r->int8.report;
    printf("note: int8 for %s: %zu of %zu convolutions, %zu tensors, ranges "
           "from %zu images\n",
           cz_int8_target_name(r->options->int8_options.int8.target),
           int8->convolutions, int8->n_layers, int8->tensors, int8->images);
    if (int8->opset_before < int8->opset)
        printf("note: opset %" PRId64 " was raised to %" PRId64
               ", the first with a scale for each channel\n",
               int8->opset_before, int8->opset);
    if (int8->equalized)
        printf("note: weights of %zu pairs of convolutions were equalized\n",
               int8->equalized);
    print_verdict(r);
    if (r->options->fp16)
        print_mixed_notes(r);
    if (is_estimate(&r->int8.choices))
        puts("note: 'compress eval' tells what int8 costs in accuracy");
}

static void print_board(const struct app_compress_options *o)
{
    if (o->board)
        printf("note: %s: %s\n", o->board->title,
               app_board_gain(o->board, o->int8, o->fp16));
}

static void print_notes(const struct app_compress_report *r)
{
    print_board(r->options);
    if (r->options->prune && !r->options->verbose)
        print_left_alone(&r->prune);
    if (r->prune.zeros > r->prune.zeros_before)
        puts("note: scattered zeros save bytes after compression; they make "
             "no dense\n      kernel faster");
    if (r->options->fp16)
        print_fp16_notes(&r->fp16);
    if (r->options->int8)
        print_int8_notes(r);
    if (r->stats.macs_unknown)
        printf("note: MACs leave out %zu operators of unknown shape\n",
               r->stats.macs_unknown);
    if (r->functions)
        printf("note: %zu model-local functions are left as they are\n",
               r->functions);
    if (!r->used_checker)
        puts("note: too new for libonnx's checker (opset 17, IR 8): own checks "
             "only");
}

void app_compress_report_text(const struct app_compress_report *report)
{
    if (report->options->verbose)
        print_layers(&report->prune);
    if (report->options->verbose && report->options->int8)
        print_int8_layers(&report->int8.report);
    print_totals(report);
    putchar('\n');
    print_notes(report);
    app_print_clean(stdout, report->options->output);
    printf(": written in %.0f ms\n", report->ms.total);
}

/* ---- JSON ------------------------------------------------------------- */

static json_t *file_json(const char *path, const struct app_file *file)
{
    json_t *object = json_object();
    json_object_set_new(object, "path", app_json_text(path));
    json_object_set_new(object, "bytes", app_json_count(file->bytes));
    json_object_set_new(object, "bytes_gzip", app_json_count(file->gzip_bytes));
    return object;
}

static json_t *macs_json(const struct app_compress_report *r)
{
    json_t *object = json_object();
    json_object_set_new(object, "dense", app_json_count(r->stats.macs));
    json_object_set_new(object, "nonzero", app_json_count(r->macs_nonzero));
    json_object_set_new(object, "unknown_nodes",
                        app_json_count(r->stats.macs_unknown));
    return object;
}

static json_t *layer_json(const struct cz_prune_layer *layer)
{
    json_t *object = json_object();
    json_object_set_new(object, "name", app_json_text(layer->name));
    json_object_set_new(object, "weight", app_json_text(layer->weight));
    json_object_set_new(object, "weights", app_json_count(layer->weights));
    json_object_set_new(object, "zeros", app_json_count(layer->zeros));
    json_object_set_new(object, "skipped", app_json_maybe(layer->skipped));
    return object;
}

static json_t *prune_json(const struct app_compress_report *r)
{
    const struct cz_prune_options *options = &r->options->prune_options;
    const struct cz_prune_report *prune = &r->prune;
    bool is_global = options->scope == CZ_PRUNE_GLOBAL;
    if (!r->options->prune)
        return json_null();
    json_t *layers = json_array();
    for (size_t i = 0; i < prune->n_layers; i++)
        json_array_append_new(layers, layer_json(&prune->layers[i]));
    json_t *object = json_object();
    json_object_set_new(object, "sparsity", json_real(options->sparsity));
    json_object_set_new(object, "scope",
                        json_string(is_global ? "global" : "layer"));
    json_object_set_new(object, "weights", app_json_count(prune->weights));
    json_object_set_new(object, "zeros_before",
                        app_json_count(prune->zeros_before));
    json_object_set_new(object, "zeros", app_json_count(prune->zeros));
    json_object_set_new(object, "layers", layers);
    return object;
}

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

static json_t *fp16_json(const struct app_compress_report *r)
{
    const struct cz_fp16_report *fp16 = &r->fp16;
    json_t *object = json_object();
    json_object_set_new(object, "type", json_string("fp16"));
    json_object_set_new(object, "tensors", app_json_count(fp16->tensors));
    json_object_set_new(object, "tensors_kept",
                        app_json_count(fp16->tensors_kept));
    json_object_set_new(object, "nodes", app_json_count(fp16->nodes));
    json_object_set_new(object, "nodes_kept", app_json_count(fp16->nodes_kept));
    json_object_set_new(object, "tail_nodes", app_json_count(fp16->tail_nodes));
    json_object_set_new(object, "casts", app_json_count(fp16->casts));
    json_object_set_new(object, "clamped", app_json_count(fp16->clamped));
    json_object_set_new(object, "raised", app_json_count(fp16->raised));
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

static void add_verdict(json_t *object, const struct app_compress_report *r)
{
    const struct cz_choices *choices = &r->int8.choices;
    const bool has_boxes = choices->evidence != CZ_EVIDENCE_OUTPUTS;
    json_object_set_new(object, "equalized",
                        app_json_count(r->int8.report.equalized));
    json_object_set_new(object, "judged_images",
                        app_json_count(r->int8.judged));
    json_object_set_new(object, "difference_all",
                        app_json_real(choices->tried[0].verdict.difference));
    json_object_set_new(object, "difference",
                        app_json_real(choices->verdict.difference));
    json_object_set_new(object, "drop",
                        has_boxes ? app_json_real(choices->verdict.drop)
                                  : json_null());
    json_object_set_new(object, "drop_is_estimate",
                        json_boolean(is_estimate(choices)));
    json_object_set_new(object, "max_drop",
                        json_real(r->options->int8_options.max_drop));
    json_object_set_new(object, "tried", tried_json(choices));
}

static json_t *int8_json(const struct app_compress_report *r)
{
    const struct cz_int8_report *int8 = &r->int8.report;
    const struct cz_int8_options *options = &r->int8.choices.int8;
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
    json_object_set_new(object, "opset", app_json_count((uint64_t)int8->opset));
    for (size_t i = 0; i < int8->n_layers; i++)
        json_array_append_new(layers, int8_layer_json(&int8->layers[i]));
    json_object_set_new(object, "layers", layers);
    add_verdict(object, r);
    if (r->options->fp16)
        json_object_set_new(object, "fp16", fp16_json(r));
    return object;
}

static json_t *quant_json(const struct app_compress_report *r)
{
    if (r->options->int8)
        return int8_json(r);
    return r->options->fp16 ? fp16_json(r) : json_null();
}
static json_t *board_json(const struct app_compress_options *o)
{
    const struct app_board *board = o->board;
    if (!board)
        return json_null();
    json_t *object = json_object();
    json_object_set_new(object, "name", json_string(board->name));
    json_object_set_new(object, "title", json_string(board->title));
    json_object_set_new(object, "compute", app_json_maybe(board->compute));
    json_object_set_new(object, "memory_gb", app_json_count(board->memory_gb));
    json_object_set_new(object, "int8", json_boolean(board->has_int8));
    json_object_set_new(object, "int8_tensor_cores",
                        json_boolean(board->has_int8_cores));
    json_object_set_new(object, "fp16", json_boolean(board->has_fp16));
    json_object_set_new(object, "sparse", json_boolean(board->has_sparse));
    json_object_set_new(object, "gain",
                        json_string(app_board_gain(board, o->int8, o->fp16)));
    return object;
}

static json_t *stages_json(const struct app_compress_report *r)
{
    json_t *object = json_object();
    json_object_set_new(object, "load", json_real(r->ms.load));
    json_object_set_new(object, "check", json_real(r->ms.check));
    json_object_set_new(object, "prune", json_real(r->ms.prune));
    json_object_set_new(object, "fp16", json_real(r->ms.fp16));
    json_object_set_new(object, "int8", json_real(r->ms.int8));
    json_object_set_new(object, "save", json_real(r->ms.save));
    return object;
}

void app_compress_report_json(const struct app_compress_report *report)
{
    const struct app_compress_options *o = report->options;
    json_t *root = json_object();
    json_object_set_new(root, "schema", json_string("compress.model/1"));
    json_object_set_new(root, "input", file_json(o->model, &report->input));
    json_object_set_new(root, "output", file_json(o->output, &report->output));
    json_object_set_new(root, "precision",
                        json_string(precision_after(report)));
    json_object_set_new(root, "parameters",
                        app_json_count(report->stats.parameters));
    json_object_set_new(root, "macs", macs_json(report));
    json_object_set_new(root, "prune", prune_json(report));
    json_object_set_new(root, "quant", quant_json(report));
    json_object_set_new(root, "board", board_json(o));
    json_object_set_new(root, "time_ms", json_real(report->ms.total));
    json_object_set_new(root, "stages_ms", stages_json(report));
    app_print_json(root);
}

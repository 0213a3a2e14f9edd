/* The report of `compress MODEL`: a short table, or JSON. */
#include "app/compress_report.h"

#include <stdio.h>

#include "app/text.h"

static double ratio(uint64_t part, uint64_t whole)
{
    return whole ? (double)part / (double)whole : 0;
}

/* The short names that users type and read elsewhere. */
static const char *precision(enum cz_dtype dtype)
{
    switch (dtype) {
    case CZ_DTYPE_FLOAT:
        return "fp32";
    case CZ_DTYPE_FLOAT16:
        return "fp16";
    case CZ_DTYPE_BFLOAT16:
        return "bf16";
    case CZ_DTYPE_DOUBLE:
        return "fp64";
    default:
        return cz_dtype_name(dtype);
    }
}

static enum cz_dtype output_dtype(const struct app_compress_report *r)
{
    return r->options->fp16 ? CZ_DTYPE_FLOAT16 : r->stats.dtype;
}

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

static void print_row(const char *what, const char *before, const char *after,
                      const char *note)
{
    printf("  %-14s %14s %14s   %s\n", what, before, after, note);
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
    print_row("precision", precision(r->stats.dtype),
              precision(output_dtype(r)), "");
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
    for (size_t i = 0; i < prune->n_layers; i++) {
        if (!prune->layers[i].skipped)
            continue;
        fputs("note: left alone: ", stdout);
        app_print_clean(stdout, prune->layers[i].name);
        printf(" (%s)\n", prune->layers[i].skipped);
    }
}

static void print_fp16_notes(const struct cz_fp16_report *fp16)
{
    printf("note: float16: %zu tensors, %zu operators, %zu Casts added; "
           "%zu operators stay float32\n",
           fp16->tensors, fp16->nodes, fp16->casts, fp16->nodes_kept);
    if (fp16->clamped) {
        printf("note: float16: %zu values beyond 65504 were clamped, the first "
               "in ",
               fp16->clamped);
        app_print_clean(stdout, fp16->clamped_in);
        putchar('\n');
    }
    if (fp16->raised)
        printf("note: float16: %zu values too small for it became +-6e-8, not "
               "0\n",
               fp16->raised);
}

static void print_notes(const struct app_compress_report *r)
{
    if (r->options->prune && !r->options->verbose)
        print_left_alone(&r->prune);
    if (r->options->prune)
        puts("note: scattered zeros make no dense kernel faster; they save "
             "bytes after compression");
    if (r->options->fp16)
        print_fp16_notes(&r->fp16);
    if (r->stats.macs_unknown)
        printf("note: MACs leave out %zu operators of unknown shape\n",
               r->stats.macs_unknown);
    if (r->functions)
        printf("note: %zu model-local functions are left as they are\n",
               r->functions);
    if (!r->used_checker)
        puts("note: libonnx's checker does not know this opset; own checks "
             "only");
}

void app_compress_report_text(const struct app_compress_report *report)
{
    if (report->options->verbose)
        print_layers(&report->prune);
    print_totals(report);
    putchar('\n');
    print_notes(report);
    app_print_clean(stdout, report->options->output);
    printf(": written in %.0f ms\n", report->ms.total);
}

/* ---- JSON ------------------------------------------------------------- */

static json_t *json_count(uint64_t number)
{
    return json_integer((json_int_t)number);
}

static json_t *file_json(const char *path, const struct app_file *file)
{
    return json_pack("{s:o, s:o, s:o}", "path", app_json_text(path), "bytes",
                     json_count(file->bytes), "bytes_gzip",
                     json_count(file->gzip_bytes));
}

static json_t *layer_json(const struct cz_prune_layer *layer)
{
    return json_pack("{s:o, s:o, s:o, s:o, s:s?}", "name",
                     app_json_text(layer->name), "weight",
                     app_json_text(layer->weight), "weights",
                     json_count(layer->weights), "zeros",
                     json_count(layer->zeros), "skipped", layer->skipped);
}

static json_t *prune_json(const struct app_compress_report *r)
{
    const struct cz_prune_report *prune = &r->prune;
    json_t *layers = json_array();
    if (!r->options->prune) {
        json_decref(layers);
        return json_null();
    }
    for (size_t i = 0; i < prune->n_layers; i++)
        json_array_append_new(layers, layer_json(&prune->layers[i]));
    bool is_global = r->options->prune_options.scope == CZ_PRUNE_GLOBAL;
    return json_pack("{s:f, s:s, s:o, s:o, s:o, s:o}", "sparsity",
                     r->options->prune_options.sparsity, "scope",
                     is_global ? "global" : "layer", "weights",
                     json_count(prune->weights), "zeros_before",
                     json_count(prune->zeros_before), "zeros",
                     json_count(prune->zeros), "layers", layers);
}

static json_t *quant_json(const struct app_compress_report *r)
{
    const struct cz_fp16_report *fp16 = &r->fp16;
    if (!r->options->fp16)
        return json_null();
    return json_pack(
        "{s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "type", "fp16",
        "tensors", json_count(fp16->tensors), "tensors_kept",
        json_count(fp16->tensors_kept), "nodes", json_count(fp16->nodes),
        "nodes_kept", json_count(fp16->nodes_kept), "tail_nodes",
        json_count(fp16->tail_nodes), "casts", json_count(fp16->casts),
        "clamped", json_count(fp16->clamped), "raised",
        json_count(fp16->raised));
}

void app_compress_report_json(const struct app_compress_report *report)
{
    const struct app_compress_options *o = report->options;
    app_print_json(json_pack(
        "{s:s, s:o, s:o, s:s, s:o, s:{s:o, s:o, s:o}, s:o, s:o, s:f, "
        "s:{s:f, s:f, s:f, s:f}}",
        "schema", "compress.model/1", "input",
        file_json(o->model, &report->input), "output",
        file_json(o->output, &report->output), "precision",
        precision(output_dtype(report)), "parameters",
        json_count(report->stats.parameters), "macs", "dense",
        json_count(report->stats.macs), "nonzero",
        json_count(report->macs_nonzero), "unknown_nodes",
        json_count(report->stats.macs_unknown), "prune", prune_json(report),
        "quant", quant_json(report), "time_ms", report->ms.total, "stages_ms",
        "load", report->ms.load, "prune", report->ms.prune, "fp16",
        report->ms.fp16, "save", report->ms.save));
}

/* The report of `compress MODEL`: a short table, or JSON. */
#include "app/compress_report.h"

#include <stdio.h>

#include "app/int8_report.h"
#include "app/json_memory.h"
#include "app/text.h"

static double ratio(uint64_t part, uint64_t whole)
{
    return whole ? (double)part / (double)whole : 0;
}

/* ---- text ------------------------------------------------------------- */

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
    *note = 0;
    if (r->pruned.parameters != r->stats.parameters)
        snprintf(note, sizeof note, "x %.3f",
                 ratio(r->pruned.parameters, r->stats.parameters));
    print_row("parameters", app_count(a, r->stats.parameters),
              app_count(b, r->pruned.parameters), note);
    snprintf(note, sizeof note, "%.2f %% of %s Conv weights",
             100 * ratio(r->prune.report.zeros, r->prune.report.weights),
             app_si(a, r->prune.report.weights));
    print_row("zero weights", app_count(a, r->prune.report.zeros_before),
              app_count(b, r->prune.report.zeros), note);
    if (r->pruned.macs != r->stats.macs)
        snprintf(note, sizeof note, "x %.3f",
                 ratio(r->pruned.macs, r->stats.macs));
    else
        snprintf(note, sizeof note, "%s with weights that are not zero",
                 app_si(b, r->macs_nonzero));
    print_row("MACs", app_si(a, r->stats.macs), app_si(b, r->pruned.macs),
              note);
    print_sizes("file", r->input.bytes, r->output.bytes);
    print_sizes("file, gzip", r->input.gzip_bytes, r->output.gzip_bytes);
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

static void print_board(const struct app_compress_options *o)
{
    if (o->board)
        printf("note: %s: %s\n", o->board->title,
               app_board_gain(o->board, o->int8, o->fp16));
}

static void print_notes(const struct app_compress_report *r)
{
    print_board(r->options);
    app_prune_report_notes(&r->prune, r->options);
    if (r->options->fp16)
        print_fp16_notes(&r->fp16);
    if (r->options->int8)
        app_int8_report_notes(&r->int8, r->options);
    if (r->packed)
        printf("note: %zu table%s of constants %s stored in float16, which "
               "holds %s exactly\n",
               r->packed, r->packed > 1 ? "s" : "",
               r->packed > 1 ? "are" : "is", r->packed > 1 ? "them" : "it");
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
        app_prune_report_layers(&report->prune);
    if (report->options->verbose && report->options->int8)
        app_int8_report_layers(&report->int8.report);
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
    json_object_set_new(object, "left", app_json_count(r->pruned.macs));
    json_object_set_new(object, "nonzero", app_json_count(r->macs_nonzero));
    json_object_set_new(object, "unknown_nodes",
                        app_json_count(r->stats.macs_unknown));
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

static json_t *quant_json(const struct app_compress_report *r)
{
    const struct app_compress_options *o = r->options;
    if (!o->int8)
        return o->fp16 ? fp16_json(r) : json_null();
    json_t *int8 = app_int8_report_json(&r->int8, o->int8_options.max_drop);
    json_object_set_new(int8, "opset", app_json_count((uint64_t)r->opset));
    if (o->fp16)
        json_object_set_new(int8, "fp16", fp16_json(r));
    return int8;
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
    json_object_set_new(root, "parameters_left",
                        app_json_count(report->pruned.parameters));
    json_object_set_new(root, "macs", macs_json(report));
    json_object_set_new(root, "prune",
                        app_prune_report_json(&report->prune, o));
    json_object_set_new(root, "quant", quant_json(report));
    json_object_set_new(root, "packed", app_json_count(report->packed));
    json_object_set_new(root, "board", board_json(o));
    json_object_set_new(root, "time_ms", json_real(report->ms.total));
    json_object_set_new(root, "stages_ms", stages_json(report));
    app_print_json(root);
}

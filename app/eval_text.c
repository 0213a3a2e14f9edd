/* The report of `compress eval` as tables. */
#include <stdio.h>
#include <string.h>

#include "app/eval.h"
#include "app/precision.h"
#include "app/text.h"

#define NAME_WIDTH 20
#define VALUE_BYTES 16

/* "0.402", or "-" where there is no box to find. */
static const char *value(char *text, double number)
{
    if (number < 0)
        snprintf(text, VALUE_BYTES, "-");
    else
        snprintf(text, VALUE_BYTES, "%.3f", number);
    return text;
}

static void print_value(double number)
{
    char text[VALUE_BYTES];
    printf(" %8s", value(text, number));
}

/* Padded to NAME_WIDTH columns, if it is ASCII. */
static void print_name(const char *name)
{
    app_print_clean(stdout, name);
    for (size_t i = strlen(name); i < NAME_WIDTH; i++)
        putchar(' ');
}

static const char *category_name(char *text, size_t size,
                                 const struct cz_coco_category *category)
{
    if (*category->name)
        return category->name;
    snprintf(text, size, "%lld", (long long)category->id);
    return text;
}

static void print_class_name(const struct cz_coco_category *category)
{
    char text[24];
    fputs("  ", stdout);
    print_name(category_name(text, sizeof text, category));
}

/* ---- the twelve numbers ----------------------------------------------- */

static void print_counts(const struct app_eval *eval)
{
    const struct app_eval_result *first = &eval->results[0];
    const struct cz_coco_report *r = &first->report;
    char boxes[APP_NUMBER_BYTES], detections[APP_NUMBER_BYTES],
        images[APP_NUMBER_BYTES];
    app_print_clean(stdout, eval->options->annotations);
    printf(": %s image%s, %s box%s, %zu class%s\n",
           app_count(images, r->images), r->images == 1 ? "" : "s",
           app_count(boxes, r->boxes), r->boxes == 1 ? "" : "es", r->n_classes,
           r->n_classes == 1 ? "" : "es");
    app_print_clean(stdout, first->name);
    printf(": %s detection%s\n", app_count(detections, first->detections.count),
           first->detections.count == 1 ? "" : "s");
}

/* ---- the run of models ------------------------------------------------ */

static void print_input(const struct app_eval *eval,
                        const struct cz_eval_model *model)
{
    if (eval->run.rect)
        printf("  input: rect, longest side %zu (figures of a square input "
               "differ)\n",
               model->format.longest);
    else
        printf("  input: %zux%zu, letterbox (figures of rect inputs differ)\n",
               model->format.width, model->format.height);
}

static void print_precision(const struct cz_eval_model *model)
{
    char text[APP_PRECISION_BYTES];
    if (model->has_plan && model->precision.asked != CZ_PRECISION_FLOAT32)
        printf("  %s\n", app_precision_text(text, &model->precision));
}

static void print_speed(const struct app_eval *eval)
{
    const struct cz_eval_run *run = &eval->run;
    const double seconds = run->wall_ms / 1e3;
    printf("  %zu image%s", run->n_images, run->n_images == 1 ? "" : "s");
    if (run->n_models > 1)
        printf(", each through %zu models", run->n_models);
    printf(" in %.1f s, %zu at a time: %.1f images/s\n", seconds, run->threads,
           (double)run->n_images / seconds);
}

/* Of the first model. */
static void print_run(const struct app_eval *eval)
{
    const struct app_eval_result *first = &eval->results[0];
    const struct cz_thresholds *t = &first->model->thresholds;
    printf("  read as: %s\n", cz_decoder_text(first->model->decoder));
    print_input(eval, first->model);
    print_precision(first->model);
    printf("  boxes: confidence above %g, ", (double)t->confidence);
    if (first->model->decoder == CZ_DECODER_END_TO_END)
        fputs("NMS by the model, ", stdout);
    else
        printf("NMS IoU %g, ", (double)t->iou);
    printf("%zu an image\n", t->max_boxes);
    print_speed(eval);
    fputs("  ms an image on one thread, median:", stdout);
    for (size_t s = 0; s < CZ_STAGE_COUNT; s++)
        printf("%s %s %.2f", s ? "," : "", cz_stage_name((enum cz_stage)s),
               first->latency[s].median_ms);
    putchar('\n');
}

/* "note: ", about one of several models: "note: a.onnx: ". */
static void begin_note(const char *name)
{
    fputs("  note: ", stdout);
    if (name) {
        app_print_clean(stdout, name);
        fputs(": ", stdout);
    }
}

/* "note: 3 images are ...", "note: 1 image is ..." */
static void print_note(const char *name, size_t count, const char *one,
                       const char *many)
{
    if (!count)
        return;
    begin_note(name);
    printf("%zu %s\n", count, count == 1 ? one : many);
}

static void print_model_notes(const char *name,
                              const struct cz_eval_model *model)
{
    if (*model->class_note) {
        begin_note(name);
        app_print_clean(stdout, model->class_note);
        putchar('\n');
    }
    print_note(name, model->not_finite,
               "candidate had NaN or infinite numbers, or a negative size, and "
               "was dropped",
               "candidates had NaN or infinite numbers, or negative sizes, and "
               "were dropped");
    print_note(name, model->above_one,
               "score is above 1: was the model exported without its sigmoid?",
               "scores are above 1: was the model exported without its "
               "sigmoid?");
    print_note(name, model->unknown_class,
               "box was of a class that the annotations do not have",
               "boxes were of classes that the annotations do not have");
}

static void print_run_notes(const struct app_eval *eval)
{
    const struct cz_eval_run *run = &eval->run;
    putchar('\n');
    print_note(NULL, run->n_skipped,
               "image could not be read and is in no number here; --strict "
               "makes that an error",
               "images could not be read and are in no number here; --strict "
               "makes that an error");
    print_note(NULL, run->n_resized,
               "image has another size than the annotations say",
               "images have another size than the annotations say");
    for (size_t i = 0; i < run->n_models; i++)
        print_model_notes(run->n_models > 1 ? eval->results[i].name : NULL,
                          &run->models[i]);
}

static bool has_run_notes(const struct cz_eval_run *run)
{
    size_t count = run->n_skipped + run->n_resized;
    for (size_t i = 0; i < run->n_models; i++)
        count += run->models[i].not_finite + run->models[i].above_one +
                 run->models[i].unknown_class +
                 (*run->models[i].class_note > 0);
    return count > 0;
}

/* A row of the four areas, or of area `all` alone (n = 1). */
static void print_row(const char *what, const double *stats,
                      const enum cz_coco_stat *columns, size_t n)
{
    printf("  %-26s", what);
    for (size_t i = 0; i < n; i++)
        print_value(stats[columns[i]]);
    putchar('\n');
}

static void print_stats(const double *stats)
{
    static const enum cz_coco_stat ap[] = {CZ_COCO_AP, CZ_COCO_AP_SMALL,
                                           CZ_COCO_AP_MEDIUM, CZ_COCO_AP_LARGE};
    static const enum cz_coco_stat ar[] = {CZ_COCO_AR100, CZ_COCO_AR_SMALL,
                                           CZ_COCO_AR_MEDIUM, CZ_COCO_AR_LARGE};
    static const enum cz_coco_stat ap50 = CZ_COCO_AP50, ap75 = CZ_COCO_AP75;
    static const enum cz_coco_stat ar1 = CZ_COCO_AR1, ar10 = CZ_COCO_AR10;
    printf("  %-26s %8s %8s %8s %8s\n", "", "all", "small", "medium", "large");
    print_row("AP    IoU .50 to .95", stats, ap, 4);
    print_row("AP50  IoU .50", stats, &ap50, 1);
    print_row("AP75  IoU .75", stats, &ap75, 1);
    print_row("AR1   1 box of a class", stats, &ar1, 1);
    print_row("AR10  10 boxes", stats, &ar10, 1);
    print_row("AR100 100 boxes", stats, ar, 4);
}

/* ---- on request ------------------------------------------------------- */

static void print_per_class(const struct app_eval *eval)
{
    const struct cz_coco_report *report = &eval->results[0].report;
    printf("\n  %-*s %8s %8s %8s %8s %8s %10s %8s\n", NAME_WIDTH, "class",
           "boxes", "dets", "AP", "AP50", "AR100", "best F1 at", "F1");
    for (size_t k = 0; k < report->n_classes; k++) {
        const struct cz_coco_class *class = &report->classes[k];
        char text[VALUE_BYTES];
        print_class_name(class->category);
        printf(" %8zu %8zu", class->boxes, class->detections);
        print_value(class->ap);
        print_value(class->ap50);
        print_value(class->ar100);
        printf(" %10s", value(text, eval->f1[k].confidence));
        print_value(eval->f1[k].f1);
        putchar('\n');
    }
    if (eval->best_f1.f1 >= 0)
        printf("\n  best confidence for all classes: %.3f (mean F1 %.3f, "
               "precision %.3f, recall %.3f, IoU .50)\n",
               eval->best_f1.confidence, eval->best_f1.f1,
               eval->best_f1.precision, eval->best_f1.recall);
}

static void print_curves(const struct app_eval *eval)
{
    const struct cz_coco_report *report = &eval->results[0].report;
    const size_t step = 10;
    printf("\n  precision at IoU .50, by recall\n  %-*s", NAME_WIDTH, "class");
    for (size_t r = 0; r < CZ_COCO_RECALLS; r += step)
        printf(" %5.1f", (double)r / (CZ_COCO_RECALLS - 1));
    putchar('\n');
    for (size_t k = 0; k < report->n_classes; k++) {
        print_class_name(report->classes[k].category);
        for (size_t r = 0; r < CZ_COCO_RECALLS; r += step) {
            char text[VALUE_BYTES];
            printf(" %5s", value(text, eval->curves[k][r]));
        }
        putchar('\n');
    }
}

/* The name of a class of the confusion matrix. */
static const char *side_name(char *text, size_t size,
                             const struct app_eval *eval, size_t k)
{
    const struct cz_coco_report *report = &eval->results[0].report;
    if (k == eval->confusion.n_classes)
        return "nothing";
    return category_name(text, size, report->classes[k].category);
}

/* The cells that are not 0: with 80 classes a square does not fit a screen. */
static void print_confusion(const struct app_eval *eval)
{
    const struct cz_coco_confusion *c = &eval->confusion;
    size_t side = c->n_classes + 1;
    char text[24];
    printf("\n  confusion at confidence .25, IoU .45\n  %-*s %-*s %8s\n",
           NAME_WIDTH, "there is", NAME_WIDTH, "found as", "boxes");
    for (size_t truth = 0; truth < side; truth++) {
        for (size_t found = 0; found < side; found++) {
            size_t count = c->counts[found * side + truth];
            if (!count)
                continue;
            fputs("  ", stdout);
            print_name(side_name(text, sizeof text, eval, truth));
            putchar(' ');
            print_name(side_name(text, sizeof text, eval, found));
            printf(" %8zu\n", count);
        }
    }
}

/* ---- several results -------------------------------------------------- */

static void print_delta(const struct cz_coco_delta *delta)
{
    printf("  %+.3f (%+.3f to %+.3f)", delta->difference, delta->low,
           delta->high);
}

/* Bytes, time of inference, and that time beside the first one's. */
static void print_cost(const struct app_eval *eval,
                       const struct app_eval_result *result)
{
    const struct app_eval_result *first = &eval->results[0];
    char bytes[APP_NUMBER_BYTES];
    if (!result->model) {
        printf("  %9s %8s %6s", "", "", "");
        return;
    }
    const double ms = result->latency[CZ_STAGE_INFERENCE].median_ms;
    printf("  %9s %8.2f %6.2f", app_bytes(bytes, result->bytes), ms,
           ms / first->latency[CZ_STAGE_INFERENCE].median_ms);
}

/* In no draw of the images, either. */
static bool is_no_difference(const struct cz_coco_delta *delta)
{
    return delta->difference == 0 && delta->low == 0 && delta->high == 0;
}

static void print_result(const struct app_eval *eval,
                         const struct app_eval_result *result)
{
    fputs(" ", stdout);
    print_value(result->report.stats[CZ_COCO_AP]);
    print_value(result->report.stats[CZ_COCO_AP50]);
    if (result == &eval->results[0]) {
        printf("  %-25s  %-25s", "", "");
    } else {
        print_delta(&result->ap);
        print_delta(&result->ap50);
    }
    if (eval->options->n_models)
        print_cost(eval, result);
    fputs("  ", stdout);
    app_print_clean(stdout, result->name);
    putchar('\n');
}

/* A difference that may be none. */
static void print_noise(const struct app_eval_result *result)
{
    const size_t images = result->report.images;
    if (!result->ap.noise)
        return;
    begin_note(result->name);
    if (is_no_difference(&result->ap))
        printf("no difference of AP on %zu images\n", images);
    else
        printf("on %zu images the difference of AP is noise: other images\n"
               "        could turn it around\n",
               images);
}

static void print_comparison(const struct app_eval *eval)
{
    const bool has_models = eval->options->n_models;
    printf("\n  %8s %8s  %-25s  %-25s", "AP", "AP50", "difference of AP",
           "of AP50");
    if (has_models)
        printf("  %9s %8s %6s", "size", "ms", "ratio");
    puts(has_models ? "  model" : "  detections");
    for (size_t i = 0; i < eval->n_results; i++)
        print_result(eval, &eval->results[i]);
    printf("\n  note: in brackets the 95 %% interval: paired bootstrap, %zu "
           "draws of %zu images\n",
           eval->options->resamples, eval->results[0].report.images);
    if (has_models)
        puts("  note: ms: median of inference; ratio: that to the first "
             "model's");
    for (size_t i = 1; i < eval->n_results; i++)
        print_noise(&eval->results[i]);
}

void app_eval_print_text(const struct app_eval *eval)
{
    const struct app_eval_options *o = eval->options;
    const struct app_eval_result *first = &eval->results[0];
    if (eval->run.interrupted)
        puts("interrupted: these are the numbers of the images that were done");
    print_counts(eval);
    if (first->model)
        print_run(eval);
    putchar('\n');
    print_stats(eval->results[0].report.stats);
    if (o->per_class)
        print_per_class(eval);
    if (o->curves)
        print_curves(eval);
    if (o->confusion)
        print_confusion(eval);
    if (eval->n_results > 1)
        print_comparison(eval);
    if (has_run_notes(&eval->run))
        print_run_notes(eval);
    if (cz_coco_has_id_zero(eval->coco))
        fputs("\n  note: an annotation has the id 0, which pycocotools counts "
              "as never found;\n        so do we: number annotations from 1\n",
              stdout);
}

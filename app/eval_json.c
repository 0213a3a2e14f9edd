/* The report of `compress eval` as JSON: schema compress.eval/1, described in
 * docs/formats.md. */
#include <string.h>

#include "app/eval.h"
#include "app/json_memory.h"
#include "app/precision.h"
#include "app/text.h"

/* null where pycocotools says -1. */
static json_t *number(double value)
{
    return value < 0 ? json_null() : json_real(value);
}

static json_t *stats_json(const struct cz_coco_report *report)
{
    json_t *stats = json_object();
    for (int s = 0; s < CZ_COCO_STAT_COUNT; s++)
        json_object_set_new(stats, cz_coco_stat_name((enum cz_coco_stat)s),
                            number(report->stats[s]));
    return stats;
}

static json_t *ap_by_iou_json(const struct cz_coco_report *report)
{
    json_t *list = json_array();
    for (size_t t = 0; t < CZ_COCO_IOUS; t++)
        json_array_append_new(list, number(report->ap_by_iou[t]));
    return list;
}

static json_t *f1_json(const struct cz_coco_f1 *f1)
{
    json_t *object = json_object();
    json_object_set_new(object, "f1", number(f1->f1));
    json_object_set_new(object, "confidence", number(f1->confidence));
    json_object_set_new(object, "precision", number(f1->precision));
    json_object_set_new(object, "recall", number(f1->recall));
    return object;
}

static json_t *class_json(const struct cz_coco_class *class,
                          const struct cz_coco_f1 *f1)
{
    json_t *object = json_object();
    json_object_set_new(object, "id", json_integer(class->category->id));
    json_object_set_new(object, "name", app_json_text(class->category->name));
    json_object_set_new(object, "boxes", app_json_count(class->boxes));
    json_object_set_new(object, "detections",
                        app_json_count(class->detections));
    json_object_set_new(object, "AP", number(class->ap));
    json_object_set_new(object, "AP50", number(class->ap50));
    json_object_set_new(object, "AR100", number(class->ar100));
    json_object_set_new(object, "best_f1", f1_json(f1));
    return object;
}

static json_t *per_class_json(const struct app_eval *eval)
{
    const struct cz_coco_report *report = &eval->results[0].report;
    if (!eval->options->per_class)
        return json_null();
    json_t *list = json_array();
    for (size_t k = 0; k < report->n_classes; k++)
        json_array_append_new(list,
                              class_json(&report->classes[k], &eval->f1[k]));
    return list;
}

static json_t *curves_json(const struct app_eval *eval)
{
    const struct cz_coco_report *report = &eval->results[0].report;
    if (!eval->options->curves)
        return json_null();
    json_t *list = json_array();
    for (size_t k = 0; k < report->n_classes; k++) {
        const struct cz_coco_category *category = report->classes[k].category;
        json_t *precision = json_array(), *curve = json_object();
        for (size_t r = 0; r < CZ_COCO_RECALLS; r++)
            json_array_append_new(precision, number(eval->curves[k][r]));
        json_object_set_new(curve, "id", json_integer(category->id));
        json_object_set_new(curve, "name", app_json_text(category->name));
        json_object_set_new(curve, "precision", precision);
        json_array_append_new(list, curve);
    }
    return list;
}

static json_t *confusion_json(const struct app_eval *eval)
{
    const struct cz_coco_confusion *c = &eval->confusion;
    const struct cz_coco_report *report = &eval->results[0].report;
    const struct cz_coco_confusion_options used =
        CZ_COCO_CONFUSION_OPTIONS_INIT;
    if (!eval->options->confusion)
        return json_null();
    json_t *names = json_array(), *rows = json_array();
    for (size_t k = 0; k < c->n_classes; k++)
        json_array_append_new(names,
                              app_json_text(report->classes[k].category->name));
    for (size_t found = 0; found <= c->n_classes; found++) {
        json_t *row = json_array();
        for (size_t truth = 0; truth <= c->n_classes; truth++)
            json_array_append_new(
                row,
                app_json_count(c->counts[found * (c->n_classes + 1) + truth]));
        json_array_append_new(rows, row);
    }
    json_t *object = json_object();
    json_object_set_new(object, "conf_threshold",
                        json_real(used.conf_threshold));
    json_object_set_new(object, "iou_threshold", json_real(used.iou_threshold));
    json_object_set_new(object, "classes", names);
    json_object_set_new(object, "counts", rows);
    return object;
}

static json_t *delta_json(const struct cz_coco_delta *delta)
{
    json_t *object = json_object();
    json_object_set_new(object, "difference", json_real(delta->difference));
    json_object_set_new(object, "low", json_real(delta->low));
    json_object_set_new(object, "high", json_real(delta->high));
    json_object_set_new(object, "noise", json_boolean(delta->noise));
    return object;
}

static json_t *latency_json(const struct app_eval_result *result)
{
    json_t *stages = json_object();
    for (size_t s = 0; s < CZ_STAGE_COUNT; s++) {
        const struct app_latency *latency = &result->latency[s];
        json_t *object = json_object();
        json_object_set_new(object, "median", app_json_ms(latency->median_ms));
        json_object_set_new(object, "p90", app_json_ms(latency->p90_ms));
        json_object_set_new(object, "p99", app_json_ms(latency->p99_ms));
        json_object_set_new(stages, cz_stage_name((enum cz_stage)s), object);
    }
    return stages;
}

/* Of an image. */
static json_t *cpu_json(const struct cz_eval_run *run,
                        const struct cz_eval_model *model)
{
    json_t *stages = json_object();
    for (size_t s = 0; s < CZ_STAGE_COUNT; s++)
        json_object_set_new(
            stages, cz_stage_name((enum cz_stage)s),
            app_json_ms(model->cpu_ms[s] / (double)run->n_images));
    return stages;
}

static json_t *skipped_json(const struct cz_eval_run *run)
{
    json_t *list = json_array();
    for (size_t i = 0; i < run->n_skipped; i++) {
        json_t *object = json_object();
        json_object_set_new(object, "image",
                            app_json_text(run->skipped[i].image->file_name));
        json_object_set_new(object, "reason",
                            app_json_text(run->skipped[i].reason));
        json_array_append_new(list, object);
    }
    return list;
}

/* What a person should know of a run. */
static void add_oddities(json_t *object, const struct cz_eval_run *run,
                         const struct cz_eval_model *model)
{
    json_object_set_new(object, "not_finite",
                        app_json_count(model->not_finite));
    json_object_set_new(object, "above_one", app_json_count(model->above_one));
    json_object_set_new(
        object, "class_note",
        app_json_maybe(*model->class_note ? model->class_note : NULL));
    json_object_set_new(object, "unknown_class",
                        app_json_count(model->unknown_class));
    json_object_set_new(object, "other_size", app_json_count(run->n_resized));
}

/* How the model was run; the images are the same for all. */
static json_t *run_json(const struct app_eval *eval,
                        const struct app_eval_result *result)
{
    const struct cz_eval_run *run = &eval->run;
    const struct cz_eval_model *model = result->model;
    json_t *object = json_object();
    json_object_set_new(object, "bytes", app_json_count(result->bytes));
    json_object_set_new(object, "decoder",
                        json_string(cz_decoder_name(model->decoder)));
    json_object_set_new(object, "letterbox",
                        json_string(run->rect ? "rect" : "square"));
    json_object_set_new(object, "height", app_json_count(model->format.height));
    json_object_set_new(object, "width", app_json_count(model->format.width));
    json_object_set_new(object, "classes", app_json_known(model->n_classes));
    json_object_set_new(
        object, "compute",
        app_precision_json(model->has_plan ? &model->precision : NULL));
    json_object_set_new(
        object, "conf_threshold",
        app_json_rounded((double)model->thresholds.confidence, 1e6));
    json_object_set_new(object, "iou_threshold",
                        app_json_rounded((double)model->thresholds.iou, 1e6));
    json_object_set_new(object, "threads", app_json_count(run->threads));
    json_object_set_new(object, "wall_ms", app_json_ms(run->wall_ms));
    json_object_set_new(object, "latency_ms", latency_json(result));
    json_object_set_new(object, "cpu_ms", cpu_json(run, model));
    json_object_set_new(object, "skipped", skipped_json(run));
    add_oddities(object, run, model);
    return object;
}

static void add_source(json_t *object, const struct app_eval *eval,
                       const struct app_eval_result *result)
{
    json_t *name = app_json_text(result->name);
    json_object_set_new(object, "model", result->model ? name : json_null());
    json_object_set_new(object, "run",
                        result->model ? run_json(eval, result) : json_null());
    json_object_set_new(object, "dets", result->model ? json_null() : name);
    json_object_set_new(object, "detections",
                        app_json_count(result->detections.count));
}

static json_t *compared_json(const struct app_eval *eval)
{
    json_t *list = json_array();
    for (size_t i = 1; i < eval->n_results; i++) {
        const struct app_eval_result *result = &eval->results[i];
        json_t *object = json_object();
        add_source(object, eval, result);
        json_object_set_new(object, "stats", stats_json(&result->report));
        json_object_set_new(object, "delta_AP", delta_json(&result->ap));
        json_object_set_new(object, "delta_AP50", delta_json(&result->ap50));
        json_array_append_new(list, object);
    }
    return list;
}

static void add_times(json_t *root, const struct app_eval *eval)
{
    const double run_ms = eval->run.wall_ms;
    double read_ms = eval->read_ms, match_ms = 0;
    for (size_t i = 0; i < eval->n_results; i++) {
        read_ms += eval->results[i].read_ms;
        match_ms += eval->results[i].match_ms;
    }
    json_t *stages = json_object();
    json_object_set_new(stages, "read", app_json_ms(read_ms));
    json_object_set_new(stages, "run", app_json_ms(run_ms));
    json_object_set_new(stages, "match", app_json_ms(match_ms));
    json_object_set_new(stages, "compare", app_json_ms(eval->compare_ms));
    json_object_set_new(
        root, "time_ms",
        app_json_ms(read_ms + run_ms + match_ms + eval->compare_ms));
    json_object_set_new(root, "stages_ms", stages);
}

void app_eval_print_json(const struct app_eval *eval)
{
    const struct app_eval_options *o = eval->options;
    const struct app_eval_result *first = &eval->results[0];
    json_t *root = json_object();
    json_object_set_new(root, "schema", json_string("compress.eval/1"));
    json_object_set_new(root, "annotations", app_json_text(o->annotations));
    json_object_set_new(root, "images", app_json_count(first->report.images));
    json_object_set_new(root, "boxes", app_json_count(first->report.boxes));
    json_object_set_new(root, "interrupted",
                        json_boolean(eval->run.interrupted));
    add_source(root, eval, first);
    json_object_set_new(root, "stats", stats_json(&first->report));
    json_object_set_new(root, "ap_by_iou", ap_by_iou_json(&first->report));
    json_object_set_new(root, "per_class", per_class_json(eval));
    json_object_set_new(root, "best_f1",
                        o->per_class ? f1_json(&eval->best_f1) : json_null());
    json_object_set_new(root, "curves", curves_json(eval));
    json_object_set_new(root, "confusion", confusion_json(eval));
    json_object_set_new(root, "compared", compared_json(eval));
    add_times(root, eval);
    app_print_json(root);
}

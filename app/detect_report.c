/* What `compress detect` tells: a table, JSON, YOLO's text files. */
#include <stdio.h>
#include <string.h>

#include "app/detect.h"
#include "app/json_memory.h"
#include "app/precision.h"
#include "app/text.h"
#include "core/alloc.h"
#include "core/output.h"

/* Classes of an image that are named in its line. */
#define CLASSES_SHOWN 4

static const char *stage_name(size_t stage)
{
    return stage == APP_STAGE_WRITE ? "write"
                                    : cz_stage_name((enum cz_stage)stage);
}

static void print_label(FILE *file, const struct app_detect *detect,
                        uint32_t label)
{
    const char *name =
        cz_detector_label(cz_session_detector(detect->detector.session), label);
    if (name)
        app_print_clean(file, name);
    else
        fprintf(file, "class %u", label);
}

/* ---- for people ------------------------------------------------------- */

/* ": 3 person, 1 dog", classes in the order of their best score. */
static void print_classes(const struct app_detect *detect,
                          const struct app_detect_image *image)
{
    size_t shown = 0;
    for (size_t i = 0; i < image->n_boxes; i++) {
        size_t before = 0, same = 0;
        for (size_t k = 0; k < image->n_boxes; k++) {
            bool equal = image->boxes[k].label == image->boxes[i].label;
            before += equal && k < i;
            same += equal;
        }
        if (before)
            continue;
        if (shown == CLASSES_SHOWN) {
            fputs(", ...", stdout);
            return;
        }
        printf("%s%zu ", shown++ ? ", " : "  ", same);
        print_label(stdout, detect, image->boxes[i].label);
    }
}

static void print_image(const struct app_detect *detect,
                        const struct app_detect_image *image)
{
    fputs("  ", stdout);
    app_print_clean(stdout, image->path);
    printf(": %zux%zu, %zu box%s", image->width, image->height, image->n_boxes,
           image->n_boxes == 1 ? "" : "es");
    print_classes(detect, image);
    putchar('\n');
    if (image->not_finite)
        printf("    warning: %zu candidate%s dropped: not finite, of a "
               "negative size, or no class of the model\n",
               image->not_finite, image->not_finite == 1 ? "" : "s");
    if (image->above_one)
        printf("    warning: %zu score%s above 1: was the model exported "
               "without its sigmoid?\n",
               image->above_one, image->above_one == 1 ? "" : "s");
}

static void print_folder(const char *what, const char *folder)
{
    if (!folder)
        return;
    printf("%s: ", what);
    app_print_clean(stdout, folder);
    putchar('\n');
}

static void print_summary(const struct app_detect *detect)
{
    size_t boxes = 0;
    double sum = 0, done = (double)detect->n_done;
    for (size_t i = 0; i < detect->files.count; i++)
        boxes += detect->images[i].n_boxes;
    printf("%zu image%s, %zu box%s; ms an image:", detect->n_done,
           detect->n_done == 1 ? "" : "s", boxes, boxes == 1 ? "" : "es");
    for (size_t s = 0; s < APP_STAGE_COUNT; s++) {
        printf(" %s %.2f%s", stage_name(s), detect->ms[s] / done,
               s + 1 < APP_STAGE_COUNT ? "," : "");
        sum += detect->ms[s] / done;
    }
    printf("; %.1f in all\n", sum);
    print_folder("pictures", detect->options->folder);
    print_folder("texts", detect->options->txt);
}

void app_detect_print(const struct app_detect *detect)
{
    app_detector_print(&detect->detector);
    for (size_t i = 0; i < detect->files.count; i++) {
        if (detect->images[i].failed.code == CZ_OK)
            print_image(detect, &detect->images[i]);
    }
    print_summary(detect);
}

/* ---- JSON ------------------------------------------------------------- */

/* Rounded as COCO's tools do it: boxes to 0.001 pixel, scores to 0.00001. */
static json_t *box_json(const struct app_detect *detect,
                        const struct cz_box *box)
{
    const double sides[4] = {(double)box->x1, (double)box->y1,
                             (double)box->x2 - (double)box->x1,
                             (double)box->y2 - (double)box->y1};
    json_t *object = json_object(), *bbox = json_array();
    for (int i = 0; i < 4; i++)
        json_array_append_new(bbox, app_json_rounded(sides[i], 1e3));
    json_object_set_new(object, "label", app_json_count(box->label));
    json_object_set_new(
        object, "name",
        app_json_maybe(cz_detector_label(
            cz_session_detector(detect->detector.session), box->label)));
    json_object_set_new(object, "score",
                        app_json_rounded((double)box->score, 1e5));
    json_object_set_new(object, "bbox", bbox);
    return object;
}

static json_t *image_json(const struct app_detect *detect,
                          const struct app_detect_image *image)
{
    json_t *object = json_object(), *boxes = json_array();
    for (size_t i = 0; i < image->n_boxes; i++)
        json_array_append_new(boxes, box_json(detect, &image->boxes[i]));
    json_object_set_new(object, "path", app_json_text(image->path));
    json_object_set_new(object, "width", app_json_count(image->width));
    json_object_set_new(object, "height", app_json_count(image->height));
    json_object_set_new(object, "input_width",
                        app_json_count(image->format.width));
    json_object_set_new(object, "input_height",
                        app_json_count(image->format.height));
    json_object_set_new(object, "detections", boxes);
    json_object_set_new(object, "dropped", app_json_count(image->not_finite));
    json_object_set_new(object, "above_one", app_json_count(image->above_one));
    json_object_set_new(object, "picture", app_json_maybe(image->picture));
    json_object_set_new(object, "txt", app_json_maybe(image->txt));
    return object;
}

static json_t *thresholds_json(const struct cz_thresholds *t)
{
    json_t *object = json_object();
    json_object_set_new(object, "conf",
                        app_json_rounded((double)t->confidence, 1e6));
    json_object_set_new(object, "iou", app_json_rounded((double)t->iou, 1e6));
    json_object_set_new(object, "max_det", app_json_count(t->max_boxes));
    json_object_set_new(object, "multi_label", json_boolean(t->multi_label));
    json_object_set_new(object, "agnostic", json_boolean(t->agnostic));
    return object;
}

static json_t *times_json(const struct app_detect *detect)
{
    json_t *object = json_object();
    for (size_t s = 0; s < APP_STAGE_COUNT; s++)
        json_object_set_new(
            object, stage_name(s),
            app_json_ms(detect->ms[s] / (double)detect->n_done));
    return object;
}

/* Those that could be read, and why the others could not. */
static void list_images(json_t *images, json_t *failed,
                        const struct app_detect *detect)
{
    for (size_t i = 0; i < detect->files.count; i++) {
        const struct app_detect_image *image = &detect->images[i];
        if (image->failed.code == CZ_OK) {
            json_array_append_new(images, image_json(detect, image));
            continue;
        }
        json_t *object = json_object();
        json_object_set_new(object, "path", app_json_text(image->path));
        json_object_set_new(object, "error",
                            app_json_text(image->failed.message));
        json_array_append_new(failed, object);
    }
}

void app_detect_print_json(const struct app_detect *detect)
{
    const struct cz_engine_options *engine =
        &detect->options->detector.engine.engine;
    const struct cz_session *session = detect->detector.session;
    json_t *images = json_array(), *failed = json_array();
    json_t *root = json_object();
    list_images(images, failed, detect);
    json_object_set_new(root, "schema", json_string("compress.detect/1"));
    json_object_set_new(root, "model", app_json_text(detect->options->model));
    json_object_set_new(root, "engine",
                        json_string(cz_engine_name(engine->kind)));
    json_object_set_new(
        root, "compute",
        app_plan_json(cz_engine_plan(cz_session_engine(session))));
    json_object_set_new(root, "threads", app_json_count(engine->plan.threads));
    json_object_set_new(root, "detector", app_detector_json(&detect->detector));
    json_object_set_new(root, "thresholds",
                        thresholds_json(cz_session_thresholds(session)));
    json_object_set_new(root, "images", images);
    json_object_set_new(root, "failed", failed);
    json_object_set_new(root, "mean_ms",
                        detect->n_done ? times_json(detect) : json_null());
    app_print_json(root);
}

/* ---- YOLO's text ------------------------------------------------------ */

static void print_lines(FILE *file, const void *user)
{
    const struct app_detect_image *image = user;
    double w = (double)image->width, h = (double)image->height;
    for (size_t i = 0; i < image->n_boxes; i++) {
        const struct cz_box *b = &image->boxes[i];
        double x1 = (double)b->x1, y1 = (double)b->y1;
        double x2 = (double)b->x2, y2 = (double)b->y2;
        fprintf(file, "%u %.6f %.6f %.6f %.6f %.5f\n", b->label,
                (x1 + x2) / 2 / w, (y1 + y2) / 2 / h, (x2 - x1) / w,
                (y2 - y1) / h, (double)b->score);
    }
}

enum cz_status app_detect_write_txt(const struct app_detect_image *image,
                                    bool overwrite, struct cz_error *err)
{
    return cz_output_print(image->txt, overwrite, print_lines, image, err);
}

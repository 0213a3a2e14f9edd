/* `compress detect`: boxes on images. Reads an image, fits it into the input,
 * runs the model, makes boxes of its outputs, draws them on a copy. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "app/app.h"
#include "app/detect.h"
#include "app/progress.h"
#include "core/alloc.h"
#include "core/clock.h"
#include "core/file.h"
#include "core/output.h"

/* ---- before the work -------------------------------------------------- */

static enum cz_status list_images(struct app_detect *detect,
                                  struct cz_error *err)
{
    const struct app_detect_options *options = detect->options;
    for (int i = 0; i < options->n_images; i++)
        CZ_TRY(app_image_files_add(&detect->files, options->images[i], err));
    detect->images = cz_calloc(detect->files.count, sizeof *detect->images);
    if (!detect->images)
        return cz_error_nomem(err);
    for (size_t i = 0; i < detect->files.count; i++)
        detect->images[i].path = detect->files.paths[i];
    return CZ_OK;
}

static enum cz_status make_path(char **made, const char *folder,
                                const char *path, const char *ending,
                                struct cz_error *err)
{
    if (!folder)
        return CZ_OK;
    *made = app_image_path(folder, path, ending);
    return *made ? CZ_OK : cz_error_nomem(err);
}

static int compare_text(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Two images whose results would have one name. */
static enum cz_status check_unique(const struct app_detect *detect,
                                   size_t member, struct cz_error *err)
{
    size_t count = 0;
    const char **paths = cz_calloc(detect->files.count, sizeof *paths);
    enum cz_status status = CZ_OK;
    if (!paths)
        return cz_error_nomem(err);
    for (size_t i = 0; i < detect->files.count; i++) {
        memcpy(&paths[count], (const char *)&detect->images[i] + member,
               sizeof *paths);
        count += paths[count] != NULL;
    }
    qsort(paths, count, sizeof *paths, compare_text);
    for (size_t i = 1; i < count && status == CZ_OK; i++) {
        if (strcmp(paths[i - 1], paths[i]) == 0)
            status = cz_error_set(err, CZ_EINVAL,
                                  "%s: two images would be written there; "
                                  "give them one after the other, with "
                                  "another folder each",
                                  paths[i]);
    }
    cz_free(paths);
    return status;
}

static enum cz_status check_outputs(const struct app_detect *detect,
                                    const struct app_detect_image *image,
                                    struct cz_error *err)
{
    bool force = detect->options->detector.force;
    if (image->picture && cz_file_is_same(image->picture, image->path))
        return cz_error_set(err, CZ_EINVAL,
                            "%s: the picture would replace the image; give "
                            "another folder with -o",
                            image->path);
    if (image->picture)
        CZ_TRY(cz_output_check(image->picture, force, err));
    return image->txt ? cz_output_check(image->txt, force, err) : CZ_OK;
}

static enum cz_status prepare(struct app_detect *detect, struct cz_error *err)
{
    const struct app_detect_options *options = detect->options;
    CZ_TRY(list_images(detect, err));
    for (size_t i = 0; i < detect->files.count; i++) {
        struct app_detect_image *image = &detect->images[i];
        CZ_TRY(make_path(&image->picture, options->folder, image->path, NULL,
                         err));
        CZ_TRY(make_path(&image->txt, options->txt, image->path, ".txt", err));
        CZ_TRY(check_outputs(detect, image, err));
    }
    CZ_TRY(
        check_unique(detect, offsetof(struct app_detect_image, picture), err));
    return check_unique(detect, offsetof(struct app_detect_image, txt), err);
}

/* ---- an image --------------------------------------------------------- */

static enum cz_status keep_boxes(struct app_detect_image *image,
                                 const struct cz_boxes *boxes,
                                 struct cz_error *err)
{
    image->boxes = cz_calloc(boxes->count, sizeof *image->boxes);
    if (!image->boxes)
        return cz_error_nomem(err);
    if (boxes->count)
        memcpy(image->boxes, boxes->items, boxes->count * sizeof *image->boxes);
    image->n_boxes = boxes->count;
    image->not_finite = boxes->not_finite;
    image->above_one = boxes->above_one;
    return CZ_OK;
}

static enum cz_status write_results(struct app_detect *detect,
                                    const struct app_detect_image *image,
                                    const struct cz_image *pixels,
                                    const struct cz_boxes *boxes,
                                    struct cz_error *err)
{
    const struct app_detector *d = &detect->detector;
    bool force = detect->options->detector.force;
    if (image->txt)
        CZ_TRY(app_detect_write_txt(image, force, err));
    if (!image->picture)
        return CZ_OK;
    CZ_TRY(cz_draw_boxes(pixels, d->opencv, cz_session_detector(d->session),
                         boxes, err));
    return cz_image_write(pixels, d->opencv, image->picture, force, err);
}

static enum cz_status work_on(struct app_detect *detect,
                              struct app_detect_image *image,
                              const struct cz_image *pixels,
                              struct cz_stage_times *times,
                              struct cz_error *err)
{
    struct app_detector *d = &detect->detector;
    const struct cz_boxes *boxes;
    image->width = pixels->width;
    image->height = pixels->height;
    image->format =
        cz_session_format(d->session, pixels->width, pixels->height);
    CZ_TRY(cz_session_run(d->session, &boxes, times, pixels, err));
    CZ_TRY(keep_boxes(image, boxes, err));
    const double start = cz_now_ms();
    CZ_TRY(write_results(detect, image, pixels, boxes, err));
    detect->ms[APP_STAGE_WRITE] += cz_now_ms() - start;
    for (size_t stage = 0; stage < CZ_STAGE_COUNT; stage++)
        detect->ms[stage] += times->wall_ms[stage];
    detect->n_done++;
    return CZ_OK;
}

/* An image that cannot be read is noted; all else ends the command. */
static enum cz_status do_image(struct app_detect *detect,
                               struct app_detect_image *image,
                               struct cz_error *err)
{
    struct cz_image pixels;
    struct cz_stage_times times = {.wall_ms = {0}};
    struct cz_moment start = cz_moment_now();
    enum cz_status status = cz_image_read(&pixels, detect->detector.opencv,
                                          image->path, &image->failed);
    if (status != CZ_OK) {
        detect->n_failed++;
        *err = image->failed;
        return cz_image_is_bad(status) ? CZ_OK : status;
    }
    cz_stage_end(&times, CZ_STAGE_READ, &start);
    status = work_on(detect, image, &pixels, &times, err);
    cz_image_free(&pixels, detect->detector.opencv);
    return status;
}

/* ---- all images ------------------------------------------------------- */

/* An image and the shape of its input, for --rect. */
struct turn {
    size_t height, width, image;
};

static int compare_turns(const void *a, const void *b)
{
    const struct turn *x = a, *y = b;
    if (x->height != y->height)
        return x->height < y->height ? -1 : 1;
    if (x->width != y->width)
        return x->width < y->width ? -1 : 1;
    return x->image < y->image ? -1 : 1;
}

/* With --rect the images whose inputs have the same shape come together, since
 * each shape is a plan of its own; else they come as they were given. */
static void order_turns(struct turn *turns, const struct app_detect *detect)
{
    const struct app_detector *d = &detect->detector;
    for (size_t i = 0; i < detect->files.count; i++) {
        size_t width = 1, height = 1;
        if (d->options.rect)
            cz_image_size(&width, &height, d->opencv, detect->files.paths[i],
                          NULL);
        struct cz_input_format f = cz_session_format(
            d->session, width ? width : 1, height ? height : 1);
        turns[i] = (struct turn){f.height, f.width, i};
    }
    if (d->options.rect)
        qsort(turns, detect->files.count, sizeof *turns, compare_turns);
}

static enum cz_status do_turns(struct app_detect *detect,
                               const struct turn *turns,
                               const struct cz_progress *progress,
                               struct cz_error *err)
{
    enum cz_status status = CZ_OK;
    size_t count = detect->files.count;
    for (size_t i = 0; i < count && status == CZ_OK; i++) {
        if (!cz_progress_tick(progress, "detect", i, count))
            status =
                cz_error_set(err, CZ_EINTERRUPTED,
                             "interrupted after %zu of %zu images", i, count);
        else
            status = do_image(detect, &detect->images[turns[i].image], err);
    }
    return status;
}

static enum cz_status do_images(struct app_detect *detect, struct cz_error *err)
{
    struct app_progress progress;
    struct turn *turns = cz_calloc(detect->files.count, sizeof *turns);
    if (!turns)
        return cz_error_nomem(err);
    order_turns(turns, detect);
    app_progress_init(&progress, detect->options->detector.quiet ||
                                     detect->options->detector.json);
    enum cz_status status = do_turns(detect, turns, &progress.callback, err);
    app_progress_fini(&progress);
    cz_free(turns);
    return status;
}

static enum cz_status work(struct app_detect *detect,
                           struct app_detect_options *options,
                           struct cz_error *err)
{
    CZ_TRY(prepare(detect, err));
    CZ_TRY(app_detector_open(&detect->detector, options->model,
                             &options->detector, err));
    if (options->folder)
        CZ_TRY(cz_file_make_folder(options->folder, err));
    if (options->txt)
        CZ_TRY(cz_file_make_folder(options->txt, err));
    return do_images(detect, err);
}

/* ---- from start to end ------------------------------------------------ */

/* Each image that could not be read, on stderr; gives the exit code. */
static int tell_failures(const struct app_detect *detect)
{
    int exit_code = APP_DONE;
    for (size_t i = 0; i < detect->files.count; i++) {
        if (detect->images[i].failed.code != CZ_OK)
            exit_code = app_fail(&detect->images[i].failed);
    }
    return exit_code;
}

static int run(struct app_detect_options *options)
{
    struct app_detect detect = {.options = options};
    struct cz_error err = CZ_ERROR_INIT;
    enum cz_status status = work(&detect, options, &err);
    int exit_code = status == CZ_OK ? tell_failures(&detect) : app_fail(&err);
    if (status == CZ_OK && options->detector.json)
        app_detect_print_json(&detect);
    else if (status == CZ_OK && detect.n_done && !options->detector.quiet)
        app_detect_print(&detect);
    app_detector_close(&detect.detector);
    for (size_t i = 0; detect.images && i < detect.files.count; i++) {
        cz_free(detect.images[i].boxes);
        cz_free(detect.images[i].picture);
        cz_free(detect.images[i].txt);
    }
    cz_free(detect.images);
    app_image_files_fini(&detect.files);
    return exit_code;
}

int app_detect(int argc, char **argv)
{
    struct app_detect_options options;
    int exit_code;
    if (app_detect_options_parse(&options, argc, argv, &exit_code))
        exit_code = run(&options);
    app_detect_options_fini(&options);
    return exit_code;
}

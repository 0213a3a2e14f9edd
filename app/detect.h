/* What the files of `compress detect` share. */
#ifndef CZ_APP_DETECT_H
#define CZ_APP_DETECT_H

#include "app/detector.h"
#include "app/image_files.h"

/* The stages of an image: those of sessions, and then the drawing. */
enum { APP_STAGE_WRITE = CZ_STAGE_COUNT, APP_STAGE_COUNT };

struct app_detect_options {
    struct app_detector_options detector;
    const char *folder; /* of the pictures; NULL: none are drawn */
    const char *txt;    /* folder of YOLO text files, or NULL */
    const char *model;
    char **images; /* arguments */
    int n_images;
};

/* What was found in an image. */
struct app_detect_image {
    const char *path;
    struct cz_input_format format;
    size_t width, height;
    struct cz_box *boxes; /* [n_boxes], owned */
    size_t n_boxes, not_finite, above_one;
    char *picture;          /* where it was drawn, owned; or NULL */
    char *txt;              /* likewise */
    struct cz_error failed; /* CZ_OK: it was not */
};

struct app_detect {
    const struct app_detect_options *options;
    struct app_detector detector;
    struct app_image_files files;
    struct app_detect_image *images; /* [files.count] */
    size_t n_done, n_failed;
    double ms[APP_STAGE_COUNT]; /* sums over the images that were done */
};

/* Parses the command line. False when the command is over, with its exit code
 * in `*exit_code`. Ends with _fini in any case. */
bool app_detect_options_parse(struct app_detect_options *options, int argc,
                              char **argv, int *exit_code);
void app_detect_options_fini(struct app_detect_options *options);

void app_detect_print(const struct app_detect *detect);
void app_detect_print_json(const struct app_detect *detect);

/* A line for each box: class, centre, size (of the image's), score. */
enum cz_status app_detect_write_txt(const struct app_detect_image *image,
                                    bool overwrite, struct cz_error *err);

#endif

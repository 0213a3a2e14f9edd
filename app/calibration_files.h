/* Which images a source of calibration images names. */
#ifndef CZ_APP_CALIBRATION_FILES_H
#define CZ_APP_CALIBRATION_FILES_H

#include "app/image_files.h"

/* Adds the images of `source`, none of which is read:
 *
 * - a folder: the images in it or, where there are none, in images/ below it;
 * - NAME.txt: one path a line, from the file's folder on; empty lines and those
 *   that begin with # are nothing;
 * - NAME.json: COCO's instances; an image is looked for beside the file, then
 *   in images/ there;
 * - NAME.yaml, NAME.yml: the `val:` images of a YOLO data set;
 * - else: an image.
 *
 * Errors: those of app_image_files_add() and cz_coco_load(); CZ_EIO for a list
 * that cannot be read. End `files` with _fini whatever the result. */
enum cz_status app_calibration_files_add(struct app_image_files *files,
                                         const char *source,
                                         struct cz_error *err);

#endif

/* The parts of a YOLO data set: data.yaml, files of images, files of labels. */
#ifndef CZ_EVAL_YOLO_INTERNAL_H
#define CZ_EVAL_YOLO_INTERNAL_H

#include "eval/coco_internal.h"

/* A growing list of texts in an arena. */
struct cz_texts {
    const char **items; /* [count]; in the arena */
    size_t count, capacity;
};

enum cz_status cz_texts_add(struct cz_texts *texts, struct cz_arena *arena,
                            const char *text, struct cz_error *err);

/* What a data.yaml says. All texts are in `arena`. */
struct cz_yolo {
    struct cz_arena arena;
    const char *folder;    /* of the yaml, with a slash, or "" */
    const char *root;      /* `path:`, or NULL */
    struct cz_texts val;   /* `val:`, one or several */
    struct cz_texts names; /* of the classes */
};

/* CZ_EIO, CZ_EPARSE with file and line. End with _fini in any case. */
enum cz_status cz_yolo_read(struct cz_yolo *yolo, const char *path,
                            struct cz_error *err);
void cz_yolo_fini(struct cz_yolo *yolo);

/* The images that `val:` names, sorted. CZ_EIO, CZ_EINVAL: there is none. */
enum cz_status cz_yolo_images(struct cz_texts *images, struct cz_yolo *yolo,
                              struct cz_error *err);

/* The text of a list file or a file of labels, whole; cz_free() it. CZ_EIO for
 * what is no regular file, CZ_EPARSE for one with a NUL in it. */
enum cz_status cz_yolo_text_load(char **text, const char *path,
                                 struct cz_error *err);

/* Appends the boxes of the image at place `image`, whose labels are at `path`;
 * where that is not there, none. */
enum cz_status cz_yolo_labels(struct cz_coco *coco, size_t image,
                              const char *path, struct cz_error *err);

#endif

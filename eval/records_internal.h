/* Lists of flat objects in a JSON file, read as a stream.
 *
 * COCO's files are a few lists of small objects (and polygons, which nobody
 * here needs) and may be larger than memory. So no tree is made: each object is
 * given to a function when it ends, and forgotten. */
#ifndef CZ_EVAL_RECORDS_INTERNAL_H
#define CZ_EVAL_RECORDS_INTERNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/error.h"

enum cz_field_kind {
    CZ_FIELD_INTEGER,
    CZ_FIELD_NUMBER, /* finite */
    CZ_FIELD_FLAG,   /* true, false, or a number: 0 is false */
    CZ_FIELD_TEXT,
    CZ_FIELD_ID,  /* an integer, or text */
    CZ_FIELD_BOX, /* a list of four finite numbers */
};

struct cz_field {
    const char *name;
    enum cz_field_kind kind;
    bool required; /* where it is not, null is as good as nothing */
};

/* What a field's kind says is filled in, where `present`. */
struct cz_field_value {
    bool present;
    int64_t integer; /* integer, flag */
    double number;
    double box[4];
    const char *text; /* with a NUL; NULL where an id is an integer */
};

/* One list of objects. */
struct cz_record_list {
    const char *key;  /* of the list in the file's object; NULL: the file itself
                        is the list */
    const char *noun; /* what one is called in messages: "annotation" */
    const struct cz_field *fields; /* [n_fields], at most CZ_FIELDS_MAX */
    size_t n_fields;
    /* One object, with values[n_fields]; they and their text are good during
     * the call. What it says in `err` is put behind file, number and line. */
    enum cz_status (*take)(void *user, const struct cz_field_value *values,
                           struct cz_error *err);
};

#define CZ_FIELDS_MAX 8

/* Where the bytes are: in the file at `name`, or in memory. */
struct cz_source {
    const char *name;
    const void *bytes; /* NULL: read the file */
    size_t size;
};

/* Reads the lists, each of which has to be there once, in the order of the
 * file. CZ_EIO, CZ_EPARSE with file, object and line, or what take() said. */
enum cz_status cz_records_read(const struct cz_source *source,
                               const struct cz_record_list *lists,
                               size_t n_lists, void *user,
                               struct cz_error *err);

#endif

/* Attributes read strictly: what is there must have the right kind, count and
 * range; what is not there leaves the default that the caller has set. */
#ifndef CZ_ENGINE_ATTR_INTERNAL_H
#define CZ_ENGINE_ATTR_INTERNAL_H

#include "engine/plan_internal.h"

/* Whose attributes, and where errors go. */
struct cz_attrs {
    const struct cz_step *step;
    const struct cz_node *node;
    struct cz_error *err;
};

/* An integer of least..most. */
struct cz_range {
    int64_t least, most;
};

#define CZ_RANGE_ANY ((struct cz_range){INT64_MIN, INT64_MAX})

enum cz_status cz_attrs_int(const struct cz_attrs *attrs, const char *name,
                            struct cz_range range, int64_t *number);
enum cz_status cz_attrs_bool(const struct cz_attrs *attrs, const char *name,
                             bool *truth);
enum cz_status cz_attrs_float(const struct cz_attrs *attrs, const char *name,
                              float *number);

/* A list of integers in [capacity], each in `range`; *count is 0 where there
 * is none. */
struct cz_attrs_list {
    int64_t *ints;
    size_t capacity;
    struct cz_range range;
};
enum cz_status cz_attrs_ints(const struct cz_attrs *attrs, const char *name,
                             struct cz_attrs_list list, size_t *count);

/* The index of a string attribute in `words`, which a NULL ends. */
enum cz_status cz_attrs_word(const struct cz_attrs *attrs, const char *name,
                             const char *const *words, size_t *index);

#endif

/* Strict readers of attributes. */
#include <inttypes.h>
#include <string.h>

#include "engine/attr_internal.h"

/* *found is NULL where there is no such attribute. */
static enum cz_status find(const struct cz_attrs *attrs, const char *name,
                           enum cz_attr_kind kind, const char *what,
                           const struct cz_attr **found)
{
    *found = cz_node_attr(attrs->node, name);
    if (!*found || (*found)->kind == kind)
        return CZ_OK;
    return cz_step_error(attrs->step, attrs->err,
                         "attribute '%s' has type %d, want %d (%s)", name,
                         (*found)->kind, kind, what);
}

static enum cz_status check_range(const struct cz_attrs *attrs,
                                  const char *name, struct cz_range range,
                                  int64_t number)
{
    if (number >= range.least && number <= range.most)
        return CZ_OK;
    return cz_step_error(attrs->step, attrs->err,
                         "'%s' is %" PRId64 ", want %" PRId64 " to %" PRId64,
                         name, number, range.least, range.most);
}

enum cz_status cz_attrs_int(const struct cz_attrs *attrs, const char *name,
                            struct cz_range range, int64_t *number)
{
    const struct cz_attr *attr;
    CZ_TRY(find(attrs, name, CZ_ATTR_INT, "an integer", &attr));
    if (!attr)
        return CZ_OK;
    *number = attr->ints[0];
    return check_range(attrs, name, range, *number);
}

enum cz_status cz_attrs_bool(const struct cz_attrs *attrs, const char *name,
                             bool *truth)
{
    int64_t number = *truth;
    CZ_TRY(cz_attrs_int(attrs, name, (struct cz_range){0, 1}, &number));
    *truth = number != 0;
    return CZ_OK;
}

enum cz_status cz_attrs_float(const struct cz_attrs *attrs, const char *name,
                              float *number)
{
    const struct cz_attr *attr;
    CZ_TRY(find(attrs, name, CZ_ATTR_FLOAT, "a float", &attr));
    if (attr)
        *number = attr->floats[0];
    return CZ_OK;
}

enum cz_status cz_attrs_ints(const struct cz_attrs *attrs, const char *name,
                             struct cz_attrs_list list, size_t *count)
{
    const struct cz_attr *attr;
    *count = 0;
    CZ_TRY(find(attrs, name, CZ_ATTR_INTS, "integers", &attr));
    if (!attr)
        return CZ_OK;
    if (attr->count > list.capacity)
        return cz_step_error(attrs->step, attrs->err,
                             "'%s' has %zu numbers, at most %zu can be", name,
                             attr->count, list.capacity);
    for (size_t i = 0; i < attr->count; i++) {
        CZ_TRY(check_range(attrs, name, list.range, attr->ints[i]));
        list.ints[i] = attr->ints[i];
    }
    *count = attr->count;
    return CZ_OK;
}

enum cz_status cz_attrs_word(const struct cz_attrs *attrs, const char *name,
                             const char *const *words, size_t *index)
{
    const struct cz_attr *attr;
    CZ_TRY(find(attrs, name, CZ_ATTR_STRING, "a string", &attr));
    if (!attr)
        return CZ_OK;
    for (size_t i = 0; words[i]; i++) {
        if (strcmp(attr->strings[0].data, words[i]) == 0) {
            *index = i;
            return CZ_OK;
        }
    }
    return cz_step_unsupported(attrs->step, attrs->err, "%s is '%.60s'", name,
                               attr->strings[0].data);
}

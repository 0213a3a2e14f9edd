/* The shapes that a caller gives for a model's inputs, whatever the engine. */
#include <string.h>

#include "engine/plan_internal.h"

static bool is_input(const char *name, const struct cz_port *inputs,
                     size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(inputs[i].name, name) == 0)
            return true;
    }
    return false;
}

static bool is_same(const char *a, const char *b)
{
    return a && b ? strcmp(a, b) == 0 : a == b;
}

enum cz_status cz_shapes_check(const struct cz_input_shape *shapes,
                               size_t n_shapes, const struct cz_port *inputs,
                               size_t count, struct cz_error *err)
{
    for (size_t s = 0; s < n_shapes; s++) {
        const char *name = shapes[s].name;
        if (name && !is_input(name, inputs, count))
            return cz_error_set(err, CZ_EINVAL,
                                "a shape for '%.200s', which is no input of "
                                "the model",
                                name);
        for (size_t k = 0; k < s; k++) {
            if (is_same(shapes[k].name, name))
                return cz_error_set(err, CZ_EINVAL, "two shapes %s%.200s%s",
                                    name ? "for input '" : "without a name",
                                    name ? name : "", name ? "'" : "");
        }
    }
    return CZ_OK;
}

const struct cz_dims *cz_shapes_find(const struct cz_input_shape *shapes,
                                     size_t n_shapes, const char *input,
                                     bool is_open)
{
    const struct cz_dims *found = NULL;
    for (size_t i = 0; i < n_shapes; i++) {
        if (shapes[i].name && strcmp(shapes[i].name, input) == 0)
            return &shapes[i].dims;
        if (!shapes[i].name && is_open)
            found = &shapes[i].dims;
    }
    return found;
}

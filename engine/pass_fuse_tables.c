/* MapCodes behind a step that ends in a table of its own: one table does both,
 * if nobody reads the codes between. */
#include <string.h>

#include "engine/codes_internal.h"

/* Where the table of a step that makes codes is, or NULL. */
static const uint8_t **table_of(const struct cz_step *step)
{
    if (!step || step->outputs[0]->dtype == CZ_DTYPE_FLOAT)
        return NULL;
    if (strcmp(step->op->op_type, CZ_OP_CONV_CODES) == 0)
        return &((struct cz_conv_codes_params *)step->params)->table;
    if (strcmp(step->op->op_type, CZ_OP_MAP_CODES) == 0)
        return &((struct cz_map_codes_params *)step->params)->table;
    return NULL;
}

enum cz_status cz_pass_fuse_tables(struct cz_plan *plan, struct cz_error *err)
{
    for (size_t i = 0; i < plan->n_steps; i++) {
        struct cz_step *map = plan->steps[i];
        if (strcmp(map->op->op_type, CZ_OP_MAP_CODES) != 0)
            continue;
        const struct cz_array *in = map->inputs[0];
        struct cz_array *out = map->outputs[0];
        const uint8_t **first = table_of(in->producer),
                      *second = *table_of(map);
        if (!first || in->n_uses != 1 || in->is_kept || in->dtype != out->dtype)
            continue;
        uint8_t *both = cz_arena_alloc(&plan->arena, CZ_CODES, 1);
        if (!both)
            return cz_error_nomem(err);
        for (size_t k = 0; k < CZ_CODES; k++)
            both[k] = second[*first ? (*first)[k] : k];
        *first = both;
        in->producer->outputs[0] = out;
        out->producer = in->producer;
        map->is_dead = true;
    }
    return CZ_OK;
}

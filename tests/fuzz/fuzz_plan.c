/* Any bytes as a model: compile a plan with open dims filled in, and run a
 * frame of what is small. Inputs are the bytes themselves, so that indices and
 * counts that steer operators are any numbers. */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "engine/engine.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

/* What is larger takes too long to tell a loop without end from hard work. */
#define ARENA_BYTES_MAX (1u << 20)
#define MACS_MAX (1u << 22)

#define REFERENCE_ONLY                                                         \
    "-onednn,-openblas,-winograd,-depthwise,-direct,-blocked,-place,-simd"

static bool is_small(const struct cz_plan *plan)
{
    size_t arena_bytes, packed_bytes;
    uint64_t macs = 0;
    cz_plan_memory(plan, &arena_bytes, &packed_bytes);
    for (size_t i = 0; i < cz_plan_step_count(plan); i++) {
        uint64_t step = cz_plan_step(plan, i).macs;
        if (step > MACS_MAX)
            return false;
        macs += step;
    }
    return arena_bytes <= ARENA_BYTES_MAX && macs <= MACS_MAX;
}

static void fill(const struct cz_plan *plan, const uint8_t *bytes, size_t size)
{
    size_t count;
    const struct cz_port *ports = cz_plan_inputs(plan, &count);
    for (size_t i = 0; i < count; i++)
        for (size_t at = 0; at < ports[i].size_bytes; at += size) {
            size_t left = ports[i].size_bytes - at;
            memcpy((char *)ports[i].data + at, bytes,
                   left < size ? left : size);
        }
}

/* What no option says is taken from the input's size, so that it stays the same
 * for the same bytes. */
static void compile(struct cz_model *model, const uint8_t *bytes, size_t size)
{
    const struct cz_input_shape shape = {
        .dims = {.rank = 4, .size = {1, 3, 8, 8}}};
    struct cz_plan_options options = CZ_PLAN_OPTIONS_INIT;
    struct cz_plan *plan;
    struct cz_error err;
    options.threads = 1;
    options.shapes = &shape;
    options.n_shapes = size % 5 != 0;
    options.keep_all = size % 7 == 0;
    options.passes = size % 3 ? NULL : "none";
    options.kernels = size % 2 ? "-onednn" : REFERENCE_ONLY;
    if (cz_plan_compile(&plan, model, &options, &err) != CZ_OK)
        return;
    if (is_small(plan)) {
        fill(plan, bytes, size);
        if (cz_plan_run(plan, &err) == CZ_OK)
            cz_plan_run(plan, &err);
    }
    cz_plan_free(plan);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct cz_error err;
    struct cz_model *model;
    if (cz_model_parse(&model, bytes, size, "fuzz", NULL, &err) != CZ_OK)
        return 0;
    compile(model, bytes, size);
    cz_model_free(model);
    return 0;
}

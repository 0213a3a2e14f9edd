/* Steps between codes and floats, and from codes to codes, a vector at a time:
 * QuantizeLinear and DequantizeLinear of one scale in either layout, MapCodes,
 * AddCodes. */
#include <string.h>

#include "core/sizes.h"
#include "engine/bytes_internal.h"
#include "engine/kernels_internal.h"
#include "engine/op_facts_internal.h"

/* Elements of a piece of work: they stay in the first cache. */
#define CHUNK ((size_t)8192)
/* Pixels of one, where the layout changes. */
#define PIXELS ((size_t)256)

/* ---- MapCodes and AddCodes -------------------------------------------- */

static bool fits_codes(const struct cz_step *step, const struct cz_plan *plan)
{
    const struct cz_array *y = step->outputs[0];
    (void)plan;
    for (size_t i = 0; i < step->n_inputs; i++) {
        if (step->inputs[i]->layout != y->layout)
            return false;
    }
    return !step->is_dynamic;
}

static size_t chunk_size(const struct cz_step *step, size_t from)
{
    return cz_least(CHUNK, step->outputs[0]->size_bytes - from);
}

static void map_chunk(void *user, size_t i)
{
    const struct cz_step *step = user;
    const struct cz_map_codes_params *p = step->params;
    const size_t from = i * CHUNK;
    cz_byte_loops_find()->map(
        p->table, (uint8_t *)step->outputs[0]->data + from,
        (const uint8_t *)step->inputs[0]->data + from, chunk_size(step, from));
}

static void add_chunk(void *user, size_t i)
{
    const struct cz_step *step = user;
    const struct cz_array *a = step->inputs[0], *b = step->inputs[1];
    const struct cz_array *y = step->outputs[0];
    const struct cz_byte_add add = {step->params, a->dtype, b->dtype, y->dtype};
    const size_t from = i * CHUNK;
    cz_byte_loops_find()->add(
        &add, (uint8_t *)y->data + from, (const uint8_t *)a->data + from,
        (const uint8_t *)b->data + from, chunk_size(step, from));
}

static enum cz_status run_chunks(struct cz_step *step,
                                 const struct cz_exec *exec,
                                 void (*work)(void *user, size_t i))
{
    cz_team_for(exec, (step->outputs[0]->size_bytes + CHUNK - 1) / CHUNK, work,
                step);
    return CZ_OK;
}

static enum cz_status run_map(struct cz_step *step, const struct cz_exec *exec,
                              struct cz_error *err)
{
    (void)err;
    return run_chunks(step, exec, map_chunk);
}

static enum cz_status run_add(struct cz_step *step, const struct cz_exec *exec,
                              struct cz_error *err)
{
    (void)err;
    return run_chunks(step, exec, add_chunk);
}

/* ---- QuantizeLinear and DequantizeLinear ------------------------------ */

/* Floats have `lanes` channels of a pixel together, of which the codes have
 * `block`: both 1 where nothing is blocked. */
struct change {
    const struct cz_byte_loops *simd;
    struct cz_coding coding;
    bool to_codes;
    size_t lanes, block;
    size_t pixels, count; /* of a plane; elements */
    float *floats;
    uint8_t *codes;
};

static bool fits_change(const struct cz_step *step, const struct cz_plan *plan)
{
    const struct cz_array *x = step->inputs[0], *y = step->outputs[0];
    struct cz_quantization q;
    if (!cz_op_quantization(step, &q) || q.count != 1)
        return false;
    const struct cz_array *codes = q.to_codes ? y : x;
    const struct cz_array *floats = q.to_codes ? x : y;
    if (!cz_is_codes(codes->dtype) || floats->dtype != CZ_DTYPE_FLOAT)
        return false;
    if (codes->layout == CZ_LAYOUT_PLAIN)
        return floats->layout == CZ_LAYOUT_PLAIN;
    return CZ_CODES_BLOCK % plan->block == 0 &&
           (size_t)codes->dims.size[1] % CZ_CODES_BLOCK == 0;
}

static enum cz_status prepare(struct cz_step *step, const struct cz_plan *plan,
                              void **state, struct cz_error *err)
{
    struct change *c = cz_calloc(1, sizeof *c);
    struct cz_quantization q;
    if (!c)
        return cz_error_nomem(err);
    *state = c;
    cz_op_quantization(step, &q);
    const struct cz_array *codes =
        q.to_codes ? step->outputs[0] : step->inputs[0];
    const struct cz_array *floats =
        q.to_codes ? step->inputs[0] : step->outputs[0];
    const bool is_blocked = codes->layout == CZ_LAYOUT_BLOCKED;
    c->simd = cz_byte_loops_find();
    c->coding.dtype = codes->dtype;
    c->coding.scale = *q.scale;
    c->coding.zero = q.zero ? cz_code_at(codes->dtype, q.zero->known, 0) : 0;
    c->to_codes = q.to_codes;
    c->block = is_blocked ? CZ_CODES_BLOCK : 1;
    c->lanes = floats->layout == CZ_LAYOUT_BLOCKED ? plan->block : 1;
    c->count = cz_array_count(codes);
    c->pixels = is_blocked ? cz_dims_product(&codes->dims, 2, 4) : c->count;
    return CZ_OK;
}

static void change_run(const struct change *c, uint8_t *codes, float *floats,
                       size_t n)
{
    if (c->to_codes)
        c->simd->quantize(&c->coding, codes, floats, n);
    else
        c->simd->dequantize(&c->coding, floats, codes, n);
}

static void change_chunk(void *user, size_t i)
{
    const struct change *c = user;
    const size_t from = i * CHUNK;
    change_run(c, c->codes + from, c->floats + from,
               cz_least(CHUNK, c->count - from));
}

/* Moves n pixels between the block of codes and a dense row of `lanes` of its
 * channels. */
static inline void move_pixels(const struct change *c, uint8_t *block,
                               uint8_t *row, size_t n, size_t lanes)
{
    for (size_t p = 0; p < n; p++, block += CZ_CODES_BLOCK, row += lanes) {
        if (c->to_codes)
            memcpy(block, row, lanes);
        else
            memcpy(row, block, lanes);
    }
}

/* The same, as a loop of its own for each number of lanes. */
static void move_lanes(const struct change *c, uint8_t *block, uint8_t *row,
                       size_t n)
{
    if (c->lanes == 8)
        move_pixels(c, block, row, n, 8);
    else if (c->lanes == 4)
        move_pixels(c, block, row, n, 4);
    else
        move_pixels(c, block, row, n, 1);
}

/* Some pixels of one block of codes, which are `block` / `lanes` pieces of
 * floats, a plane apart from each other. */
static void change_pixels(void *user, size_t i)
{
    const struct change *c = user;
    const size_t pieces = (c->pixels + PIXELS - 1) / PIXELS;
    const size_t block = i / pieces * c->pixels * CZ_CODES_BLOCK;
    const size_t from = i % pieces * PIXELS;
    const size_t n = cz_least(PIXELS, c->pixels - from);
    uint8_t row[PIXELS * CZ_CODES_BLOCK];
    for (size_t at = 0; at < CZ_CODES_BLOCK; at += c->lanes) {
        uint8_t *codes = c->codes + block + from * CZ_CODES_BLOCK + at;
        float *floats = c->floats + block + at * c->pixels + from * c->lanes;
        if (!c->to_codes)
            move_lanes(c, codes, row, n);
        change_run(c, row, floats, n * c->lanes);
        if (c->to_codes)
            move_lanes(c, codes, row, n);
    }
}

static enum cz_status run_change(struct cz_step *step,
                                 const struct cz_exec *exec,
                                 struct cz_error *err)
{
    struct change *c = step->state;
    (void)err;
    c->codes = (c->to_codes ? step->outputs[0] : step->inputs[0])->data;
    c->floats = (c->to_codes ? step->inputs[0] : step->outputs[0])->data;
    if (c->block == c->lanes) {
        cz_team_for(exec, (c->count + CHUNK - 1) / CHUNK, change_chunk, c);
        return CZ_OK;
    }
    const size_t blocks = c->count / (c->pixels * CZ_CODES_BLOCK);
    cz_team_for(exec, blocks * ((c->pixels + PIXELS - 1) / PIXELS),
                change_pixels, c);
    return CZ_OK;
}

#define CODES(type, runner)                                                    \
    {                                                                          \
        .name = "codes", .op_type = type, .fits = fits_codes, .run = runner    \
    }
#define CHANGE(type)                                                           \
    {                                                                          \
        .name = "codes", .op_type = type, .fits = fits_change,                 \
        .prepare = prepare, .run = run_change, .release = cz_free              \
    }

const struct cz_kernel cz_kernels_codes[] = {
    CODES(CZ_OP_MAP_CODES, run_map),
    CODES(CZ_OP_ADD_CODES, run_add),
    CHANGE("QuantizeLinear"),
    CHANGE("DequantizeLinear"),
    {.name = NULL},
};

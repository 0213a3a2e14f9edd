/* Many frames, each waiting between the same two steps of a plan. */
#include <string.h>

#include "core/checked.h"
#include "engine/plan_internal.h"

struct frame {
    char *bytes; /* of the roots that live on, one behind the other; NULL: none
                    was saved */
    size_t size, step;
};

struct cz_frames {
    struct frame *frames; /* [count] */
    size_t count;
};

enum cz_status cz_frames_new(struct cz_frames **frames, size_t count,
                             struct cz_error *err)
{
    struct cz_frames *f = cz_calloc(1, sizeof *f);
    *frames = f;
    if (!f)
        return cz_error_nomem(err);
    f->frames = cz_calloc(count + 1, sizeof *f->frames);
    f->count = count;
    return f->frames ? CZ_OK : cz_error_nomem(err);
}

void cz_frames_free(struct cz_frames *frames)
{
    for (size_t i = 0; frames && frames->frames && i < frames->count; i++)
        cz_free(frames->frames[i].bytes);
    if (frames)
        cz_free(frames->frames);
    cz_free(frames);
}

/* ---- what lives on ---------------------------------------------------- */

enum { MADE = 1, READ = 2, LIVES = MADE | READ };

static void mark(uint8_t *marks, const struct cz_array *array, uint8_t how)
{
    if (array)
        marks[array->id] |= how;
}

/* By id: what was made before `step`, and what is read from there on. */
static void mark_arrays(uint8_t *marks, const struct cz_plan *plan, size_t step)
{
    for (size_t i = 0; i < plan->n_arrays; i++) {
        if (plan->arrays[i]->is_input)
            mark(marks, plan->arrays[i], MADE);
        if (plan->arrays[i]->is_kept)
            mark(marks, plan->arrays[i], READ);
    }
    for (size_t i = 0; i < plan->n_steps; i++) {
        const struct cz_step *s = plan->steps[i];
        for (size_t k = 0; k < s->n_outputs && i < step; k++)
            mark(marks, s->outputs[k], MADE);
        for (size_t k = 0; k < s->n_inputs && i >= step; k++)
            mark(marks, s->inputs[k], READ);
        if (i >= step)
            mark(marks, s->residual, READ);
    }
}

/* Moves the marks of what lies in another array to that. */
static void mark_roots(uint8_t *marks, const struct cz_plan *plan)
{
    for (size_t i = 0; i < plan->n_arrays; i++) {
        const struct cz_array *array = plan->arrays[i], *root = array;
        const bool lives = marks[array->id] == LIVES && !array->is_constant;
        while (root->root != root)
            root = root->root;
        if (marks[array->id] == LIVES && root != array)
            marks[array->id] = 0;
        if (lives)
            marks[root->id] = LIVES;
    }
}

static enum cz_status find_live(uint8_t **marks, const struct cz_plan *plan,
                                size_t step, struct cz_error *err)
{
    for (size_t i = 0; i < plan->n_arrays; i++) {
        if (plan->arrays[i]->is_dynamic)
            return cz_error_set(err, CZ_EUNSUPPORTED,
                                "'%.200s' has a size that depends on the data: "
                                "no frame can wait for others",
                                plan->arrays[i]->name);
    }
    *marks = cz_calloc(plan->n_arrays + 1, 1);
    if (!*marks)
        return cz_error_nomem(err);
    mark_arrays(*marks, plan, step);
    mark_roots(*marks, plan);
    return CZ_OK;
}

static bool is_live_root(const uint8_t *marks, const struct cz_array *array)
{
    return marks[array->id] == LIVES && array->root == array &&
           !array->is_constant;
}

/* ---- there and back --------------------------------------------------- */

static enum cz_status make_room(struct frame *frame, const uint8_t *marks,
                                const struct cz_plan *plan,
                                struct cz_error *err)
{
    size_t size = 0;
    for (size_t i = 0; i < plan->n_arrays; i++) {
        if (is_live_root(marks, plan->arrays[i]) &&
            !cz_add_size(size, plan->arrays[i]->size_bytes, &size))
            return cz_error_nomem(err);
    }
    char *bytes = cz_realloc_array(frame->bytes, size + 1, 1);
    if (!bytes)
        return cz_error_nomem(err);
    frame->bytes = bytes;
    frame->size = size;
    return CZ_OK;
}

enum cz_status cz_frames_save(struct cz_frames *frames, size_t i,
                              struct cz_plan *plan, size_t step,
                              struct cz_error *err)
{
    struct frame *frame = &frames->frames[i];
    uint8_t *marks = NULL;
    if (step == 0)
        cz_plan_read_inputs(plan);
    frame->step = step;
    CZ_TRY(find_live(&marks, plan, step, err));
    const enum cz_status status = make_room(frame, marks, plan, err);
    char *to = frame->bytes;
    for (size_t k = 0; k < plan->n_arrays && status == CZ_OK; k++) {
        const struct cz_array *array = plan->arrays[k];
        if (!is_live_root(marks, array))
            continue;
        memcpy(to, array->data, array->size_bytes);
        to += array->size_bytes;
    }
    cz_free(marks);
    return status;
}

enum cz_status cz_frames_load(const struct cz_frames *frames, size_t i,
                              struct cz_plan *plan, size_t step,
                              struct cz_error *err)
{
    const struct frame *frame = &frames->frames[i];
    const char *from = frame->bytes;
    size_t left = frame->size;
    uint8_t *marks = NULL;
    CZ_TRY(find_live(&marks, plan, step, err));
    bool fits = frame->bytes && frame->step == step;
    for (size_t k = 0; k < plan->n_arrays && fits; k++) {
        const struct cz_array *array = plan->arrays[k];
        if (!is_live_root(marks, array))
            continue;
        fits = array->size_bytes <= left;
        if (!fits)
            break;
        memcpy(array->data, from, array->size_bytes);
        from += array->size_bytes;
        left -= array->size_bytes;
    }
    cz_free(marks);
    if (step == 0)
        cz_plan_write_inputs(plan);
    return fits && left == 0
               ? CZ_OK
               : cz_error_set(err, CZ_EINVAL,
                              "the frame was saved before another step");
}

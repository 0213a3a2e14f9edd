/* The tiles of lines along an axis, and their threads. */
#include "engine/lines_internal.h"

/* Elements that one thread takes at a time, at least. */
#define CHUNK ((size_t)16384)

struct jobs {
    const struct cz_lines *lines;
    size_t tiles_a_row; /* tiles side by side in `inner` */
    size_t tiles, tiles_a_job;
    size_t x_bytes, y_bytes; /* of an element */
};

struct cz_lines cz_lines_of(const struct cz_step *step, size_t from, size_t to)
{
    const struct cz_dims *dims = &step->inputs[0]->dims;
    return (struct cz_lines){
        .input = step->inputs[0],
        .output = step->outputs[0],
        .outer = cz_dims_product(dims, 0, from),
        .length = cz_dims_product(dims, from, to),
        .inner = cz_dims_product(dims, to, dims->rank),
    };
}

static void run_tile(const struct jobs *jobs, size_t tile)
{
    const struct cz_lines *lines = jobs->lines;
    const size_t row = tile / jobs->tiles_a_row;
    const size_t column = tile % jobs->tiles_a_row * CZ_TILE;
    const size_t left = lines->inner - column;
    const size_t x_at = row * lines->length * lines->inner + column;
    const size_t y_at = lines->reduces ? row * lines->inner + column : x_at;
    lines->kernel(&(struct cz_tile){
        .x = (const char *)lines->input->data + x_at * jobs->x_bytes,
        .y = (char *)lines->output->data + y_at * jobs->y_bytes,
        .length = lines->length,
        .stride = lines->inner,
        .count = left < CZ_TILE ? left : CZ_TILE,
        .user = lines->user,
    });
}

static void run_job(void *user, size_t job)
{
    const struct jobs *jobs = user;
    const size_t begin = job * jobs->tiles_a_job, left = jobs->tiles - begin;
    const size_t end =
        begin + (left < jobs->tiles_a_job ? left : jobs->tiles_a_job);
    for (size_t tile = begin; tile < end; tile++)
        run_tile(jobs, tile);
}

void cz_lines_run(const struct cz_lines *lines, const struct cz_exec *exec)
{
    if (cz_array_count(lines->output) == 0)
        return;
    const size_t width = lines->inner < CZ_TILE ? lines->inner : CZ_TILE;
    struct jobs jobs = {
        .lines = lines,
        .tiles_a_row = (lines->inner - 1) / CZ_TILE + 1,
        .tiles_a_job = CHUNK / (width * lines->length + 1) + 1,
        .x_bytes = cz_element_bytes(lines->input->dtype),
        .y_bytes = cz_element_bytes(lines->output->dtype),
    };
    jobs.tiles = lines->outer * jobs.tiles_a_row;
    cz_team_for(exec, (jobs.tiles - 1) / jobs.tiles_a_job + 1, run_job, &jobs);
}

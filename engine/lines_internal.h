/* Operators that work along one axis of [outer, length, inner]: each line of
 * `length` elements, `inner` apart, by itself.
 *
 * Lines that are neighbours in memory come as a tile, so that the innermost
 * loop can go over memory and not across it. */
#ifndef CZ_ENGINE_LINES_INTERNAL_H
#define CZ_ENGINE_LINES_INTERNAL_H

#include "engine/plan_internal.h"

#define CZ_TILE 64

struct cz_tile {
    const void *x; /* element k of line j: x[k * stride + j] */
    void *y;       /* the same, or y[j] where there is one result a line */
    size_t length; /* of a line */
    size_t stride;
    size_t count; /* lines, at most CZ_TILE */
    const void *user;
};

struct cz_lines {
    const struct cz_array *input;
    struct cz_array *output;
    size_t outer, length, inner;
    bool reduces; /* one result a line */
    void (*kernel)(const struct cz_tile *tile);
    const void *user;
};

/* The lines of step's input 0, from `from` to `to` of its dimensions, into
 * its output 0. */
struct cz_lines cz_lines_of(const struct cz_step *step, size_t from, size_t to);

/* Calls the kernel for tiles that together are all lines, from several
 * threads. */
void cz_lines_run(const struct cz_lines *lines, const struct cz_exec *exec);

#endif

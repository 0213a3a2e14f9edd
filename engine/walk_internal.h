/* Walking over operands that are broadcast against each other.
 *
 * An operator that works element by element is a kernel for one row: a run of
 * the output in which each operand either advances or stands still. The walk
 * finds the longest rows, and spreads them over the threads. */
#ifndef CZ_ENGINE_WALK_INTERNAL_H
#define CZ_ENGINE_WALK_INTERNAL_H

#include "engine/plan_internal.h"

#define CZ_WALK_MAX 3

struct cz_row {
    void *y; /* [count] */
    const void *x[CZ_WALK_MAX];
    size_t step[CZ_WALK_MAX]; /* elements from one to the next: 1 or 0 */
    size_t count;
    const void *user; /* the walk's */
};

struct cz_walk {
    struct cz_array *output;
    size_t n_inputs;
    const struct cz_array *inputs[CZ_WALK_MAX]; /* broadcast to the output */
    void (*kernel)(const struct cz_row *row);
    const void *user;
};

/* Calls the kernel for rows that together are the output, from several
 * threads. Operands of one shape may have a blocked layout. */
void cz_walk_run(const struct cz_walk *walk, const struct cz_exec *exec);

/* Elements of an array in memory, those of its blocks' padding included. */
size_t cz_walk_count(const struct cz_array *array);

/* A kernel called op_name of two operands: for each pair u, v of T the
 * `expression`, an R. The three loops are for the compiler: each is over dense
 * memory. No row has two operands that stand still, since then it would not
 * be one. */
#define CZ_BINARY_KERNEL(op, name, T, R, expression)                           \
    static void op##_##name(const struct cz_row *row)                          \
    {                                                                          \
        const T *a = row->x[0], *b = row->x[1];                                \
        const size_t n = row->count;                                           \
        R *y = row->y;                                                         \
        if (row->step[0] && row->step[1]) {                                    \
            for (size_t i = 0; i < n; i++) {                                   \
                const T u = a[i], v = b[i];                                    \
                y[i] = (R)(expression);                                        \
            }                                                                  \
        } else if (row->step[0]) {                                             \
            const T v = *b;                                                    \
            for (size_t i = 0; i < n; i++) {                                   \
                const T u = a[i];                                              \
                y[i] = (R)(expression);                                        \
            }                                                                  \
        } else {                                                               \
            const T u = *a;                                                    \
            for (size_t i = 0; i < n; i++) {                                   \
                const T v = b[i];                                              \
                y[i] = (R)(expression);                                        \
            }                                                                  \
        }                                                                      \
    }

#endif

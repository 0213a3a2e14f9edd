/* Misspelled names of convolutions; see keep.h. */
#include "app/keep.h"

#include <string.h>

/* Longer names are compared, but not suggested. */
#define NAME_MAX_BYTES 255

/* A suggestion is at most one edit away for so many letters. */
#define LETTERS_PER_EDIT 3

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* Letters to put in, take out or change until `a` is `b`: Levenshtein's
 * distance, row by row (Wagner & Fischer, 1974). Both are at most
 * NAME_MAX_BYTES long. */
static size_t edits_between(const char *a, const char *b)
{
    size_t row[NAME_MAX_BYTES + 1];
    const size_t n = strlen(b);
    for (size_t k = 0; k <= n; k++)
        row[k] = k;
    for (size_t i = 0; a[i]; i++) {
        size_t diagonal = row[0];
        row[0] = i + 1;
        for (size_t k = 0; k < n; k++) {
            const size_t change = diagonal + (a[i] != b[k]);
            diagonal = row[k + 1];
            row[k + 1] = least(change, least(diagonal, row[k]) + 1);
        }
    }
    return row[n];
}

/* The label of the Conv that is called nearly so, or NULL. */
static const char *find_near(const char *name, const struct cz_graph *graph)
{
    const char *nearest = NULL;
    size_t fewest = strlen(name) / LETTERS_PER_EDIT + 1;
    if (strlen(name) > NAME_MAX_BYTES)
        return NULL;
    for (size_t i = 0; i < graph->n_nodes; i++) {
        const char *label = cz_node_label(graph->nodes[i]);
        if (!cz_node_is(graph->nodes[i], "Conv") ||
            strlen(label) > NAME_MAX_BYTES)
            continue;
        const size_t edits = edits_between(name, label);
        if (edits < fewest) {
            fewest = edits;
            nearest = label;
        }
    }
    return nearest;
}

static bool is_there(const char *name, const struct cz_graph *graph)
{
    for (size_t i = 0; i < graph->n_nodes; i++) {
        if (cz_node_is(graph->nodes[i], "Conv") &&
            strcmp(cz_node_label(graph->nodes[i]), name) == 0)
            return true;
    }
    return false;
}

enum cz_status app_keep_check(const struct cz_int8_options *options,
                              const struct cz_graph *graph,
                              struct cz_error *err)
{
    for (size_t i = 0; i < options->n_keep; i++) {
        const char *name = options->keep[i];
        if (is_there(name, graph))
            continue;
        const char *near = find_near(name, graph);
        if (near)
            return cz_error_set(err, CZ_EINVAL,
                                "--keep: no convolution is called '%.150s'; "
                                "did you mean '%.255s'?",
                                name, near);
        return cz_error_set(err, CZ_EINVAL,
                            "--keep: no convolution is called '%.150s'; "
                            "'compress inspect --verbose' lists them",
                            name);
    }
    return CZ_OK;
}

/* Misspelled names of convolutions; see keep.h. */
#include "app/keep.h"

#include <string.h>

#include "app/near.h"

/* The label of the Conv that is called nearly so, or NULL. */
static const char *find_near(const char *name, const struct cz_graph *graph)
{
    struct app_near near = app_near_start(name);
    for (size_t i = 0; i < graph->n_nodes; i++) {
        if (cz_node_is(graph->nodes[i], "Conv"))
            app_near_try(&near, cz_node_label(graph->nodes[i]));
    }
    return near.nearest;
}

static bool is_there(const char *name, const struct cz_graph *graph)
{
    for (size_t i = 0; i < graph->n_nodes; i++) {
        if (cz_node_is(graph->nodes[i], "Conv") &&
            (strcmp(cz_node_label(graph->nodes[i]), name) == 0 ||
             strcmp(graph->nodes[i]->outputs[0]->name, name) == 0))
            return true;
    }
    return false;
}

enum cz_status app_keep_take(struct cz_int8_options *options,
                             const struct cz_graph *graph, struct cz_error *err)
{
    if (options->n_keep == 1 && strcmp(options->keep[0], "none") == 0)
        options->n_keep = 0;
    options->keep_weights = options->n_keep > 0;
    for (size_t i = 0; i < options->n_keep; i++) {
        const char *name = options->keep[i];
        if (strcmp(name, "none") == 0)
            return cz_error_set(err, CZ_EINVAL,
                                "'--keep none' and another --keep contradict "
                                "each other");
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
                            "'compress inspect' lists them",
                            name);
    }
    return CZ_OK;
}

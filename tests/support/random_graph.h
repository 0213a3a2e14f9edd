/* Small random graphs, as text for graph_text.h: convolutions and what passes
 * rewrite, in combinations that nobody would think of. */
#ifndef CZ_TESTS_SUPPORT_RANDOM_GRAPH_H
#define CZ_TESTS_SUPPORT_RANDOM_GRAPH_H

#include <stddef.h>
#include <stdint.h>

#define CZ_RANDOM_TEXT_BYTES 32768

struct cz_random {
    uint64_t state;
};

/* In 0..n-1. */
size_t cz_random_below(struct cz_random *random, size_t n);

/* Writes the graph of `seed`: its inputs are x and, sometimes, z. It stops
 * after `n_pieces` pieces, of which some are two or three nodes; fewer give a
 * part of the same graph. `*tap` names one of its values. */
void cz_random_graph(char text[CZ_RANDOM_TEXT_BYTES], char tap[16],
                     uint64_t seed, size_t n_pieces);

#endif

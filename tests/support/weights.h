/* The constants of a model as numbers, and pruning as it is defined: by a
 * stable sort. What an edit did is seen by comparing two snapshots. */
#ifndef CZ_TESTS_SUPPORT_WEIGHTS_H
#define CZ_TESTS_SUPPORT_WEIGHTS_H

#include "onnx/onnx.h"

/* A constant that a node reads, subgraphs included. */
struct cz_test_operand {
    const struct cz_node *node; /* of a Conv: its weight is input 1 */
    size_t input;
    const struct cz_tensor *tensor;
    size_t count;
    enum cz_dtype dtype;
    double *values; /* [count] as they were; not for strings or 4-bit types */
};

struct cz_test_operands {
    struct cz_test_operand *items; /* [count], in the order of the nodes */
    size_t count;
};

/* Copies the numbers of all constants that the model's nodes read; fails the
 * test where they cannot be read. The weight of a Conv, which may lie behind a
 * Reshape or a Cast, is listed for each Conv and for no other reader. End with
 * cz_test_operands_fini(). */
struct cz_test_operands cz_test_operands_read(struct cz_model *model);
void cz_test_operands_fini(struct cz_test_operands *operands);

/* The weight of the Conv with this label; fails when there is none. */
struct cz_test_operand *cz_test_weight(struct cz_test_operands *operands,
                                       const char *conv);

/* Makes the `k` values of smallest magnitude 0, of equal ones the first. */
void cz_test_prune_values(double *values, size_t count, size_t k);

/* How many are +0 or -0. */
size_t cz_test_count_zeros(const double *values, size_t count);

/* Fails the test unless both hold the same bits: +0 is not -0. */
void assert_values_equal(const double *values, const double *other,
                         size_t count, const char *what);

/* Fails the test unless both models read the same constants. */
void assert_operands_equal(const struct cz_test_operands *operands,
                           const struct cz_test_operands *other);

#endif

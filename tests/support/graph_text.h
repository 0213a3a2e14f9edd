/* Small models written as text in a test.
 *
 * Statements end with ';' or a newline. Types are f32 f16 bf16 f64, i8 to
 * i64, u8 to u64, bool; a type may be followed by dimensions: numbers, names,
 * or ?.
 *
 *     opset 13                        17 without it
 *     ir 3                            8 without it
 *     meta stride 32                  metadata
 *     in x f32[1,3,h,?]               graph input
 *     const w f32[4,3,1,1] 1 2 3      initializer in raw_data; the last number
 *                                     fills up; `iota` counts 0, 1, 2, ...;
 *                                     `random 7 0.5`: from seed 7, -0.5..0.5;
 *                                     `random`: from its name, -1..1
 *     info v f32[1,4]                 value info
 *     out y f32[1,4,8,8]              graph output; the type may be left out
 *     y = Conv(x, w) strides=[2,2] auto_pad="SAME_UPPER" group=1
 *     a, b = com.example::Op(x, , w)  several outputs, an input left out
 *
 * A node is called as its first output. Attributes are an int, a float (with a
 * point), a string, a list of ints or floats, or a graph: the statements of one
 * in braces. */
#ifndef CZ_TESTS_SUPPORT_GRAPH_TEXT_H
#define CZ_TESTS_SUPPORT_GRAPH_TEXT_H

#include "core/error.h"
#include "onnx/onnx.h"

/* The model; fails the test when it cannot be parsed or loaded. Its file is
 * called "text". cz_model_free() it. */
struct cz_model *cz_test_graph(const char *text);

/* The same, where loading gives the status that it returns. */
enum cz_status cz_test_graph_try(struct cz_model **model, const char *text,
                                 struct cz_error *err);

/* "float32[1,3,?,8]", or "float32" without a shape: the type of a value of
 * the main graph. Good until the next call. */
const char *cz_test_type(struct cz_model *model, const char *value);

/* A model that makes the value y, and the type that inference gives it. */
struct cz_test_row {
    const char *text, *type;
};

/* Fails the test when inference gives another type in some row. */
void cz_test_infer_rows(const struct cz_test_row *rows, size_t count);

#endif

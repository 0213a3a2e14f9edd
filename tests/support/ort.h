/* ONNX Runtime for tests: loads a model, runs it, gives the outputs.
 *
 * Over engine/ort_internal.h, which the program itself uses. Everything is
 * float32 on this side: inputs are converted to the type that the model
 * declares, outputs from it (float16 and bfloat16 through core/half.h). A
 * session may be run with inputs of any shape that the model takes.
 *
 * One thread at a time for each session. */
#ifndef CZ_TESTS_SUPPORT_ORT_H
#define CZ_TESTS_SUPPORT_ORT_H

#include <stddef.h>
#include <stdint.h>

#include "core/error.h"
#include "onnx/onnx.h"

#define CZ_ORT_MAX_RANK 8

struct cz_ort;
struct cz_ort_session;

/* A tensor that goes in or comes out. */
struct cz_ort_tensor {
    const char *name;    /* of the graph input or output */
    enum cz_dtype dtype; /* as the model declares it */
    size_t rank;
    int64_t dims[CZ_ORT_MAX_RANK]; /* -1 where a declared one is not fixed */
    size_t count;                  /* product of dims */
    float *values;                 /* [count]; as a number, whatever dtype is */
};

/* Inputs or outputs of a session, in the order of the model. */
struct cz_ort_tensors {
    struct cz_ort_tensor *items; /* [count] */
    size_t count;
};

/* Opens the library that $ORT_LIB names. *ort is NULL, with CZ_OK, where the
 * variable is not set or empty: the test should skip(). CZ_EIO when it cannot
 * be opened or is too old. Free with cz_ort_close(). */
enum cz_status cz_ort_open(struct cz_ort **ort, struct cz_error *err);
void cz_ort_close(struct cz_ort *ort);

/* "1.30.0" */
const char *cz_ort_version(const struct cz_ort *ort);

/* Loads the model for the CPU, one thread, all graph optimizations.
 * CZ_EUNSUPPORTED with ONNX Runtime's message when it refuses it. `ort` must
 * stay open as long as the session. */
enum cz_status cz_ort_session_new(struct cz_ort_session **session,
                                  struct cz_ort *ort, const char *path,
                                  struct cz_error *err);
void cz_ort_session_free(struct cz_ort_session *session);

/* What the model asks for: name, dtype and dims are filled in, values is
 * NULL and count 0. Owned by the session. */
const struct cz_ort_tensors *
cz_ort_session_inputs(const struct cz_ort_session *session);

/* Makes inputs as the model asks for them: random numbers in [0, 1) for
 * floats, 0 and 1 for the rest, the same ones for the same seed. Dimensions
 * that are not fixed become `free_dim`. End with cz_ort_tensors_fini(). */
enum cz_status cz_ort_random_inputs(struct cz_ort_tensors *inputs,
                                    const struct cz_ort_session *session,
                                    int64_t free_dim, uint64_t seed,
                                    struct cz_error *err);

/* Runs the model. Of each input, name, rank, dims, count and values are
 * read. `outputs` is filled, also after an error; end with
 * cz_ort_tensors_fini(). CZ_EUNSUPPORTED with ONNX Runtime's message. */
enum cz_status cz_ort_run(struct cz_ort_tensors *outputs,
                          struct cz_ort_session *session,
                          const struct cz_ort_tensors *inputs,
                          struct cz_error *err);

/* Frees the values and, where they were made here, the names. */
void cz_ort_tensors_fini(struct cz_ort_tensors *tensors);

#endif

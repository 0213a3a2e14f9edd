/* The inference engine: a graph and the shapes of its inputs become a plan,
 * a plan turns inputs into outputs, frame after frame.
 *
 *     struct cz_plan_options options = CZ_PLAN_OPTIONS_INIT;
 *     struct cz_plan *plan;
 *     CZ_TRY(cz_plan_compile(&plan, model, &options, err));
 *     memcpy(cz_plan_inputs(plan, NULL)->data, pixels, ...);
 *     CZ_TRY(cz_plan_run(plan, err));
 *     use(cz_plan_outputs(plan, NULL)->data);
 *     cz_plan_free(plan);
 *
 * A plan reads the model's weights where they are: the model must outlive it
 * and must not be edited meanwhile. One thread uses a plan at a time; it works
 * with as many as the options say. Running a frame allocates nothing, but for
 * arrays whose size depends on the data (behind NonMaxSuppression, NonZero),
 * which grow when they have to, and for the lists that NonMaxSuppression and
 * Unique make while they run. */
#ifndef CZ_ENGINE_ENGINE_H
#define CZ_ENGINE_ENGINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/error.h"
#include "onnx/onnx.h"

#define CZ_RANK_MAX 8

/* The dimensions of an array, row-major: size[rank - 1] varies fastest. */
struct cz_dims {
    size_t rank;
    int64_t size[CZ_RANK_MAX];
};

/* The shape of one graph input. */
struct cz_input_shape {
    const char *name; /* NULL: every input whose dims are not fixed */
    struct cz_dims dims;
};

enum cz_tune {
    CZ_TUNE_OFF,  /* the first implementation of the table that fits */
    CZ_TUNE_CACHE /* the fastest one, timed once and remembered */
};

/* What convolutions are computed in; all that lies between them is float32. */
enum cz_precision {
    CZ_PRECISION_FLOAT32,
    /* Operands are rounded to bfloat16 (8 bits of mantissa, the range of
     * float32), whether or not that is faster on this CPU; sums are float32.
     * Not those of the convolution that reads the image, of grouped and of
     * transposed ones. */
    CZ_PRECISION_BF16,
    /* Operands of the same convolutions are rounded to float16 (11 bits), and
     * so are sums of 64 products; those of more are float32. Where the CPU does
     * not compute with float16 (ARMv8.2, FEAT_FP16) all stays float32. */
    CZ_PRECISION_FP16,
    /* Each convolution on its own as it is faster; float32 where nothing is
     * timed (CZ_TUNE_OFF). */
    CZ_PRECISION_AUTO,
    CZ_PRECISION_COUNT
};

/* "float32", "bf16", "fp16", "auto" */
const char *cz_precision_name(enum cz_precision precision);

struct cz_plan_options {
    size_t threads; /* 0: the cores that this process may use */
    enum cz_precision precision;
    /* Shapes of inputs that the model leaves open; [n_shapes], at most one for
     * each name and one without. An open batch dimension without one is 1. */
    const struct cz_input_shape *shapes;
    size_t n_shapes;
    /* Names of values to keep for cz_plan_find(): [n_taps]. */
    const char *const *taps;
    size_t n_taps;
    /* Every value keeps its place until the next frame, and no step is fused
     * away: for running parts of the plan. */
    bool keep_all;
    /* "-fuse_activation,-layout" switches passes off, "none" all of them; NULL
     * is all on. The names are those of cz_plan_pass(). */
    const char *passes;
    /* "-winograd,-onednn" does without the kernels of these names; NULL: all.
     */
    const char *kernels;
    enum cz_tune tune;
    const char *cache_file; /* of the tuning results; NULL: none is kept */
    /* The plan frees elements of the model's tensors that it does not read any
     * more: the model is of no other use then than to be freed. */
    bool takes_weights;
};

#define CZ_PLAN_OPTIONS_INIT ((struct cz_plan_options){.tune = CZ_TUNE_OFF})

/* An input, output or tap: `data` is dense and row-major; it stays where it is
 * until the plan is freed (one with an open size: until the next frame begins,
 * whether or not that one works). An
 * input keeps its elements, an output has them until the next frame begins. */
struct cz_port {
    const char *name;
    enum cz_dtype dtype; /* as the model declares it; float16 too */
    struct cz_dims dims;
    void *data;
    size_t size_bytes;
};

/* How many elements there are. */
size_t cz_port_count(const struct cz_port *port);

/* All of them as float32, the nearest to what they are; 0 for those that are no
 * numbers. */
void cz_port_widen(float *floats, const struct cz_port *port);

struct cz_plan;

/* CZ_EUNSUPPORTED names every operator that is not supported, with a node for
 * each; CZ_ESHAPE the node whose operands contradict each other, the output
 * that is declared otherwise than its node makes it, or the input whose shape
 * is not known; CZ_EINVAL the shape, tap, pass or kernel that is not the
 * model's or not ours, or the CZ_CPU that is not known (core/cpu.h). *plan is
 * NULL then. */
enum cz_status cz_plan_compile(struct cz_plan **plan, struct cz_model *model,
                               const struct cz_plan_options *options,
                               struct cz_error *err);
void cz_plan_free(struct cz_plan *plan);

/* [*count], in the order of the model. */
const struct cz_port *cz_plan_inputs(const struct cz_plan *plan, size_t *count);
const struct cz_port *cz_plan_outputs(const struct cz_plan *plan,
                                      size_t *count);

/* Channels that its convolutions compute together on this processor: 4, 8 or
 * 16. The last ones of another multiple take as long as if they were all. */
size_t cz_plan_lanes(const struct cz_plan *plan);

/* The tap, input or output called `name`; NULL when there is none. */
const struct cz_port *cz_plan_find(const struct cz_plan *plan,
                                   const char *name);

/* One frame, from the inputs' data to the outputs'. Errors come from the data:
 * CZ_EINVAL for an index outside of what it points into. */
enum cz_status cz_plan_run(struct cz_plan *plan, struct cz_error *err);

/* Part of an input image: from 0 to 1, of its width and its height. */
struct cz_region {
    float left, top, right, bottom;
};

#define CZ_REGIONS_MAX 16

/* Images for a plan, from who knows about files and letterboxes. */
struct cz_images {
    size_t count;
    /* Called before the first image of each plan that they go through. */
    enum cz_status (*begin)(void *user, struct cz_plan *plan,
                            struct cz_error *err);
    /* Fills the plan's inputs with image i. */
    enum cz_status (*fill)(void *user, size_t i, struct cz_plan *plan,
                           struct cz_error *err);
    /* Where the plan, which has run, sees something: at most CZ_REGIONS_MAX
     * regions. NULL: nobody knows. */
    enum cz_status (*look)(void *user, struct cz_plan *plan,
                           struct cz_region *regions, size_t *count,
                           struct cz_error *err);
    void *user;
};

/* ---- parts and profiles ----------------------------------------------- */

/* One step of the plan, in the order in which they run. */
struct cz_step_info {
    const char *name;    /* the node's */
    const char *op_type; /* with what was fused into it: "Conv+Silu+Add" */
    const char *kernel;  /* the implementation: "onednn", "reference", ... */
    const char *layout;  /* of its first output: "plain", "blocked" */
    struct cz_dims dims; /* of its first output */
    /* Multiply-accumulates of Conv, ConvTranspose, MatMul and Gemm; else 0. */
    uint64_t macs;
};

size_t cz_plan_step_count(const struct cz_plan *plan);
/* i: below that. */
struct cz_step_info cz_plan_step(const struct cz_plan *plan, size_t i);

/* Runs the steps from..to-1. Wants a plan with `keep_all`, whose values before
 * `from` stand from an earlier frame, or as the caller changed them through a
 * tap's data (not a float16 one's: those are copies). Inputs of float16 are
 * read where `from` is 0. */
enum cz_status cz_plan_run_steps(struct cz_plan *plan, size_t from, size_t to,
                                 struct cz_error *err);

/* One frame; times_ms ([cz_plan_step_count()]) gets what each step took. */
enum cz_status cz_plan_run_timed(struct cz_plan *plan, double *times_ms,
                                 struct cz_error *err);

/* ---- step by step ------------------------------------------------------ */

/* What a plan has made so far, for each of `count` frames: all of them can go
 * through one step before any goes through the next one. */
struct cz_frames;

enum cz_status cz_frames_new(struct cz_frames **frames, size_t count,
                             struct cz_error *err);
void cz_frames_free(struct cz_frames *frames);

/* Keeps, as frame i, what the steps from `step` on, and the caller, will read
 * of what those before have made. CZ_EUNSUPPORTED where a size depends on the
 * data. */
enum cz_status cz_frames_save(struct cz_frames *frames, size_t i,
                              struct cz_plan *plan, size_t step,
                              struct cz_error *err);

/* Gives it back: cz_plan_run_steps() goes on from `step`. CZ_EINVAL where it
 * was not saved before that step. The plan is the same
 * one, or one of a model that differs in constants only, with the same options.
 */
enum cz_status cz_frames_load(const struct cz_frames *frames, size_t i,
                              struct cz_plan *plan, size_t step,
                              struct cz_error *err);

/* What a Conv reads, while the plan stands before its step. */
struct cz_conv_view {
    const struct cz_tensor
        *weights;                 /* the model's: [outputs, channels / groups,
                                        kernel]; NULL: they are computed */
    const struct cz_tensor *bias; /* likewise; NULL also where there is none */
    bool has_bias;
    size_t groups, outputs, channels;
    size_t size[2], out_size[2]; /* height and width */
    size_t kernel[2], strides[2], dilations[2];
    size_t pads[2];     /* of zeros, above and on the left */
    const float *input; /* [channels, height, width] */
};

/* False where step i is no Conv over one image of two dimensions in float32, or
 * its input has another layout (the pass "layout" makes those). */
bool cz_plan_conv(const struct cz_plan *plan, size_t i,
                  struct cz_conv_view *view);

/* Copies its constants: weights as the tensor has them, bias [outputs], NULL
 * where there is none; NULL for one that is not wanted. The caller's, to
 * cz_free(), also after an error. */
enum cz_status cz_conv_view_read(float **weights, float **bias,
                                 const struct cz_conv_view *view,
                                 struct cz_error *err);

/* Copies the window at row y and column x of the output: [channels, kernel].
 */
void cz_conv_view_window(float *values, const struct cz_conv_view *view,
                         size_t y, size_t x);

/* ---- memory and precision ---------------------------------------------- */

/* Bytes of the arena that all values of a frame share, and of weights that
 * were packed anew. */
void cz_plan_memory(const struct cz_plan *plan, size_t *arena_bytes,
                    size_t *packed_bytes);

/* What became of the precision that was asked for. */
struct cz_precision_report {
    enum cz_precision asked;
    size_t convolutions;     /* steps of the plan */
    size_t in_bf16, in_fp16; /* of them */
    bool is_timed;           /* AUTO: chosen by timing */
    /* The instructions that this CPU would need for it and has not; else NULL.
     * Without them bfloat16 is done in float32 ones, more slowly, and float16
     * not at all. */
    const char *missing;
};
struct cz_precision_report cz_plan_precision(const struct cz_plan *plan);

/* The name of pass i, in their order; NULL behind the last. */
const char *cz_plan_pass(size_t i);

/* The operators: row i, or false behind the last. Rows of one operator differ
 * in `since`, the opset from which on the row's rules hold. */
struct cz_operator_info {
    const char *op_type;
    unsigned since;
};
bool cz_operator(size_t i, struct cz_operator_info *info);

/* The name of the operator's kernel i, in the order in which they are tried;
 * NULL behind the last: then comes its plain C, "reference". */
const char *cz_operator_kernel(const char *op_type, size_t i);

/* ---- whole models ----------------------------------------------------- */

/* What can run a model from its first node to its last: the plan above, or
 * ONNX Runtime, whose library is looked for when it is asked for. */
enum cz_engine_kind {
    CZ_ENGINE_COMPRESS,     /* "compress": the plan */
    CZ_ENGINE_ORT,          /* "ort": ONNX Runtime on the CPU */
    CZ_ENGINE_ORT_CUDA,     /* "ort:cuda" */
    CZ_ENGINE_ORT_TENSORRT, /* "ort:tensorrt", then CUDA, then the CPU */
    CZ_ENGINE_COUNT
};

const char *cz_engine_name(enum cz_engine_kind kind);

struct cz_engine_options {
    enum cz_engine_kind kind;
    /* ONNX Runtime takes threads and shapes from it, nothing else; with
     * another precision than CZ_PRECISION_FLOAT32 that is CZ_EINVAL. */
    struct cz_plan_options plan;
    /* The file of ONNX Runtime's library. NULL: the one that $ORT_LIB names,
     * else libonnxruntime.so.1 or libonnxruntime.so of the loader's path. */
    const char *ort_library;
    /* ONNX Runtime's threads sleep between frames instead of spinning for a
     * while: for taking turns with something else on the same cores. */
    bool ort_sleeps;
};

#define CZ_ENGINE_OPTIONS_INIT                                                 \
    ((struct cz_engine_options){.plan = CZ_PLAN_OPTIONS_INIT})

/* A model in one of the engines. One thread uses it at a time. */
struct cz_engine;

/* Loads the model at `path`. Beside the errors of cz_model_load() and
 * cz_plan_compile(): CZ_EUNSUPPORTED where ONNX Runtime, or its support for
 * the device, is not there, and with its own words where it refuses the
 * model. */
enum cz_status cz_engine_open(struct cz_engine **engine, const char *path,
                              const struct cz_engine_options *options,
                              struct cz_error *err);
void cz_engine_close(struct cz_engine *engine);

/* As those of a plan, but the data of ONNX Runtime's outputs are there only
 * after the first frame, and those of an open size until the next one. */
const struct cz_port *cz_engine_inputs(const struct cz_engine *engine,
                                       size_t *count);
const struct cz_port *cz_engine_outputs(const struct cz_engine *engine,
                                        size_t *count);
enum cz_status cz_engine_run(struct cz_engine *engine, struct cz_error *err);

/* For profiles; NULL where it is not CZ_ENGINE_COMPRESS. */
struct cz_plan *cz_engine_plan(const struct cz_engine *engine);

#endif

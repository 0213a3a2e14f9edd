/* ONNX Runtime without its header: the library is opened with dlopen() and
 * used through the table of its C API, so that neither building nor starting
 * the program needs it.
 *
 * The table is that of version 11 (ONNX Runtime 1.11 of 2022, and all later
 * ones): its entries never move. Objects of the library are void pointers
 * here; every call but the releases gives NULL or a status with a message.
 *
 * The CPU is tested. CUDA and TensorRT follow the documentation of the API
 * and were not run on such hardware; only their refusal is tested. */
#ifndef CZ_ENGINE_ORT_INTERNAL_H
#define CZ_ENGINE_ORT_INTERNAL_H

#include "engine/engine.h"

/* The functions that are used, by their names in OrtApi. */
struct cz_ort_api {
    const char *(*GetErrorMessage)(const void *status);
    void *(*CreateEnv)(int level, const char *id, void **env);
    void *(*CreateSession)(void *env, const char *path, const void *options,
                           void **session);
    void *(*Run)(void *session, const void *options,
                 const char *const *input_names, void *const *inputs,
                 size_t n_inputs, const char *const *output_names,
                 size_t n_outputs, void **outputs);
    void *(*CreateSessionOptions)(void **options);
    void *(*SetSessionGraphOptimizationLevel)(void *options, int level);
    void *(*SetIntraOpNumThreads)(void *options, int threads);
    void *(*SessionGetInputCount)(const void *session, size_t *count);
    void *(*SessionGetOutputCount)(const void *session, size_t *count);
    void *(*SessionGetInputTypeInfo)(const void *session, size_t i,
                                     void **info);
    void *(*SessionGetOutputTypeInfo)(const void *session, size_t i,
                                      void **info);
    void *(*SessionGetInputName)(const void *session, size_t i, void *allocator,
                                 char **name);
    void *(*SessionGetOutputName)(const void *session, size_t i,
                                  void *allocator, char **name);
    void *(*CreateTensorWithDataAsOrtValue)(const void *memory, void *data,
                                            size_t size, const int64_t *dims,
                                            size_t rank, int type,
                                            void **value);
    void *(*GetTensorMutableData)(void *value, void **data);
    void *(*CastTypeInfoToTensorInfo)(const void *type, const void **info);
    void *(*GetTensorElementType)(const void *info, int *type);
    void *(*GetDimensionsCount)(const void *info, size_t *rank);
    void *(*GetDimensions)(const void *info, int64_t *dims, size_t rank);
    void *(*GetTensorTypeAndShape)(const void *value, void **info);
    void *(*CreateCpuMemoryInfo)(int allocator, int type, void **memory);
    void *(*AllocatorFree)(void *allocator, void *memory);
    void *(*GetAllocatorWithDefaultOptions)(void **allocator);
    void (*ReleaseEnv)(void *env);
    void (*ReleaseStatus)(void *status);
    void (*ReleaseMemoryInfo)(void *memory);
    void (*ReleaseSession)(void *session);
    void (*ReleaseValue)(void *value);
    void (*ReleaseTypeInfo)(void *type);
    void (*ReleaseTensorTypeAndShapeInfo)(void *info);
    void (*ReleaseSessionOptions)(void *options);
    void *(*AddSessionConfigEntry)(void *options, const char *key,
                                   const char *value);
    void *(*AppendTensorRT)(void *options, const void *provider);
    void *(*CreateTensorRTProviderOptions)(void **provider);
    void (*ReleaseTensorRTProviderOptions)(void *provider);
    void *(*AppendCUDA)(void *options, const void *provider);
    void *(*CreateCUDAProviderOptions)(void **provider);
    void (*ReleaseCUDAProviderOptions)(void *provider);
};

/* The library, ready to load models. */
struct cz_ort_library {
    void *handle;
    const char *version; /* "1.30.0" */
    struct cz_ort_api api;
    void *env, *memory, *allocator;
};

/* `path` as cz_engine_options.ort_library. CZ_EUNSUPPORTED, with what to
 * install or set, when there is none. End with _close in any case. */
enum cz_status cz_ort_library_open(struct cz_ort_library *library,
                                   const char *path, struct cz_error *err);
void cz_ort_library_close(struct cz_ort_library *library);

/* CZ_OK for NULL; else CZ_EUNSUPPORTED with the status' message. The status
 * is released. */
enum cz_status cz_ort_check(const struct cz_ort_library *library, void *status,
                            struct cz_error *err);

/* Session options: all graph optimizations, threads, providers. */
enum cz_status cz_ort_session_options(void **session_options,
                                      const struct cz_ort_library *library,
                                      const struct cz_engine_options *options,
                                      struct cz_error *err);

/* A model that is loaded. */
struct cz_ort_model;

enum cz_status cz_ort_model_load(struct cz_ort_model **model, const char *path,
                                 const struct cz_engine_options *options,
                                 struct cz_error *err);
void cz_ort_model_free(struct cz_ort_model *model);

/* Gives the inputs their shapes and memory: as cz_plan_options.shapes. May be
 * called again for other shapes. Before it, dims are what the model declares,
 * -1 where they are open. */
enum cz_status cz_ort_model_bind(struct cz_ort_model *model,
                                 const struct cz_input_shape *shapes,
                                 size_t n_shapes, struct cz_error *err);

/* One frame; wants bound inputs. Outputs of fixed shape keep their memory
 * from the first frame on, so that a frame costs what Run() costs. */
enum cz_status cz_ort_model_run(struct cz_ort_model *model,
                                struct cz_error *err);

const struct cz_port *cz_ort_model_inputs(const struct cz_ort_model *model,
                                          size_t *count);
const struct cz_port *cz_ort_model_outputs(const struct cz_ort_model *model,
                                           size_t *count);

#endif

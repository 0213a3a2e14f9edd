/* ONNX Runtime's library: where it is, the table of its functions, and what
 * is asked of a session. See ort_internal.h. */
#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>

#include "core/parallel.h"
#include "engine/ort_internal.h"

#define API_VERSION 11
#define LOG_FATAL_ONLY 4
#define OPTIMIZE_ALL 99
#define ARENA_ALLOCATOR 1
#define MEMORY_DEFAULT 0

/* The start of struct OrtApiBase. */
struct api_base {
    void *const *(*get_api)(uint32_t version);
    const char *(*get_version)(void);
};

static void read_table(struct cz_ort_api *api, void *const *table)
{
#define ENTRY(index, field) memcpy(&api->field, &table[index], sizeof(void *))
    ENTRY(2, GetErrorMessage);
    ENTRY(3, CreateEnv);
    ENTRY(7, CreateSession);
    ENTRY(9, Run);
    ENTRY(10, CreateSessionOptions);
    ENTRY(23, SetSessionGraphOptimizationLevel);
    ENTRY(24, SetIntraOpNumThreads);
    ENTRY(30, SessionGetInputCount);
    ENTRY(31, SessionGetOutputCount);
    ENTRY(33, SessionGetInputTypeInfo);
    ENTRY(34, SessionGetOutputTypeInfo);
    ENTRY(36, SessionGetInputName);
    ENTRY(37, SessionGetOutputName);
    ENTRY(49, CreateTensorWithDataAsOrtValue);
    ENTRY(51, GetTensorMutableData);
    ENTRY(55, CastTypeInfoToTensorInfo);
    ENTRY(60, GetTensorElementType);
    ENTRY(61, GetDimensionsCount);
    ENTRY(62, GetDimensions);
    ENTRY(65, GetTensorTypeAndShape);
    ENTRY(69, CreateCpuMemoryInfo);
    ENTRY(76, AllocatorFree);
    ENTRY(78, GetAllocatorWithDefaultOptions);
    ENTRY(92, ReleaseEnv);
    ENTRY(93, ReleaseStatus);
    ENTRY(94, ReleaseMemoryInfo);
    ENTRY(95, ReleaseSession);
    ENTRY(96, ReleaseValue);
    ENTRY(98, ReleaseTypeInfo);
    ENTRY(99, ReleaseTensorTypeAndShapeInfo);
    ENTRY(100, ReleaseSessionOptions);
    ENTRY(130, AddSessionConfigEntry);
    ENTRY(170, AppendTensorRT); /* ..._TensorRT_V2 */
    ENTRY(171, CreateTensorRTProviderOptions);
    ENTRY(174, ReleaseTensorRTProviderOptions);
    ENTRY(204, AppendCUDA); /* ..._CUDA_V2 */
    ENTRY(205, CreateCUDAProviderOptions);
    ENTRY(208, ReleaseCUDAProviderOptions);
#undef ENTRY
}

/* Its messages may have several lines; ours have one. */
static void to_one_line(char *text)
{
    for (; *text; text++) {
        if (*text == '\n' || *text == '\r')
            *text = ' ';
    }
}

enum cz_status cz_ort_check(const struct cz_ort_library *library, void *status,
                            struct cz_error *err)
{
    if (!status)
        return CZ_OK;
    cz_error_set(err, CZ_EUNSUPPORTED, "ONNX Runtime: %s",
                 library->api.GetErrorMessage(status));
    if (err)
        to_one_line(err->message);
    library->api.ReleaseStatus(status);
    return CZ_EUNSUPPORTED;
}

/* ---- opening ---------------------------------------------------------- */

static void *open_default(void)
{
    void *handle = dlopen("libonnxruntime.so.1", RTLD_NOW | RTLD_LOCAL);
    return handle ? handle : dlopen("libonnxruntime.so", RTLD_NOW | RTLD_LOCAL);
}

static enum cz_status open_file(struct cz_ort_library *library,
                                const char *path, struct cz_error *err)
{
    const char *wanted = path ? path : getenv("ORT_LIB");
    if (wanted && !*wanted)
        wanted = NULL;
    library->handle =
        wanted ? dlopen(wanted, RTLD_NOW | RTLD_LOCAL) : open_default();
    if (library->handle)
        return CZ_OK;
    if (wanted)
        return cz_error_set(err, CZ_EUNSUPPORTED,
                            "ONNX Runtime's library cannot be opened: %s",
                            dlerror());
    return cz_error_set(err, CZ_EUNSUPPORTED,
                        "ONNX Runtime is not installed: no libonnxruntime.so.1 "
                        "in the loader's path; give its file with --ort-lib "
                        "or in ORT_LIB (npm's onnxruntime-node holds one)");
}

static enum cz_status open_api(struct cz_ort_library *library,
                               struct cz_error *err)
{
    void *symbol = dlsym(library->handle, "OrtGetApiBase");
    const struct api_base *(*get_base)(void);
    memcpy(&get_base, &symbol, sizeof symbol);
    if (!symbol)
        return cz_error_set(err, CZ_EUNSUPPORTED,
                            "the library given for ONNX Runtime is another "
                            "one: no OrtGetApiBase in it");
    library->version = get_base()->get_version();
    void *const *table = get_base()->get_api(API_VERSION);
    if (!table)
        return cz_error_set(err, CZ_EUNSUPPORTED,
                            "ONNX Runtime %s is too old: want 1.%d or later",
                            library->version, API_VERSION);
    read_table(&library->api, table);
    return CZ_OK;
}

enum cz_status cz_ort_library_open(struct cz_ort_library *library,
                                   const char *path, struct cz_error *err)
{
    *library = (struct cz_ort_library){0};
    const struct cz_ort_api *api = &library->api;
    CZ_TRY(open_file(library, path, err));
    CZ_TRY(open_api(library, err));
    CZ_TRY(cz_ort_check(
        library, api->CreateEnv(LOG_FATAL_ONLY, "compress", &library->env),
        err));
    CZ_TRY(cz_ort_check(library,
                        api->CreateCpuMemoryInfo(
                            ARENA_ALLOCATOR, MEMORY_DEFAULT, &library->memory),
                        err));
    return cz_ort_check(
        library, api->GetAllocatorWithDefaultOptions(&library->allocator), err);
}

void cz_ort_library_close(struct cz_ort_library *library)
{
    if (library->memory)
        library->api.ReleaseMemoryInfo(library->memory);
    if (library->env)
        library->api.ReleaseEnv(library->env);
    /* The file stays open: it has threads and exit handlers of its own. */
}

/* ---- sessions --------------------------------------------------------- */

static enum cz_status add_cuda(void *session_options,
                               const struct cz_ort_library *library,
                               struct cz_error *err)
{
    const struct cz_ort_api *api = &library->api;
    void *provider;
    CZ_TRY(
        cz_ort_check(library, api->CreateCUDAProviderOptions(&provider), err));
    enum cz_status status =
        cz_ort_check(library, api->AppendCUDA(session_options, provider), err);
    api->ReleaseCUDAProviderOptions(provider);
    return status;
}

static enum cz_status add_tensorrt(void *session_options,
                                   const struct cz_ort_library *library,
                                   struct cz_error *err)
{
    const struct cz_ort_api *api = &library->api;
    void *provider;
    CZ_TRY(cz_ort_check(library, api->CreateTensorRTProviderOptions(&provider),
                        err));
    enum cz_status status = cz_ort_check(
        library, api->AppendTensorRT(session_options, provider), err);
    api->ReleaseTensorRTProviderOptions(provider);
    return status;
}

/* Providers come in the order of preference; the CPU is always the last. */
static enum cz_status add_providers(void *session_options,
                                    const struct cz_ort_library *library,
                                    enum cz_engine_kind kind,
                                    struct cz_error *err)
{
    enum cz_status status = CZ_OK;
    if (kind == CZ_ENGINE_ORT_TENSORRT)
        status = add_tensorrt(session_options, library, err);
    if (status == CZ_OK &&
        (kind == CZ_ENGINE_ORT_CUDA || kind == CZ_ENGINE_ORT_TENSORRT))
        status = add_cuda(session_options, library, err);
    return cz_error_prefix(err, status,
                           "this library of ONNX Runtime cannot use the GPU");
}

static enum cz_status set_options(void *session_options,
                                  const struct cz_ort_library *library,
                                  const struct cz_engine_options *options,
                                  struct cz_error *err)
{
    const struct cz_ort_api *api = &library->api;
    size_t threads =
        options->plan.threads ? options->plan.threads : cz_cpu_count();
    CZ_TRY(cz_ort_check(
        library,
        api->SetSessionGraphOptimizationLevel(session_options, OPTIMIZE_ALL),
        err));
    CZ_TRY(cz_ort_check(
        library, api->SetIntraOpNumThreads(session_options, (int)threads),
        err));
    if (options->ort_sleeps)
        CZ_TRY(cz_ort_check(
            library,
            api->AddSessionConfigEntry(session_options,
                                       "session.force_spinning_stop", "1"),
            err));
    return add_providers(session_options, library, options->kind, err);
}

enum cz_status cz_ort_session_options(void **session_options,
                                      const struct cz_ort_library *library,
                                      const struct cz_engine_options *options,
                                      struct cz_error *err)
{
    CZ_TRY(cz_ort_check(
        library, library->api.CreateSessionOptions(session_options), err));
    enum cz_status status =
        set_options(*session_options, library, options, err);
    if (status != CZ_OK)
        library->api.ReleaseSessionOptions(*session_options);
    return status;
}

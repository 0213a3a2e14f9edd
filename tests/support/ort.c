/* The harness over ONNX Runtime's C API.
 *
 * The API is a table of functions whose places never change; struct ort_api
 * names those that are used, api_read() says where each one is. Objects of
 * the library are void pointers here, and every call but the releases gives
 * NULL or a status that holds a message. */
#include "tests/support/ort.h"

#include <dlfcn.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "core/alloc.h"
#include "core/checked.h"
#include "core/half.h"

#define API_VERSION 10
#define LOG_FATAL_ONLY 4
#define OPTIMIZE_ALL 99
#define ARENA_ALLOCATOR 1
#define MEMORY_DEFAULT 0

/* The start of struct OrtApiBase. */
struct ort_api_base {
    void *const *(*get_api)(uint32_t version);
    const char *(*get_version)(void);
};

struct ort_api {
    const char *(*get_error_message)(const void *status);
    void *(*create_env)(int level, const char *id, void **env);
    void *(*create_session)(void *env, const char *path, const void *options,
                            void **session);
    void *(*run)(void *session, const void *options,
                 const char *const *input_names, void *const *inputs,
                 size_t n_inputs, const char *const *output_names,
                 size_t n_outputs, void **outputs);
    void *(*create_options)(void **options);
    void *(*set_optimization)(void *options, int level);
    void *(*set_threads)(void *options, int threads);
    void *(*input_count)(const void *session, size_t *count);
    void *(*output_count)(const void *session, size_t *count);
    void *(*input_type)(const void *session, size_t i, void **info);
    void *(*output_type)(const void *session, size_t i, void **info);
    void *(*input_name)(const void *session, size_t i, void *allocator,
                        char **name);
    void *(*output_name)(const void *session, size_t i, void *allocator,
                         char **name);
    void *(*create_tensor)(const void *memory, void *data, size_t size,
                           const int64_t *dims, size_t rank, int type,
                           void **value);
    void *(*tensor_data)(void *value, void **data);
    void *(*cast_type)(const void *type, const void **info);
    void *(*element_type)(const void *info, int *type);
    void *(*rank)(const void *info, size_t *rank);
    void *(*dims)(const void *info, int64_t *dims, size_t rank);
    void *(*value_type)(const void *value, void **info);
    void *(*create_memory)(int allocator, int type, void **memory);
    void *(*allocator_free)(void *allocator, void *memory);
    void *(*default_allocator)(void **allocator);
    void (*release_env)(void *env);
    void (*release_status)(void *status);
    void (*release_memory)(void *memory);
    void (*release_session)(void *session);
    void (*release_value)(void *value);
    void (*release_type)(void *type);
    void (*release_info)(void *info);
    void (*release_options)(void *options);
};

struct cz_ort {
    void *library;
    const char *version;
    struct ort_api api;
    void *env;
    void *memory;
    void *allocator;
};

struct cz_ort_session {
    struct cz_ort *ort;
    void *session;
    struct cz_arena arena; /* names and descriptions */
    struct cz_ort_tensors inputs, outputs;
};

static void api_read(struct ort_api *api, void *const *table)
{
#define ENTRY(index, field) memcpy(&api->field, &table[index], sizeof(void *))
    ENTRY(2, get_error_message);
    ENTRY(3, create_env);
    ENTRY(7, create_session);
    ENTRY(9, run);
    ENTRY(10, create_options);
    ENTRY(23, set_optimization);
    ENTRY(24, set_threads);
    ENTRY(30, input_count);
    ENTRY(31, output_count);
    ENTRY(33, input_type);
    ENTRY(34, output_type);
    ENTRY(36, input_name);
    ENTRY(37, output_name);
    ENTRY(49, create_tensor);
    ENTRY(51, tensor_data);
    ENTRY(55, cast_type);
    ENTRY(60, element_type);
    ENTRY(61, rank);
    ENTRY(62, dims);
    ENTRY(65, value_type);
    ENTRY(69, create_memory);
    ENTRY(76, allocator_free);
    ENTRY(78, default_allocator);
    ENTRY(92, release_env);
    ENTRY(93, release_status);
    ENTRY(94, release_memory);
    ENTRY(95, release_session);
    ENTRY(96, release_value);
    ENTRY(98, release_type);
    ENTRY(99, release_info);
    ENTRY(100, release_options);
#undef ENTRY
}

static enum cz_status check(const struct cz_ort *ort, void *status,
                            struct cz_error *err)
{
    if (!status)
        return CZ_OK;
    cz_error_set(err, CZ_EUNSUPPORTED, "ONNX Runtime: %s",
                 ort->api.get_error_message(status));
    ort->api.release_status(status);
    return CZ_EUNSUPPORTED;
}

/* ---- the library ------------------------------------------------------ */

static enum cz_status open_library(struct cz_ort *ort, const char *path,
                                   struct cz_error *err)
{
    ort->library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (!ort->library)
        return cz_error_set(err, CZ_EIO, "%s", dlerror());
    void *symbol = dlsym(ort->library, "OrtGetApiBase");
    const struct ort_api_base *(*get_base)(void);
    memcpy(&get_base, &symbol, sizeof symbol);
    void *const *table = symbol ? get_base()->get_api(API_VERSION) : NULL;
    if (!table)
        return cz_error_set(err, CZ_EIO, "%s: no ONNX Runtime C API %d", path,
                            API_VERSION);
    ort->version = get_base()->get_version();
    api_read(&ort->api, table);
    return CZ_OK;
}

static enum cz_status open_env(struct cz_ort *ort, struct cz_error *err)
{
    const struct ort_api *api = &ort->api;
    CZ_TRY(
        check(ort, api->create_env(LOG_FATAL_ONLY, "tests", &ort->env), err));
    CZ_TRY(check(
        ort, api->create_memory(ARENA_ALLOCATOR, MEMORY_DEFAULT, &ort->memory),
        err));
    return check(ort, api->default_allocator(&ort->allocator), err);
}

enum cz_status cz_ort_open(struct cz_ort **ort, struct cz_error *err)
{
    *ort = NULL;
    const char *path = getenv("ORT_LIB");
    if (!path || !*path)
        return CZ_OK;
    struct cz_ort *opened = cz_calloc(1, sizeof *opened);
    if (!opened)
        return cz_error_nomem(err);
    enum cz_status status = open_library(opened, path, err);
    if (status == CZ_OK)
        status = open_env(opened, err);
    if (status == CZ_OK)
        *ort = opened;
    else
        cz_ort_close(opened);
    return status;
}

void cz_ort_close(struct cz_ort *ort)
{
    if (!ort)
        return;
    if (ort->memory)
        ort->api.release_memory(ort->memory);
    if (ort->env)
        ort->api.release_env(ort->env);
    /* The library stays: it has threads and exit handlers of its own. */
    cz_free(ort);
}

const char *cz_ort_version(const struct cz_ort *ort)
{
    return ort->version;
}

/* ---- sessions --------------------------------------------------------- */

static enum cz_status create_session(struct cz_ort_session *session,
                                     const char *path, struct cz_error *err)
{
    const struct cz_ort *ort = session->ort;
    const struct ort_api *api = &ort->api;
    void *options;
    CZ_TRY(check(ort, api->create_options(&options), err));
    enum cz_status status =
        check(ort, api->set_optimization(options, OPTIMIZE_ALL), err);
    if (status == CZ_OK)
        status = check(ort, api->set_threads(options, 1), err);
    if (status == CZ_OK)
        status = check(
            ort,
            api->create_session(ort->env, path, options, &session->session),
            err);
    api->release_options(options);
    return status;
}

/* dtype, rank and dims from what the library says of a tensor. */
static enum cz_status read_info(struct cz_ort_tensor *tensor,
                                const struct cz_ort *ort, const void *info,
                                struct cz_error *err)
{
    int type;
    CZ_TRY(check(ort, ort->api.element_type(info, &type), err));
    CZ_TRY(check(ort, ort->api.rank(info, &tensor->rank), err));
    if (tensor->rank > CZ_ORT_MAX_RANK)
        return cz_error_set(err, CZ_EUNSUPPORTED, "%s: %zu dims, at most %d",
                            tensor->name, tensor->rank, CZ_ORT_MAX_RANK);
    tensor->dtype = (enum cz_dtype)type; /* the same numbers up to bfloat16 */
    return check(ort, ort->api.dims(info, tensor->dims, tensor->rank), err);
}

static enum cz_status read_type(struct cz_ort_tensor *tensor,
                                const struct cz_ort *ort, const void *type,
                                struct cz_error *err)
{
    const void *info = NULL;
    CZ_TRY(check(ort, ort->api.cast_type(type, &info), err));
    if (!info)
        return cz_error_set(err, CZ_EUNSUPPORTED, "%s: no tensor",
                            tensor->name);
    return read_info(tensor, ort, info, err);
}

static enum cz_status read_name(struct cz_ort_tensor *tensor,
                                struct cz_ort_session *session, char *name,
                                struct cz_error *err)
{
    const struct cz_ort *ort = session->ort;
    tensor->name = cz_arena_strdup(&session->arena, name, strlen(name));
    CZ_TRY(check(ort, ort->api.allocator_free(ort->allocator, name), err));
    return tensor->name ? CZ_OK : cz_error_nomem(err);
}

static enum cz_status describe_one(struct cz_ort_tensor *tensor,
                                   struct cz_ort_session *session, size_t i,
                                   bool is_input, struct cz_error *err)
{
    const struct cz_ort *ort = session->ort;
    const struct ort_api *api = &ort->api;
    char *name;
    void *type;
    CZ_TRY(check(ort,
                 (is_input ? api->input_name : api->output_name)(
                     session->session, i, ort->allocator, &name),
                 err));
    CZ_TRY(read_name(tensor, session, name, err));
    CZ_TRY(check(ort,
                 (is_input ? api->input_type
                           : api->output_type)(session->session, i, &type),
                 err));
    enum cz_status status = read_type(tensor, ort, type, err);
    api->release_type(type);
    return status;
}

static enum cz_status describe(struct cz_ort_tensors *tensors,
                               struct cz_ort_session *session, bool is_input,
                               struct cz_error *err)
{
    const struct ort_api *api = &session->ort->api;
    CZ_TRY(check(session->ort,
                 (is_input ? api->input_count : api->output_count)(
                     session->session, &tensors->count),
                 err));
    tensors->items =
        cz_arena_alloc(&session->arena, tensors->count, sizeof *tensors->items);
    if (!tensors->items)
        return cz_error_nomem(err);
    for (size_t i = 0; i < tensors->count; i++)
        CZ_TRY(describe_one(&tensors->items[i], session, i, is_input, err));
    return CZ_OK;
}

enum cz_status cz_ort_session_new(struct cz_ort_session **session,
                                  struct cz_ort *ort, const char *path,
                                  struct cz_error *err)
{
    *session = NULL;
    struct cz_ort_session *made = cz_calloc(1, sizeof *made);
    if (!made)
        return cz_error_nomem(err);
    made->ort = ort;
    enum cz_status status = create_session(made, path, err);
    if (status == CZ_OK)
        status = describe(&made->inputs, made, true, err);
    if (status == CZ_OK)
        status = describe(&made->outputs, made, false, err);
    if (status == CZ_OK)
        *session = made;
    else
        cz_ort_session_free(made);
    return status;
}

void cz_ort_session_free(struct cz_ort_session *session)
{
    if (!session)
        return;
    if (session->session)
        session->ort->api.release_session(session->session);
    cz_arena_fini(&session->arena);
    cz_free(session);
}

const struct cz_ort_tensors *
cz_ort_session_inputs(const struct cz_ort_session *session)
{
    return &session->inputs;
}

/* ---- tensors ---------------------------------------------------------- */

static enum cz_status tensors_new(struct cz_ort_tensors *tensors, size_t count,
                                  struct cz_error *err)
{
    tensors->count = 0;
    tensors->items = cz_calloc(count, sizeof *tensors->items);
    if (!tensors->items)
        return cz_error_nomem(err);
    tensors->count = count;
    return CZ_OK;
}

void cz_ort_tensors_fini(struct cz_ort_tensors *tensors)
{
    for (size_t i = 0; i < tensors->count; i++)
        cz_free(tensors->items[i].values);
    cz_free(tensors->items);
    tensors->items = NULL;
    tensors->count = 0;
}

/* Makes room for the values that dims ask for. */
static enum cz_status tensor_allocate(struct cz_ort_tensor *tensor,
                                      struct cz_error *err)
{
    if (!cz_dims_count(tensor->dims, tensor->rank, &tensor->count))
        return cz_error_set(err, CZ_ESHAPE, "%s: dims", tensor->name);
    tensor->values = cz_calloc(tensor->count, sizeof *tensor->values);
    return tensor->values ? CZ_OK : cz_error_nomem(err);
}

/* Steele, Lea, Flood: Fast Splittable Pseudorandom Number Generators (2014),
 * the SplitMix64 of figure 15, scaled to [0, 1). */
static float next_random(uint64_t *state)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
    z = (z ^ z >> 27) * 0x94d049bb133111eb;
    return (float)((z ^ z >> 31) >> 40) * 0x1p-24f;
}

static enum cz_status random_input(struct cz_ort_tensor *input,
                                   int64_t free_dim, uint64_t *state,
                                   struct cz_error *err)
{
    for (size_t d = 0; d < input->rank; d++)
        if (input->dims[d] < 0)
            input->dims[d] = free_dim;
    CZ_TRY(tensor_allocate(input, err));
    bool is_float = cz_dtype_is_float(input->dtype);
    for (size_t i = 0; i < input->count; i++) {
        float number = next_random(state);
        input->values[i] = is_float ? number : (float)(number < 0.5f);
    }
    return CZ_OK;
}

enum cz_status cz_ort_random_inputs(struct cz_ort_tensors *inputs,
                                    const struct cz_ort_session *session,
                                    int64_t free_dim, uint64_t seed,
                                    struct cz_error *err)
{
    CZ_TRY(tensors_new(inputs, session->inputs.count, err));
    for (size_t i = 0; i < inputs->count; i++) {
        inputs->items[i] = session->inputs.items[i];
        CZ_TRY(random_input(&inputs->items[i], free_dim, &seed, err));
    }
    return CZ_OK;
}

/* ---- running ---------------------------------------------------------- */

/* data[i] = value, as the element type has it. */
static bool store(void *data, size_t i, enum cz_dtype dtype, float value)
{
    switch (dtype) {
    case CZ_DTYPE_FLOAT:
        ((float *)data)[i] = value;
        return true;
    case CZ_DTYPE_DOUBLE:
        ((double *)data)[i] = (double)value;
        return true;
    case CZ_DTYPE_FLOAT16:
        ((uint16_t *)data)[i] = cz_half_from_float(value);
        return true;
    case CZ_DTYPE_INT64:
        ((int64_t *)data)[i] = (int64_t)value;
        return true;
    case CZ_DTYPE_INT32:
        ((int32_t *)data)[i] = (int32_t)value;
        return true;
    case CZ_DTYPE_UINT8:
    case CZ_DTYPE_BOOL:
        ((uint8_t *)data)[i] = (uint8_t)value;
        return true;
    default:
        return false;
    }
}

/* One call of the model: the library's view of inputs and outputs. */
struct call {
    size_t n_inputs, n_outputs;
    const char **names; /* [n_inputs + n_outputs] */
    void **values;      /* likewise */
    void **buffers;     /* [n_inputs] */
};

static const struct cz_ort_tensor *declared(const struct cz_ort_session *s,
                                            const char *name)
{
    for (size_t i = 0; i < s->inputs.count; i++)
        if (strcmp(s->inputs.items[i].name, name) == 0)
            return &s->inputs.items[i];
    return NULL;
}

static enum cz_status add_input(struct call *call, size_t i,
                                struct cz_ort_session *session,
                                const struct cz_ort_tensor *input,
                                struct cz_error *err)
{
    const struct cz_ort *ort = session->ort;
    const struct cz_ort_tensor *wanted = declared(session, input->name);
    if (!wanted)
        return cz_error_set(err, CZ_EINVAL, "no input '%s'", input->name);
    size_t width = cz_dtype_bits(wanted->dtype) / 8;
    call->names[i] = input->name;
    call->buffers[i] = cz_calloc(input->count, width);
    if (!call->buffers[i])
        return cz_error_nomem(err);
    for (size_t k = 0; k < input->count; k++)
        if (!store(call->buffers[i], k, wanted->dtype, input->values[k]))
            return cz_error_set(err, CZ_EUNSUPPORTED, "input '%s' is %s",
                                input->name, cz_dtype_name(wanted->dtype));
    return check(ort,
                 ort->api.create_tensor(ort->memory, call->buffers[i],
                                        input->count * width, input->dims,
                                        input->rank, (int)wanted->dtype,
                                        &call->values[i]),
                 err);
}

static enum cz_status call_init(struct call *call,
                                struct cz_ort_session *session,
                                const struct cz_ort_tensors *inputs,
                                struct cz_error *err)
{
    size_t total = inputs->count + session->outputs.count;
    *call = (struct call){inputs->count, session->outputs.count,
                          cz_calloc(total, sizeof *call->names),
                          cz_calloc(total, sizeof *call->values),
                          cz_calloc(inputs->count, sizeof *call->buffers)};
    if (!call->names || !call->values || !call->buffers)
        return cz_error_nomem(err);
    for (size_t i = 0; i < inputs->count; i++)
        CZ_TRY(add_input(call, i, session, &inputs->items[i], err));
    for (size_t i = 0; i < call->n_outputs; i++)
        call->names[call->n_inputs + i] = session->outputs.items[i].name;
    return CZ_OK;
}

static void call_fini(struct call *call, const struct cz_ort *ort)
{
    for (size_t i = 0; call->values && i < call->n_inputs + call->n_outputs;
         i++)
        if (call->values[i])
            ort->api.release_value(call->values[i]);
    for (size_t i = 0; call->buffers && i < call->n_inputs; i++)
        cz_free(call->buffers[i]);
    cz_free(call->names);
    cz_free(call->values);
    cz_free(call->buffers);
}

/* Copies what the library made, as float32. */
static enum cz_status read_output(struct cz_ort_tensor *output,
                                  const struct cz_ort *ort, void *value,
                                  struct cz_error *err)
{
    void *info;
    CZ_TRY(check(ort, ort->api.value_type(value, &info), err));
    enum cz_status status = read_info(output, ort, info, err);
    ort->api.release_info(info);
    CZ_TRY(status);
    CZ_TRY(tensor_allocate(output, err));
    struct cz_elements elements = {.count = output->count,
                                   .stride = cz_dtype_bits(output->dtype) / 8,
                                   .dtype = output->dtype};
    CZ_TRY(check(ort, ort->api.tensor_data(value, &elements.data), err));
    for (size_t i = 0; i < output->count; i++)
        output->values[i] = (float)cz_elements_get(&elements, i);
    return CZ_OK;
}

static enum cz_status run_call(struct cz_ort_tensors *outputs,
                               struct cz_ort_session *session,
                               struct call *call, struct cz_error *err)
{
    const struct cz_ort *ort = session->ort;
    size_t n = call->n_inputs;
    CZ_TRY(
        check(ort,
              ort->api.run(session->session, NULL, call->names, call->values, n,
                           call->names + n, call->n_outputs, call->values + n),
              err));
    for (size_t i = 0; i < outputs->count; i++) {
        outputs->items[i].name = session->outputs.items[i].name;
        CZ_TRY(read_output(&outputs->items[i], ort, call->values[n + i], err));
    }
    return CZ_OK;
}

enum cz_status cz_ort_run(struct cz_ort_tensors *outputs,
                          struct cz_ort_session *session,
                          const struct cz_ort_tensors *inputs,
                          struct cz_error *err)
{
    CZ_TRY(tensors_new(outputs, session->outputs.count, err));
    struct call call;
    enum cz_status status = call_init(&call, session, inputs, err);
    if (status == CZ_OK)
        status = run_call(outputs, session, &call, err);
    call_fini(&call, session->ort);
    return status;
}

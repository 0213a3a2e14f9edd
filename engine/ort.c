/* A model in ONNX Runtime: what it declares, shapes and memory for its inputs,
 * one frame after the other. See ort_internal.h. */
#include <string.h>

#include "core/alloc.h"
#include "core/checked.h"
#include "engine/ort_internal.h"
#include "engine/plan_internal.h"

/* An input beyond this is a mistake, not a frame. */
#define INPUT_BYTES_MAX ((size_t)1 << 36)

/* Inputs or outputs: what the model declares, and what a frame has. */
struct side {
    size_t count;
    struct cz_port *declared; /* [count]; dims -1 where open; no data */
    struct cz_port *ports;    /* [count]; of the frame */
    const char **names;       /* [count] */
    void **values;            /* [count]; the library's; NULL: none yet */
};

struct cz_ort_model {
    struct cz_ort_library library;
    void *session;
    struct cz_arena arena; /* names, ports, values */
    struct side inputs, outputs;
    bool *keeps_value; /* [outputs.count]: its memory serves every frame */
};

/* ---- what the model declares ------------------------------------------ */

static bool is_open(const struct cz_dims *dims)
{
    for (size_t i = 0; i < dims->rank; i++) {
        if (dims->size[i] < 0)
            return true;
    }
    return false;
}

/* dtype and dims from what the library says of a tensor. */
static enum cz_status read_info(struct cz_port *port,
                                const struct cz_ort_library *library,
                                const void *info, struct cz_error *err)
{
    const struct cz_ort_api *api = &library->api;
    int type;
    CZ_TRY(cz_ort_check(library, api->GetTensorElementType(info, &type), err));
    CZ_TRY(cz_ort_check(library,
                        api->GetDimensionsCount(info, &port->dims.rank), err));
    port->dtype = (enum cz_dtype)type; /* ONNX's own numbers */
    if (port->dims.rank > CZ_RANK_MAX)
        return cz_error_set(err, CZ_EUNSUPPORTED,
                            "'%s' has %zu dims, at most "
                            "%d are supported",
                            port->name, port->dims.rank, CZ_RANK_MAX);
    if (cz_dtype_bits(port->dtype) % 8 || !cz_dtype_bits(port->dtype))
        return cz_error_set(err, CZ_EUNSUPPORTED,
                            "'%s' is %s, which is not supported", port->name,
                            cz_dtype_name(port->dtype));
    return cz_ort_check(
        library, api->GetDimensions(info, port->dims.size, port->dims.rank),
        err);
}

static enum cz_status read_type(struct cz_port *port,
                                const struct cz_ort_library *library,
                                const void *type, struct cz_error *err)
{
    const void *info = NULL;
    CZ_TRY(cz_ort_check(
        library, library->api.CastTypeInfoToTensorInfo(type, &info), err));
    if (!info)
        return cz_error_set(err, CZ_EUNSUPPORTED,
                            "'%s' is no tensor, which is not supported",
                            port->name);
    return read_info(port, library, info, err);
}

/* Takes `name` over. */
static enum cz_status read_name(struct cz_port *port,
                                struct cz_ort_model *model, char *name,
                                struct cz_error *err)
{
    const struct cz_ort_library *library = &model->library;
    port->name = cz_arena_strdup(&model->arena, name, strlen(name));
    CZ_TRY(cz_ort_check(
        library, library->api.AllocatorFree(library->allocator, name), err));
    return port->name ? CZ_OK : cz_error_nomem(err);
}

static enum cz_status describe_port(struct cz_port *port,
                                    struct cz_ort_model *model, size_t i,
                                    bool is_input, struct cz_error *err)
{
    const struct cz_ort_library *library = &model->library;
    const struct cz_ort_api *api = &library->api;
    char *name;
    void *type;
    CZ_TRY(cz_ort_check(
        library,
        (is_input ? api->SessionGetInputName : api->SessionGetOutputName)(
            model->session, i, library->allocator, &name),
        err));
    CZ_TRY(read_name(port, model, name, err));
    CZ_TRY(cz_ort_check(
        library,
        (is_input ? api->SessionGetInputTypeInfo
                  : api->SessionGetOutputTypeInfo)(model->session, i, &type),
        err));
    enum cz_status status = read_type(port, library, type, err);
    api->ReleaseTypeInfo(type);
    return status;
}

static enum cz_status allocate_side(struct side *side,
                                    struct cz_ort_model *model,
                                    struct cz_error *err)
{
    struct cz_arena *arena = &model->arena;
    size_t count = side->count;
    side->declared = cz_arena_alloc(arena, count, sizeof *side->declared);
    side->ports = cz_arena_alloc(arena, count, sizeof *side->ports);
    side->names = cz_arena_alloc(arena, count, sizeof *side->names);
    side->values = cz_arena_alloc(arena, count, sizeof *side->values);
    bool enough = side->declared && side->ports && side->names && side->values;
    return enough ? CZ_OK : cz_error_nomem(err);
}

static enum cz_status describe(struct side *side, struct cz_ort_model *model,
                               bool is_input, struct cz_error *err)
{
    const struct cz_ort_api *api = &model->library.api;
    size_t count;
    CZ_TRY(cz_ort_check(
        &model->library,
        (is_input ? api->SessionGetInputCount
                  : api->SessionGetOutputCount)(model->session, &count),
        err));
    side->count = count;
    CZ_TRY(allocate_side(side, model, err));
    for (size_t i = 0; i < count; i++) {
        CZ_TRY(describe_port(&side->declared[i], model, i, is_input, err));
        side->ports[i] = side->declared[i];
        side->names[i] = side->declared[i].name;
    }
    return CZ_OK;
}

/* ---- loading ---------------------------------------------------------- */

static enum cz_status create_session(struct cz_ort_model *model,
                                     const char *path,
                                     const struct cz_engine_options *options,
                                     struct cz_error *err)
{
    const struct cz_ort_library *library = &model->library;
    void *session_options;
    CZ_TRY(cz_ort_session_options(&session_options, library, options, err));
    enum cz_status status =
        cz_ort_check(library,
                     library->api.CreateSession(
                         library->env, path, session_options, &model->session),
                     err);
    library->api.ReleaseSessionOptions(session_options);
    return cz_error_prefix(err, status, path);
}

static enum cz_status describe_both(struct cz_ort_model *model,
                                    struct cz_error *err)
{
    CZ_TRY(describe(&model->inputs, model, true, err));
    CZ_TRY(describe(&model->outputs, model, false, err));
    model->keeps_value = cz_arena_alloc(&model->arena, model->outputs.count,
                                        sizeof *model->keeps_value);
    return model->keeps_value ? CZ_OK : cz_error_nomem(err);
}

static enum cz_status load(struct cz_ort_model *model, const char *path,
                           const struct cz_engine_options *options,
                           struct cz_error *err)
{
    CZ_TRY(cz_ort_library_open(&model->library, options->ort_library, err));
    CZ_TRY(create_session(model, path, options, err));
    return cz_error_prefix(err, describe_both(model, err), path);
}

enum cz_status cz_ort_model_load(struct cz_ort_model **model, const char *path,
                                 const struct cz_engine_options *options,
                                 struct cz_error *err)
{
    *model = NULL;
    struct cz_ort_model *loaded = cz_calloc(1, sizeof *loaded);
    if (!loaded)
        return cz_error_nomem(err);
    enum cz_status status = load(loaded, path, options, err);
    if (status == CZ_OK)
        *model = loaded;
    else
        cz_ort_model_free(loaded);
    return status;
}

/* ---- shapes and memory ------------------------------------------------ */

static void release_value(struct cz_ort_model *model, void **value)
{
    if (*value)
        model->library.api.ReleaseValue(*value);
    *value = NULL;
}

/* Values first: they point into the inputs' memory. */
static void unbind(struct cz_ort_model *model)
{
    for (size_t i = 0; model->inputs.values && i < model->inputs.count; i++) {
        release_value(model, &model->inputs.values[i]);
        cz_free(model->inputs.ports[i].data);
        model->inputs.ports[i].data = NULL;
    }
    for (size_t i = 0; model->outputs.values && i < model->outputs.count; i++) {
        release_value(model, &model->outputs.values[i]);
        model->outputs.ports[i] = model->outputs.declared[i];
        if (model->keeps_value)
            model->keeps_value[i] = false;
    }
}

void cz_ort_model_free(struct cz_ort_model *model)
{
    if (!model)
        return;
    unbind(model);
    if (model->session)
        model->library.api.ReleaseSession(model->session);
    cz_ort_library_close(&model->library);
    cz_arena_fini(&model->arena);
    cz_free(model);
}

static bool agrees(const struct cz_dims *dims, const struct cz_dims *declared)
{
    bool agree = dims->rank == declared->rank;
    for (size_t i = 0; agree && i < dims->rank; i++)
        agree = declared->size[i] < 0 || declared->size[i] == dims->size[i];
    return agree;
}

/* The shape that was asked for or, without one, the declared one where only
 * the batch is open: that is 1 then. */
static enum cz_status input_dims(struct cz_dims *dims,
                                 const struct cz_port *declared,
                                 const struct cz_dims *wanted,
                                 struct cz_error *err)
{
    char text[CZ_DIMS_TEXT_BYTES], wanted_text[CZ_DIMS_TEXT_BYTES];
    *dims = wanted ? *wanted : declared->dims;
    if (!wanted && dims->rank && dims->size[0] < 0)
        dims->size[0] = 1;
    if (!agrees(dims, &declared->dims))
        return cz_error_set(err, CZ_EINVAL,
                            "input '%s' has the shape %s (-1: open), which %s "
                            "does not fit",
                            declared->name, cz_dims_text(&declared->dims, text),
                            cz_dims_text(dims, wanted_text));
    if (is_open(dims))
        return cz_error_set(err, CZ_ESHAPE,
                            "input '%s' has the shape %s (-1: open): its size "
                            "must be given",
                            declared->name,
                            cz_dims_text(&declared->dims, text));
    return CZ_OK;
}

static enum cz_status bind_input(struct cz_ort_model *model, size_t i,
                                 const struct cz_dims *wanted,
                                 struct cz_error *err)
{
    const struct cz_ort_library *library = &model->library;
    struct cz_port *port = &model->inputs.ports[i];
    char text[CZ_DIMS_TEXT_BYTES];
    size_t count, width = cz_dtype_bits(port->dtype) / 8;
    CZ_TRY(input_dims(&port->dims, &model->inputs.declared[i], wanted, err));
    if (!cz_dims_count(port->dims.size, port->dims.rank, &count) ||
        !cz_mul_size(count, width, &port->size_bytes) ||
        port->size_bytes > INPUT_BYTES_MAX)
        return cz_error_set(err, CZ_ESHAPE,
                            "input '%s': %s %s would not fit in memory",
                            port->name, cz_dtype_name(port->dtype),
                            cz_dims_text(&port->dims, text));
    port->data = cz_calloc(count, width);
    if (!port->data)
        return cz_error_nomem(err);
    return cz_ort_check(library,
                        library->api.CreateTensorWithDataAsOrtValue(
                            library->memory, port->data, port->size_bytes,
                            port->dims.size, port->dims.rank, (int)port->dtype,
                            &model->inputs.values[i]),
                        err);
}

enum cz_status cz_ort_model_bind(struct cz_ort_model *model,
                                 const struct cz_input_shape *shapes,
                                 size_t n_shapes, struct cz_error *err)
{
    unbind(model);
    CZ_TRY(cz_shapes_check(shapes, n_shapes, model->inputs.declared,
                           model->inputs.count, err));
    for (size_t i = 0; i < model->inputs.count; i++) {
        const struct cz_port *input = &model->inputs.declared[i];
        CZ_TRY(bind_input(model, i,
                          cz_shapes_find(shapes, n_shapes, input->name,
                                         is_open(&input->dims)),
                          err));
    }
    return CZ_OK;
}

/* ---- frames ----------------------------------------------------------- */

/* What the library made for output i. */
static enum cz_status read_output(struct cz_ort_model *model, size_t i,
                                  struct cz_error *err)
{
    const struct cz_ort_library *library = &model->library;
    struct cz_port *port = &model->outputs.ports[i];
    void *value = model->outputs.values[i];
    void *info;
    size_t count;
    CZ_TRY(cz_ort_check(library,
                        library->api.GetTensorTypeAndShape(value, &info), err));
    enum cz_status status = read_info(port, library, info, err);
    library->api.ReleaseTensorTypeAndShapeInfo(info);
    CZ_TRY(status);
    if (!cz_dims_count(port->dims.size, port->dims.rank, &count))
        return cz_error_set(err, CZ_EINTERNAL, "output '%s' has no shape",
                            port->name);
    port->size_bytes = count * (cz_dtype_bits(port->dtype) / 8);
    model->keeps_value[i] =
        cz_dims_equal(&port->dims, &model->outputs.declared[i].dims);
    return cz_ort_check(
        library, library->api.GetTensorMutableData(value, &port->data), err);
}

enum cz_status cz_ort_model_run(struct cz_ort_model *model,
                                struct cz_error *err)
{
    const struct cz_ort_library *library = &model->library;
    struct side *in = &model->inputs, *out = &model->outputs;
    for (size_t i = 0; i < out->count; i++) {
        if (!model->keeps_value[i])
            release_value(model, &out->values[i]);
    }
    CZ_TRY(cz_ort_check(library,
                        library->api.Run(model->session, NULL, in->names,
                                         in->values, in->count, out->names,
                                         out->count, out->values),
                        err));
    for (size_t i = 0; i < out->count; i++) {
        if (!model->keeps_value[i])
            CZ_TRY(read_output(model, i, err));
    }
    return CZ_OK;
}

const struct cz_port *cz_ort_model_inputs(const struct cz_ort_model *model,
                                          size_t *count)
{
    if (count)
        *count = model->inputs.count;
    return model->inputs.ports;
}

const struct cz_port *cz_ort_model_outputs(const struct cz_ort_model *model,
                                           size_t *count)
{
    if (count)
        *count = model->outputs.count;
    return model->outputs.ports;
}

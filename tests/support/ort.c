/* The harness over engine/ort_internal.h: floats in, floats out. */
#include "tests/support/ort.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "core/alloc.h"
#include "core/checked.h"
#include "core/half.h"
#include "engine/ort_internal.h"

struct cz_ort {
    struct cz_ort_library library;
};

struct cz_ort_session {
    struct cz_ort_model *model;
    struct cz_ort_tensors inputs; /* as declared */
};

/* ---- the library ------------------------------------------------------ */

enum cz_status cz_ort_open(struct cz_ort **ort, struct cz_error *err)
{
    *ort = NULL;
    const char *path = getenv("ORT_LIB");
    if (!path || !*path)
        return CZ_OK;
    struct cz_ort *opened = cz_calloc(1, sizeof *opened);
    if (!opened)
        return cz_error_nomem(err);
    enum cz_status status = cz_ort_library_open(&opened->library, path, err);
    if (status == CZ_OK)
        *ort = opened;
    else
        cz_ort_close(opened);
    return status;
}

void cz_ort_close(struct cz_ort *ort)
{
    if (ort)
        cz_ort_library_close(&ort->library);
    cz_free(ort);
}

const char *cz_ort_version(const struct cz_ort *ort)
{
    return ort->library.version;
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

/* Name, dtype and dims of a port. */
static struct cz_ort_tensor describe(const struct cz_port *port)
{
    struct cz_ort_tensor tensor = {
        .name = port->name, .dtype = port->dtype, .rank = port->dims.rank};
    memcpy(tensor.dims, port->dims.size, sizeof tensor.dims);
    return tensor;
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

/* ---- sessions --------------------------------------------------------- */

static enum cz_status describe_inputs(struct cz_ort_session *session,
                                      struct cz_error *err)
{
    size_t count;
    const struct cz_port *ports = cz_ort_model_inputs(session->model, &count);
    CZ_TRY(tensors_new(&session->inputs, count, err));
    for (size_t i = 0; i < count; i++)
        session->inputs.items[i] = describe(&ports[i]);
    return CZ_OK;
}

enum cz_status cz_ort_session_new(struct cz_ort_session **session,
                                  struct cz_ort *ort, const char *path,
                                  struct cz_error *err)
{
    (void)ort; /* says that the library is there; it is opened once more */
    *session = NULL;
    struct cz_engine_options options = CZ_ENGINE_OPTIONS_INIT;
    options.kind = CZ_ENGINE_ORT;
    options.plan.threads = 1;
    struct cz_ort_session *made = cz_calloc(1, sizeof *made);
    if (!made)
        return cz_error_nomem(err);
    enum cz_status status =
        cz_ort_model_load(&made->model, path, &options, err);
    if (status == CZ_OK)
        status = describe_inputs(made, err);
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
    cz_ort_tensors_fini(&session->inputs);
    cz_ort_model_free(session->model);
    cz_free(session);
}

const struct cz_ort_tensors *
cz_ort_session_inputs(const struct cz_ort_session *session)
{
    return &session->inputs;
}

/* ---- random inputs ---------------------------------------------------- */

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

static enum cz_status bind(struct cz_ort_session *session,
                           const struct cz_ort_tensors *inputs,
                           struct cz_error *err)
{
    struct cz_input_shape *shapes = cz_calloc(inputs->count, sizeof *shapes);
    if (!shapes)
        return cz_error_nomem(err);
    for (size_t i = 0; i < inputs->count; i++) {
        const struct cz_ort_tensor *input = &inputs->items[i];
        shapes[i] = (struct cz_input_shape){input->name, {.rank = input->rank}};
        memcpy(shapes[i].dims.size, input->dims, sizeof input->dims);
    }
    enum cz_status status =
        cz_ort_model_bind(session->model, shapes, inputs->count, err);
    cz_free(shapes);
    return status;
}

static enum cz_status write_input(const struct cz_port *port,
                                  const struct cz_ort_tensors *inputs,
                                  struct cz_error *err)
{
    for (size_t i = 0; i < inputs->count; i++) {
        const struct cz_ort_tensor *input = &inputs->items[i];
        if (strcmp(input->name, port->name) != 0)
            continue;
        for (size_t k = 0; k < input->count; k++)
            if (!store(port->data, k, port->dtype, input->values[k]))
                return cz_error_set(err, CZ_EUNSUPPORTED, "input '%s' is %s",
                                    port->name, cz_dtype_name(port->dtype));
        return CZ_OK;
    }
    return cz_error_set(err, CZ_EINVAL, "nothing for input '%s'", port->name);
}

/* Copies what the library made, as float32. */
static enum cz_status read_output(struct cz_ort_tensor *output,
                                  const struct cz_port *port,
                                  struct cz_error *err)
{
    *output = describe(port);
    CZ_TRY(tensor_allocate(output, err));
    const struct cz_elements elements = {.data = port->data,
                                         .count = output->count,
                                         .stride =
                                             cz_dtype_bits(port->dtype) / 8,
                                         .dtype = port->dtype};
    for (size_t i = 0; i < output->count; i++)
        output->values[i] = (float)cz_elements_get(&elements, i);
    return CZ_OK;
}

enum cz_status cz_ort_run(struct cz_ort_tensors *outputs,
                          struct cz_ort_session *session,
                          const struct cz_ort_tensors *inputs,
                          struct cz_error *err)
{
    size_t n_in, n_out;
    const struct cz_port *in = cz_ort_model_inputs(session->model, &n_in);
    const struct cz_port *out = cz_ort_model_outputs(session->model, &n_out);
    CZ_TRY(tensors_new(outputs, n_out, err));
    CZ_TRY(bind(session, inputs, err));
    for (size_t i = 0; i < n_in; i++)
        CZ_TRY(write_input(&in[i], inputs, err));
    CZ_TRY(cz_ort_model_run(session->model, err));
    for (size_t i = 0; i < n_out; i++)
        CZ_TRY(read_output(&outputs->items[i], &out[i], err));
    return CZ_OK;
}

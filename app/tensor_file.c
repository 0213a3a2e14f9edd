/* Raw tensors: read, write, sum up, make up. */
#include "app/tensor_file.h"

#include <fcntl.h>
#include <math.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "app/text.h"
#include "core/file.h"
#include "core/half.h"
#include "core/output.h"
#include "core/random.h"

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "files are little-endian and read as they are"
#endif

/* ---- reading ---------------------------------------------------------- */

static enum cz_status wrong_size(const struct cz_port *port, const char *path,
                                 const char *size, struct cz_error *err)
{
    char dims[APP_DIMS_BYTES];
    return cz_error_set(err, CZ_EINVAL,
                        "%s: has %s bytes, but input '%s' (%s %s) takes %zu",
                        path, size, port->name, cz_dtype_name(port->dtype),
                        app_dims(dims, &port->dims), port->size_bytes);
}

static enum cz_status read_open(const struct cz_port *port, int fd,
                                const char *path, struct cz_error *err)
{
    struct stat info;
    size_t done, more;
    char size[APP_NUMBER_BYTES], beyond;
    if (fstat(fd, &info) != 0)
        return cz_file_fail(path, err);
    if (S_ISREG(info.st_mode) && (size_t)info.st_size != port->size_bytes) {
        snprintf(size, sizeof size, "%lld", (long long)info.st_size);
        return wrong_size(port, path, size, err);
    }
    CZ_TRY(cz_file_read(&done, fd, port->data, port->size_bytes, path, err));
    CZ_TRY(cz_file_read(&more, fd, &beyond, 1, path, err));
    if (done == port->size_bytes && !more)
        return CZ_OK;
    snprintf(size, sizeof size, "%s%zu", more ? "more than " : "", done);
    return wrong_size(port, path, size, err);
}

enum cz_status app_tensor_read(const struct cz_port *port, const char *path,
                               struct cz_error *err)
{
    int fd;
    CZ_TRY(cz_file_open(&fd, path, err));
    enum cz_status status = read_open(port, fd, path, err);
    close(fd);
    return status;
}

/* ---- writing ---------------------------------------------------------- */

enum cz_status app_tensor_write(const struct cz_port *port, const char *path,
                                bool overwrite, struct cz_error *err)
{
    struct cz_output output;
    CZ_TRY(cz_output_open(&output, path, overwrite, err));
    enum cz_status status =
        cz_file_write(output.fd, port->data, port->size_bytes, path, err);
    if (status == CZ_OK)
        return cz_output_commit(&output, err);
    cz_output_abort(&output);
    return status;
}

/* ---- what is in them -------------------------------------------------- */

static struct cz_elements elements_of(const struct cz_port *port)
{
    size_t width = cz_dtype_bits(port->dtype) / 8;
    return (struct cz_elements){.data = port->data,
                                .count = width ? port->size_bytes / width : 0,
                                .stride = width,
                                .dtype = port->dtype};
}

struct app_tensor_summary app_tensor_summary(const struct cz_port *port)
{
    const struct cz_elements elements = elements_of(port);
    struct app_tensor_summary s = {INFINITY, -INFINITY, 0};
    bool has_nan = !elements.count;
    for (size_t i = 0; i < elements.count; i++) {
        double value = cz_elements_get(&elements, i);
        has_nan |= isnan(value);
        s.min = fmin(s.min, value);
        s.max = fmax(s.max, value);
        s.mean += value / (double)elements.count;
    }
    if (has_nan)
        s.min = s.max = s.mean = NAN;
    return s;
}

/* The bytes of one element, lowest first. */
static uint64_t random_element(uint64_t *state, enum cz_dtype dtype)
{
    union {
        uint64_t bits;
        uint16_t half;
        float f;
        double d;
    } element = {0};
    uint64_t number = cz_random_next(state) >> 40; /* 24 bits */
    float unit = (float)number * 0x1p-24f;
    switch (dtype) {
    case CZ_DTYPE_FLOAT:
        element.f = unit;
        break;
    case CZ_DTYPE_DOUBLE:
        element.d = (double)unit;
        break;
    case CZ_DTYPE_FLOAT16:
        element.half = cz_half_from_float(unit);
        break;
    case CZ_DTYPE_BFLOAT16: /* [0.5, 1): the mantissa alone is random */
        element.half = (uint16_t)(0x3f00 | (number & 0x7f));
        break;
    case CZ_DTYPE_UINT8:
        element.bits = number & 0xff;
        break;
    default:
        element.bits = number & 1;
    }
    return element.bits;
}

void app_tensor_fill(const struct cz_port *ports, size_t count)
{
    uint64_t state = 0;
    for (size_t p = 0; p < count; p++) {
        const struct cz_elements elements = elements_of(&ports[p]);
        for (size_t i = 0; i < elements.count; i++) {
            uint64_t bits = random_element(&state, elements.dtype);
            memcpy((char *)elements.data + i * elements.stride, &bits,
                   elements.stride);
        }
    }
}

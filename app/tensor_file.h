/* Tensors in files: the elements alone, row-major, little-endian, in the type
 * that the model declares; and what is in them in three numbers. */
#ifndef CZ_APP_TENSOR_FILE_H
#define CZ_APP_TENSOR_FILE_H

#include "engine/engine.h"

/* Fills the port's data. CZ_EIO, or CZ_EINVAL when the file has another size
 * than the port. */
enum cz_status app_tensor_read(const struct cz_port *port, const char *path,
                               struct cz_error *err);

/* Through core/output.h. */
enum cz_status app_tensor_write(const struct cz_port *port, const char *path,
                                bool overwrite, struct cz_error *err);

/* Of all elements; NaN as soon as one is NaN, or when there is none. */
struct app_tensor_summary {
    double min, max, mean;
};

struct app_tensor_summary app_tensor_summary(const struct cz_port *port);

/* Random numbers in [0, 1) for floats, 0 to 255 for uint8, 0 and 1 for other
 * types; the same ones each time. */
void app_tensor_fill(const struct cz_port *ports, size_t count);

#endif

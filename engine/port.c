/* The numbers of inputs, outputs and taps. See engine.h. */
#include <string.h>

#include "core/half.h"
#include "engine/engine.h"
#include "engine/scalar_internal.h"

size_t cz_port_count(const struct cz_port *port)
{
    const size_t bits = cz_dtype_bits(port->dtype);
    return bits ? port->size_bytes * 8 / bits : 0;
}

void cz_port_widen(float *floats, const struct cz_port *port)
{
    const size_t count = cz_port_count(port);
    const enum cz_dtype dtype =
        port->dtype == CZ_DTYPE_BOOL ? CZ_DTYPE_UINT8 : port->dtype;
    switch (port->dtype) {
    case CZ_DTYPE_FLOAT:
        if (count)
            memcpy(floats, port->data, count * sizeof *floats);
        return;
    case CZ_DTYPE_FLOAT16:
        cz_half_widen(floats, port->data, count);
        return;
    case CZ_DTYPE_BFLOAT16:
        cz_bfloat16_widen(floats, port->data, count);
        return;
    default:
        for (size_t i = 0; i < count; i++)
            floats[i] = (float)cz_read_double(dtype, port->data, i);
    }
}

/* The element types of ONNX: names and sizes. */
#include "onnx/onnx.h"

static const struct {
    const char *name;
    size_t bits;
} dtypes[] = {
    [CZ_DTYPE_UNDEFINED] = {"undefined", 0},
    [CZ_DTYPE_FLOAT] = {"float32", 32},
    [CZ_DTYPE_UINT8] = {"uint8", 8},
    [CZ_DTYPE_INT8] = {"int8", 8},
    [CZ_DTYPE_UINT16] = {"uint16", 16},
    [CZ_DTYPE_INT16] = {"int16", 16},
    [CZ_DTYPE_INT32] = {"int32", 32},
    [CZ_DTYPE_INT64] = {"int64", 64},
    [CZ_DTYPE_STRING] = {"string", 0},
    [CZ_DTYPE_BOOL] = {"bool", 8},
    [CZ_DTYPE_FLOAT16] = {"float16", 16},
    [CZ_DTYPE_DOUBLE] = {"double", 64},
    [CZ_DTYPE_UINT32] = {"uint32", 32},
    [CZ_DTYPE_UINT64] = {"uint64", 64},
    [CZ_DTYPE_COMPLEX64] = {"complex64", 64},
    [CZ_DTYPE_COMPLEX128] = {"complex128", 128},
    [CZ_DTYPE_BFLOAT16] = {"bfloat16", 16},
    [CZ_DTYPE_FLOAT8E4M3FN] = {"float8e4m3fn", 8},
    [CZ_DTYPE_FLOAT8E4M3FNUZ] = {"float8e4m3fnuz", 8},
    [CZ_DTYPE_FLOAT8E5M2] = {"float8e5m2", 8},
    [CZ_DTYPE_FLOAT8E5M2FNUZ] = {"float8e5m2fnuz", 8},
    [CZ_DTYPE_UINT4] = {"uint4", 4},
    [CZ_DTYPE_INT4] = {"int4", 4},
    [CZ_DTYPE_FLOAT4E2M1] = {"float4e2m1", 4},
};

static bool is_known(enum cz_dtype dtype)
{
    return (size_t)dtype < sizeof dtypes / sizeof *dtypes;
}

const char *cz_dtype_name(enum cz_dtype dtype)
{
    return is_known(dtype) ? dtypes[dtype].name : "unknown";
}

size_t cz_dtype_bits(enum cz_dtype dtype)
{
    return is_known(dtype) ? dtypes[dtype].bits : 0;
}

bool cz_dtype_is_float(enum cz_dtype dtype)
{
    return dtype == CZ_DTYPE_FLOAT || dtype == CZ_DTYPE_FLOAT16 ||
           dtype == CZ_DTYPE_BFLOAT16 || dtype == CZ_DTYPE_DOUBLE;
}

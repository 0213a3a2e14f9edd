/* Element types for operators that exist once for each of them: lists for
 * macros, and conversions that no value makes undefined.
 *
 * A list calls X(dtype, C type, name, lowest, highest) for each of its types;
 * the dtype is without its CZ_DTYPE_. */
#ifndef CZ_ENGINE_SCALAR_INTERNAL_H
#define CZ_ENGINE_SCALAR_INTERNAL_H

#include <float.h>
#include <stdint.h>

#include "onnx/onnx.h"

#define CZ_EACH_FLOAT(X)                                                       \
    X(FLOAT, float, f32, -FLT_MAX, FLT_MAX)                                    \
    X(DOUBLE, double, f64, -DBL_MAX, DBL_MAX)
#define CZ_EACH_SIGNED(X)                                                      \
    X(INT8, int8_t, i8, INT8_MIN, INT8_MAX)                                    \
    X(INT16, int16_t, i16, INT16_MIN, INT16_MAX)                               \
    X(INT32, int32_t, i32, INT32_MIN, INT32_MAX)                               \
    X(INT64, int64_t, i64, INT64_MIN, INT64_MAX)
#define CZ_EACH_UNSIGNED(X)                                                    \
    X(UINT8, uint8_t, u8, 0, UINT8_MAX)                                        \
    X(UINT16, uint16_t, u16, 0, UINT16_MAX)                                    \
    X(UINT32, uint32_t, u32, 0, UINT32_MAX)                                    \
    X(UINT64, uint64_t, u64, 0, UINT64_MAX)
#define CZ_EACH_INT(X) CZ_EACH_SIGNED(X) CZ_EACH_UNSIGNED(X)
#define CZ_EACH_NUMBER(X) CZ_EACH_FLOAT(X) CZ_EACH_INT(X)

/* Entries of a table of functions `of` by dtype: op_f32, op_i8 and so on. */
#define CZ_OF_FLOATS(op)                                                       \
    .of[CZ_DTYPE_FLOAT] = op##_f32, .of[CZ_DTYPE_DOUBLE] = op##_f64
#define CZ_OF_SIGNED(op)                                                       \
    .of[CZ_DTYPE_INT8] = op##_i8, .of[CZ_DTYPE_INT16] = op##_i16,              \
    .of[CZ_DTYPE_INT32] = op##_i32, .of[CZ_DTYPE_INT64] = op##_i64
#define CZ_OF_UNSIGNED(op)                                                     \
    .of[CZ_DTYPE_UINT8] = op##_u8, .of[CZ_DTYPE_UINT16] = op##_u16,            \
    .of[CZ_DTYPE_UINT32] = op##_u32, .of[CZ_DTYPE_UINT64] = op##_u64
#define CZ_OF_INTS(op) CZ_OF_SIGNED(op), CZ_OF_UNSIGNED(op)
#define CZ_OF_NUMBERS(op) CZ_OF_FLOATS(op), CZ_OF_INTS(op)

/* cz_i8_saturate() and so on: a real number cut off towards zero, and to the
 * range of the type; NaN gives 0. For 64 bits the highest is not a double: the
 * comparison is with the power of two behind it. */
#define CZ_SATURATE(dtype, T, name, low, high)                                 \
    static inline T cz_##name##_saturate(double x)                             \
    {                                                                          \
        return x != x                ? 0                                       \
               : x <= (double)(low)  ? (T)(low)                                \
               : x >= (double)(high) ? (T)(high)                               \
                                     : (T)x;                                   \
    }
CZ_EACH_INT(CZ_SATURATE)
#undef CZ_SATURATE

static inline float cz_f32_saturate(double x)
{
    return (float)x;
}

static inline double cz_f64_saturate(double x)
{
    return x;
}

/* Element i of an array of numbers as a double. */
static inline double cz_read_double(enum cz_dtype dtype, const void *data,
                                    size_t i)
{
    switch (dtype) {
#define CZ_CASE(dtype, T, name, low, high)                                     \
    case CZ_DTYPE_##dtype:                                                     \
        return (double)((const T *)data)[i];
        CZ_EACH_NUMBER(CZ_CASE)
#undef CZ_CASE
    default:
        return 0;
    }
}

#endif

/* How the loops of simd_codes.h are written. */
#ifndef CZ_ENGINE_SIMD_CODES_MACROS_H
#define CZ_ENGINE_SIMD_CODES_MACROS_H

#define INLINE static inline __attribute__((always_inline)) TARGET
#ifdef __clang__
#define UNROLL _Pragma("clang loop unroll(full)")
#define UNROLL_8 _Pragma("clang loop unroll_count(8)")
#else
#define UNROLL _Pragma("GCC unroll 16")
#define UNROLL_8 _Pragma("GCC unroll 8")
#endif
/* The compiler must not know where `p` points. */
#define FORGET(p) __asm__("" : "+r"(p))

#endif

/* How loops for vector units are written. A file that includes this defines
 * TARGET, the function attribute that switches the instructions on. */
#ifndef CZ_ENGINE_SIMD_MACROS_H
#define CZ_ENGINE_SIMD_MACROS_H

#define INLINE static inline __attribute__((always_inline)) TARGET
#ifdef __clang__
#define UNROLL _Pragma("clang loop unroll(full)")
#define UNROLL_4 _Pragma("clang loop unroll_count(4)")
#define UNROLL_8 _Pragma("clang loop unroll_count(8)")
#else
#define UNROLL _Pragma("GCC unroll 16")
#define UNROLL_4 _Pragma("GCC unroll 4")
#define UNROLL_8 _Pragma("GCC unroll 8")
#endif
/* The compiler must not know where `p` points. */
#define FORGET(p) __asm__("" : "+r"(p))

#endif

/* BLAS and LAPACK: OpenBLAS, opened when somebody asks for it. The program is
 * built, starts and mostly runs without it.
 *
 * As it is loaded it starts a thread for each core, which spin for some 50 ms,
 * unless the environment variable OPENBLAS_NUM_THREADS is 1: to be set by the
 * program, as long as it has no threads that read the environment. Afterwards
 * it works in the thread that calls, and several may call at once. */
#ifndef CZ_CORE_BLAS_H
#define CZ_CORE_BLAS_H

#include "core/error.h"

/* As cblas.h has them; its enums are ints. */
enum { CZ_BLAS_ROW_MAJOR = 101, CZ_BLAS_AS_IT_IS = 111, CZ_BLAS_TRANSPOSED };

/* What OpenBLAS has of what is used here. cblas_* take matrices as their first
 * argument says; LAPACK's, of Fortran, column after column, all by reference,
 * and say in `info` what went wrong: 0 is nothing. */
struct cz_blas {
    void (*sgemm)(int order, int trans_a, int trans_b, int m, int n, int k,
                  float alpha, const float *a, int lda, const float *b, int ldb,
                  float beta, float *c, int ldc);
    void (*dgemm)(int order, int trans_a, int trans_b, int m, int n, int k,
                  double alpha, const double *a, int lda, const double *b,
                  int ldb, double beta, double *c, int ldc);
    void (*dposv)(const char *uplo, const int *n, const int *nrhs, double *a,
                  const int *lda, double *b, const int *ldb, int *info);
    void (*dpotrf)(const char *uplo, const int *n, double *a, const int *lda,
                   int *info);
    void (*dpotri)(const char *uplo, const int *n, double *a, const int *lda,
                   int *info);
    void (*dpotrs)(const char *uplo, const int *n, const int *nrhs,
                   const double *a, const int *lda, double *b, const int *ldb,
                   int *info);
};

/* NULL where it is not there, or lacks some of them. Any thread may ask. */
const struct cz_blas *cz_blas(void);

/* The same, for who cannot do without: CZ_EUNSUPPORTED with what to install. */
enum cz_status cz_blas_open(const struct cz_blas **blas, struct cz_error *err);

#endif

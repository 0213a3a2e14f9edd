/* BLAS and LAPACK: OpenBLAS, opened when somebody asks for it. The program is
 * built, starts and mostly runs without it. */
#ifndef CZ_CORE_BLAS_H
#define CZ_CORE_BLAS_H

#include "core/error.h"

/* A function of OpenBLAS; NULL where it, or the function, is not there. As it is
 * loaded it starts a thread for each core, which spin for some 50 ms, unless the
 * environment variable OPENBLAS_NUM_THREADS is 1: to be set by the program, as
 * long as it has no threads that read the environment. Afterwards it works in
 * the thread that calls, and several may call at once. Any thread may ask. */
void *cz_blas_find(const char *function);

/* CZ_EUNSUPPORTED, with what to install: for who cannot do without. */
enum cz_status cz_blas_missing(struct cz_error *err);

#endif

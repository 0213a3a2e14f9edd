/* The shared objects of OpenCV: where they are, how they are opened. */
#ifndef CZ_DETECT_SHIM_INTERNAL_H
#define CZ_DETECT_SHIM_INTERNAL_H

#include "core/error.h"

struct cz_shim {
    const char *file;     /* "compress-video.so" */
    const char *symbol;   /* of its table, which begins with `unsigned abi` */
    const char *what;     /* "videos": what needs it */
    const char *packages; /* that bring its libraries */
    unsigned abi;
};

/* $CZ_OPENCV names compress-opencv.so, and the others lie beside it; else
 * beside the program; else in ../lib/compress from there. CZ_EUNSUPPORTED.
 * Libraries are left open at the end: they have exit handlers of their own. */
enum cz_status cz_shim_open(const void **table, const struct cz_shim *shim,
                            struct cz_error *err);

#endif

/* Boards by name: what they can compute in, and what that gains. */
#ifndef CZ_APP_BOARD_H
#define CZ_APP_BOARD_H

#include <stdbool.h>

#include "quant/quant.h"

struct app_board {
    const char *name;    /* as --board has it */
    const char *title;   /* "Jetson Nano" */
    const char *compute; /* CUDA compute capability, or NULL: no such GPU */
    unsigned memory_gb;  /* at most */
    bool has_int8;
    bool has_int8_cores; /* tensor cores for it */
    bool has_fp16;       /* computes in it, and faster than in float32 */
    bool has_sparse;     /* 2:4 sparsity is faster */
    enum cz_int8_target target;
    /* A sentence each: what int8 and what float16 gain. */
    const char *int8_gain, *fp16_gain;
};

/* The board, or NULL after saying on stderr what is wrong. */
const struct app_board *app_board_find(const char *name);

/* Whether int8 (and float16) is worth having there; CZ_EUNSUPPORTED with the
 * better choice. */
enum cz_status app_board_check(const struct app_board *board, bool int8,
                               struct cz_error *err);

/* What a model in these types gains on it. */
const char *app_board_gain(const struct app_board *board, bool int8, bool fp16);

#endif

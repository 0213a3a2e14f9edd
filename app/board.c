/* The boards. Precisions and tensor cores by compute capability: NVIDIA,
 * TensorRT 8.2.5 Support Matrix, "Hardware and precision" (5.3 and 6.2: FP16,
 * no INT8; 7.2 and 8.7: both, with tensor cores for both); 2:4 sparsity:
 * NVIDIA Ampere architecture white paper, from 8.0 on. The Pis: Arm, Cortex-A72
 * (ARMv8.0: float16 is converted, not computed with) and Cortex-A76 (ARMv8.2:
 * float16 arithmetic and dot products) Technical Reference Manuals. Memory is
 * that of the largest module sold. */
#include "app/board.h"

#include <stdio.h>
#include <string.h>

#include "app/app.h"
#include "app/near.h"

#define HALF_ON_GPU                                                            \
    "float16 is computed at up to twice the rate of float32, for half of the " \
    "bytes"
#define HALF_ON_CORES                                                          \
    "float16 runs on tensor cores, several times as fast as float32"
#define INT8_ON_CORES                                                          \
    "int8 runs on tensor cores, at up to twice the rate of float16"

static const struct app_board boards[] = {
    {"nano", "Jetson Nano", "5.3", 4, false, false, true, false,
     CZ_INT8_TENSORRT, NULL, HALF_ON_GPU},
    {"tx2", "Jetson TX2", "6.2", 8, false, false, true, false, CZ_INT8_TENSORRT,
     NULL, HALF_ON_GPU},
    {"xavier-nx", "Jetson Xavier NX", "7.2", 16, true, true, true, false,
     CZ_INT8_TENSORRT, INT8_ON_CORES, HALF_ON_CORES},
    {"agx-xavier", "Jetson AGX Xavier", "7.2", 64, true, true, true, false,
     CZ_INT8_TENSORRT, INT8_ON_CORES, HALF_ON_CORES},
    {"orin-nano", "Jetson Orin Nano", "8.7", 8, true, true, true, true,
     CZ_INT8_TENSORRT, INT8_ON_CORES, HALF_ON_CORES},
    {"orin-nx", "Jetson Orin NX", "8.7", 16, true, true, true, true,
     CZ_INT8_TENSORRT, INT8_ON_CORES, HALF_ON_CORES},
    {"agx-orin", "Jetson AGX Orin", "8.7", 64, true, true, true, true,
     CZ_INT8_TENSORRT, INT8_ON_CORES, HALF_ON_CORES},
    {"pi4", "Raspberry Pi 4", NULL, 8, true, false, false, false,
     CZ_INT8_ONNXRUNTIME,
     "int8 saves bytes and some time: the CPU has no dot products of bytes",
     "float16 saves bytes, not time: the CPU does not compute in it"},
    {"pi5", "Raspberry Pi 5", NULL, 16, true, false, true, false,
     CZ_INT8_ONNXRUNTIME,
     "int8 saves bytes and time: the CPU has dot products of bytes",
     "float16 saves bytes, and time where the runtime computes in it"},
};

#define N_BOARDS (sizeof boards / sizeof *boards)

static void list_names(char *list, size_t size)
{
    size_t length = 0;
    for (size_t i = 0; i < N_BOARDS && length < size; i++)
        length += (size_t)snprintf(list + length, size - length, "%s%s",
                                   i ? ", " : "", boards[i].name);
}

const struct app_board *app_board_find(const char *name)
{
    char list[128];
    struct app_near near = app_near_start(name);
    for (size_t i = 0; i < N_BOARDS; i++) {
        if (strcmp(boards[i].name, name) == 0)
            return &boards[i];
        app_near_try(&near, boards[i].name);
    }
    list_names(list, sizeof list);
    if (near.nearest)
        app_usage_error("compress",
                        "--board %s: did you mean '%s'? There are %s", name,
                        near.nearest, list);
    else
        app_usage_error("compress", "--board %s: there are %s", name, list);
    return NULL;
}

enum cz_status app_board_check(const struct app_board *board, bool int8,
                               struct cz_error *err)
{
    if (!int8 || board->has_int8)
        return CZ_OK;
    return cz_error_set(err, CZ_EUNSUPPORTED,
                        "--board %s: a %s (compute capability %s) does not "
                        "compute in int8; take --fp16 instead of --int8: %s",
                        board->name, board->title, board->compute,
                        board->fp16_gain);
}

const char *app_board_gain(const struct app_board *board, bool int8, bool fp16)
{
    if (int8)
        return board->int8_gain;
    if (fp16)
        return board->fp16_gain;
    return board->has_sparse
               ? "zeros save bytes after compression; time only where two of "
                 "each four weights are zero (2:4)"
               : "zeros save bytes after compression, no time";
}

/* OpenCV's highgui for C: one window. A shared object of its own,
 * compress-window.so, since it brings a toolkit that boards without a display
 * do not have. For the program's first thread only. */
#ifndef CZ_DETECT_WINDOW_SHIM_H
#define CZ_DETECT_WINDOW_SHIM_H

#include "detect/opencv_shim.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Raised with every change of the table. */
#define CZ_WS_ABI 1

struct cz_ws_table {
    unsigned abi;
    bool (*open)(const char *title, char *why) CZ_NOEXCEPT;
    void (*resize)(const char *title, int width, int height) CZ_NOEXCEPT;
    /* Draws, and lets the toolkit work; *key: what was pressed, or -1. False:
     * the window is gone. */
    bool (*show)(const char *title, const struct cz_cv_picture *picture,
                 int *key) CZ_NOEXCEPT;
    void (*close)(const char *title) CZ_NOEXCEPT;
};

extern const struct cz_ws_table cz_ws_table;

#ifdef __cplusplus
}
#endif

#endif

/* A window on the screen, on OpenCV's highgui. */
#include <stdlib.h>

#include "core/alloc.h"
#include "detect/image_internal.h"
#include "detect/shim_internal.h"
#include "detect/window_shim.h"

#define ESCAPE 27

struct cz_window {
    const struct cz_ws_table *ws;
    char *title;
};

bool cz_window_possible(void)
{
    const char *x = getenv("DISPLAY"), *wayland = getenv("WAYLAND_DISPLAY");
    return (x && *x) || (wayland && *wayland);
}

static enum cz_status open_window(struct cz_window *window, const char *title,
                                  struct cz_error *err)
{
    static const struct cz_shim shim = {
        .file = "compress-window.so",
        .symbol = "cz_ws_table",
        .what = "windows",
        .packages = "OpenCV 4 (apt install libopencv-highgui406; or "
                    "--headless)",
        .abi = CZ_WS_ABI};
    char why[CZ_CV_WHY_BYTES] = "";
    const void *table;
    CZ_TRY(cz_shim_open(&table, &shim, err));
    window->ws = table;
    window->title = cz_strdup(title);
    if (!window->title)
        return cz_error_nomem(err);
    if (window->ws->open(title, why))
        return CZ_OK;
    return cz_error_set(err, CZ_EUNSUPPORTED,
                        "no window can be opened (--headless goes without): %s",
                        why);
}

enum cz_status cz_window_open(struct cz_window **window, const char *title,
                              struct cz_error *err)
{
    *window = cz_calloc(1, sizeof **window);
    if (!*window)
        return cz_error_nomem(err);
    const enum cz_status status = open_window(*window, title, err);
    if (status != CZ_OK) {
        cz_free((*window)->title);
        cz_free(*window);
        *window = NULL;
    }
    return status;
}

void cz_window_close(struct cz_window *window)
{
    if (!window)
        return;
    window->ws->close(window->title);
    cz_free(window->title);
    cz_free(window);
}

bool cz_window_show(struct cz_window *window, const struct cz_image *image)
{
    const struct cz_cv_picture picture = {image->pixels, image->width,
                                          image->height, image->step, NULL};
    int key;
    return window->ws->show(window->title, &picture, &key) && key != ESCAPE &&
           key != 'q';
}

/* A window on the screen, on OpenCV's highgui. */
#include <dlfcn.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/alloc.h"
#include "detect/image_internal.h"
#include "detect/shim_internal.h"
#include "detect/window_shim.h"

#define ESCAPE 27
/* A larger picture begins smaller; the window can be resized. */
#define WIDTH_MAX 1280
#define HEIGHT_MAX 800

struct cz_window {
    const struct cz_ws_table *ws;
    char *title;
    bool is_sized;
};

/* Qt ends the whole program where $DISPLAY leads nowhere, so it is tried
 * before. Without Xlib that is up to the toolkit. */
static bool is_x_there(void)
{
    void *library = dlopen("libX11.so.6", RTLD_NOW | RTLD_LOCAL);
    void *(*open)(const char *) = NULL;
    int (*close)(void *) = NULL;
    void *found[2] = {library ? dlsym(library, "XOpenDisplay") : NULL,
                      library ? dlsym(library, "XCloseDisplay") : NULL};
    if (!found[0] || !found[1])
        return true;
    memcpy(&open, &found[0], sizeof open);
    memcpy(&close, &found[1], sizeof close);
    void *display = open(NULL);
    if (display)
        close(display);
    return display != NULL;
}

bool cz_window_possible(void)
{
    const char *x = getenv("DISPLAY"), *wayland = getenv("WAYLAND_DISPLAY");
    return (x && *x) ? is_x_there() : wayland && *wayland;
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

static void fit_window(struct cz_window *window, const struct cz_image *image)
{
    const double width = (double)image->width, height = (double)image->height;
    const double scale = fmin(1, fmin(WIDTH_MAX / width, HEIGHT_MAX / height));
    window->ws->resize(window->title, (int)(width * scale),
                       (int)(height * scale));
    window->is_sized = true;
}

bool cz_window_show(struct cz_window *window, const struct cz_image *image)
{
    const struct cz_cv_picture picture = {image->pixels, image->width,
                                          image->height, image->step, NULL};
    int key;
    if (!window->is_sized)
        fit_window(window, image);
    return window->ws->show(window->title, &picture, &key) && key != ESCAPE &&
           key != 'q';
}

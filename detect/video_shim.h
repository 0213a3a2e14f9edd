/* OpenCV's videoio for C: frames in, a video file out.
 *
 * A shared object of its own, compress-video.so, as compress-opencv.so is and
 * for the same reason. It exports one symbol, cz_vs_table, and decides nothing.
 * Sources and writers are for one thread at a time. */
#ifndef CZ_DETECT_VIDEO_SHIM_H
#define CZ_DETECT_VIDEO_SHIM_H

#include "detect/opencv_shim.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Raised with every change of the table. */
#define CZ_VS_ABI 1

struct cz_vs_source;
struct cz_vs_writer;

/* Which of OpenCV's ways in. */
enum cz_vs_api {
    CZ_VS_CAMERA,   /* `camera`, or the device file `text` */
    CZ_VS_FFMPEG,   /* a file or an address */
    CZ_VS_GSTREAMER /* a pipeline */
};

struct cz_vs_request {
    enum cz_vs_api api;
    const char *text;
    int camera;        /* number, where there is no text */
    int timeout_ms;    /* of FFmpeg; 0: its own */
    int width, height; /* asked of a camera; 0: not */
    double fps;        /* likewise */
};

struct cz_vs_facts {
    double fps, frames; /* 0 or less, or NaN: unknown */
};

struct cz_vs_sheet {
    const char *path;
    const char *codec; /* four letters */
    double fps;
    int width, height;
};

struct cz_vs_table {
    unsigned abi;
    bool (*open)(struct cz_vs_source **source,
                 const struct cz_vs_request *request, struct cz_vs_facts *facts,
                 char *why) CZ_NOEXCEPT;
    void (*close)(struct cz_vs_source *source) CZ_NOEXCEPT;
    bool (*grab)(struct cz_vs_source *source) CZ_NOEXCEPT;
    /* Into picture->owner, which is made where it is NULL; opencv_shim.h's
     * release_picture() ends it. */
    bool (*retrieve)(struct cz_vs_source *source,
                     struct cz_cv_picture *picture) CZ_NOEXCEPT;
    bool (*scale)(const struct cz_cv_picture *to,
                  const struct cz_cv_picture *from) CZ_NOEXCEPT;
    bool (*writer_open)(struct cz_vs_writer **writer,
                        const struct cz_vs_sheet *sheet, char *why) CZ_NOEXCEPT;
    bool (*write)(struct cz_vs_writer *writer,
                  const struct cz_cv_picture *picture) CZ_NOEXCEPT;
    /* Writes what is left. */
    void (*writer_close)(struct cz_vs_writer *writer) CZ_NOEXCEPT;
};

extern const struct cz_vs_table cz_vs_table;

#ifdef __cplusplus
}
#endif

#endif

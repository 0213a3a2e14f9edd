/* Image files: read whole, decoded and encoded by the shim. */
#include <limits.h>
#include <string.h>
#include <strings.h>

#include "core/alloc.h"
#include "core/file.h"
#include "core/output.h"
#include "detect/image_internal.h"

#define QUALITY 92

/* The bytes of a file that may be an image; cz_free() them. */
static enum cz_status load(void **bytes, size_t *size, const char *path,
                           struct cz_error *err)
{
    CZ_TRY(cz_file_load(bytes, size, path, INT_MAX, err));
    if (*size)
        return CZ_OK;
    cz_free(*bytes);
    return cz_error_set(err, CZ_EPARSE, "%s: is empty, no image", path);
}

static enum cz_status refuse(const char *path, const char *why,
                             struct cz_error *err)
{
    return cz_error_set(err, CZ_EPARSE, "%s: is no image that can be read: %s",
                        path, why);
}

/* ---- reading ---------------------------------------------------------- */

enum cz_status cz_image_read(struct cz_image *image,
                             const struct cz_opencv *opencv, const char *path,
                             struct cz_error *err)
{
    struct cz_cv_picture picture = {0};
    char why[CZ_CV_WHY_BYTES] = "";
    void *bytes;
    size_t size;
    *image = (struct cz_image){0};
    CZ_TRY(load(&bytes, &size, path, err));
    const bool is_read = opencv->cv->decode(&picture, bytes, size, why);
    cz_free(bytes);
    if (!is_read)
        return refuse(path, why, err);
    *image = (struct cz_image){picture.pixels, picture.width, picture.height,
                               picture.step, picture.owner};
    return CZ_OK;
}

void cz_image_free(struct cz_image *image, const struct cz_opencv *opencv)
{
    struct cz_cv_picture picture = {.owner = image->owner};
    if (image->owner)
        opencv->cv->release_picture(&picture);
    *image = (struct cz_image){0};
}

enum cz_status cz_image_size(size_t *width, size_t *height,
                             const struct cz_opencv *opencv, const char *path,
                             struct cz_error *err)
{
    char why[CZ_CV_WHY_BYTES] = "";
    void *bytes;
    size_t size;
    CZ_TRY(load(&bytes, &size, path, err));
    const bool is_read = opencv->cv->measure(width, height, bytes, size, why);
    cz_free(bytes);
    return is_read ? CZ_OK : refuse(path, why, err);
}

bool cz_image_is_name(const char *path)
{
    static const char *const endings[] = {".bmp",  ".dng", ".jpeg", ".jpg",
                                          ".mpo",  ".pfm", ".png",  ".tif",
                                          ".tiff", ".webp"};
    const char *dot = strrchr(path, '.');
    for (size_t i = 0; dot && i < sizeof endings / sizeof *endings; i++) {
        if (strcasecmp(dot, endings[i]) == 0)
            return true;
    }
    return false;
}

bool cz_image_is_bad(enum cz_status status)
{
    return status != CZ_OK && status != CZ_ENOMEM && status != CZ_EINTERNAL;
}

/* ---- writing ---------------------------------------------------------- */

static enum cz_status write_file(const struct cz_encoded *encoded,
                                 const char *path, bool overwrite,
                                 struct cz_error *err)
{
    struct cz_output output;
    CZ_TRY(cz_output_open(&output, path, overwrite, err));
    enum cz_status status =
        cz_file_write(output.fd, encoded->data, encoded->size, path, err);
    if (status == CZ_OK)
        return cz_output_commit(&output, err);
    cz_output_abort(&output);
    return status;
}

enum cz_status cz_image_encode(struct cz_encoded *encoded,
                               const struct cz_image *image,
                               const struct cz_opencv *opencv,
                               const char *ending, struct cz_error *err)
{
    const struct cz_cv_picture picture = {image->pixels, image->width,
                                          image->height, image->step, NULL};
    struct cz_cv_bytes bytes = {.owner = encoded->owner};
    char why[CZ_CV_WHY_BYTES] = "";
    const bool is_done =
        opencv->cv->encode(&bytes, &picture, ending, QUALITY, why);
    *encoded = (struct cz_encoded){bytes.data, bytes.size, bytes.owner};
    return is_done ? CZ_OK : cz_error_set(err, CZ_EUNSUPPORTED, "%s", why);
}

void cz_encoded_free(struct cz_encoded *encoded, const struct cz_opencv *opencv)
{
    struct cz_cv_bytes bytes = {.owner = encoded->owner};
    if (encoded->owner)
        opencv->cv->release_bytes(&bytes);
    *encoded = (struct cz_encoded){0};
}

enum cz_status cz_image_write(const struct cz_image *image,
                              const struct cz_opencv *opencv, const char *path,
                              bool overwrite, struct cz_error *err)
{
    struct cz_encoded encoded = {0};
    struct cz_error why = {CZ_EINVAL, "the name has no ending"};
    const char *ending = strrchr(path, '.');
    enum cz_status status =
        ending ? cz_image_encode(&encoded, image, opencv, ending, &why)
               : CZ_EINVAL;
    if (status == CZ_OK)
        status = write_file(&encoded, path, overwrite, err);
    else
        status = cz_error_set(err, CZ_EUNSUPPORTED, "%s: cannot be written: %s",
                              path, why.message);
    cz_encoded_free(&encoded, opencv);
    return status;
}

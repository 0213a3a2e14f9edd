/* Image files: read whole, decoded and encoded by OpenCV. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/alloc.h"
#include "core/output.h"
#include "detect/image_internal.h"

#define QUALITY 92

struct file {
    uint8_t *bytes;
    size_t size;
};

static enum cz_status fail_io(const char *path, struct cz_error *err)
{
    return cz_error_set(err, CZ_EIO, "%s: %s", path, strerror(errno));
}

/* ---- files ------------------------------------------------------------ */

static enum cz_status fill(struct file *file, int fd, const char *path,
                           struct cz_error *err)
{
    size_t done = 0;
    while (done < file->size) {
        ssize_t n = read(fd, file->bytes + done, file->size - done);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return fail_io(path, err);
        if (n == 0)
            break;
        done += (size_t)n;
    }
    file->size = done;
    return CZ_OK;
}

static enum cz_status read_open(struct file *file, int fd, const char *path,
                                struct cz_error *err)
{
    struct stat info;
    if (fstat(fd, &info) != 0)
        return fail_io(path, err);
    if (!S_ISREG(info.st_mode))
        return cz_error_set(err, CZ_EIO, "%s: is no regular file", path);
    if (info.st_size == 0)
        return cz_error_set(err, CZ_EPARSE, "%s: is empty, no image", path);
    if (info.st_size > INT_MAX)
        return cz_error_set(err, CZ_EPARSE, "%s: is no image: more than 2 GB",
                            path);
    file->size = (size_t)info.st_size;
    file->bytes = cz_malloc(file->size);
    if (!file->bytes)
        return cz_error_nomem(err);
    return fill(file, fd, path, err);
}

/* On success cz_free() file->bytes. */
static enum cz_status read_file(struct file *file, const char *path,
                                struct cz_error *err)
{
    *file = (struct file){0};
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return fail_io(path, err);
    enum cz_status status = read_open(file, fd, path, err);
    close(fd);
    if (status != CZ_OK)
        cz_free(file->bytes);
    return status;
}

/* ---- reading ---------------------------------------------------------- */

static enum cz_status decode(struct cz_image *image,
                             const struct cz_opencv *opencv,
                             const struct file *file, const char *path,
                             struct cz_error *err)
{
    struct cz_image_header header;
    struct cz_cv_picture picture = {0};
    char why[CZ_CV_WHY_BYTES] = "";
    cz_image_header(&header, file->bytes, file->size);
    if (header.is_jpeg && !header.is_whole)
        return cz_error_set(err, CZ_EPARSE,
                            "%s: the JPEG ends early (no end marker in %zu "
                            "bytes)",
                            path, file->size);
    if (!opencv->cv->decode(&picture, file->bytes, file->size, why))
        return cz_error_set(err, CZ_EPARSE,
                            "%s: is no image that can be read: %s", path, why);
    *image = (struct cz_image){picture.pixels, picture.width, picture.height,
                               picture.step, picture.owner};
    return CZ_OK;
}

enum cz_status cz_image_read(struct cz_image *image,
                             const struct cz_opencv *opencv, const char *path,
                             struct cz_error *err)
{
    struct file file;
    *image = (struct cz_image){0};
    CZ_TRY(read_file(&file, path, err));
    enum cz_status status = decode(image, opencv, &file, path, err);
    cz_free(file.bytes);
    return status;
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
    struct file file;
    struct cz_image_header header;
    struct cz_image image;
    CZ_TRY(read_file(&file, path, err));
    cz_image_header(&header, file.bytes, file.size);
    cz_free(file.bytes);
    *width = header.width;
    *height = header.height;
    if (*width && *height)
        return CZ_OK;
    CZ_TRY(cz_image_read(&image, opencv, path, err));
    *width = image.width;
    *height = image.height;
    cz_image_free(&image, opencv);
    return CZ_OK;
}

bool cz_image_is_name(const char *path)
{
    static const char *const endings[] = {".jpg",  ".jpeg", ".png", ".bmp",
                                          ".webp", ".tif",  ".tiff"};
    const char *dot = strrchr(path, '.');
    for (size_t i = 0; dot && i < sizeof endings / sizeof *endings; i++) {
        if (strcasecmp(dot, endings[i]) == 0)
            return true;
    }
    return false;
}

/* ---- writing ---------------------------------------------------------- */

static enum cz_status write_all(int fd, const struct cz_cv_bytes *bytes,
                                const char *path, struct cz_error *err)
{
    for (size_t done = 0; done < bytes->size;) {
        ssize_t n = write(fd, bytes->data + done, bytes->size - done);
        if (n < 0 && errno != EINTR)
            return fail_io(path, err);
        if (n > 0)
            done += (size_t)n;
    }
    return CZ_OK;
}

static enum cz_status write_file(const struct cz_cv_bytes *bytes,
                                 const char *path, bool overwrite,
                                 struct cz_error *err)
{
    struct cz_output output;
    CZ_TRY(cz_output_open(&output, path, overwrite, err));
    enum cz_status status = write_all(output.fd, bytes, path, err);
    if (status == CZ_OK)
        return cz_output_commit(&output, err);
    cz_output_abort(&output);
    return status;
}

enum cz_status cz_image_write(const struct cz_image *image,
                              const struct cz_opencv *opencv, const char *path,
                              bool overwrite, struct cz_error *err)
{
    const struct cz_cv_picture picture = {image->pixels, image->width,
                                          image->height, image->step, NULL};
    struct cz_cv_bytes bytes = {0};
    char why[CZ_CV_WHY_BYTES] = "";
    const char *ending = strrchr(path, '.');
    if (!ending || !opencv->cv->encode(&bytes, &picture, ending, QUALITY, why))
        return cz_error_set(err, CZ_EUNSUPPORTED, "%s: cannot be written: %s",
                            path, ending ? why : "the name has no ending");
    enum cz_status status = write_file(&bytes, path, overwrite, err);
    opencv->cv->release_bytes(&bytes);
    return status;
}

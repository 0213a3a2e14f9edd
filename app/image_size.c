/* Sizes of images from their headers: JPEG (ITU T.81, Exif 2.3), PNG, BMP. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "app/eval.h"

static unsigned big(const unsigned char *bytes, size_t size)
{
    unsigned value = 0;
    for (size_t i = 0; i < size; i++)
        value = value << 8 | bytes[i];
    return value;
}

static unsigned little(const unsigned char *bytes, size_t size)
{
    unsigned value = 0;
    while (size-- > 0)
        value = value << 8 | bytes[size];
    return value;
}

struct size {
    unsigned width, height;
    bool turned; /* by 90 degrees when it is shown */
};

static bool png_size(struct size *size, const unsigned char *head)
{
    size->width = big(head + 16, 4);
    size->height = big(head + 20, 4);
    return memcmp(head + 12, "IHDR", 4) == 0;
}

static bool bmp_size(struct size *size, const unsigned char *head)
{
    int height = (int)little(head + 22, 4); /* negative: top row first */
    size->width = little(head + 18, 4);
    size->height =
        (unsigned)(height < 0 ? -(unsigned)height : (unsigned)height);
    return little(head + 14, 4) >= 40; /* not OS/2's */
}

/* ---- JPEG ------------------------------------------------------------- */

/* The orientation in an Exif segment: 1 to 8, 1 where there is none. */
static unsigned exif_orientation(const unsigned char *bytes, size_t size)
{
    if (size < 14 || memcmp(bytes, "Exif\0\0", 6) != 0)
        return 1;
    bytes += 6;
    size -= 6;
    unsigned (*number)(const unsigned char *, size_t) =
        bytes[0] == 'M' ? big : little;
    size_t at = number(bytes + 4, 4);
    if (at > size - 2)
        return 1;
    unsigned entries = number(bytes + at, 2);
    at += 2;
    for (unsigned i = 0; i < entries && at + 12 <= size; i++, at += 12) {
        if (number(bytes + at, 2) == 0x0112)
            return number(bytes + at + 8, 2);
    }
    return 1;
}

/* The next marker, and the size of what follows it; false at the end. */
static bool next_segment(FILE *file, int *marker, size_t *size)
{
    unsigned char bytes[2];
    if (getc(file) != 0xff)
        return false;
    while ((*marker = getc(file)) == 0xff)
        ; /* fill bytes */
    if (*marker == EOF || fread(bytes, 1, 2, file) != 2)
        return false;
    *size = big(bytes, 2);
    if (*size < 2)
        return false;
    *size -= 2;
    return true;
}

/* Start of frame: all but DHT, JPG and DAC in C0 to CF. */
static bool is_frame(int marker)
{
    return marker >= 0xc0 && marker <= 0xcf && marker != 0xc4 &&
           marker != 0xc8 && marker != 0xcc;
}

static bool jpeg_size(struct size *size, FILE *file)
{
    static const int exif = 0xe1;
    unsigned char bytes[65536];
    int marker;
    size_t length;
    if (fseek(file, 2, SEEK_SET) != 0)
        return false;
    while (next_segment(file, &marker, &length)) {
        if (fread(bytes, 1, length, file) != length)
            return false;
        if (is_frame(marker)) {
            size->height = length >= 5 ? big(bytes + 1, 2) : 0;
            size->width = length >= 5 ? big(bytes + 3, 2) : 0;
            return true;
        }
        if (marker == exif)
            size->turned = exif_orientation(bytes, length) >= 5;
    }
    return false;
}

/* ---- all of them ------------------------------------------------------ */

static bool read_size(struct size *size, FILE *file)
{
    unsigned char head[26];
    if (fread(head, 1, sizeof head, file) != sizeof head)
        return false;
    if (memcmp(head, "\x89PNG\r\n\x1a\n", 8) == 0)
        return png_size(size, head);
    if (memcmp(head, "BM", 2) == 0)
        return bmp_size(size, head);
    return memcmp(head, "\xff\xd8\xff", 3) == 0 && jpeg_size(size, file);
}

enum cz_status app_image_size(void *user, const char *path, int64_t *width,
                              int64_t *height, struct cz_error *err)
{
    (void)user;
    struct size size = {0, 0, false};
    FILE *file = fopen(path, "rbe");
    if (!file)
        return cz_error_set(err, CZ_EIO, "%s: %s", path, strerror(errno));
    bool known = read_size(&size, file) && size.width && size.height;
    fclose(file);
    if (!known)
        return cz_error_set(err, CZ_EUNSUPPORTED,
                            "%s: cannot tell the size of this image; want a "
                            "whole JPEG, PNG or BMP",
                            path);
    *width = size.turned ? size.height : size.width;
    *height = size.turned ? size.width : size.height;
    return CZ_OK;
}

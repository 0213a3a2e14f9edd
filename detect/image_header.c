/* Headers of JPEG (ITU T.81, annex B) and PNG (W3C PNG, section 5): sizes
 * without decoding, the orientation that EXIF asks for (JEITA CP-3451, tag
 * 0x112), and whether a JPEG is whole. OpenCV's decoder makes up the rest of a
 * JPEG that ends early and says nothing. */
#include <string.h>

#include "detect/image_internal.h"

enum {
    JPEG_EOI = 0xd9,
    JPEG_SOS = 0xda,
    JPEG_APP1 = 0xe1,
    EXIF_ORIENTATION = 0x112,
    EXIF_SIDEWAYS = 5, /* orientations 5 to 8 swap width and height */
};

struct reader {
    const uint8_t *bytes;
    size_t size;
    bool little;
};

/* 0 where it lies beyond the end. */
static uint32_t get16(const struct reader *r, size_t at)
{
    if (r->size < 2 || at > r->size - 2)
        return 0;
    const uint8_t *p = r->bytes + at;
    return r->little ? (uint32_t)(p[1] << 8 | p[0])
                     : (uint32_t)(p[0] << 8 | p[1]);
}

static uint32_t get32(const struct reader *r, size_t at)
{
    uint32_t first = get16(r, at), second = get16(r, at + 2);
    return r->little ? second << 16 | first : first << 16 | second;
}

/* ---- EXIF ------------------------------------------------------------- */

/* Of the TIFF structure that is the body of an EXIF segment. */
static bool is_sideways(const uint8_t *tiff, size_t size)
{
    struct reader r = {tiff, size, size > 1 && tiff[0] == 'I'};
    size_t directory = get32(&r, 4);
    size_t entries = get16(&r, directory);
    for (size_t i = 0; i < entries; i++) {
        size_t entry = directory + 2 + 12 * i;
        if (entry + 12 > size)
            break;
        if (get16(&r, entry) == EXIF_ORIENTATION)
            return get16(&r, entry + 8) >= EXIF_SIDEWAYS &&
                   get16(&r, entry + 8) <= 8;
    }
    return false;
}

static void swap_sides(struct cz_image_header *header)
{
    size_t width = header->width;
    header->width = header->height;
    header->height = width;
}

/* ---- JPEG ------------------------------------------------------------- */

/* Start of frame: C0 to CF but for DHT, JPG and DAC. */
static bool is_frame(unsigned marker)
{
    return marker >= 0xc0 && marker <= 0xcf && marker != 0xc4 &&
           marker != 0xc8 && marker != 0xcc;
}

/* The position of the next marker's code at or after `at`; `size` if none. In
 * coded data FF 00 is a plain FF, and FF D0 to D7 are restarts. */
static size_t next_marker(const struct reader *r, size_t at)
{
    while (at < r->size) {
        const uint8_t *ff = memchr(r->bytes + at, 0xff, r->size - at);
        if (!ff)
            break;
        at = (size_t)(ff - r->bytes) + 1;
        while (at < r->size && r->bytes[at] == 0xff)
            at++;
        if (at < r->size && r->bytes[at] != 0 && (r->bytes[at] & 0xf8) != 0xd0)
            return at;
    }
    return r->size;
}

static void read_jpeg(struct cz_image_header *header, const struct reader *r)
{
    static const char exif[6] = "Exif\0";
    bool sideways = false;
    header->is_jpeg = true;
    for (size_t at = next_marker(r, 2); at < r->size;) {
        unsigned marker = r->bytes[at];
        if (marker == JPEG_EOI) {
            header->is_whole = true;
            break;
        }
        size_t body = at + 3, length = get16(r, at + 1);
        if (length < 2 || length - 2 > r->size - at - 1 ||
            body + length - 2 > r->size)
            break;
        if (is_frame(marker) && !header->width) {
            header->height = get16(r, body + 1);
            header->width = get16(r, body + 3);
        }
        if (marker == JPEG_APP1 && length >= 2 + sizeof exif &&
            memcmp(r->bytes + body, exif, sizeof exif) == 0)
            sideways = is_sideways(r->bytes + body + sizeof exif,
                                   length - 2 - sizeof exif);
        at = next_marker(r, body + length - 2);
    }
    if (sideways)
        swap_sides(header);
}

/* ---- PNG -------------------------------------------------------------- */

static void read_png(struct cz_image_header *header, const struct reader *r)
{
    header->width = get32(r, 16);
    header->height = get32(r, 20);
    for (size_t at = 8; r->size >= 12 && at <= r->size - 12;) {
        size_t length = get32(r, at);
        if (length > r->size - at - 12)
            break;
        if (memcmp(r->bytes + at + 4, "eXIf", 4) == 0 &&
            is_sideways(r->bytes + at + 8, length)) {
            swap_sides(header);
            break;
        }
        at += length + 12;
    }
}

void cz_image_header(struct cz_image_header *header, const uint8_t *bytes,
                     size_t size)
{
    static const uint8_t png[8] = {0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n'};
    const struct reader r = {bytes, size, false};
    *header = (struct cz_image_header){0};
    if (size >= 4 && bytes[0] == 0xff && bytes[1] == 0xd8)
        read_jpeg(header, &r);
    else if (size >= sizeof png && memcmp(bytes, png, sizeof png) == 0)
        read_png(header, &r);
}

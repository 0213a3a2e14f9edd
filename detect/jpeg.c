/* JPEG files, a part of compress-opencv.so: libjpeg reads them, libexif says
 * how they lie. The pixels are those of OpenCV's imread, which calls the same
 * library but takes what it makes up for missing or damaged data; here that is
 * an error.
 *
 * libjpeg's errors end with a longjmp: it passes nothing but functions of
 * libjpeg and of this file. */
#include "detect/jpeg_internal.h"

#include <setjmp.h>
#include <stdio.h>
#include <string.h>

#include <jpeglib.h>

#include <jerror.h>
#include <libexif/exif-data.h>

#include "detect/opencv_shim.h"

#define MARKER_BYTES_MAX 0xffff
/* As OpenCV has it. */
#define PIXELS_MAX (1UL << 30)

_Static_assert(CZ_CV_WHY_BYTES >= JMSG_LENGTH_MAX, "libjpeg fills `why`");

struct session {
    const void *bytes;
    size_t size;
    char *why; /* [CZ_CV_WHY_BYTES] */
    struct cz_jpeg_header *header;
    uint8_t *pixels;
    size_t step;
    struct jpeg_decompress_struct info;
    struct jpeg_error_mgr errors;
    jmp_buf failed;
};

/* ---- errors ----------------------------------------------------------- */

static void fail(j_common_ptr info)
{
    struct session *s = info->client_data;
    info->err->format_message(info, s->why);
    longjmp(s->failed, 1);
}

/* Behind these, pixels are made up; the other warnings tell of bytes that are
 * not needed and of headers that contradict each other. */
static bool is_damage(int code)
{
    return code == JWRN_HIT_MARKER || code == JWRN_HUFF_BAD_CODE ||
           code == JWRN_ARITH_BAD_CODE || code == JWRN_MUST_RESYNC;
}

static void warn(j_common_ptr info, int level)
{
    struct session *s = info->client_data;
    if (level >= 0)
        return;
    if (is_damage(info->err->msg_code))
        fail(info);
    if (info->err->msg_code != JWRN_JPEG_EOF)
        return;
    snprintf(s->why, CZ_CV_WHY_BYTES, "the JPEG ends early, after %zu bytes",
             s->size);
    longjmp(s->failed, 1);
}

/* ---- a session -------------------------------------------------------- */

/* Reads all that comes before the pixels. */
static void open_file(struct session *s)
{
    s->info.err = jpeg_std_error(&s->errors);
    s->errors.error_exit = fail;
    s->errors.emit_message = warn;
    s->info.client_data = s;
    jpeg_create_decompress(&s->info);
    jpeg_mem_src(&s->info, s->bytes, s->size);
    jpeg_save_markers(&s->info, JPEG_APP0 + 1, MARKER_BYTES_MAX);
    jpeg_read_header(&s->info, TRUE);
}

static bool attempt(struct session *s, void (*work)(struct session *))
{
    if (setjmp(s->failed))
        return false;
    open_file(s);
    work(s);
    return true;
}

static bool run(struct session *s, void (*work)(struct session *))
{
    const bool is_done = attempt(s, work);
    jpeg_destroy_decompress(&s->info);
    return is_done;
}

/* ---- the header ------------------------------------------------------- */

/* The first marker of its kind counts, as in OpenCV. */
static unsigned read_orientation(const struct jpeg_marker_struct *marker)
{
    unsigned orientation = 0;
    ExifData *exif =
        marker ? exif_data_new_from_data(marker->data, marker->data_length)
               : NULL;
    if (!exif)
        return 1;
    const ExifEntry *entry =
        exif_content_get_entry(exif->ifd[EXIF_IFD_0], EXIF_TAG_ORIENTATION);
    if (entry && entry->format == EXIF_FORMAT_SHORT && entry->components)
        orientation =
            exif_get_short(entry->data, exif_data_get_byte_order(exif));
    exif_data_unref(exif);
    return orientation >= 1 && orientation <= 8 ? orientation : 1;
}

static void read_header(struct session *s)
{
    const struct jpeg_decompress_struct *info = &s->info;
    *s->header = (struct cz_jpeg_header){info->image_width, info->image_height,
                                         read_orientation(info->marker_list)};
}

bool cz_jpeg_is(const void *bytes, size_t size)
{
    return size >= 3 && memcmp(bytes, "\xff\xd8\xff", 3) == 0;
}

bool cz_jpeg_header_read(struct cz_jpeg_header *header, const void *bytes,
                         size_t size, char *why)
{
    struct session s = {
        .bytes = bytes, .size = size, .why = why, .header = header};
    if (!run(&s, read_header))
        return false;
    if (header->width * header->height <= PIXELS_MAX)
        return true;
    snprintf(why, CZ_CV_WHY_BYTES, "%zux%zu pixels are too many", header->width,
             header->height);
    return false;
}

/* ---- the pixels ------------------------------------------------------- */

/* From Adobe's kind of CMYK, where 255 is no ink, as OpenCV rounds it. */
static void convert_cmyk(uint8_t *bgr, const uint8_t *cmyk, size_t width)
{
    for (size_t x = 0; x < width; x++) {
        const int k = cmyk[4 * x + 3];
        for (size_t i = 0; i < 3; i++) {
            const int ink = cmyk[4 * x + i];
            bgr[3 * x + 2 - i] = (uint8_t)(k - ((255 - ink) * k >> 8));
        }
    }
}

static void read_rows(struct session *s)
{
    struct jpeg_decompress_struct *info = &s->info;
    const bool is_cmyk = info->num_components == 4;
    JSAMPARRAY cmyk = NULL;
    info->out_color_space = is_cmyk ? JCS_CMYK : JCS_EXT_BGR;
    jpeg_start_decompress(info);
    if (is_cmyk)
        cmyk = info->mem->alloc_sarray((j_common_ptr)info, JPOOL_IMAGE,
                                       4 * info->output_width, 1);
    while (info->output_scanline < info->output_height) {
        JSAMPROW row = s->pixels + info->output_scanline * s->step;
        jpeg_read_scanlines(info, is_cmyk ? cmyk : &row, 1);
        if (is_cmyk)
            convert_cmyk(row, cmyk[0], info->output_width);
    }
    jpeg_finish_decompress(info);
}

bool cz_jpeg_read(uint8_t *pixels, size_t step, const void *bytes, size_t size,
                  char *why)
{
    struct session s = {.bytes = bytes,
                        .size = size,
                        .why = why,
                        .pixels = pixels,
                        .step = step};
    return run(&s, read_rows);
}

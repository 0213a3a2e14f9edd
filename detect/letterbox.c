/* From an image to a model's input in one pass: resize, border, order of the
 * channels, type.
 *
 * The resize is OpenCV's resize(INTER_LINEAR) for 8 bits (resize.cpp,
 * HResizeLinear and VResizeLinear), bit by bit: coefficients of 11 bits, rows
 * first, 4 bits dropped in between. Where a scale is exactly 2, OpenCV takes
 * the mean of four pixels instead; the numbers are the same.
 *
 * An input row is made as three rows of bytes, one for each channel, which
 * then become the input's type. Source rows that two input rows need are
 * resized once. */
#include <math.h>
#include <string.h>

#include "core/alloc.h"
#include "core/half.h"
#include "detect/letterbox_internal.h"

#define GREY 114
#define ONE 2048 /* 11 bits */

/* ---- where the image lies --------------------------------------------- */

/* A side in pixels of the scaled image, that of the input being `side`. */
static size_t scaled_side(double size, const struct cz_input_format *format,
                          size_t side)
{
    const size_t limit =
        format->longest && format->longest < side ? format->longest : side;
    const double rounded = format->longest ? ceil(size) : rint(size);
    const size_t whole = rounded < 1 ? 1 : (size_t)rounded;
    return whole < limit ? whole : limit;
}

static double fit_scale(const struct cz_input_format *format, size_t width,
                        size_t height)
{
    double scale = fmin((double)format->width / (double)width,
                        (double)format->height / (double)height);
    size_t longest = width > height ? width : height;
    if (!format->longest)
        return scale;
    return fmin(scale, (double)format->longest / (double)longest);
}

void cz_letterbox_fit(struct cz_fit *fit, const struct cz_input_format *format,
                      size_t width, size_t height)
{
    double scale = fit_scale(format, width, height);
    double w = (double)width * scale, h = (double)height * scale;
    *fit = (struct cz_fit){
        .image_width = width, .image_height = height, .scale = scale};
    fit->width = scaled_side(w, format, format->width);
    fit->height = scaled_side(h, format, format->height);
    if (format->corner)
        return;
    fit->left = (size_t)rint((double)(format->width - fit->width) / 2 - 0.1);
    fit->top = (size_t)rint((double)(format->height - fit->height) / 2 - 0.1);
}

static size_t rect_side(double ratio, size_t size, size_t stride)
{
    return (size_t)ceil(ratio * (double)size / (double)stride + 0.5) * stride;
}

void cz_letterbox_rect(struct cz_input_format *format, size_t size,
                       size_t stride, size_t width, size_t height)
{
    const double aspect = (double)height / (double)width;
    format->width = rect_side(aspect > 1 ? 1 / aspect : 1, size, stride);
    format->height = rect_side(aspect < 1 ? aspect : 1, size, stride);
    format->longest = size;
}

/* ---- scratch ---------------------------------------------------------- */

struct scratch {
    const struct cz_rows *loops;
    struct cz_axis x;
    int16_t *resized[2]; /* two source rows, [3][width], 15 bits */
    ptrdiff_t source[2]; /* which; -1: none */
    uint8_t *row;        /* [3][width] */
    uint8_t *grey;       /* a row of border */
    uint16_t halves[256];
};

/* Per column: from, two weights, two rows and a row of bytes. */
#define COLUMN_BYTES                                                           \
    (sizeof(int32_t) + 2 * sizeof(int16_t) + 2 * 3 * sizeof(int16_t) + 3)

size_t cz_letterbox_bytes(const struct cz_fit *fit,
                          const struct cz_input_format *format)
{
    return fit->width * COLUMN_BYTES + format->width;
}

/* As OpenCV: positions in float, the weights rounded each on its own. */
static void place(size_t i, double scale, ptrdiff_t *from, int16_t weights[2])
{
    float position = (float)(((double)i + 0.5) * scale - 0.5);
    float below = floorf(position);
    float part = position - below;
    *from = (ptrdiff_t)below;
    weights[0] = (int16_t)lrintf((1.0F - part) * ONE);
    weights[1] = (int16_t)lrintf(part * ONE);
}

static double source_scale(size_t source, size_t target)
{
    return 1.0 / ((double)target / (double)source);
}

static void fill_axis(struct cz_axis *axis, size_t source)
{
    double scale = source_scale(source, axis->count);
    for (size_t i = 0; i < axis->count; i++) {
        ptrdiff_t from;
        int16_t *w = axis->weights + 2 * i;
        place(i, scale, &from, w);
        if (from < 0 || from >= (ptrdiff_t)source - 1) {
            from = from < 0 ? 0 : (ptrdiff_t)source - 1;
            w[0] = ONE;
            w[1] = 0;
        }
        axis->from[i] = (int32_t)from;
    }
}

static bool is_resized(const struct cz_fit *fit)
{
    return fit->width != fit->image_width || fit->height != fit->image_height;
}

static void make_halves(uint16_t halves[256], bool unit)
{
    for (int i = 0; i < 256; i++)
        halves[i] = cz_half_from_float((float)i / (unit ? 255.0F : 1.0F));
}

static void make_scratch(struct scratch *s, void *memory,
                         const struct cz_fit *fit,
                         const struct cz_input_format *format)
{
    size_t width = fit->width;
    *s = (struct scratch){
        .loops = cz_rows_find(), .x = {.count = width}, .source = {-1, -1}};
    s->x.from = memory;
    s->x.weights = (int16_t *)(s->x.from + width);
    s->resized[0] = s->x.weights + 2 * width;
    s->resized[1] = s->resized[0] + 3 * width;
    s->row = (uint8_t *)(s->resized[1] + 3 * width);
    s->grey = s->row + 3 * width;
    memset(s->grey, GREY, format->width);
    if (is_resized(fit))
        fill_axis(&s->x, fit->image_width);
    if (format->dtype == CZ_DTYPE_FLOAT16)
        make_halves(s->halves, format->unit);
}

/* ---- rows ------------------------------------------------------------- */

/* Source row `y`, resized; in the slot whose row is not `other`. */
static const int16_t *resized_row(struct scratch *s,
                                  const struct cz_image *image, ptrdiff_t y,
                                  ptrdiff_t other)
{
    for (int slot = 0; slot < 2; slot++) {
        if (s->source[slot] == y)
            return s->resized[slot];
    }
    int slot = s->source[0] == other;
    s->loops->resize(s->resized[slot], image->pixels + (size_t)y * image->step,
                     image->width, &s->x);
    s->source[slot] = y;
    return s->resized[slot];
}

static ptrdiff_t clamp(ptrdiff_t y, size_t height)
{
    ptrdiff_t last = (ptrdiff_t)height - 1;
    return y < 0 ? 0 : y < last ? y : last;
}

/* Row `y` of the scaled image into s->row, one channel behind the other. */
static void make_row(struct scratch *s, const struct cz_fit *fit,
                     const struct cz_image *image, size_t y)
{
    if (!is_resized(fit)) {
        s->loops->split(s->row, image->pixels + y * image->step, fit->width);
        return;
    }
    ptrdiff_t from;
    int16_t w[2];
    place(y, source_scale(image->height, fit->height), &from, w);
    ptrdiff_t above = clamp(from, image->height);
    ptrdiff_t below = clamp(from + 1, image->height);
    const int16_t *a = resized_row(s, image, above, below);
    const int16_t *b = resized_row(s, image, below, above);
    s->loops->blend(s->row, a, b, w, 3 * fit->width);
}

/* ---- the input -------------------------------------------------------- */

/* `count` elements of the input's type, one for each byte. */
static void store(void *to, const uint8_t *from, size_t count,
                  const struct scratch *s, const struct cz_input_format *format)
{
    if (format->dtype == CZ_DTYPE_FLOAT) {
        s->loops->to_float(to, from, format->unit ? 255.0F : 1.0F, count);
    } else if (format->dtype == CZ_DTYPE_FLOAT16) {
        uint16_t *half = to;
        for (size_t i = 0; i < count; i++)
            half[i] = s->halves[from[i]];
    } else {
        memcpy(to, from, count);
    }
}

/* A row of a plane: `left` elements of border, `count` bytes of `row`, border
 * up to `width`. */
static void put_row(void *to, const uint8_t *row, size_t left, size_t count,
                    const struct scratch *s,
                    const struct cz_input_format *format)
{
    size_t element = cz_dtype_bits(format->dtype) / 8;
    size_t right = format->width - left - count;
    char *at = to;
    store(at, s->grey, left, s, format);
    store(at + left * element, row, count, s, format);
    store(at + (left + count) * element, s->grey, right, s, format);
}

void cz_letterbox_fill_with(void *memory, void *input, const struct cz_fit *fit,
                            const struct cz_input_format *format,
                            const struct cz_image *image)
{
    struct scratch s;
    make_scratch(&s, memory, fit, format);
    size_t row_bytes = format->width * (cz_dtype_bits(format->dtype) / 8);
    for (size_t y = 0; y < format->height; y++) {
        bool inside = y >= fit->top && y - fit->top < fit->height;
        if (inside)
            make_row(&s, fit, image, y - fit->top);
        for (size_t plane = 0; plane < 3; plane++) {
            size_t channel = format->rgb ? 2 - plane : plane;
            char *to = (char *)input + (plane * format->height + y) * row_bytes;
            if (inside)
                put_row(to, s.row + channel * fit->width, fit->left, fit->width,
                        &s, format);
            else
                put_row(to, s.row, 0, 0, &s, format);
        }
    }
}

enum cz_status cz_letterbox_fill(void *input, const struct cz_fit *fit,
                                 const struct cz_input_format *format,
                                 const struct cz_image *image,
                                 struct cz_error *err)
{
    void *memory = cz_malloc(cz_letterbox_bytes(fit, format));
    if (!memory)
        return cz_error_nomem(err);
    cz_letterbox_fill_with(memory, input, fit, format, image);
    cz_free(memory);
    return CZ_OK;
}

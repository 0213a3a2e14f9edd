/* Boxes on a picture. Sizes follow the picture, colours the class, the text is
 * black or white, whichever is easier to read on the colour. */
#include <math.h>
#include <stdio.h>

#include "detect/image_internal.h"

#define TEXT_BYTES 96

/* Thirteen hues of similar strength, BGR, neighbours far apart. */
static const uint8_t palette[][3] = {
    {56, 56, 255},  {255, 149, 60},  {49, 210, 72}, {31, 178, 255},
    {255, 69, 190}, {207, 210, 40},  {0, 112, 255}, {236, 90, 110},
    {60, 220, 207}, {199, 100, 255}, {70, 130, 20}, {255, 190, 130},
    {72, 96, 160},
};

struct pen {
    int line; /* thickness of frames */
    double font_scale;
    int text; /* thickness of letters */
    int gap;  /* around letters */
};

/* What drawing one image takes. */
struct sheet {
    const struct cz_cv_table *cv;
    struct cz_cv_picture picture;
    struct pen pen;
};

static struct pen make_pen(size_t width, size_t height)
{
    double smaller = (double)(width < height ? width : height);
    double size = fmin((double)(width + height) / 2, 2 * smaller);
    struct pen pen = {.font_scale = fmax(0.35, size * 0.0009)};
    pen.line = (int)fmax(1, rint(size * 0.0035));
    pen.text = (int)fmax(1, rint(pen.font_scale * 1.4));
    pen.gap = (int)fmax(2, rint(pen.font_scale * 5));
    return pen;
}

static void take_colour(struct cz_cv_stroke *stroke, uint32_t label)
{
    const uint8_t *bgr = palette[label % (sizeof palette / sizeof *palette)];
    for (int i = 0; i < 3; i++)
        stroke->bgr[i] = bgr[i];
}

/* Rec. 601's luma decides. */
static void take_contrast(struct cz_cv_stroke *stroke, uint32_t label)
{
    take_colour(stroke, label);
    int luma =
        114 * stroke->bgr[0] + 587 * stroke->bgr[1] + 299 * stroke->bgr[2];
    for (int i = 0; i < 3; i++)
        stroke->bgr[i] = luma > 140000 ? 0 : 255;
}

/* The font has ASCII only. */
static void make_text(char text[TEXT_BYTES], const struct cz_detector *detector,
                      const struct cz_box *box)
{
    const char *name = cz_detector_label(detector, box->label);
    if (name)
        snprintf(text, TEXT_BYTES, "%.80s %.2f", name, (double)box->score);
    else
        snprintf(text, TEXT_BYTES, "class %u %.2f", box->label,
                 (double)box->score);
    for (char *c = text; *c; c++) {
        if (*c < ' ' || *c > '~')
            *c = '?';
    }
}

static int to_pixel(float x, size_t limit)
{
    return (int)fmin(fmax(rint((double)x), 0), (double)limit - 1);
}

static bool draw_frame(const struct sheet *sheet, const struct cz_box *box)
{
    const struct cz_cv_picture *p = &sheet->picture;
    struct cz_cv_stroke stroke = {
        .at = {to_pixel(box->x1, p->width), to_pixel(box->y1, p->height)},
        .thickness = sheet->pen.line};
    stroke.width = to_pixel(box->x2, p->width) - stroke.at.x + 1;
    stroke.height = to_pixel(box->y2, p->height) - stroke.at.y + 1;
    take_colour(&stroke, box->label);
    return sheet->cv->rectangle(p, &stroke);
}

/* Above the frame where there is room, else inside. */
static bool draw_label(const struct sheet *sheet, const struct cz_box *box,
                       const char *text)
{
    const struct cz_cv_picture *p = &sheet->picture;
    const struct pen *pen = &sheet->pen;
    struct cz_cv_point size;
    int below;
    if (!sheet->cv->text_size(&size, &below, text, pen->font_scale, pen->text))
        return false;
    struct cz_cv_stroke plate = {.width = size.x + 2 * pen->gap,
                                 .height = size.y + below + pen->gap,
                                 .thickness = -1};
    int beyond = (int)p->width - plate.width;
    plate.at.x = to_pixel(box->x1, p->width) - pen->line / 2;
    plate.at.x = plate.at.x > beyond ? beyond : plate.at.x;
    plate.at.x = plate.at.x < 0 ? 0 : plate.at.x;
    plate.at.y = to_pixel(box->y1, p->height) - plate.height;
    if (plate.at.y < 0)
        plate.at.y = to_pixel(box->y1, p->height);
    take_colour(&plate, box->label);
    struct cz_cv_stroke letters = {
        .at = {plate.at.x + pen->gap, plate.at.y + size.y + pen->gap / 2 + 1},
        .font_scale = pen->font_scale,
        .thickness = pen->text};
    take_contrast(&letters, box->label);
    return sheet->cv->rectangle(p, &plate) &&
           sheet->cv->text(p, text, &letters);
}

enum cz_status cz_draw_boxes(const struct cz_image *image,
                             const struct cz_opencv *opencv,
                             const struct cz_detector *detector,
                             const struct cz_boxes *boxes, struct cz_error *err)
{
    const struct sheet sheet = {
        opencv->cv,
        {image->pixels, image->width, image->height, image->step, NULL},
        make_pen(image->width, image->height)};
    bool good = true;
    /* The best lie on top, and labels on all frames. */
    for (size_t i = boxes->count; i-- > 0;)
        good &= draw_frame(&sheet, &boxes->items[i]);
    for (size_t i = boxes->count; i-- > 0;) {
        char text[TEXT_BYTES];
        make_text(text, detector, &boxes->items[i]);
        good &= draw_label(&sheet, &boxes->items[i], text);
    }
    return good ? CZ_OK
                : cz_error_set(err, CZ_EINTERNAL, "OpenCV could not draw");
}

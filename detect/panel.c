/* A table of figures on a picture: light letters on darkened ground, columns
 * as wide as their widest text. */
#include <math.h>

#include "detect/image_internal.h"

#define SCALE_MIN 0.3
#define DARK_SHIFT 2 /* a quarter of the light stays */

/* Where all of it goes. */
struct layout {
    const struct cz_cv_table *cv;
    struct cz_cv_picture picture;
    double scale;
    int thickness, gap, line; /* line: from one baseline to the next */
    int widths[CZ_PANEL_COLUMNS];
    int width, height; /* of the ground */
};

static int text_width(const struct layout *l, const char *text)
{
    struct cz_cv_point size = {0, 0};
    int below;
    l->cv->text_size(&size, &below, text, l->scale, l->thickness);
    return size.x;
}

static void choose_size(struct layout *l)
{
    const double smaller =
        (double)(l->picture.width < l->picture.height ? l->picture.width
                                                      : l->picture.height);
    l->scale = fmax(SCALE_MIN, smaller * 0.0008);
    l->thickness = (int)fmax(1, rint(l->scale * 1.4));
    l->gap = (int)fmax(3, rint(l->scale * 12));
    l->line = (int)rint(l->scale * 22) + l->gap / 2 + 2;
}

static void measure(struct layout *l, const struct cz_panel *panel)
{
    int table = 0;
    for (size_t c = 0; c < panel->columns; c++) {
        l->widths[c] = 0;
        for (size_t r = 0; r < panel->rows; r++) {
            const int width = text_width(l, panel->cells[r][c]);
            l->widths[c] = width > l->widths[c] ? width : l->widths[c];
        }
        table += l->widths[c] + (c ? 2 * l->gap : 0);
    }
    l->width = table;
    for (size_t i = 0; i < CZ_PANEL_LINES; i++) {
        const int width = text_width(l, panel->lines[i]);
        l->width = width > l->width ? width : l->width;
    }
    l->width += 2 * l->gap;
    l->height = (int)(panel->rows + CZ_PANEL_LINES) * l->line + l->gap;
}

static void darken(const struct layout *l)
{
    const struct cz_cv_picture *p = &l->picture;
    for (size_t y = 0; y < (size_t)l->height && y < p->height; y++) {
        uint8_t *row = p->pixels + y * p->step;
        for (size_t x = 0; x < 3 * (size_t)l->width && x < 3 * p->width; x++)
            row[x] = (uint8_t)(row[x] >> DARK_SHIFT);
    }
}

static bool put(const struct layout *l, int x, size_t line, const char *text)
{
    const struct cz_cv_stroke stroke = {.at = {x, (int)(line + 1) * l->line},
                                        .font_scale = l->scale,
                                        .thickness = l->thickness,
                                        .bgr = {255, 255, 255}};
    return !*text || l->cv->text(&l->picture, text, &stroke);
}

static bool put_row(const struct layout *l, const struct cz_panel *panel,
                    size_t row)
{
    int x = l->gap;
    bool is_good = true;
    for (size_t c = 0; c < panel->columns; c++) {
        const char *text = panel->cells[row][c];
        const int free = c ? l->widths[c] - text_width(l, text) : 0;
        is_good &= put(l, x + free, row + CZ_PANEL_LINES, text);
        x += l->widths[c] + 2 * l->gap;
    }
    return is_good;
}

enum cz_status cz_draw_panel(const struct cz_image *image,
                             const struct cz_opencv *opencv,
                             const struct cz_panel *panel, struct cz_error *err)
{
    struct layout l = {.cv = opencv->cv,
                       .picture = {image->pixels, image->width, image->height,
                                   image->step, NULL}};
    if (image->width < CZ_PANEL_SIDE_MIN || image->height < CZ_PANEL_SIDE_MIN)
        return CZ_OK;
    choose_size(&l);
    measure(&l, panel);
    darken(&l);
    bool is_good = true;
    for (size_t i = 0; i < CZ_PANEL_LINES; i++)
        is_good &= put(&l, l.gap, i, panel->lines[i]);
    for (size_t r = 0; r < panel->rows; r++)
        is_good &= put_row(&l, panel, r);
    return is_good ? CZ_OK
                   : cz_error_set(err, CZ_EINTERNAL, "OpenCV could not draw");
}

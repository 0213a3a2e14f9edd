/* The progress bar, which is also where stages hear of Ctrl-C. */
#include "app/progress.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "app/app.h"
#include "core/clock.h"

#define DELAY_MS 500
#define WIDTH 30
#define LEFT_BYTES 32

/* ", 12 s left", once that can be told; blanks over what was there before. */
static void tell_left(char text[LEFT_BYTES], double passed_ms, size_t percent)
{
    const double left_s =
        percent ? passed_ms / 1e3 * (100 - (double)percent) / (double)percent
                : 0;
    if (percent == 0 || passed_ms < DELAY_MS)
        snprintf(text, LEFT_BYTES, "%14s", "");
    else if (left_s < 100)
        snprintf(text, LEFT_BYTES, ", %2.0f s left   ", left_s);
    else
        snprintf(text, LEFT_BYTES, ", %2.0f min left ", left_s / 60);
}

static void draw(struct app_progress *p, const char *stage, size_t percent)
{
    char bar[WIDTH + 1], left[LEFT_BYTES];
    size_t filled = percent * WIDTH / 100;
    memset(bar, '.', WIDTH);
    memset(bar, '#', filled);
    bar[WIDTH] = 0;
    tell_left(left, cz_now_ms() - p->stage_ms, percent);
    fprintf(stderr, "\r%-6s [%s] %3zu %%%s", stage, bar, percent, left);
    p->percent = percent;
    p->is_drawn = true;
}

static bool tick(void *user, const char *stage, size_t done, size_t total)
{
    struct app_progress *p = user;
    size_t percent = total ? (size_t)((double)done / (double)total * 100) : 0;
    bool is_new = !p->stage || strcmp(p->stage, stage) != 0;
    if (is_new) {
        p->stage = stage;
        p->stage_ms = cz_now_ms();
    }
    is_new = is_new || !p->is_drawn || percent != p->percent;
    if (p->visible && is_new && cz_now_ms() - p->start_ms > DELAY_MS)
        draw(p, stage, percent);
    return !app_interrupted();
}

void app_progress_init(struct app_progress *progress, bool quiet)
{
    *progress = (struct app_progress){
        .callback = {tick, progress},
        .visible = !quiet && isatty(STDERR_FILENO),
        .start_ms = cz_now_ms(),
    };
}

void app_progress_fini(struct app_progress *progress)
{
    if (progress->is_drawn)
        fprintf(stderr, "\r\033[K");
    progress->is_drawn = false;
}

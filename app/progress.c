/* The progress bar, which is also where stages hear of Ctrl-C. */
#include "app/progress.h"

#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "app/app.h"

#define DELAY_MS 500
#define WIDTH 30

double app_now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

static void draw(struct app_progress *p, const char *stage, size_t percent)
{
    char bar[WIDTH + 1];
    size_t filled = percent * WIDTH / 100;
    memset(bar, '.', WIDTH);
    memset(bar, '#', filled);
    bar[WIDTH] = 0;
    fprintf(stderr, "\r%-6s [%s] %3zu %%", stage, bar, percent);
    p->percent = percent;
    p->stage = stage;
}

static bool tick(void *user, const char *stage, size_t done, size_t total)
{
    struct app_progress *p = user;
    size_t percent = total ? (size_t)((double)done / (double)total * 100) : 0;
    bool is_new = !p->stage || strcmp(p->stage, stage) || percent != p->percent;
    if (p->visible && is_new && app_now_ms() - p->start_ms > DELAY_MS)
        draw(p, stage, percent);
    return !app_interrupted();
}

void app_progress_init(struct app_progress *progress, bool quiet)
{
    *progress = (struct app_progress){
        .callback = {tick, progress},
        .visible = !quiet && isatty(STDERR_FILENO),
        .start_ms = app_now_ms(),
    };
}

void app_progress_fini(struct app_progress *progress)
{
    if (progress->stage)
        fprintf(stderr, "\r\033[K");
    progress->stage = NULL;
}

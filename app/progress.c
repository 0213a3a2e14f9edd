/* The progress bar, which is also where stages hear of Ctrl-C. */
#include "app/progress.h"

#include <stdio.h>
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

static bool tick(void *user, const char *stage, size_t done, size_t total)
{
    struct app_progress *p = user;
    if (p->visible && app_now_ms() - p->start_ms > DELAY_MS && total) {
        size_t filled = (size_t)((double)done / (double)total * WIDTH);
        fprintf(stderr, "\r%-6s [", stage);
        for (size_t i = 0; i < WIDTH; i++)
            fputc(i < filled ? '#' : '.', stderr);
        fprintf(stderr, "] %3zu %%",
                (size_t)((double)done / (double)total * 100));
        p->shown = true;
    }
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
    if (progress->shown)
        fprintf(stderr, "\r\033[K");
    progress->shown = false;
}

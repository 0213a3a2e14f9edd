/* See run_progress.h. */
#include "app/run_progress.h"

#include <stdio.h>

#include "app/run_step.h"
#include "app/text.h"
#include "core/clock.h"

#define DRAW_MS 200

void app_run_meter_init(struct app_run_meter *meter,
                        const struct app_run_worker *worker)
{
    *meter = (struct app_run_meter){.worker = worker};
}

/* What a step of this kind takes: as in an earlier run, or as others of its
 * kind in this one. 0: nobody knows. */
static double guess(const struct app_run_plan *plan,
                    const struct app_run_step *step)
{
    double sum = 0;
    size_t n = 0;
    if (step->seconds > 0)
        return step->seconds;
    for (size_t i = 0; i < plan->n_steps; i++) {
        const struct app_run_step *other = &plan->steps[i];
        if (other->kind == step->kind && other->seconds > 0) {
            sum += other->seconds;
            n++;
        }
    }
    return n ? sum / (double)n : 0;
}

/* Seconds until all is done; below 0 where that cannot be told. */
static double left(const struct app_run_meter *m)
{
    const struct app_run_plan *plan = m->worker->plan;
    const double passed = (cz_now_ms() - m->start_ms) / 1e3;
    double sum = 0;
    for (size_t i = m->step; i < plan->n_steps; i++) {
        const double seconds = guess(plan, &plan->steps[i]);
        if (!(seconds > 0))
            return -1;
        sum += i > m->step ? seconds : seconds > passed ? seconds - passed : 0;
    }
    return sum;
}

static void print_time(double seconds)
{
    const long s = (long)(seconds + 0.5);
    if (s >= 3600)
        fprintf(stderr, "%ld:%02ld:%02ld", s / 3600, s / 60 % 60, s % 60);
    else
        fprintf(stderr, "%ld:%02ld", s / 60, s % 60);
}

static void print_step(const struct app_run_meter *m, size_t i)
{
    const struct app_run_plan *plan = m->worker->plan;
    const struct app_run_step *step = &plan->steps[i];
    const struct app_run_config *c = plan->config;
    fprintf(stderr, "[%*zu/%zu] %-11s ", plan->n_steps > 99 ? 3 : 2, i + 1,
            plan->n_steps, app_run_kind_name(step->kind));
    app_print_clean(stderr, c->models[step->model].name);
    if (step->variant != APP_RUN_ALL)
        fprintf(stderr, " %s", c->variants[step->variant].name);
}

void app_run_meter_start(struct app_run_meter *meter, size_t step)
{
    meter->step = step;
    meter->start_ms = cz_now_ms();
    meter->drawn_ms = 0;
}

void app_run_meter_draw(struct app_run_meter *meter)
{
    const double now = cz_now_ms();
    if (!meter->worker->is_terminal || now - meter->drawn_ms < DRAW_MS)
        return;
    meter->drawn_ms = now;
    fputs("\r\033[K", stderr);
    print_step(meter, meter->step);
    fputs("  ", stderr);
    print_time((now - meter->start_ms) / 1e3);
    const double seconds = left(meter);
    if (seconds >= 0) {
        fputs(", all done in ", stderr);
        print_time(seconds);
    }
    fflush(stderr);
}

void app_run_meter_end(struct app_run_meter *meter, size_t step)
{
    const struct app_run_step *s = &meter->worker->plan->steps[step];
    if (meter->worker->quiet || s->state == APP_RUN_CACHED)
        return;
    if (meter->worker->is_terminal)
        fputs("\r\033[K", stderr);
    if (s->state == APP_RUN_TO_DO) /* interrupted */
        return;
    print_step(meter, step);
    if (s->state == APP_RUN_MADE)
        fprintf(stderr, "  %.1f s\n", s->seconds);
    else if (s->state == APP_RUN_LEFT_OUT)
        fputs(": left out, as what it needs failed\n", stderr);
    else {
        fputs(": failed: ", stderr);
        app_print_clean(stderr, s->message);
        fputc('\n', stderr);
    }
}

void app_run_meter_fini(struct app_run_meter *meter)
{
    if (meter->worker->is_terminal)
        fputs("\r\033[K", stderr);
}

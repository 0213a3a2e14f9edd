/* Models over the images of a data set: several images at work at a time,
 * each in a thread with plans of its own, the results put back in order. */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/alloc.h"
#include "core/clock.h"
#include "core/parallel.h"
#include "eval/worker_internal.h"

#define TICK_MS 100

/* While one waits for the GPU, the other reads the next image. */
#define GPU_SESSIONS 2

/* The run while it goes on. */
struct pool {
    struct cz_eval_job job;
    struct cz_eval_result *results; /* [n_images], as they were asked for */
    struct cz_eval_result **tasks;  /* the same in the order of work */
    struct cz_eval_found *found;    /* [n_images][n_models] */
    size_t n_images;
    struct cz_opencv *opencv;
    struct cz_eval_worker first; /* was opened before the threads */
    pthread_mutex_t mutex;       /* for all below */
    pthread_cond_t changed;
    size_t next, done, working;
    bool first_taken, stop;
    enum cz_status status; /* the first error, and its words */
    struct cz_error error;
};

/* ---- which images ----------------------------------------------------- */

/* Width to height; 0 where that is not known. */
static double aspect(const struct cz_coco_image *image)
{
    return image->height ? (double)image->width / (double)image->height : 0;
}

/* Images of one shape are neighbours, so that a dynamic model is compiled
 * seldom; the widest first. */
static int by_shape(const void *a, const void *b)
{
    const struct cz_eval_result *x = *(struct cz_eval_result *const *)a;
    const struct cz_eval_result *y = *(struct cz_eval_result *const *)b;
    const double left = aspect(x->image), right = aspect(y->image);
    if (left != right)
        return left > right ? -1 : 1;
    return (x > y) - (x < y);
}

static bool make_tasks(struct pool *pool, size_t count)
{
    const size_t n_models = pool->job.options->n_models;
    pool->tasks = cz_calloc(count, sizeof *pool->tasks);
    pool->results = cz_calloc(count, sizeof *pool->results);
    pool->found = cz_calloc(count, n_models * sizeof *pool->found);
    if (!pool->tasks || !pool->results || !pool->found)
        return false;
    for (size_t i = 0; i < count; i++) {
        pool->results[i].first_model = i % n_models;
        pool->results[i].found = &pool->found[i * n_models];
        pool->tasks[i] = &pool->results[i];
    }
    return true;
}

static enum cz_status choose_images(struct pool *pool, struct cz_error *err)
{
    const struct cz_eval_options *options = pool->job.options;
    const int64_t *ids = options->image_ids;
    size_t count;
    const struct cz_coco_image *all = cz_coco_images(pool->job.coco, &count);
    if (ids)
        count = options->n_images;
    if (!count)
        return cz_error_set(err, CZ_EINVAL, "there are no images to run");
    if (!make_tasks(pool, count))
        return cz_error_nomem(err);
    pool->n_images = count;
    for (size_t i = 0; i < count; i++) {
        const struct cz_coco_image *image =
            ids ? cz_coco_image(pool->job.coco, ids[i]) : &all[i];
        pool->results[i].image = image;
        if (!image)
            return cz_error_set(err, CZ_EINVAL, "no image has the id %lld",
                                (long long)ids[i]);
    }
    if (options->session.rect)
        qsort(pool->tasks, count, sizeof *pool->tasks, by_shape);
    return CZ_OK;
}

/* ---- the threads ------------------------------------------------------ */

/* The next image, or NULL when the thread should end. Called with what came of
 * the last one. */
static struct cz_eval_result *next_task(struct pool *pool, bool had_one,
                                        enum cz_status status,
                                        const struct cz_error *err)
{
    struct cz_eval_result *task = NULL;
    pthread_mutex_lock(&pool->mutex);
    pool->done += had_one;
    if (status != CZ_OK && pool->status == CZ_OK) {
        pool->status = status;
        pool->error = *err;
    }
    if (pool->status == CZ_OK && !pool->stop && pool->next < pool->n_images)
        task = pool->tasks[pool->next++];
    pthread_cond_signal(&pool->changed);
    pthread_mutex_unlock(&pool->mutex);
    return task;
}

/* The worker that is open already, for the thread that comes first. */
static bool take_first(struct pool *pool, struct cz_eval_worker *worker)
{
    pthread_mutex_lock(&pool->mutex);
    const bool is_mine = !pool->first_taken;
    pool->first_taken = true;
    pthread_mutex_unlock(&pool->mutex);
    if (is_mine) {
        *worker = pool->first;
        pool->first = (struct cz_eval_worker){.job = NULL};
    }
    return is_mine;
}

static void *work(void *argument)
{
    struct pool *pool = argument;
    struct cz_eval_worker worker;
    struct cz_error err = CZ_ERROR_INIT;
    enum cz_status status = CZ_OK;
    struct cz_eval_result *task;
    if (!take_first(pool, &worker))
        status = cz_eval_worker_init(&worker, &pool->job, &err);
    for (task = next_task(pool, false, status, &err); task;
         task = next_task(pool, true, status, &err))
        status = cz_eval_worker_run(&worker, task, &err);
    cz_eval_worker_fini(&worker);
    pthread_mutex_lock(&pool->mutex);
    pool->working--;
    pthread_cond_signal(&pool->changed);
    pthread_mutex_unlock(&pool->mutex);
    return NULL;
}

/* Tells how far the threads are, until the last one has ended. */
static void watch(struct pool *pool)
{
    pthread_mutex_lock(&pool->mutex);
    while (pool->working) {
        struct timespec until;
        clock_gettime(CLOCK_REALTIME, &until);
        until.tv_nsec += TICK_MS * 1000000L;
        until.tv_sec += until.tv_nsec / 1000000000L;
        until.tv_nsec %= 1000000000L;
        pthread_cond_timedwait(&pool->changed, &pool->mutex, &until);
        const size_t done = pool->done;
        pthread_mutex_unlock(&pool->mutex);
        const bool go_on = cz_progress_tick(pool->job.options->progress, "eval",
                                            done, pool->n_images);
        pthread_mutex_lock(&pool->mutex);
        pool->stop = pool->stop || !go_on;
    }
    pthread_mutex_unlock(&pool->mutex);
}

/* Starts up to `threads` of them; returns how many there were. */
static size_t run_threads(struct pool *pool, size_t threads)
{
    pthread_t handles[CZ_THREADS_MAX];
    size_t started = 0;
    pool->working = threads;
    while (started < threads &&
           pthread_create(&handles[started], NULL, work, pool) == 0)
        started++;
    pthread_mutex_lock(&pool->mutex);
    pool->working -= threads - started;
    pthread_mutex_unlock(&pool->mutex);
    watch(pool);
    for (size_t i = 0; i < started; i++)
        pthread_join(handles[i], NULL);
    return started;
}

/* ---- what came of it -------------------------------------------------- */

static enum cz_status keep_found(struct cz_eval_model *model,
                                 const struct cz_eval_found *found,
                                 size_t place, struct cz_error *err)
{
    for (size_t i = 0; i < found->count; i++)
        CZ_TRY(
            cz_coco_detections_add(&model->detections, &found->items[i], err));
    for (size_t stage = 0; stage < CZ_STAGE_COUNT; stage++) {
        model->times_ms[stage][place] = found->times.wall_ms[stage];
        model->cpu_ms[stage] += found->times.cpu_ms[stage];
    }
    model->not_finite += found->not_finite;
    model->above_one += found->above_one;
    model->unknown_class += found->unknown_class;
    return CZ_OK;
}

/* Appends an image's result to those of the images before it. */
static enum cz_status keep_result(struct cz_eval_run *run,
                                  struct cz_eval_result *result,
                                  struct cz_error *err)
{
    if (result->skipped) {
        run->skipped[run->n_skipped++] =
            (struct cz_eval_skipped){result->image, result->skipped};
        result->skipped = NULL;
    }
    if (!result->is_done)
        return CZ_OK;
    for (size_t i = 0; i < run->n_models; i++)
        CZ_TRY(
            keep_found(&run->models[i], &result->found[i], run->n_images, err));
    run->image_ids[run->n_images++] = result->image->id;
    run->n_resized += result->is_resized;
    return CZ_OK;
}

static bool make_room(struct cz_eval_run *run, size_t n_images)
{
    run->image_ids = cz_calloc(n_images, sizeof *run->image_ids);
    run->skipped = cz_calloc(n_images, sizeof *run->skipped);
    bool ok = run->image_ids && run->skipped;
    for (size_t i = 0; i < run->n_models; i++) {
        double **times_ms = run->models[i].times_ms;
        for (size_t stage = 0; stage < CZ_STAGE_COUNT; stage++) {
            times_ms[stage] = cz_calloc(n_images, sizeof(double));
            ok = ok && times_ms[stage];
        }
    }
    return ok;
}

static enum cz_status keep_results(struct cz_eval_run *run, struct pool *pool,
                                   struct cz_error *err)
{
    if (!make_room(run, pool->n_images))
        return cz_error_nomem(err);
    for (size_t i = 0; i < pool->n_images; i++)
        CZ_TRY(keep_result(run, &pool->results[i], err));
    return CZ_OK;
}

/* ---- before the first image ------------------------------------------- */

static enum cz_status open_first(void *user, struct cz_error *err)
{
    struct pool *pool = user;
    return cz_eval_worker_init(&pool->first, &pool->job, err);
}

/* Whatever is wrong with the models is found here, once, in one of the threads
 * of the run. */
static enum cz_status open_both(struct pool *pool, struct cz_error *err)
{
    CZ_TRY(cz_opencv_open_beside(&pool->opencv, open_first, pool, err));
    pool->job.opencv = pool->opencv;
    return CZ_OK;
}

/* ---- the whole -------------------------------------------------------- */

static bool is_on_gpu(enum cz_engine_kind kind)
{
    return kind == CZ_ENGINE_ORT_CUDA || kind == CZ_ENGINE_ORT_TENSORRT;
}

static size_t count_threads(const struct pool *pool)
{
    const struct cz_engine_options *engine = &pool->job.options->session.engine;
    size_t threads =
        engine->plan.threads ? engine->plan.threads : cz_cpu_count();
    if (is_on_gpu(engine->kind) && threads > GPU_SESSIONS)
        threads = GPU_SESSIONS;
    if (threads > CZ_THREADS_MAX)
        threads = CZ_THREADS_MAX;
    return threads < pool->n_images ? threads : pool->n_images;
}

static void describe_model(struct cz_eval_model *model,
                           const struct cz_eval_seat *seat)
{
    const struct cz_session *session = seat->session;
    const struct cz_detector *detector = cz_session_detector(session);
    const struct cz_plan *plan = cz_engine_plan(cz_session_engine(session));
    *model =
        (struct cz_eval_model){.detections = CZ_COCO_DETECTIONS_INIT,
                               .decoder = cz_detector_decoder(detector),
                               .format = cz_session_format(session, 1, 1),
                               .n_classes = cz_detector_classes(detector),
                               .has_plan = plan != NULL,
                               .thresholds = *cz_session_thresholds(session)};
    if (plan)
        model->precision = cz_plan_precision(plan);
    memcpy(model->class_note, seat->class_note, CZ_COCO_NOTE_BYTES);
}

static enum cz_status describe(struct cz_eval_run *run,
                               const struct cz_eval_worker *worker,
                               struct cz_error *err)
{
    const size_t n = worker->job->options->n_models;
    run->rect = worker->job->session.rect;
    run->models = cz_calloc(n, sizeof *run->models);
    if (!run->models)
        return cz_error_nomem(err);
    run->n_models = n;
    for (size_t i = 0; i < n; i++)
        describe_model(&run->models[i], &worker->seats[i]);
    return CZ_OK;
}

static enum cz_status run_pool(struct cz_eval_run *run, struct pool *pool,
                               struct cz_error *err)
{
    CZ_TRY(choose_images(pool, err));
    CZ_TRY(open_both(pool, err));
    CZ_TRY(describe(run, &pool->first, err));
    const double start = cz_now_ms();
    run->threads = run_threads(pool, count_threads(pool));
    run->wall_ms = cz_now_ms() - start;
    run->interrupted = pool->stop && pool->done < pool->n_images;
    if (!run->threads)
        return cz_error_set(err, CZ_ENOMEM, "no thread could be started");
    if (pool->status != CZ_OK) {
        *err = pool->error;
        return pool->status;
    }
    return keep_results(run, pool, err);
}

static void pool_fini(struct pool *pool)
{
    const size_t n = pool->n_images, n_models = pool->job.options->n_models;
    cz_eval_worker_fini(&pool->first);
    for (size_t i = 0; pool->results && i < n; i++)
        cz_free(pool->results[i].skipped);
    for (size_t i = 0; pool->found && i < n * n_models; i++)
        cz_free(pool->found[i].items);
    cz_free(pool->results);
    cz_free(pool->found);
    cz_free(pool->tasks);
    cz_opencv_close(pool->opencv);
}

enum cz_status cz_eval_run(struct cz_eval_run *run, const struct cz_coco *coco,
                           const struct cz_eval_options *options,
                           struct cz_error *err)
{
    struct pool pool = {
        .job = {coco, options, NULL, options->session},
        .mutex = PTHREAD_MUTEX_INITIALIZER,
        .changed = PTHREAD_COND_INITIALIZER,
    };
    *run = (struct cz_eval_run){.threads = 0};
    pool.job.session.engine.plan.threads = 1;
    const enum cz_status status = run_pool(run, &pool, err);
    pool_fini(&pool);
    return status;
}

void cz_eval_run_fini(struct cz_eval_run *run)
{
    for (size_t i = 0; i < run->n_models; i++) {
        cz_coco_detections_fini(&run->models[i].detections);
        for (size_t stage = 0; stage < CZ_STAGE_COUNT; stage++)
            cz_free(run->models[i].times_ms[stage]);
    }
    cz_free(run->models);
    cz_free(run->image_ids);
    for (size_t i = 0; i < run->n_skipped; i++)
        cz_free(run->skipped[i].reason);
    cz_free(run->skipped);
    *run = (struct cz_eval_run){.threads = 0};
}

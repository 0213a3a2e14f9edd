/* See run_step.h. Each step is a process of its own: what it uses is free again
 * when it is done, and its end is not that of the run. */
#include "app/run_step.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "app/app.h"
#include "app/json_memory.h"
#include "app/program.h"
#include "app/run_machine.h"
#include "app/run_options.h"
#include "app/run_progress.h"
#include "core/alloc.h"
#include "core/clock.h"
#include "core/file.h"
#include "core/output.h"
#include "core/path.h"
#include "eval/eval.h"
#include "onnx/onnx.h"

#define SCHEMA "compress.step/1"
#define OUTPUT_BYTES_MAX ((size_t)256 << 20)
#define WAIT_NS 20000000

/* ---- keys ------------------------------------------------------------- */

/* A regular file; of what is none the name counts, and the step that reads it
 * will complain. */
static enum cz_status add_if_file(struct cz_hash *hash, const char *path,
                                  struct cz_error *err)
{
    struct stat info;
    cz_hash_add_text(hash, path);
    return stat(path, &info) == 0 && S_ISREG(info.st_mode)
               ? cz_hash_add_file(hash, path, err)
               : CZ_OK;
}

/* Images, where they are named, and what is in them. */
static enum cz_status hash_images(char text[CZ_HASH_TEXT_BYTES],
                                  const struct app_image_files *files,
                                  const char *source, struct cz_error *err)
{
    struct cz_hash hash;
    struct cz_arena arena = {NULL};
    const bool has_labels = source && cz_coco_is_yolo(source);
    enum cz_status status = CZ_OK;
    cz_hash_start(&hash);
    if (source)
        status = add_if_file(&hash, source, err);
    for (size_t i = 0; i < files->count && status == CZ_OK; i++) {
        const char *labels =
            has_labels ? cz_yolo_label_path(&arena, files->paths[i]) : NULL;
        status = add_if_file(&hash, files->paths[i], err);
        if (status == CZ_OK && labels)
            status = add_if_file(&hash, labels, err);
    }
    cz_arena_fini(&arena);
    cz_hash_end(text, &hash);
    return status;
}

enum cz_status app_run_worker_init(struct app_run_worker *worker,
                                   struct app_run_plan *plan,
                                   struct cz_error *err)
{
    struct cz_hash hash;
    *worker = (struct app_run_worker){.plan = plan, .start_ms = cz_now_ms()};
    CZ_TRY(cz_hash_file(worker->program, APP_PROGRAM, err));
    cz_hash_start(&hash);
    app_run_machine_hash(&hash);
    cz_hash_end(worker->machine, &hash);
    CZ_TRY(
        hash_images(worker->val, &plan->val, plan->config->annotations, err));
    return hash_images(worker->calib, &plan->calib, plan->config->calib, err);
}

/* Does the file speak of data in other files? That key is in the clear. */
static bool may_have_data(const char *path)
{
    static const char key[] = "location";
    void *bytes;
    size_t size;
    if (!cz_path_ends_in(path, ".onnx") ||
        cz_file_load(&bytes, &size, path, SIZE_MAX / 2, NULL) != CZ_OK)
        return false;
    const bool found = memmem(bytes, size, key, sizeof key - 1);
    cz_free(bytes);
    return found;
}

/* With the files that a model's data is in. */
static enum cz_status add_file(struct cz_hash *hash, const char *path,
                               struct cz_error *err)
{
    struct cz_model *model = NULL;
    size_t count = 0;
    CZ_TRY(cz_hash_add_file(hash, path, err));
    if (!may_have_data(path) || cz_model_load(&model, path, NULL) != CZ_OK)
        return CZ_OK;
    enum cz_status status = CZ_OK;
    const char *const *files = cz_model_files(model, &count);
    for (size_t i = 1; i < count && status == CZ_OK; i++)
        status = cz_hash_add_file(hash, files[i], err);
    cz_model_free(model);
    return status;
}

/* Options that name files, and ONNX Runtime, which the environment may name. */
static enum cz_status add_named_files(struct cz_hash *hash,
                                      const struct app_run_args *args,
                                      struct cz_error *err)
{
    const char *library = getenv("ORT_LIB");
    for (size_t i = 0; i + 1 < args->count; i++) {
        const char *value = args->items[i + 1];
        if (strncmp(args->items[i], "--", 2) != 0)
            continue;
        if (app_run_is_path(args->items[i] + 2))
            CZ_TRY(add_if_file(hash, value, err));
        if (strcmp(args->items[i], "--engine") == 0 && strstr(value, "ort") &&
            library)
            CZ_TRY(add_if_file(hash, library, err));
    }
    return CZ_OK;
}

static enum cz_status key_of(char key[CZ_HASH_TEXT_BYTES],
                             const struct app_run_worker *w,
                             const struct app_run_step *step,
                             struct cz_error *err)
{
    struct cz_hash hash;
    cz_hash_start(&hash);
    cz_hash_add_text(&hash, w->program);
    for (size_t i = 0; i < step->args.count; i++)
        cz_hash_add_text(&hash, step->args.items[i]);
    for (size_t i = 0; i < step->files.count; i++)
        CZ_TRY(add_file(&hash, step->files.items[i], err));
    CZ_TRY(add_named_files(&hash, &step->args, err));
    cz_hash_add_text(&hash, step->uses_val ? w->val : "");
    cz_hash_add_text(&hash, step->uses_calib ? w->calib : "");
    cz_hash_add_text(&hash, step->uses_machine ? w->machine : "");
    cz_hash_end(key, &hash);
    return CZ_OK;
}

/* ---- the cache -------------------------------------------------------- */

static const char *record_path(const struct app_run_worker *w,
                               const struct app_run_step *step)
{
    struct app_run_config *c = w->plan->config;
    return app_run_text(c, "%s/cache/%s.json", c->output, step->id);
}

/* The product's data file, of which a model may have one; "": there is none. */
static void hash_data(char hash[CZ_HASH_TEXT_BYTES], const char *product)
{
    char path[4096];
    const int size = snprintf(path, sizeof path, "%s.data", product);
    if (size < 0 || (size_t)size >= sizeof path ||
        cz_hash_file(hash, path, NULL) != CZ_OK)
        hash[0] = 0;
}

static bool are_products_right(const json_t *record,
                               const struct app_run_step *step)
{
    const json_t *products = json_object_get(record, "products");
    for (size_t i = 0; i < step->products.count; i++) {
        char hash[CZ_HASH_TEXT_BYTES], data[CZ_HASH_TEXT_BYTES];
        const char *path = step->products.items[i];
        const json_t *kept = json_object_get(products, path);
        const char *kept_hash = json_string_value(json_array_get(kept, 0));
        const char *kept_data = json_string_value(json_array_get(kept, 1));
        hash_data(data, path);
        if (!kept_hash || !kept_data ||
            cz_hash_file(hash, path, NULL) != CZ_OK ||
            strcmp(hash, kept_hash) != 0 || strcmp(data, kept_data) != 0)
            return false;
    }
    return true;
}

/* What an earlier run left; NULL: nothing that can be read. */
static json_t *load_record(const char *path)
{
    void *bytes;
    size_t size;
    if (cz_file_load(&bytes, &size, path, OUTPUT_BYTES_MAX, NULL) != CZ_OK)
        return NULL;
    json_t *record = json_loadb(bytes, size, JSON_REJECT_DUPLICATES, NULL);
    cz_free(bytes);
    return record;
}

enum cz_status app_run_look_up(struct app_run_worker *worker,
                               struct app_run_step *step, struct cz_error *err)
{
    const char *path = record_path(worker, step);
    if (!path)
        return cz_error_nomem(err);
    json_t *record = load_record(path);
    const char *kept = json_string_value(json_object_get(record, "key"));
    json_t *result = json_object_get(record, "result");
    /* What cannot be read now is named by the step itself. */
    if (key_of(step->key, worker, step, NULL) != CZ_OK)
        step->key[0] = 0;
    if (kept && json_is_object(result) && !worker->redo && *step->key &&
        strcmp(kept, step->key) == 0 && are_products_right(record, step)) {
        step->result = json_incref(result);
        step->state = APP_RUN_CACHED;
    }
    json_decref(record);
    return CZ_OK;
}

/* How long each step took in an earlier run. With `redo` nothing else of that
 * is left: the next run goes on where this one ends. */
static enum cz_status recall_times(struct app_run_worker *w,
                                   struct cz_error *err)
{
    for (size_t i = 0; i < w->plan->n_steps; i++) {
        struct app_run_step *step = &w->plan->steps[i];
        const char *path = record_path(w, step);
        if (!path)
            return cz_error_nomem(err);
        json_t *record = load_record(path);
        step->seconds = json_number_value(json_object_get(record, "seconds"));
        json_decref(record);
        if (w->redo)
            unlink(path);
    }
    return CZ_OK;
}

/* What a link leads to is not ours. */
static void unlink_link(const char *path)
{
    struct stat info;
    if (lstat(path, &info) == 0 && S_ISLNK(info.st_mode))
        unlink(path);
}

static enum cz_status write_record(const char *path, const json_t *record,
                                   struct cz_error *err)
{
    char *text = app_json_dump(record, JSON_COMPACT | JSON_ENSURE_ASCII);
    unlink_link(path);
    const enum cz_status status =
        text ? cz_output_print(path, true, app_print_line, text, err)
             : cz_error_nomem(err);
    cz_free(text);
    return status;
}

static enum cz_status keep(const struct app_run_worker *w,
                           const struct app_run_step *step,
                           struct cz_error *err)
{
    const char *path = record_path(w, step);
    json_t *record = json_object(), *products = json_object();
    enum cz_status status = path ? CZ_OK : cz_error_nomem(err);
    for (size_t i = 0; i < step->products.count && status == CZ_OK; i++) {
        char hash[CZ_HASH_TEXT_BYTES], data[CZ_HASH_TEXT_BYTES];
        const char *product = step->products.items[i];
        status = cz_hash_file(hash, product, err);
        hash_data(data, product);
        json_object_set_new(products, product, json_pack("[s, s]", hash, data));
    }
    json_object_set_new(record, "schema", json_string(SCHEMA));
    json_object_set_new(record, "key", json_string(step->key));
    json_object_set_new(record, "seconds", json_real(step->seconds));
    json_object_set_new(record, "products", products);
    json_object_set(record, "result", step->result);
    if (status == CZ_OK)
        status = write_record(path, record, err);
    json_decref(record);
    return status;
}

/* ---- processes -------------------------------------------------------- */

struct process {
    pid_t pid;
    int out, messages; /* files in memory for what it prints */
};

/* In the child: becomes the program. */
static void become(const struct process *process, const char *const *argv)
{
    const int nothing = open("/dev/null", O_RDONLY);
    prctl(PR_SET_PDEATHSIG, SIGTERM); /* nobody would wait for it */
    if (nothing >= 0 && dup2(nothing, 0) == 0 && dup2(process->out, 1) == 1 &&
        dup2(process->messages, 2) == 2)
        app_become_program(argv);
    _exit(APP_FAILED);
}

static enum cz_status start(struct process *process,
                            const struct app_run_step *step,
                            struct cz_error *err)
{
    const char **argv = cz_calloc(step->args.count + 2, sizeof *argv);
    if (!argv)
        return cz_error_nomem(err);
    argv[0] = "compress";
    for (size_t i = 0; i < step->args.count; i++)
        argv[i + 1] = step->args.items[i];
    process->out = memfd_create("output", MFD_CLOEXEC);
    process->messages = memfd_create("messages", MFD_CLOEXEC);
    process->pid = process->out < 0 || process->messages < 0 ? -1 : fork();
    if (process->pid == 0)
        become(process, argv);
    cz_free(argv);
    return process->pid > 0
               ? CZ_OK
               : cz_error_set(err, CZ_EINTERNAL, "cannot start a process: %s",
                              strerror(errno));
}

/* Ctrl-C reaches all processes of a terminal, a signal from elsewhere only this
 * one, which hands it on. */
static int wait_for(const struct process *process, struct app_run_meter *meter)
{
    int status;
    pid_t ended;
    bool was_told = false;
    while ((ended = waitpid(process->pid, &status, WNOHANG)) == 0 ||
           (ended < 0 && errno == EINTR)) {
        const struct timespec pause = {.tv_nsec = WAIT_NS};
        if (app_interrupted() && !was_told) {
            kill(process->pid, SIGTERM);
            was_told = true;
        }
        app_run_meter_draw(meter);
        nanosleep(&pause, NULL);
    }
    if (ended < 0)
        return APP_FAILED;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* What is in a file in memory; the arena's. NULL: no memory. */
static char *text_of(struct cz_arena *arena, int fd)
{
    struct stat info;
    if (fstat(fd, &info) != 0 || (size_t)info.st_size > OUTPUT_BYTES_MAX)
        return NULL;
    const size_t size = (size_t)info.st_size;
    char *text = cz_arena_alloc(arena, size + 1, 1);
    size_t done = 0;
    ssize_t n = 1;
    while (text && done < size && n > 0) {
        n = pread(fd, text + done, size - done, (off_t)done);
        done += n > 0 ? (size_t)n : 0;
    }
    return done == size ? text : NULL;
}

static json_t *result_of(int fd)
{
    lseek(fd, 0, SEEK_SET);
    return json_loadfd(fd, 0, NULL);
}

/* What it said last, in one line and without the program's name. */
static const char *last_words(struct app_run_config *config, const char *text,
                              int exit_code)
{
    static const char program[] = "compress: ";
    const char *line = text;
    for (const char *at = text; at && *at; at++) {
        if ((at == text || at[-1] == '\n') &&
            strncmp(at, program, sizeof program - 1) == 0)
            line = at + sizeof program - 1;
    }
    if (exit_code == APP_INTERRUPTED)
        return app_run_text(config, "was interrupted");
    if (line && *line && exit_code <= 128)
        return cz_arena_strdup(&config->arena, line, strcspn(line, "\n"));
    return app_run_text(config, "ended with %s %d without a word",
                        exit_code > 128 ? "signal" : "exit code",
                        exit_code > 128 ? exit_code - 128 : exit_code);
}

/* ---- a step ----------------------------------------------------------- */

/* The folders of what it writes, and nothing of an earlier run in them. */
static enum cz_status make_room(const struct app_run_step *step,
                                struct app_run_config *config,
                                struct cz_error *err)
{
    for (size_t i = 0; i < step->products.count; i++) {
        const char *path = step->products.items[i], *slash = strrchr(path, '/');
        const char *folder =
            cz_arena_strdup(&config->arena, path, (size_t)(slash - path));
        if (!folder)
            return cz_error_nomem(err);
        CZ_TRY(cz_file_make_folder(folder, err));
        unlink(path); /* what else is there is the step's to name */
    }
    return CZ_OK;
}

static enum cz_status finish(struct app_run_worker *w,
                             struct app_run_step *step,
                             const struct process *process,
                             struct cz_error *err)
{
    struct app_run_config *c = w->plan->config;
    if (step->exit_code == APP_DONE)
        step->result = result_of(process->out);
    if (!step->result) {
        step->state = APP_RUN_FAILED;
        step->message = last_words(c, text_of(&c->arena, process->messages),
                                   step->exit_code);
        return step->message ? CZ_OK : cz_error_nomem(err);
    }
    step->state = APP_RUN_MADE;
    return keep(w, step, err);
}

static enum cz_status run_step(struct app_run_worker *w,
                               struct app_run_step *step,
                               struct app_run_meter *meter,
                               struct cz_error *err)
{
    struct process process = {.pid = -1, .out = -1, .messages = -1};
    const double start_ms = cz_now_ms();
    CZ_TRY(make_room(step, w->plan->config, err));
    enum cz_status status = start(&process, step, err);
    if (status == CZ_OK) {
        step->exit_code = wait_for(&process, meter);
        step->seconds = (cz_now_ms() - start_ms) / 1e3;
        status = app_interrupted()
                     ? cz_error_set(err, CZ_EINTERRUPTED,
                                    "interrupted; the same command%s goes on "
                                    "where this one was",
                                    w->redo ? " without --redo" : "")
                     : finish(w, step, &process, err);
    }
    close(process.out);
    close(process.messages);
    return status;
}

static bool is_missing(const struct app_run_plan *plan, size_t step)
{
    return step != APP_RUN_ALL && (plan->steps[step].state == APP_RUN_FAILED ||
                                   plan->steps[step].state == APP_RUN_LEFT_OUT);
}

static void take_out(struct app_run_args *args, size_t from, size_t count)
{
    memmove(&args->items[from], &args->items[from + count],
            (args->count - from - count) * sizeof *args->items);
    args->count -= count;
}

/* Leaves the variants that are there. */
static void take_out_missing(const struct app_run_plan *plan,
                             struct app_run_step *step)
{
    const size_t width = app_run_part_args(step->kind);
    for (size_t i = step->n_parts; i-- > 0;) {
        if (!is_missing(plan, step->parts[i].need))
            continue;
        take_out(&step->args, 1 + i * width, width);
        take_out(&step->files, i, 1);
        memmove(&step->parts[i], &step->parts[i + 1],
                (step->n_parts - i - 1) * sizeof *step->parts);
        step->n_parts--;
    }
}

/* A comparison is with the baseline, and of two at least. */
static bool can_start(const struct app_run_plan *plan,
                      const struct app_run_step *step)
{
    const size_t baseline = plan->config->baseline;
    for (size_t i = 0; i < step->n_needs; i++) {
        if (is_missing(plan, step->needs[i]))
            return false;
    }
    if (step->kind == APP_RUN_COMPARE)
        return step->n_parts > 1 && step->parts[0].variant == baseline;
    return step->kind != APP_RUN_BENCH || step->n_parts > 0;
}

enum cz_status app_run_work(struct app_run_worker *worker, struct cz_error *err)
{
    struct app_run_plan *plan = worker->plan;
    struct app_run_meter meter;
    enum cz_status status = recall_times(worker, err);
    app_run_meter_init(&meter, worker);
    for (size_t i = 0; i < plan->n_steps && status == CZ_OK; i++) {
        struct app_run_step *step = &plan->steps[i];
        take_out_missing(plan, step);
        if (!can_start(plan, step)) {
            step->state = APP_RUN_LEFT_OUT;
        } else {
            status = app_run_look_up(worker, step, err);
            if (status == CZ_OK && step->state == APP_RUN_TO_DO) {
                app_run_meter_start(&meter, i);
                status = run_step(worker, step, &meter, err);
            }
        }
        app_run_meter_end(&meter, i);
    }
    app_run_meter_fini(&meter);
    return status;
}

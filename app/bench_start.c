/* What it costs to start: time to the first frame and peak memory of a process
 * that does nothing else.
 *
 * The kernel accounts a process' peak memory (ru_maxrss), and memory that was
 * used once stays in it. So each combination gets a process of its own: this
 * program again, from its first instruction on, with one hidden option that
 * says which combination it is for. It ends after a few frames, and the parent
 * asks for its peak: the figure holds the program and its libraries, too. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "app/app.h"
#include "app/bench.h"
#include "app/program.h"
#include "app/progress.h"
#include "app/tensor_file.h"
#include "core/alloc.h"
#include "core/clock.h"

/* Frames of a child: memory stands still from the second one on. */
#define FRAMES 3

/* What the child tells its parent; small enough for one write to a pipe. */
struct message {
    struct cz_error err;
    double first_ms;
};

static enum cz_status run_frames(double *first_ms,
                                 const struct app_bench_run *run,
                                 struct cz_error *err)
{
    double start = cz_now_ms();
    struct cz_engine *engine;
    size_t n_inputs;
    CZ_TRY(cz_engine_open(&engine, run->model, &run->options, err));
    const struct cz_port *inputs = cz_engine_inputs(engine, &n_inputs);
    double opened = cz_now_ms();
    app_tensor_fill(inputs, n_inputs);
    double filled = cz_now_ms();
    enum cz_status status = cz_engine_run(engine, err);
    *first_ms = cz_now_ms() - start - (filled - opened);
    for (size_t i = 1; i < FRAMES && status == CZ_OK; i++)
        status = cz_engine_run(engine, err);
    return cz_error_prefix(err, status, run->model);
}

/* The engine is not closed: what a library does at its end is not measured. */
int app_bench_be_child(const struct app_bench_run *run, int fd)
{
    struct message message = {.err = CZ_ERROR_INIT};
    signal(SIGINT, SIG_DFL); /* Ctrl-C is for both; the parent tells of it */
    run_frames(&message.first_ms, run, &message.err);
    ssize_t n = write(fd, &message, sizeof message);
    _exit(n == sizeof message ? APP_DONE : APP_FAILED);
}

/* `compress bench OPTION ...` with the arguments of this command; cz_free() it.
 * NULL: no memory. */
static const char **child_args(const char *option, int argc, char *const *argv)
{
    const char **args = cz_calloc((size_t)argc + 3, sizeof *args);
    if (!args)
        return NULL;
    args[0] = "compress";
    args[1] = "bench";
    args[2] = option;
    for (int i = 1; i < argc; i++)
        args[i + 2] = argv[i];
    return args;
}

static pid_t start_child(const char *const *args, int parents_fd)
{
    pid_t child = fork();
    if (child != 0)
        return child;
    close(parents_fd);
    app_become_program(args);
    _exit(APP_FAILED);
}

static enum cz_status fail(const struct app_bench_run *run, const char *what,
                           struct cz_error *err)
{
    return cz_error_set(err, CZ_EINTERNAL, "%s: %s: %s", run->model, what,
                        strerror(errno));
}

/* The child's last words and its account. */
static enum cz_status wait_for(struct app_bench_run *run, pid_t child, int fd,
                               struct cz_error *err)
{
    struct message message;
    struct rusage usage;
    int status;
    ssize_t n;
    do
        n = read(fd, &message, sizeof message);
    while (n < 0 && errno == EINTR);
    while (wait4(child, &status, 0, &usage) < 0) {
        if (errno != EINTR)
            return fail(run, "cannot wait for a process", err);
    }
    if (app_interrupted())
        return cz_error_set(err, CZ_EINTERRUPTED, "interrupted");
    if (n != sizeof message)
        return cz_error_set(err, CZ_EINTERNAL,
                            "%s: the process that ran it with %s ended with "
                            "%s %d",
                            run->model, cz_engine_name(run->options.kind),
                            WIFSIGNALED(status) ? "signal" : "exit code",
                            WIFSIGNALED(status) ? WTERMSIG(status)
                                                : WEXITSTATUS(status));
    run->first_ms = message.first_ms;
    run->peak_rss_bytes = (uint64_t)usage.ru_maxrss * 1024;
    *err = message.err;
    return message.err.code;
}

enum cz_status app_bench_measure_start(struct app_bench_run *run, size_t index,
                                       int argc, char *const *argv,
                                       struct cz_error *err)
{
    int pipe_fds[2];
    char option[64];
    if (pipe(pipe_fds) != 0)
        return fail(run, "cannot make a pipe", err);
    snprintf(option, sizeof option, "--start-of=%zu,%d", index, pipe_fds[1]);
    const char **args = child_args(option, argc, argv);
    enum cz_status status = args ? CZ_OK : cz_error_nomem(err);
    const pid_t child = args ? start_child(args, pipe_fds[0]) : -1;
    if (args && child < 0)
        status = fail(run, "cannot start a process", err);
    close(pipe_fds[1]);
    if (status == CZ_OK)
        status = wait_for(run, child, pipe_fds[0], err);
    close(pipe_fds[0]);
    cz_free(args);
    return status;
}

/* compress: dispatches to its commands. What is no command is a model. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "app/app.h"
#include "app/json_memory.h"

/* A report that could not be made or written is a failure. */
static int finish(int exit_code)
{
    if (app_json_is_missing()) {
        fputs("compress: out of memory\n", stderr);
        return exit_code == APP_DONE ? APP_FAILED : exit_code;
    }
    if (fflush(stdout) == 0 && !ferror(stdout))
        return exit_code;
    fputs("compress: cannot write to standard output\n", stderr);
    return exit_code == APP_DONE ? APP_FAILED : exit_code;
}

static const struct {
    const char *name;
    int (*run)(int argc, char **argv);
} commands[] = {
    {"inspect", app_inspect}, {"infer", app_infer},
    {"bench", app_bench},     {"detect", app_detect},
    {"eval", app_eval},       {"sensitivity", app_sensitivity},
    {"run", app_run},         {"camera", app_camera},
};

#define N_COMMANDS (sizeof commands / sizeof *commands)

/* Whether one edit makes `name` of `text`: a letter too many, too few or
 * another, or two neighbours that changed places. */
static bool is_misspelled(const char *text, const char *name)
{
    while (*text && *text == *name) {
        text++;
        name++;
    }
    if (!*text || !*name)
        return strlen(text) + strlen(name) == 1;
    return strcmp(text + 1, name) == 0 || strcmp(text, name + 1) == 0 ||
           strcmp(text + 1, name + 1) == 0 ||
           (text[0] == name[1] && text[1] == name[0] &&
            strcmp(text + 2, name + 2) == 0);
}

/* What is neither a command nor a file, but nearly a command: says so. */
static bool refuse_misspelled(const char *text)
{
    for (size_t i = 0; i < N_COMMANDS; i++) {
        if (!is_misspelled(text, commands[i].name) || access(text, F_OK) == 0)
            continue;
        app_usage_error("compress",
                        "'%s' is no command and no file; did you "
                        "mean '%s'?",
                        text, commands[i].name);
        return true;
    }
    return false;
}

int main(int argc, char **argv)
{
    app_json_begin();
    app_catch_interrupts();
    /* See engine/openblas_internal.h; later there are threads. */
    setenv("OPENBLAS_NUM_THREADS", "1", 0);
    static char program[] = "compress"; /* what getopt's messages begin with */
    if (argc > 0)
        argv[0] = program;
    for (size_t i = 0; i < N_COMMANDS; i++) {
        if (argc < 2 || strcmp(argv[1], commands[i].name) != 0)
            continue;
        argv[1] = program;
        return finish(commands[i].run(argc - 1, argv + 1));
    }
    if (argc > 1 && refuse_misspelled(argv[1]))
        return APP_USAGE;
    static char help[] = "--help";
    if (argc == 2 && strcmp(argv[1], "help") == 0)
        argv[1] = help;
    return finish(app_compress(argc, argv));
}

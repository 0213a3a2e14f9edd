/* compress: dispatches to its commands. What is no command is a model. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app/app.h"

/* A report that could not be written is a failure. */
static int finish(int exit_code)
{
    if (fflush(stdout) == 0 && !ferror(stdout))
        return exit_code;
    fputs("compress: cannot write to standard output\n", stderr);
    return exit_code == APP_DONE ? APP_FAILED : exit_code;
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        int (*run)(int argc, char **argv);
    } commands[] = {
        {"inspect", app_inspect}, {"infer", app_infer}, {"bench", app_bench},
        {"detect", app_detect},   {"eval", app_eval},
    };

    app_catch_interrupts();
    /* See engine/openblas_internal.h; later there are threads. */
    setenv("OPENBLAS_NUM_THREADS", "1", 0);
    static char program[] = "compress"; /* what getopt's messages begin with */
    if (argc > 0)
        argv[0] = program;
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++) {
        if (argc < 2 || strcmp(argv[1], commands[i].name) != 0)
            continue;
        argv[1] = program;
        return finish(commands[i].run(argc - 1, argv + 1));
    }
    static char help[] = "--help";
    if (argc == 2 && strcmp(argv[1], "help") == 0)
        argv[1] = help;
    return finish(app_compress(argc, argv));
}

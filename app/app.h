/* The command line's own: commands, exit codes, what they share. */
#ifndef CZ_APP_APP_H
#define CZ_APP_APP_H

#include <stdbool.h>

#include "core/error.h"
#include "core/progress.h"

#define APP_VERSION "0.1.0"

enum app_exit {
    APP_DONE = 0,
    APP_FAILED = 1, /* out of memory, or a bug */
    APP_USAGE = 2,
    APP_REJECTED = 3, /* the input, or where the output should go */
    APP_NOT_MET = 4,  /* the result is not as good as was asked for */
    APP_INTERRUPTED = 130,
};

/* The commands; argv[0] is the command's name. */
int app_compress(int argc, char **argv);
int app_inspect(int argc, char **argv);
int app_infer(int argc, char **argv);
int app_bench(int argc, char **argv);
int app_detect(int argc, char **argv);
int app_camera(int argc, char **argv);
int app_eval(int argc, char **argv);
int app_sensitivity(int argc, char **argv);
int app_run(int argc, char **argv);

/* Prints the message on stderr; gives the exit code of its status. */
int app_fail(const struct cz_error *err);

/* Prints "compress: ..." on stderr, and that `command` ("compress", "compress
 * inspect") has a --help; gives APP_USAGE. */
int app_usage_error(const char *command, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* From now on the first Ctrl-C only makes app_interrupted() true, so that the
 * running stage can end cleanly; the second one ends the process. */
void app_catch_interrupts(void);
bool app_interrupted(void);

#endif

/* compress: dispatches to its commands. What is no command is a model. */
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "app/app.h"
#include "app/text.h"

static volatile sig_atomic_t interrupted;

static void on_interrupt(int signal_number)
{
    (void)signal_number;
    interrupted = 1;
}

bool app_interrupted(void)
{
    return interrupted;
}

int app_fail(const struct cz_error *err)
{
    fputs("compress: ", stderr);
    app_print_clean(stderr, err->message);
    fputc('\n', stderr);
    switch (err->code) {
    case CZ_EINTERRUPTED:
        return APP_INTERRUPTED;
    case CZ_ENOMEM:
    case CZ_EINTERNAL:
        return APP_FAILED;
    default:
        return APP_REJECTED;
    }
}

int app_usage_error(const char *command, const char *format, ...)
{
    char message[512];
    va_list args;
    va_start(args, format);
    vsnprintf(message, sizeof message, format, args);
    va_end(args);
    fputs("compress: ", stderr);
    app_print_clean(stderr, message);
    fprintf(stderr, "\nTry '%s --help'.\n", command);
    return APP_USAGE;
}

/* Ctrl-C lets the running stage end cleanly; a second one does not wait. */
static void catch_interrupts(void)
{
    struct sigaction action = {.sa_handler = on_interrupt,
                               .sa_flags = (int)SA_RESETHAND | SA_RESTART};
    sigemptyset(&action.sa_mask);
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
}

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
    } commands[] = {{"inspect", app_inspect}};

    catch_interrupts();
    static char program[] = "compress"; /* what getopt's messages begin with */
    if (argc > 0)
        argv[0] = program;
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++) {
        if (argc < 2 || strcmp(argv[1], commands[i].name) != 0)
            continue;
        argv[1] = program;
        return finish(commands[i].run(argc - 1, argv + 1));
    }
    return finish(app_compress(argc, argv));
}

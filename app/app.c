/* What the commands share: messages on stderr, exit codes, Ctrl-C. */
#include "app/app.h"

#include <signal.h>
#include <stdarg.h>
#include <stdio.h>

#include "app/text.h"

static const int ending[] = {SIGINT, SIGTERM, SIGHUP};
static volatile sig_atomic_t interrupted;

/* From the second one on, of whatever kind, each ends the process. */
static void on_interrupt(int signal_number)
{
    (void)signal_number;
    interrupted = 1;
    for (size_t i = 0; i < sizeof ending / sizeof *ending; i++) {
        struct sigaction action;
        if (sigaction(ending[i], NULL, &action) == 0 &&
            action.sa_handler == on_interrupt)
            signal(ending[i], SIG_DFL);
    }
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
    case CZ_EGATE:
        return APP_NOT_MET;
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

void app_catch_interrupts(void)
{
    for (size_t i = 0; i < sizeof ending / sizeof *ending; i++) {
        struct sigaction action;
        /* What the caller wants ignored (nohup) stays so. */
        if (sigaction(ending[i], NULL, &action) != 0 ||
            action.sa_handler == SIG_IGN)
            continue;
        action = (struct sigaction){.sa_handler = on_interrupt,
                                    .sa_flags = SA_RESTART};
        sigemptyset(&action.sa_mask);
        sigaction(ending[i], &action, NULL);
    }
    /* A file beyond the limit is an error of write(), not the end. */
    signal(SIGXFSZ, SIG_IGN);
}

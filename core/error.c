/* Formatting of error messages into the caller's cz_error. */
#include "core/error.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum cz_status cz_error_set(struct cz_error *err, enum cz_status code,
                            const char *format, ...)
{
    if (!err)
        return code;
    err->code = code;
    va_list args;
    va_start(args, format);
    vsnprintf(err->message, sizeof err->message, format, args);
    va_end(args);
    return code;
}

enum cz_status cz_error_prefix(struct cz_error *err, enum cz_status status,
                               const char *context)
{
    char message[sizeof err->message];
    if (!err || status == CZ_OK)
        return status;
    const size_t known = strlen(context);
    if (strncmp(err->message, context, known) == 0 &&
        strncmp(err->message + known, ": ", 2) == 0)
        return status;
    memcpy(message, err->message, sizeof message);
    int length = snprintf(err->message, sizeof err->message, "%s: ", context);
    if (length >= 0 && (size_t)length < sizeof err->message)
        snprintf(err->message + length, sizeof err->message - (size_t)length,
                 "%s", message);
    return status;
}

/* JSON that is whole or not at all.
 *
 * What jansson has no memory for is just not there: a row that was appended, a
 * member that was set. Checking each call would double the code of a report, so
 * it is remembered that memory was short once, and asked for at the end. */
#ifndef CZ_APP_JSON_MEMORY_H
#define CZ_APP_JSON_MEMORY_H

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>

/* From now on jansson allocates by core/alloc.h, and failures are remembered.
 * Before any other call to it. */
void app_json_begin(void);

/* `root` as text; cz_free() it. NULL: memory was short for it or, since the
 * program began, for any JSON. */
char *app_json_dump(const json_t *root, size_t flags);

/* Such a text and a newline, for cz_output_print(). */
void app_print_line(FILE *file, const void *user);

/* Prints JSON on stdout with a newline, or nothing when memory was short; takes
 * `root` over. */
void app_print_json(json_t *root);

/* Whether app_print_json() had to print nothing. */
bool app_json_is_missing(void);

#endif

/* Text for people: names out of files made harmless, numbers with units. */
#ifndef CZ_APP_TEXT_H
#define CZ_APP_TEXT_H

#include <jansson.h>
#include <stdint.h>
#include <stdio.h>

#include "engine/engine.h"

/* Prints `text` with control characters, and bytes that are no UTF-8, as '?':
 * a name in a model must not drive the terminal. */
void app_print_clean(FILE *file, const char *text);

/* The same as text of an XML file. */
void app_print_xml(FILE *file, const char *text);

/* The text as a word of a shell, in quotes where it needs them; cz_free() it.
 * NULL when memory is short. */
char *app_shell_word(const char *text);

/* A JSON string, cleaned where it is no UTF-8; null for NULL with _maybe. */
json_t *app_json_text(const char *text);
json_t *app_json_maybe(const char *text);

json_t *app_json_count(uint64_t number);
json_t *app_json_known(uint64_t number); /* null for 0 */

#define APP_NUMBER_BYTES 32

/* 3157200 -> "3,157,200"; 6409000 -> "6.41 MB"; 4371000000 -> "4.37 G". All
 * write to `text` ([APP_NUMBER_BYTES]) and give it back. */
const char *app_count(char *text, uint64_t number);
const char *app_bytes(char *text, uint64_t number);
const char *app_si(char *text, uint64_t number);

#define APP_DIMS_BYTES 192

/* "1x3x640x640", "scalar"; to `text` ([APP_DIMS_BYTES]), which is given back.
 * And as a JSON list. */
const char *app_dims(char *text, const struct cz_dims *dims);
json_t *app_json_dims(const struct cz_dims *dims);

/* The short name of an element type that users type: "fp32", "fp16". */
const char *app_precision(enum cz_dtype dtype);

/* A JSON number, or null for one that JSON cannot have (NaN, infinity). */
json_t *app_json_real(double number);

/* The same of milliseconds, to 0.001. */
json_t *app_json_ms(double ms);

/* The same, to multiples of 1 / `parts`. */
json_t *app_json_rounded(double number, double parts);

#endif

/* Names made harmless, numbers made readable. */
#include "app/text.h"

#include <inttypes.h>
#include <math.h>
#include <stdbool.h>
#include <string.h>

#include "core/alloc.h"

static bool is_utf8(const char *text)
{
    json_t *string = json_string(text);
    json_decref(string);
    return string != NULL;
}

static bool is_c1(unsigned char first, unsigned char second)
{
    return first == 0xc2 && second >= 0x80 && second < 0xa0;
}

/* What is printed of text[i]. Beside C0 and DEL the C1 controls (U+0080 to
 * U+009F, in UTF-8 two bytes) start escape sequences on some terminals. */
static char clean_char(const char *text, size_t i, bool utf8)
{
    const unsigned char *bytes = (const unsigned char *)text;
    const unsigned char c = bytes[i];
    const bool is_control = c < 0x20 || c == 0x7f || is_c1(c, bytes[i + 1]) ||
                            (i > 0 && is_c1(bytes[i - 1], c));
    return is_control || (!utf8 && c >= 0x80) ? '?' : (char)c;
}

static char *clean_copy(const char *text)
{
    const bool utf8 = is_utf8(text);
    char *copy = cz_strdup(text);
    for (size_t i = 0; copy && text[i]; i++)
        copy[i] = clean_char(text, i, utf8);
    return copy;
}

/* In parts and without memory: it also says that there is none. */
void app_print_clean(FILE *file, const char *text)
{
    const bool utf8 = is_utf8(text);
    char part[512];
    size_t size = 0;
    for (size_t i = 0; text[i]; i++) {
        part[size++] = clean_char(text, i, utf8);
        if (size == sizeof part || !text[i + 1]) {
            fwrite(part, 1, size, file);
            size = 0;
        }
    }
}

void app_print_xml(FILE *file, const char *text)
{
    const bool utf8 = is_utf8(text);
    for (size_t i = 0; text[i]; i++) {
        const char c = clean_char(text, i, utf8);
        switch (c) {
        case '&':
            fputs("&amp;", file);
            break;
        case '<':
            fputs("&lt;", file);
            break;
        case '>':
            fputs("&gt;", file);
            break;
        case '"':
            fputs("&quot;", file);
            break;
        default:
            fputc(c, file);
        }
    }
}

char *app_shell_word(const char *text)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyz"
                                "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                "0123456789%+,-./:=@_";
    if (*text && text[strspn(text, plain)] == 0)
        return cz_strdup(text);
    char *word = cz_calloc(strlen(text) + 1, sizeof "'\\''");
    size_t size = 0;
    for (size_t i = 0; word && text[i]; i++) {
        if (i == 0)
            word[size++] = '\'';
        if (text[i] == '\'') {
            memcpy(word + size, "'\\'", 3);
            size += 3;
        }
        word[size++] = text[i];
    }
    if (word)
        memcpy(word + size, size ? "'" : "''", size ? 2 : 3);
    return word;
}

json_t *app_json_text(const char *text)
{
    json_t *string = json_string(text);
    if (string)
        return string;
    char *copy = clean_copy(text);
    string = json_string(copy ? copy : "?");
    cz_free(copy);
    return string;
}

json_t *app_json_maybe(const char *text)
{
    return text ? app_json_text(text) : json_null();
}

json_t *app_json_count(uint64_t number)
{
    return json_integer(number > INT64_MAX ? INT64_MAX : (json_int_t)number);
}

const char *app_count(char *text, uint64_t number)
{
    char digits[APP_NUMBER_BYTES];
    int length =
        snprintf(digits, sizeof digits, "%llu", (unsigned long long)number);
    char *out = text;
    for (int i = 0; i < length; i++) {
        if (i > 0 && (length - i) % 3 == 0)
            *out++ = ',';
        *out++ = digits[i];
    }
    *out = 0;
    return text;
}

static const char *with_unit(char *text, uint64_t number, const char *unit)
{
    static const char *const prefixes[] = {"", "k", "M", "G", "T", "P", "E"};
    double value = (double)number;
    size_t p = 0;
    while (value >= 999.5 && p + 1 < sizeof prefixes / sizeof *prefixes) {
        value /= 1000;
        p++;
    }
    int decimals = p == 0 || value >= 99.95 ? 0 : value >= 9.995 ? 1 : 2;
    bool bare = p == 0 && !*unit;
    snprintf(text, APP_NUMBER_BYTES, "%.*f%s%s%s", decimals, value,
             bare ? "" : " ", prefixes[p], unit);
    return text;
}

const char *app_bytes(char *text, uint64_t number)
{
    return with_unit(text, number, "B");
}

const char *app_si(char *text, uint64_t number)
{
    return with_unit(text, number, "");
}

const char *app_dims(char *text, const struct cz_dims *dims)
{
    size_t used = 0;
    snprintf(text, APP_DIMS_BYTES, "scalar");
    for (size_t i = 0; i < dims->rank && used < APP_DIMS_BYTES; i++)
        used += (size_t)snprintf(text + used, APP_DIMS_BYTES - used,
                                 "%s%" PRId64, i ? "x" : "", dims->size[i]);
    return text;
}

json_t *app_json_dims(const struct cz_dims *dims)
{
    json_t *list = json_array();
    for (size_t i = 0; i < dims->rank; i++)
        json_array_append_new(list, json_integer(dims->size[i]));
    return list;
}

const char *app_precision(enum cz_dtype dtype)
{
    switch (dtype) {
    case CZ_DTYPE_FLOAT:
        return "fp32";
    case CZ_DTYPE_FLOAT16:
        return "fp16";
    case CZ_DTYPE_BFLOAT16:
        return "bf16";
    case CZ_DTYPE_DOUBLE:
        return "fp64";
    default:
        return cz_dtype_name(dtype);
    }
}

json_t *app_json_known(uint64_t number)
{
    return number ? app_json_count(number) : json_null();
}

json_t *app_json_real(double number)
{
    return isfinite(number) ? json_real(number) : json_null();
}

json_t *app_json_rounded(double number, double parts)
{
    return app_json_real(rint(number * parts) / parts);
}

json_t *app_json_ms(double ms)
{
    return app_json_rounded(ms, 1e3);
}

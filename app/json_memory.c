/* See json_memory.h. */
#include "app/json_memory.h"

#include <stdatomic.h>
#include <stdio.h>

#include "core/alloc.h"

static atomic_bool was_short, is_missing;

static void *take(size_t size)
{
    void *memory = cz_malloc(size);
    if (!memory)
        atomic_store(&was_short, true);
    return memory;
}

void app_json_begin(void)
{
    json_set_alloc_funcs(take, cz_free);
}

char *app_json_dump(const json_t *root, size_t flags)
{
    char *text = json_dumps(root, flags);
    if (!atomic_load(&was_short))
        return text;
    cz_free(text);
    return NULL;
}

void app_print_line(FILE *file, const void *user)
{
    fprintf(file, "%s\n", (const char *)user);
}

void app_print_json(json_t *root)
{
    char *text = app_json_dump(root, JSON_INDENT(2) | JSON_REAL_PRECISION(10));
    if (text)
        puts(text);
    else
        atomic_store(&is_missing, true);
    cz_free(text);
    json_decref(root);
}

bool app_json_is_missing(void)
{
    return atomic_load(&is_missing);
}

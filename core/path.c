/* Parts of paths; see path.h. */
#include "core/path.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "core/alloc.h"

const char *cz_path_base(const char *path)
{
    return path + cz_path_folder_size(path);
}

size_t cz_path_folder_size(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? (size_t)(slash + 1 - path) : 0;
}

size_t cz_path_stem_size(const char *path)
{
    const char *base = cz_path_base(path), *dot = strrchr(base, '.');
    return dot && dot > base ? (size_t)(dot - base) : strlen(base);
}

bool cz_path_ends_in(const char *path, const char *ending)
{
    const size_t size = strlen(path), wanted = strlen(ending);
    return size >= wanted && strcasecmp(path + size - wanted, ending) == 0;
}

char *cz_path_join(const char *folder, const char *name)
{
    const size_t length = *name == '/' ? 0 : strlen(folder);
    const char *slash = length && folder[length - 1] != '/' ? "/" : "";
    const size_t size = length + strlen(name) + 2;
    char *path = cz_malloc(size);
    if (path)
        snprintf(path, size, "%.*s%s%s", (int)length, folder, slash, name);
    return path;
}

/* Parts of paths. */
#ifndef CZ_CORE_PATH_H
#define CZ_CORE_PATH_H

#include <stdbool.h>
#include <stddef.h>

/* What stands behind the last slash: within `path`. */
const char *cz_path_base(const char *path);

/* The bytes up to there: of "a/b" 2, of "b" 0. */
size_t cz_path_folder_size(const char *path);

/* The bytes of the base name before its last dot: of "a/b.c" 1, of ".c" 2. */
size_t cz_path_stem_size(const char *path);

/* Whether the path ends in `ending`, such as ".json", in any case. */
bool cz_path_ends_in(const char *path, const char *ending);

/* folder/name, or `name` where that is absolute or there is no folder ("");
 * cz_free() it. NULL: no memory. */
char *cz_path_join(const char *folder, const char *name);

#endif

/* Levenshtein's distance between names; see near.h. */
#include "app/near.h"

#include <string.h>

/* Longer names are not suggested. */
#define NAME_MAX_BYTES 255

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* Letters to put in, take out or change until `a` is `b`, row by row (Wagner &
 * Fischer, 1974). Both are at most NAME_MAX_BYTES long. */
static size_t edits_between(const char *a, const char *b)
{
    size_t row[NAME_MAX_BYTES + 1];
    const size_t n = strlen(b);
    for (size_t k = 0; k <= n; k++)
        row[k] = k;
    for (size_t i = 0; a[i]; i++) {
        size_t diagonal = row[0];
        row[0] = i + 1;
        for (size_t k = 0; k < n; k++) {
            const size_t change = diagonal + (a[i] != b[k]);
            diagonal = row[k + 1];
            row[k + 1] = least(change, least(diagonal, row[k]) + 1);
        }
    }
    return row[n];
}

struct app_near app_near_start(const char *name)
{
    return (struct app_near){name, NULL, strlen(name) / APP_NEAR_LETTERS + 1};
}

void app_near_try(struct app_near *near, const char *candidate)
{
    if (strlen(near->name) > NAME_MAX_BYTES ||
        strlen(candidate) > NAME_MAX_BYTES)
        return;
    const size_t edits = edits_between(near->name, candidate);
    if (edits < near->fewest) {
        near->fewest = edits;
        near->nearest = candidate;
    }
}

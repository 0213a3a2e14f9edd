/* Misspelled names: which of those that there are is nearest. */
#ifndef CZ_APP_NEAR_H
#define CZ_APP_NEAR_H

#include <stddef.h>

struct app_near {
    const char *name;
    const char *nearest; /* of those tried; NULL: none is near */
    size_t fewest;       /* letters to change from `name` to it */
};

/* A suggestion is at most one edit away for so many letters. */
#define APP_NEAR_LETTERS 3

struct app_near app_near_start(const char *name);

/* Takes the candidate where it is nearer than those before. */
void app_near_try(struct app_near *near, const char *candidate);

#endif

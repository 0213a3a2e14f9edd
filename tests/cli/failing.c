/* The whole program with allocations that fail, as the environment says:
 *
 *   FAIL_FROM=N    the Nth of a process, and all after it
 *   FAIL_ONLY=N    the Nth alone
 *   FAIL_COUNT=FILE  how many there were, a line for each process
 *
 * Those of the program's own code and of jansson, not of other libraries.
 * test_allocations.py runs it. */
#include <stdio.h>
#include <stdlib.h>

#include "core/alloc.h"

static size_t number(const char *name)
{
    const char *text = getenv(name);
    return text ? strtoul(text, NULL, 10) : 0;
}

__attribute__((constructor)) static void begin(void)
{
    if (number("FAIL_FROM"))
        cz_alloc_fail_at(number("FAIL_FROM"));
    else
        cz_alloc_fail_only(number("FAIL_ONLY"));
}

__attribute__((destructor)) static void end(void)
{
    const char *path = getenv("FAIL_COUNT");
    FILE *file = path ? fopen(path, "a") : NULL;
    if (!file)
        return;
    fprintf(file, "%zu\n", cz_alloc_fail_at(0));
    fclose(file);
}

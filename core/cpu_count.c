/* How many cores this process may use: CPU affinity, and the quota of its
 * control group and those above (cgroup v2's cpu.max, v1's cfs_quota_us; Linux
 * Documentation/admin-guide/cgroup-v2.rst, "CPU"). */
#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>

#include "core/parallel.h"

#define ROOT_V2 "/sys/fs/cgroup"
#define ROOT_V1 "/sys/fs/cgroup/cpu"

static bool read_line(const char *path, char *line, int size)
{
    FILE *file = fopen(path, "re");
    bool done = file && fgets(line, size, file);
    if (file)
        fclose(file);
    return done;
}

static size_t least(size_t limit, long long quota, long long period)
{
    if (quota <= 0 || period <= 0)
        return limit;
    long long cores = quota / period + (quota % period != 0);
    return (size_t)cores < limit ? (size_t)cores : limit;
}

size_t cz_cgroup_limit(const char *folder, size_t limit)
{
    char path[PATH_MAX], line[64];
    long long quota, period;
    snprintf(path, sizeof path, "%s/cpu.max", folder);
    if (read_line(path, line, sizeof line) &&
        sscanf(line, "%lld %lld", &quota, &period) == 2)
        limit = least(limit, quota, period);
    snprintf(path, sizeof path, "%s/cpu.cfs_quota_us", folder);
    if (!read_line(path, line, sizeof line) ||
        sscanf(line, "%lld", &quota) != 1)
        return limit;
    snprintf(path, sizeof path, "%s/cpu.cfs_period_us", folder);
    if (read_line(path, line, sizeof line) &&
        sscanf(line, "%lld", &period) == 1)
        limit = least(limit, quota, period);
    return limit;
}

/* The limits of the group `name` below `root` and of all above it. */
static size_t walk_up(const char *root, const char *name, size_t limit)
{
    char folder[PATH_MAX];
    if (snprintf(folder, sizeof folder, "%s%s", root, name) >=
        (int)sizeof folder)
        return limit;
    for (;;) {
        limit = cz_cgroup_limit(folder, limit);
        char *slash = strrchr(folder, '/');
        if (!slash || (size_t)(slash - folder) < strlen(root))
            return limit;
        *slash = 0;
    }
}

static size_t group_limit(size_t limit)
{
    char line[PATH_MAX];
    FILE *file = fopen("/proc/self/cgroup", "re");
    while (file && fgets(line, sizeof line, file)) {
        line[strcspn(line, "\n")] = 0;
        const char *controllers = strchr(line, ':');
        const char *name = controllers ? strchr(controllers + 1, ':') : NULL;
        if (!name)
            continue;
        if (strncmp(controllers, "::", 2) == 0)
            limit = walk_up(ROOT_V2, name + 1, limit);
        else if (strstr(controllers, "cpu,") || strstr(controllers, ":cpu:"))
            limit = walk_up(ROOT_V1, name + 1, limit);
    }
    if (file)
        fclose(file);
    return limit;
}

size_t cz_cpu_count(void)
{
    cpu_set_t set;
    int count =
        sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 1;
    size_t limit = group_limit(count > 0 ? (size_t)count : 1);
    return limit ? limit : 1;
}

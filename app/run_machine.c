/* See run_machine.h. */
#include "app/run_machine.h"

#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "app/app.h"
#include "app/text.h"
#include "core/parallel.h"

#define NAME_BYTES 128

/* The value of the first line of a file that begins with `key`, as in
 * "model name : AMD EPYC". */
static bool find_line(char value[NAME_BYTES], const char *path, const char *key)
{
    char line[512];
    bool found = false;
    FILE *file = fopen(path, "re");
    while (file && !found && fgets(line, sizeof line, file)) {
        const char *colon = strchr(line, ':');
        if (!colon || strncmp(line, key, strlen(key)) != 0)
            continue;
        colon += 1 + strspn(colon + 1, " \t");
        snprintf(value, NAME_BYTES, "%.*s", (int)strcspn(colon, "\n"), colon);
        found = true;
    }
    if (file)
        fclose(file);
    return found;
}

/* x86 names the model; boards name themselves in their device tree. */
static void find_cpu(char name[NAME_BYTES])
{
    if (find_line(name, "/proc/cpuinfo", "model name"))
        return;
    snprintf(name, NAME_BYTES, "unknown");
    FILE *file = fopen("/proc/device-tree/model", "re");
    if (file && !fgets(name, NAME_BYTES, file))
        snprintf(name, NAME_BYTES, "unknown");
    if (file)
        fclose(file);
}

json_t *app_run_machine_json(void)
{
    char cpu[NAME_BYTES], family[NAME_BYTES] = "", model[NAME_BYTES] = "";
    struct utsname system = {.sysname = ""};
    json_t *object = json_object();
    find_cpu(cpu);
    uname(&system);
    json_object_set_new(object, "cpu", app_json_text(cpu));
    if (find_line(family, "/proc/cpuinfo", "cpu family") &&
        find_line(model, "/proc/cpuinfo", "model\t"))
        json_object_set_new(object, "cpu_family",
                            json_sprintf("family %s model %s", family, model));
    json_object_set_new(object, "cores", app_json_count(cz_cpu_count()));
    json_object_set_new(object, "memory_bytes",
                        app_json_count((uint64_t)sysconf(_SC_PHYS_PAGES) *
                                       (uint64_t)sysconf(_SC_PAGESIZE)));
    json_object_set_new(object, "system",
                        json_sprintf("%s %s %s", system.sysname, system.release,
                                     system.machine));
    json_object_set_new(object, "compress", json_string(APP_VERSION));
    return object;
}

void app_run_machine_hash(struct cz_hash *hash)
{
    char cpu[NAME_BYTES], cores[APP_NUMBER_BYTES];
    struct utsname system = {.nodename = ""};
    find_cpu(cpu);
    uname(&system);
    cz_hash_add_text(hash, cpu);
    cz_hash_add_text(hash, system.nodename);
    cz_hash_add_text(hash, app_count(cores, cz_cpu_count()));
}

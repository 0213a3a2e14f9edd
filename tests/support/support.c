/* Files, models and folders for cmocka tests. */
#include "tests/support/support.h"

#include <errno.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/alloc.h"
#include "core/cpu.h"

#define PATH_BYTES 4096
#define PATHS_KEPT 4

struct cz_error *cz_test_error(void)
{
    static struct cz_error error;
    error = (struct cz_error)CZ_ERROR_INIT;
    return &error;
}

/* ---- paths ------------------------------------------------------------ */

const char *cz_test_path(const char *folder, const char *name)
{
    static char paths[PATHS_KEPT][PATH_BYTES];
    static size_t next;
    char *path = paths[next++ % PATHS_KEPT];
    int length = snprintf(path, PATH_BYTES, "%s/%s", folder, name);
    assert_in_range(length, 1, PATH_BYTES - 1);
    return path;
}

const char *cz_test_model(const char *name)
{
    const char *folder = getenv("MODELS");
    if (!folder)
        fail_msg("MODELS is not set: start tests with tests/run");
    return cz_test_path(folder, name);
}

const char *cz_test_shared(const char *name)
{
    const char *folder = getenv("SHARED");
    if (!folder)
        skip();
    return cz_test_path(folder, name);
}

/* ---- folders ---------------------------------------------------------- */

char *cz_test_folder_new(void)
{
    const char *parent = getenv("TMPDIR");
    const char *pattern =
        cz_test_path(parent ? parent : "/tmp", "compress-test-XXXXXX");
    char *folder = strdup(pattern);
    assert_non_null(folder);
    if (!mkdtemp(folder))
        fail_msg("%s: %s", folder, strerror(errno));
    return folder;
}

static int remove_entry(const char *path, const struct stat *info, int type,
                        struct FTW *place)
{
    (void)info, (void)type, (void)place;
    return remove(path);
}

void cz_test_folder_remove(char *folder)
{
    const int open_folders = 8;
    if (nftw(folder, remove_entry, open_folders, FTW_DEPTH | FTW_PHYS) != 0)
        fail_msg("%s: %s", folder, strerror(errno));
    free(folder);
}

/* ---- files ------------------------------------------------------------ */

bool cz_test_file_exists(const char *path)
{
    return access(path, F_OK) == 0;
}

static FILE *open_file(const char *path, const char *mode)
{
    FILE *file = fopen(path, mode);
    if (!file)
        fail_msg("%s: %s", path, strerror(errno));
    return file;
}

char *cz_test_file_read(const char *path, size_t *size)
{
    FILE *file = open_file(path, "rb");
    struct stat info;
    assert_return_code(fstat(fileno(file), &info), errno);
    *size = (size_t)info.st_size;
    char *bytes = cz_malloc(*size + 1);
    assert_non_null(bytes);
    assert_int_equal(fread(bytes, 1, *size, file), *size);
    bytes[*size] = '\0';
    fclose(file);
    return bytes;
}

void cz_test_file_write(const char *path, const void *bytes, size_t size)
{
    FILE *file = open_file(path, "wb");
    assert_int_equal(fwrite(bytes, 1, size, file), size);
    assert_int_equal(fclose(file), 0);
}

void assert_files_equal(const char *path, const char *other)
{
    size_t size, other_size;
    char *bytes = cz_test_file_read(path, &size);
    char *other_bytes = cz_test_file_read(other, &other_size);
    if (size != other_size)
        fail_msg("%s has %zu bytes, %s has %zu", path, size, other, other_size);
    for (size_t i = 0; i < size; i++)
        if (bytes[i] != other_bytes[i])
            fail_msg("%s and %s differ at byte %zu", path, other, i);
    cz_free(bytes);
    cz_free(other_bytes);
}

/* ---- models ----------------------------------------------------------- */

struct cz_model *cz_test_load(const char *path)
{
    struct cz_model *model;
    assert_ok(cz_model_load(&model, path, cz_test_error()));
    return model;
}

static const char *name_of(const struct cz_value *value)
{
    return value ? value->name : "";
}

struct cz_model *cz_test_reload(struct cz_model *model)
{
    char *folder = cz_test_folder_new();
    const char *path = cz_test_path(folder, "x.onnx");
    assert_ok(cz_model_save(model, path, false, cz_test_error()));
    struct cz_model *again = cz_test_load(path);
    struct cz_graph *g = cz_model_graph(model), *h = cz_model_graph(again);
    assert_int_equal(g->n_nodes, h->n_nodes);
    for (size_t i = 0; i < g->n_nodes; i++) {
        const struct cz_node *a = g->nodes[i], *b = h->nodes[i];
        assert_int_equal(a->position, i);
        assert_string_equal(a->op_type, b->op_type);
        assert_string_equal(a->name, b->name);
        assert_int_equal(a->n_inputs, b->n_inputs);
        for (size_t k = 0; k < a->n_inputs; k++)
            assert_string_equal(name_of(a->inputs[k]), name_of(b->inputs[k]));
        for (size_t k = 0; k < a->n_outputs; k++)
            assert_string_equal(name_of(a->outputs[k]), name_of(b->outputs[k]));
    }
    cz_model_free(model);
    cz_test_folder_remove(folder);
    return again;
}

struct cz_node *cz_test_node(struct cz_model *model, const char *name)
{
    struct cz_graph *graph = cz_model_graph(model);
    for (size_t i = 0; i < graph->n_nodes; i++)
        if (strcmp(graph->nodes[i]->name, name) == 0)
            return graph->nodes[i];
    fail_msg("no node '%s'", name);
    return NULL;
}

struct cz_value *cz_test_value(struct cz_model *model, const char *name)
{
    struct cz_value *value = cz_graph_find(cz_model_graph(model), name);
    if (!value)
        fail_msg("no value '%s'", name);
    return value;
}

const char *cz_test_limit_cpu(size_t i)
{
    for (size_t k = 0; cz_cpu_levels[k]; k++) {
        setenv("CZ_CPU", cz_cpu_levels[k], 1);
        const bool is_there = strcmp(cz_cpu_level(), cz_cpu_levels[k]) == 0;
        if (is_there && i-- == 0)
            return cz_cpu_levels[k];
    }
    unsetenv("CZ_CPU");
    return NULL;
}

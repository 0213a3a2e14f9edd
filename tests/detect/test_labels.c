/* Class names out of metadata and files. */
#include "detect/detector_internal.h"
#include "tests/support/support.h"

static void expect_labels(const char *text, size_t count, const char *last)
{
    struct cz_labels labels = {0};
    assert_ok(cz_labels_parse(&labels, text, cz_test_error()));
    assert_int_equal(labels.count, count);
    assert_string_equal(labels.items[count - 1], last);
    cz_labels_fini(&labels);
}

static void reads_what_exporters_write(void **state)
{
    (void)state;
    expect_labels("{0: 'person', 1: 'traffic light'}", 2, "traffic light");
    expect_labels("['a', \"it's\"]", 2, "it's");
    expect_labels("{\"0\": \"a\", \"1\": \"b\"}", 2, "b");
    expect_labels("[ 'a\\'b' ]", 1, "a'b");
    expect_labels("{0: '\xc3\xa4'}", 1, "\xc3\xa4");
}

static void refuses_what_it_does_not_understand(void **state)
{
    static const char *const texts[] = {
        "",       "names", "[",        "[]",      "['a'",
        "['a",    "['a\\", "{1: 'a'}", "{0 'a'}", "{0: 'a', 2: 'b'}",
        "{0: a}", "[1, 2]"};
    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        struct cz_labels labels = {0};
        assert_error(cz_labels_parse(&labels, texts[i], cz_test_error()),
                     CZ_EPARSE, "--names");
        cz_labels_fini(&labels);
    }
}

static void reads_a_name_a_line(void **state)
{
    char *folder = cz_test_folder_new();
    const char *path = cz_test_path(folder, "names.txt");
    struct cz_labels labels = {0};
    (void)state;
    cz_test_file_write(path, "a\r\n\nhot dog\n\n", 13);
    assert_ok(cz_labels_read(&labels, path, cz_test_error()));
    assert_int_equal(labels.count, 3);
    assert_string_equal(labels.items[0], "a");
    assert_string_equal(labels.items[1], "");
    assert_string_equal(labels.items[2], "hot dog");
    cz_labels_fini(&labels);
    cz_test_file_write(path, "\n", 1);
    assert_error(cz_labels_read(&labels, path, cz_test_error()), CZ_EPARSE,
                 "no class names");
    cz_labels_fini(&labels);
    cz_test_folder_remove(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_what_exporters_write),
        cmocka_unit_test(refuses_what_it_does_not_understand),
        cmocka_unit_test(reads_a_name_a_line),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

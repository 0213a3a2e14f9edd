/* Parts of paths. */
#include "core/alloc.h"
#include "core/path.h"
#include "tests/support/support.h"

static void splits_at_the_last_slash(void **state)
{
    (void)state;
    assert_string_equal(cz_path_base("a/b/c.d"), "c.d");
    assert_int_equal(cz_path_folder_size("a/b/c.d"), 4);
    assert_string_equal(cz_path_base("c"), "c");
    assert_int_equal(cz_path_folder_size("c"), 0);
    assert_string_equal(cz_path_base("a/"), "");
    assert_string_equal(cz_path_base("/a"), "a");
    assert_int_equal(cz_path_folder_size("/a"), 1);
}

static void tells_stems_and_endings(void **state)
{
    (void)state;
    assert_int_equal(cz_path_stem_size("a.b/c.d.e"), 3);
    assert_int_equal(cz_path_stem_size("a.b/c"), 1);
    assert_int_equal(cz_path_stem_size("a/.c"), 2);
    assert_int_equal(cz_path_stem_size(""), 0);
    assert_true(cz_path_ends_in("a.JSON", ".json"));
    assert_false(cz_path_ends_in("a.json5", ".json"));
    assert_false(cz_path_ends_in("n", ".json"));
}

static void joins_with_one_slash(void **state)
{
    static const char *const rows[][3] = {
        {"a", "b", "a/b"}, {"a/", "b", "a/b"},    {"", "b", "b"},
        {"/", "b", "/b"},  {"a", "b/c", "a/b/c"}, {"a", "/b", "/b"},
        {"a", "", "a/"},   {"", "", ""},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char *path = cz_path_join(rows[i][0], rows[i][1]);
        assert_string_equal(path, rows[i][2]);
        cz_free(path);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(splits_at_the_last_slash),
        cmocka_unit_test(tells_stems_and_endings),
        cmocka_unit_test(joins_with_one_slash),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SHA-256 of files, and texts that are kept apart. */
#include <stdio.h>
#include <string.h>

#include "core/hash.h"
#include "tests/support/support.h"

static void put(const char *path, const void *bytes, size_t size)
{
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(size, fwrite(bytes, 1, size, file));
    assert_int_equal(0, fclose(file));
}

static void tells_files_apart(void **state)
{
    (void)state;
    static char bytes[(1 << 19) + 7];
    char a[CZ_HASH_TEXT_BYTES], b[CZ_HASH_TEXT_BYTES];
    struct cz_error err = CZ_ERROR_INIT;
    const size_t sizes[] = {0, 1, 1 << 18, sizeof bytes};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        put("file", bytes, sizes[i]);
        assert_int_equal(CZ_OK, cz_hash_file(a, "file", &err));
        assert_int_equal(CZ_HASH_TEXT_BYTES - 1, strlen(a));
        assert_int_equal(CZ_OK, cz_hash_file(b, "file", &err));
        assert_string_equal(a, b);
        if (sizes[i]) {
            bytes[sizes[i] - 1] ^= 1;
            put("file", bytes, sizes[i]);
            assert_int_equal(CZ_OK, cz_hash_file(b, "file", &err));
            assert_string_not_equal(a, b);
        }
    }
    remove("file");
    assert_int_equal(CZ_EIO, cz_hash_file(a, "file", &err));
}

static void keeps_texts_apart(void **state)
{
    (void)state;
    char a[CZ_HASH_TEXT_BYTES], b[CZ_HASH_TEXT_BYTES];
    struct cz_hash hash;
    cz_hash_start(&hash);
    cz_hash_add_text(&hash, "a");
    cz_hash_add_text(&hash, "bc");
    cz_hash_end(a, &hash);
    cz_hash_add_text(&hash, "ab");
    cz_hash_add_text(&hash, "c");
    cz_hash_end(b, &hash);
    assert_string_not_equal(a, b);
    /* FIPS 180-2: "abc"; here with the NUL behind it, by sha256sum. */
    cz_hash_add_text(&hash, "abc");
    cz_hash_end(a, &hash);
    assert_string_equal(
        "dc1114cd074914bd872cc1f9a23ec910ea2203bc79779ab2e17da25782a624fc", a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tells_files_apart),
        cmocka_unit_test(keeps_texts_apart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Image headers, and files through OpenCV. */
#include <stdlib.h>

#include "core/alloc.h"
#include "detect/image_internal.h"
#include "tests/support/support.h"

static struct cz_image_header header_of(const void *bytes, size_t size)
{
    struct cz_image_header header;
    uint8_t *copy = cz_malloc(size); /* of its own size, for sanitizers */
    memcpy(copy, bytes, size);
    cz_image_header(&header, copy, size);
    cz_free(copy);
    return header;
}

/* EXIF with orientation 6, a frame of 300x200, a scan, the end. */
static const uint8_t jpeg[] = {
    0xff, 0xd8, 0xff, 0xe1, 0, 34,   'E', 'x', 'i',  'f',  0,    0,    'M',
    'M',  0,    42,   0,    0, 0,    8,   0,   1,    1,    18,   0,    3,
    0,    0,    0,    1,    0, 6,    0,   0,   0,    0,    0,    0,    0xff,
    0xc0, 0,    11,   8,    0, 200,  1,   44,  1,    0,    0x11, 0,    0xff,
    0xda, 0,    3,    0,    1, 0xff, 0,   2,   0xff, 0xd0, 3,    0xff, 0xd9};

static void reads_the_size_of_a_turned_jpeg(void **state)
{
    struct cz_image_header header = header_of(jpeg, sizeof jpeg);
    (void)state;
    assert_true(header.is_jpeg);
    assert_true(header.is_whole);
    assert_int_equal(header.width, 200);
    assert_int_equal(header.height, 300);
}

static void sees_where_a_jpeg_ends_early(void **state)
{
    (void)state;
    for (size_t size = 4; size < sizeof jpeg; size++)
        assert_false(header_of(jpeg, size).is_whole);
}

static void reads_the_size_of_a_png(void **state)
{
    static const uint8_t png[] = {0x89, 'P', 'N', 'G', 13,  10,  0x1a, 10, 0,
                                  0,    0,   13,  'I', 'H', 'D', 'R',  0,  0,
                                  1,    44,  0,   0,   0,   200, 8,    2,  0,
                                  0,    0,   1,   2,   3,   4};
    struct cz_image_header header = header_of(png, sizeof png);
    (void)state;
    assert_int_equal(header.width, 300);
    assert_int_equal(header.height, 200);
    assert_int_equal(header_of(png, 17).width, 0);
}

static struct cz_opencv *open_opencv(void)
{
    struct cz_opencv *opencv;
    assert_ok(cz_opencv_open(&opencv, cz_test_error()));
    return opencv;
}

static void writes_and_reads_the_same_pixels(void **state)
{
    char *folder = cz_test_folder_new();
    const char *path = cz_test_path(folder, "a.png");
    struct cz_opencv *opencv = open_opencv();
    uint8_t pixels[2 * 4 * 3];
    struct cz_image image = {pixels, 3, 2, 12, NULL}, again;
    size_t width, height;
    (void)state;
    for (size_t i = 0; i < sizeof pixels; i++)
        pixels[i] = (uint8_t)(11 * i);
    assert_ok(cz_image_write(&image, opencv, path, false, cz_test_error()));
    assert_ok(cz_image_read(&again, opencv, path, cz_test_error()));
    assert_int_equal(again.width, 3);
    assert_int_equal(again.height, 2);
    for (size_t y = 0; y < 2; y++)
        assert_memory_equal(again.pixels + y * again.step, pixels + 12 * y, 9);
    assert_ok(cz_image_size(&width, &height, opencv, path, cz_test_error()));
    assert_int_equal(width, 3);
    assert_error(cz_image_write(&image, opencv, path, false, cz_test_error()),
                 CZ_EINVAL, "a.png");
    cz_image_free(&again, opencv);
    cz_opencv_close(opencv);
    cz_test_folder_remove(folder);
}

static void refuses_what_is_no_image(void **state)
{
    char *folder = cz_test_folder_new();
    const char *path = cz_test_path(folder, "a.jpg");
    struct cz_opencv *opencv = open_opencv();
    struct cz_image image;
    (void)state;
    assert_error(cz_image_read(&image, opencv, path, cz_test_error()), CZ_EIO,
                 "No such file");
    cz_test_file_write(path, "", 0);
    assert_error(cz_image_read(&image, opencv, path, cz_test_error()),
                 CZ_EPARSE, "is empty");
    cz_test_file_write(path, "text", 4);
    assert_error(cz_image_read(&image, opencv, path, cz_test_error()),
                 CZ_EPARSE, "no image that can be read");
    cz_test_file_write(path, jpeg, sizeof jpeg - 2);
    assert_error(cz_image_read(&image, opencv, path, cz_test_error()),
                 CZ_EPARSE, "ends early");
    assert_error(cz_image_read(&image, opencv, folder, cz_test_error()), CZ_EIO,
                 "no regular file");
    cz_opencv_close(opencv);
    cz_test_folder_remove(folder);
}

static void says_what_is_missing(void **state)
{
    const char *before = getenv("CZ_OPENCV");
    struct cz_opencv *opencv;
    (void)state;
    setenv("CZ_OPENCV", "/nowhere/x.so", 1);
    assert_error(cz_opencv_open(&opencv, cz_test_error()), CZ_EUNSUPPORTED,
                 "apt install libopencv");
    setenv("CZ_OPENCV", "libm.so.6", 1);
    assert_error(cz_opencv_open(&opencv, cz_test_error()), CZ_EUNSUPPORTED,
                 "another version");
    setenv("CZ_OPENCV", before ? before : "", 1);
}

static void knows_images_by_their_names(void **state)
{
    (void)state;
    assert_true(cz_image_is_name("a/b.JPG"));
    assert_true(cz_image_is_name("b.png"));
    assert_false(cz_image_is_name("png"));
    assert_false(cz_image_is_name("b.f32"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_the_size_of_a_turned_jpeg),
        cmocka_unit_test(sees_where_a_jpeg_ends_early),
        cmocka_unit_test(reads_the_size_of_a_png),
        cmocka_unit_test(writes_and_reads_the_same_pixels),
        cmocka_unit_test(refuses_what_is_no_image),
        cmocka_unit_test(says_what_is_missing),
        cmocka_unit_test(knows_images_by_their_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

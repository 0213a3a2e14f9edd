/* Image files: sizes, pixels, and what is refused. test_pixels.py compares them
 * with OpenCV's own. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "core/alloc.h"
#include "detect/detect.h"
#include "tests/support/support.h"

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

/* A JPEG of 320x240; cz_free() it. */
static char *read_sample(size_t *size)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/data/val/val_001.jpg", getenv("SAMPLES"));
    return cz_test_file_read(path, size);
}

/* An EXIF segment with nothing but orientation 6. */
static const char sideways[] = "\xff\xe1\0\x22"
                               "Exif\0\0MM\0\x2a\0\0\0\x08"
                               "\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0"
                               "\0\0\0";

static void turns_a_jpeg_as_exif_says(void **state)
{
    char *folder = cz_test_folder_new();
    const char *path = cz_test_path(folder, "a.jpg");
    struct cz_opencv *opencv = open_opencv();
    struct cz_image image;
    size_t size, width, height, more = sizeof sideways - 1;
    char *sample = read_sample(&size);
    char *turned = cz_malloc(size + more);
    (void)state;
    memcpy(turned, sample, 2);
    memcpy(turned + 2, sideways, more);
    memcpy(turned + 2 + more, sample + 2, size - 2);
    cz_test_file_write(path, turned, size + more);
    assert_ok(cz_image_size(&width, &height, opencv, path, cz_test_error()));
    assert_ok(cz_image_read(&image, opencv, path, cz_test_error()));
    assert_int_equal(width, 240);
    assert_int_equal(height, 320);
    assert_int_equal(image.width, 240);
    assert_int_equal(image.height, 320);
    cz_image_free(&image, opencv);
    cz_free(turned);
    cz_free(sample);
    cz_opencv_close(opencv);
    cz_test_folder_remove(folder);
}

static void refuses_a_jpeg_that_ends_early(void **state)
{
    char *folder = cz_test_folder_new();
    const char *path = cz_test_path(folder, "a.jpg");
    struct cz_opencv *opencv = open_opencv();
    struct cz_image image;
    size_t size;
    char *sample = read_sample(&size);
    (void)state;
    for (size_t cut = 3; cut < size; cut += cut + 200 < size ? 199 : 1) {
        cz_test_file_write(path, sample, cut);
        assert_error(cz_image_read(&image, opencv, path, cz_test_error()),
                     CZ_EPARSE, "a.jpg: is no image that can be read: ");
    }
    assert_error(cz_image_read(&image, opencv, path, cz_test_error()),
                 CZ_EPARSE, "the JPEG ends early");
    cz_free(sample);
    cz_opencv_close(opencv);
    cz_test_folder_remove(folder);
}

static void refuses_a_damaged_jpeg(void **state)
{
    char *folder = cz_test_folder_new();
    const char *path = cz_test_path(folder, "a.jpg");
    struct cz_opencv *opencv = open_opencv();
    struct cz_image image;
    size_t size;
    char *sample = read_sample(&size);
    (void)state;
    memcpy(sample + size / 2, "\xff\xd9", 2);
    cz_test_file_write(path, sample, size);
    assert_error(cz_image_read(&image, opencv, path, cz_test_error()),
                 CZ_EPARSE, "Corrupt JPEG data: premature end");
    cz_free(sample);
    cz_opencv_close(opencv);
    cz_test_folder_remove(folder);
}

static void waits_for_no_pipe(void **state)
{
    char *folder = cz_test_folder_new();
    const char *path = cz_test_path(folder, "pipe.jpg");
    struct cz_opencv *opencv = open_opencv();
    struct cz_image image;
    size_t width, height;
    (void)state;
    assert_int_equal(mkfifo(path, 0600), 0);
    assert_error(cz_image_read(&image, opencv, path, cz_test_error()), CZ_EIO,
                 "pipe.jpg: is no regular file");
    assert_error(cz_image_size(&width, &height, opencv, path, cz_test_error()),
                 CZ_EIO, "no regular file");
    assert_error(cz_image_read(&image, opencv, "/dev/zero", cz_test_error()),
                 CZ_EIO, "no regular file");
    assert_error(cz_image_read(&image, opencv, folder, cz_test_error()), CZ_EIO,
                 "no regular file");
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
    cz_test_file_write(path, "\xff\xd8\xff\xfe", 4);
    assert_error(cz_image_read(&image, opencv, path, cz_test_error()),
                 CZ_EPARSE, "ends early");
    cz_opencv_close(opencv);
    cz_test_folder_remove(folder);
}

static enum cz_status note_thread(void *user, struct cz_error *err)
{
    (void)err;
    *(pthread_t *)user = pthread_self();
    return CZ_OK;
}

/* Signals end what waits in the first thread. */
static void opens_what_is_beside_in_the_same_thread(void **state)
{
    (void)state;
    for (int i = 0; i < 20; i++) {
        struct cz_opencv *opencv;
        pthread_t thread;
        assert_ok(cz_opencv_open_beside(&opencv, note_thread, &thread,
                                        cz_test_error()));
        assert_true(pthread_equal(thread, pthread_self()));
        cz_opencv_close(opencv);
    }
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
    assert_true(cz_image_is_name("b.mpo"));
    assert_false(cz_image_is_name("png"));
    assert_false(cz_image_is_name("b.f32"));
}

static void tells_a_bad_image_from_want_of_memory(void **state)
{
    (void)state;
    assert_true(cz_image_is_bad(CZ_EIO));
    assert_true(cz_image_is_bad(CZ_EPARSE));
    assert_false(cz_image_is_bad(CZ_OK));
    assert_false(cz_image_is_bad(CZ_ENOMEM));
    assert_false(cz_image_is_bad(CZ_EINTERNAL));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(writes_and_reads_the_same_pixels),
        cmocka_unit_test(turns_a_jpeg_as_exif_says),
        cmocka_unit_test(refuses_a_jpeg_that_ends_early),
        cmocka_unit_test(refuses_a_damaged_jpeg),
        cmocka_unit_test(waits_for_no_pipe),
        cmocka_unit_test(refuses_what_is_no_image),
        cmocka_unit_test(opens_what_is_beside_in_the_same_thread),
        cmocka_unit_test(says_what_is_missing),
        cmocka_unit_test(knows_images_by_their_names),
        cmocka_unit_test(tells_a_bad_image_from_want_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Frames use the memory of those before: a longer video asks for no more. */
#include <stdio.h>
#include <stdlib.h>

#include "app/app.h"
#include "core/alloc.h"
#include "tests/support/support.h"

#define VIDEO "memory.avi"

/* How often memory is asked for until so many frames are drawn, as a table and
 * as a video. */
static size_t count_allocations(const char *frames)
{
    char path[512];
    snprintf(path, sizeof path, "%s/shapes8n.onnx", getenv("SAMPLES"));
    const char *const arguments[] = {
        "compress", path,      "--source",  VIDEO,     "--frames",   frames,
        "--tune",   "off",     "--save",    "out.avi", "--csv",      "out.csv",
        "--quiet",  "--force", "--compare", path,      "--headless", NULL};
    const int count = sizeof arguments / sizeof *arguments - 1;
    char *argv[sizeof arguments / sizeof *arguments] = {NULL};
    for (int i = 0; i < count; i++)
        argv[i] = cz_strdup(arguments[i]);
    cz_alloc_fail_at(0);
    assert_int_equal(app_camera(count, argv), 0);
    const size_t asked = cz_alloc_fail_at(0);
    for (int i = 0; i < count; i++)
        cz_free(argv[i]);
    return asked;
}

static void frames_after_the_first_ones_ask_for_no_memory(void **state)
{
    (void)state;
    /* The same ten frames again and again. */
    if (system("test-video ten.avi 10 && /usr/bin/python3 -c \"import cv2; c = "
               "cv2.VideoCapture('ten.avi'); f = [c.read()[1] for _ in "
               "range(10)]; w = cv2.VideoWriter('" VIDEO "', cv2."
               "VideoWriter_fourcc(*'MJPG'), 25, (320, 240)); [w.write(x) for "
               "x in f * 6]; w.release()\" 2> /dev/null") != 0)
        skip();
    const size_t some = count_allocations("20");
    const size_t more = count_allocations("60");
    if (some != more || some == 0)
        fail_msg("%zu allocations for 20 frames, %zu for 60", some, more);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(frames_after_the_first_ones_ask_for_no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

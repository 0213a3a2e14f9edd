/* YOLO data sets: where the images and labels are, and what labels mean. */
#include "tests/eval/support.h"

#include <sys/stat.h>

/* ---- a data set in a folder ------------------------------------------- */

/* The "images" here are files without content: they are 200 x 100, and those
 * called *.png 50 x 50. */
static enum cz_status fake_size(void *user, const char *path, int64_t *width,
                                int64_t *height, struct cz_error *err)
{
    (void)user, (void)err;
    bool is_png = strstr(path, ".png");
    *width = is_png ? 50 : 200;
    *height = is_png ? 50 : 100;
    return CZ_OK;
}

static const struct cz_image_sizes sizes = {.read = fake_size};

/* Writes folder/path, and the folders that it needs. */
static void put(const char *folder, const char *path, const char *text)
{
    char whole[1024];
    snprintf(whole, sizeof whole, "%s/%s", folder, path);
    for (char *slash = whole + strlen(folder) + 1; (slash = strchr(slash, '/'));
         slash++) {
        *slash = 0;
        mkdir(whole, 0777);
        *slash = '/';
    }
    cz_test_file_write(whole, text, strlen(text));
}

/* Loads folder/data.yaml, and the boxes in the order in which they are. */
static struct cz_coco *load(const char *folder)
{
    struct cz_coco *coco;
    assert_ok(cz_coco_load(&coco, cz_test_path(folder, "data.yaml"), &sizes,
                           cz_test_error()));
    return coco;
}

static void check_image(const struct cz_coco *coco, size_t index, int64_t id,
                        const char *folder, const char *name)
{
    size_t count;
    const struct cz_coco_image *images = cz_coco_images(coco, &count);
    assert_in_range(index, 0, count - 1);
    assert_int_equal(images[index].id, id);
    assert_string_equal(images[index].file_name, cz_test_path(folder, name));
}

/* AP of the one detection that is given: 1 where it is just the box. */
static void check_box(struct cz_coco *coco, struct cz_coco_detection d)
{
    const struct cz_coco_match_options options = CZ_COCO_MATCH_OPTIONS_INIT;
    struct cz_coco_matches *matches;
    struct cz_coco_report report;
    assert_ok(cz_coco_match(&matches, coco, &d, 1, &options, cz_test_error()));
    assert_ok(cz_coco_evaluate(&report, matches, 1, cz_test_error()));
    assert_near(report.stats[CZ_COCO_AP], 1);
    assert_int_equal(report.boxes, 1);
    cz_coco_report_fini(&report);
    cz_coco_matches_free(matches);
}

#define NAMES "names: [cat, dog]\n"

static void reads_a_folder_of_images_and_its_labels(void **state)
{
    (void)state;
    char *folder = cz_test_folder_new();
    put(folder, "data.yaml",
        "# as Ultralytics has it\npath: set\ntrain: nowhere\nval: images/val\n"
        "names:\n  1: dog\n  0: cat\nnc: 2\n");
    put(folder, "set/images/val/images/b.PNG", "");
    put(folder, "set/images/val/a.jpg", "");
    put(folder, "set/images/val/notes.txt", "");
    put(folder, "set/labels/val/a.txt", "\n1 0.5 0.25 0.1 0.2  \r\n\n");
    struct cz_coco *coco = load(folder);
    size_t count;
    cz_coco_images(coco, &count);
    assert_int_equal(count, 2);
    check_image(coco, 0, 1, folder, "set/images/val/a.jpg");
    check_image(coco, 1, 2, folder, "set/images/val/images/b.PNG");
    assert_string_equal(cz_coco_category(coco, 2)->name, "dog");
    check_box(coco, (struct cz_coco_detection){1, 2, {90, 15, 20, 20}, .5});
    cz_coco_free(coco);
    /* The last images/ is the one that becomes labels/. */
    put(folder, "set/images/val/labels/b.txt", "0 0.5 0.5 1 1\n");
    coco = load(folder);
    assert_int_equal(cz_coco_box_count(coco), 2);
    cz_coco_free(coco);
    cz_test_folder_remove(folder);
}

static void reads_list_files_and_lists_of_folders(void **state)
{
    (void)state;
    char *folder = cz_test_folder_new();
    put(folder, "data.yaml", NAMES "val: [lists/val.txt, more]\n");
    put(folder, "lists/val.txt", "./images/000139.jpg\r\n\nimages/000285.jpg");
    put(folder, "more/7.png", "");
    struct cz_coco *coco = load(folder);
    check_image(coco, 0, 139, folder, "lists/images/000139.jpg");
    check_image(coco, 1, 285, folder, "lists/images/000285.jpg");
    check_image(coco, 2, 7, folder, "more/7.png");
    cz_coco_free(coco);
    cz_test_folder_remove(folder);
}

static void images_of_one_number_are_counted_instead(void **state)
{
    (void)state;
    char *folder = cz_test_folder_new();
    put(folder, "data.yaml", NAMES "val: [a, b]\n");
    put(folder, "a/7.jpg", "");
    put(folder, "b/07.jpg", "");
    struct cz_coco *coco = load(folder);
    check_image(coco, 0, 1, folder, "a/7.jpg");
    check_image(coco, 1, 2, folder, "b/07.jpg");
    cz_coco_free(coco);
    cz_test_folder_remove(folder);
}

/* An id never stands for another image than the file that is called by it. */
static void numbers_and_other_names_go_together(void **state)
{
    (void)state;
    char *folder = cz_test_folder_new();
    put(folder, "data.yaml", NAMES "val: [a, b]\n");
    put(folder, "a/1.jpg", "");
    put(folder, "a/3.jpg", "");
    put(folder, "a/name.jpg", "");
    put(folder, "b/03.jpg", "");
    put(folder, "b/9.jpg", "");
    struct cz_coco *coco = load(folder);
    check_image(coco, 0, 1, folder, "a/1.jpg");
    check_image(coco, 1, 2, folder, "a/3.jpg"); /* as is 03 */
    check_image(coco, 2, 4, folder, "a/name.jpg");
    check_image(coco, 3, 5, folder, "b/03.jpg");
    check_image(coco, 4, 9, folder, "b/9.jpg");
    assert_null(cz_coco_image(coco, 3));
    cz_coco_free(coco);
    cz_test_folder_remove(folder);
}

static void lines_that_are_there_twice_count_once(void **state)
{
    (void)state;
    char *folder = cz_test_folder_new();
    put(folder, "data.yaml", NAMES "val: images\n");
    put(folder, "images/x.jpg", "");
    put(folder, "images/y.jpg", "");
    put(folder, "labels/x.txt",
        "1 .5 .5 .5 .5\n0 .5 .5 .5 .5\n1 0.50 .5 .5 .5\n1 .5 .5 .5 .25\n"
        "0 .25 .25 .75 .25 .75 .75 .25 .75\n0 .5 .5 .5 .5\n");
    put(folder, "labels/y.txt", "1 .5 .5 .5 .5\n");
    struct cz_coco *coco = load(folder);
    assert_int_equal(cz_coco_box_count(coco), 4);
    cz_coco_free(coco);
    cz_test_folder_remove(folder);
}

/* As fake_size(), but one cannot be read. */
static enum cz_status no_size(void *user, const char *path, int64_t *width,
                              int64_t *height, struct cz_error *err)
{
    enum cz_status status = fake_size(user, path, width, height, err);
    if (strstr(path, "bad"))
        *width = *height = 0;
    return status;
}

static void images_without_a_size_have_no_boxes(void **state)
{
    (void)state;
    static const struct cz_image_sizes some = {.read = no_size};
    char *folder = cz_test_folder_new();
    struct cz_coco *coco;
    put(folder, "data.yaml", NAMES "val: images\n");
    put(folder, "images/bad.jpg", "");
    put(folder, "images/x.jpg", "");
    put(folder, "labels/bad.txt", "0 .5 .5 .5 .5\n");
    put(folder, "labels/x.txt", "0 .5 .5 .5 .5\n");
    assert_ok(cz_coco_load(&coco, cz_test_path(folder, "data.yaml"), &some,
                           cz_test_error()));
    assert_int_equal(cz_coco_box_count(coco), 1);
    cz_coco_free(coco);
    cz_test_folder_remove(folder);
}

static void finds_what_roboflow_calls_the_parent_folder(void **state)
{
    (void)state;
    char *folder = cz_test_folder_new();
    put(folder, "data.yaml", "nc: 1\nval: ../valid/images\n");
    put(folder, "valid/images/x.jpg", "");
    put(folder, "valid/labels/x.txt", "0 .5 .5 .5 .5");
    struct cz_coco *coco = load(folder);
    assert_string_equal(cz_coco_category(coco, 1)->name, "class_0");
    check_box(coco, (struct cz_coco_detection){1, 1, {50, 25, 100, 50}, .5});
    cz_coco_free(coco);
    cz_test_folder_remove(folder);
}

static void takes_the_box_of_a_polygon(void **state)
{
    (void)state;
    char *folder = cz_test_folder_new();
    put(folder, "data.yaml", NAMES "val: images\n");
    put(folder, "images/x.jpg", "");
    put(folder, "labels/x.txt", "0 0.5 0.1 0.2 0.6 0.7 0.4\n");
    struct cz_coco *coco = load(folder);
    check_box(coco, (struct cz_coco_detection){1, 1, {40, 10, 100, 50}, .5});
    cz_coco_free(coco);
    cz_test_folder_remove(folder);
}

/* ---- what is refused -------------------------------------------------- */

static void refuses_labels_that_make_no_sense(void **state)
{
    (void)state;
    static const struct {
        const char *text, *words;
    } cases[] = {
        {"0 .5 .5 .5\n", "labels/x.txt: line 1: has 3 numbers after the class"},
        {"0 .5 .5 .5 .5 .9\n", "has 5 numbers after the class, want 4"},
        {"0\n", "has 0 numbers"},
        {"\n0 .5 .5 .5 .5\n2 .5 .5 .5 .5\n",
         "line 3: there is no class 2; there are 2 classes"},
        {"-1 .5 .5 .5 .5", "there is no class -1;"},
        {"0.5 .5 .5 .5 .5", "there is no class 0.5;"},
        {"nan .5 .5 .5 .5", "there is no class nan;"},
        {"cat .5 .5 .5 .5", "'cat' is no class"},
        {"0 .5 x\n", "'x' is no number"},
        {"0 .5,.5 .5 .5", "'.5,.5' is no number"},
        {"0 120 40 30 20", "120 is no fraction of the image, want 0 to 1"},
        {"0 .5 .5 nan .5", "nan is no fraction"},
        {"0 .5 .5 -0.2 .5", "-0.2 is no fraction"},
    };
    char *folder = cz_test_folder_new();
    put(folder, "data.yaml", NAMES "val: images\n");
    put(folder, "images/x.jpg", "");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct cz_coco *coco;
        put(folder, "labels/x.txt", cases[i].text);
        assert_error(cz_coco_load(&coco, cz_test_path(folder, "data.yaml"),
                                  &sizes, cz_test_error()),
                     CZ_EPARSE, cases[i].words);
        assert_null(coco);
    }
    cz_test_folder_remove(folder);
}

static void refuses_yaml_that_makes_no_sense(void **state)
{
    (void)state;
    static const struct {
        const char *text, *words;
    } cases[] = {
        {"", "data.yaml: want a map with 'val:' and 'names:'"},
        {"- 1\n- 2\n", "want a map"},
        {"val: [\n", "data.yaml: line 2, column 1: is no YAML here: "},
        {"names: [a]\n", "data.yaml: has no 'val:'"},
        {"val: images\n", "data.yaml: has no 'names:'"},
        {"val:\nnames: [a]\n", "line 1: want a folder, a list file, or a list "
                               "as 'val:'"},
        {"val: {a: b}\nnames: [a]\n", "line 1: want a folder, a list file"},
        {"val: [[a]]\nnames: [a]\n", "want folders and files as 'val:'"},
        {"path: [a]\nval: images\nnames: [a]\n", "want a folder as 'path:'"},
        {"val: images\nnames: cat\n", "line 2: want a list or a map of texts "
                                      "as 'names:'"},
        {"val: images\nnames: [[a]]\n", "want a list of texts as 'names:'"},
        {"val: images\nnames: {0: a, 2: b}\n", "want a text for each of 0, 1"},
        {"val: images\nnames: {0: a, 0: b}\n", "want a text for each of 0, 1"},
        {"val: images\nnames: {-1: a}\n", "want a text for each of 0, 1"},
        {"val: images\nnames: [a, b]\nnc: 3\n",
         "line 3: 'nc:' is 3, but 'names:' has 2"},
        {"val: images\nnc: many\n", "want the number of classes as 'nc:'"},
        {"val: nowhere\nnames: [a]\n", "nowhere: No such file or directory"},
        {"val: empty\nnames: [a]\n", "data.yaml: there is no image in 'empty'"},
        {"val: list.txt\nnames: [a]\n",
         "list.txt: line 2: 'x.doc' is no image file"},
    };
    char *folder = cz_test_folder_new();
    put(folder, "images/x.jpg", "");
    put(folder, "empty/x.txt", "");
    put(folder, "list.txt", "x.jpg\nx.doc\n");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct cz_coco *coco;
        struct cz_error err = CZ_ERROR_INIT;
        put(folder, "data.yaml", cases[i].text);
        enum cz_status status = cz_coco_load(
            &coco, cz_test_path(folder, "data.yaml"), &sizes, &err);
        if (status == CZ_OK || coco || !strstr(err.message, cases[i].words))
            fail_msg("%s\nsays \"%s\", want \"%s\"", cases[i].text, err.message,
                     cases[i].words);
    }
    cz_test_folder_remove(folder);
}

/* [[[...]]], as deep as it is asked for, as the value of a key that nobody
 * reads. */
static void put_nested(const char *folder, size_t depth)
{
    static const char text[] = "val: images\nnames: [a]\nmore: ";
    const size_t size = sizeof text - 1 + 2 * depth;
    char *yaml = cz_malloc(size + 1);
    memcpy(yaml, text, sizeof text - 1);
    memset(yaml + sizeof text - 1, '[', depth);
    memset(yaml + sizeof text - 1 + depth, ']', depth);
    yaml[size] = 0;
    put(folder, "data.yaml", yaml);
    cz_free(yaml);
}

static void refuses_yaml_that_is_too_deep(void **state)
{
    (void)state;
    char *folder = cz_test_folder_new();
    struct cz_coco *coco;
    put(folder, "images/x.jpg", "");
    put_nested(folder, 99); /* the map is one more */
    cz_coco_free(load(folder));
    put_nested(folder, 100);
    assert_error(cz_coco_load(&coco, cz_test_path(folder, "data.yaml"), &sizes,
                              cz_test_error()),
                 CZ_EPARSE,
                 "line 3: lists and maps in each other, more than "
                 "100 deep");
    /* What took minutes. */
    put_nested(folder, 1000000);
    assert_error(cz_coco_load(&coco, cz_test_path(folder, "data.yaml"), &sizes,
                              cz_test_error()),
                 CZ_EPARSE, "more than 100 deep");
    cz_test_folder_remove(folder);
}

static void refuses_labels_with_a_nul(void **state)
{
    (void)state;
    static const char labels[] = "0 .5 .5 .5 .5\n\0";
    char *folder = cz_test_folder_new();
    struct cz_coco *coco;
    put(folder, "data.yaml", NAMES "val: images\n");
    put(folder, "images/x.jpg", "");
    put(folder, "labels/x.txt", "");
    cz_test_file_write(cz_test_path(folder, "labels/x.txt"), labels,
                       sizeof labels);
    assert_error(cz_coco_load(&coco, cz_test_path(folder, "data.yaml"), &sizes,
                              cz_test_error()),
                 CZ_EPARSE, "labels/x.txt: line 2: has a NUL, is no text");
    cz_test_folder_remove(folder);
}

static void refuses_an_image_that_is_there_twice(void **state)
{
    (void)state;
    char *folder = cz_test_folder_new();
    struct cz_coco *coco;
    put(folder, "images/x.jpg", "");
    put(folder, "images/y.jpg", "");
    put(folder, "list.txt", "./images/x.jpg\n");
    put(folder, "data.yaml", NAMES "val: [images, list.txt]\n");
    assert_error(cz_coco_load(&coco, cz_test_path(folder, "data.yaml"), &sizes,
                              cz_test_error()),
                 CZ_EINVAL, "images/x.jpg is there twice in 'val:'");
    cz_test_folder_remove(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_a_folder_of_images_and_its_labels),
        cmocka_unit_test(reads_list_files_and_lists_of_folders),
        cmocka_unit_test(images_of_one_number_are_counted_instead),
        cmocka_unit_test(numbers_and_other_names_go_together),
        cmocka_unit_test(lines_that_are_there_twice_count_once),
        cmocka_unit_test(images_without_a_size_have_no_boxes),
        cmocka_unit_test(finds_what_roboflow_calls_the_parent_folder),
        cmocka_unit_test(takes_the_box_of_a_polygon),
        cmocka_unit_test(refuses_labels_that_make_no_sense),
        cmocka_unit_test(refuses_yaml_that_makes_no_sense),
        cmocka_unit_test(refuses_yaml_that_is_too_deep),
        cmocka_unit_test(refuses_labels_with_a_nul),
        cmocka_unit_test(refuses_an_image_that_is_there_twice),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

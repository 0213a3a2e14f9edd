/* Annotations and detections out of files: what is read, what is refused and
 * in which words, and what is written. */
#include "tests/eval/support.h"

#include <unistd.h>

#define SQUARE "10, 10, 40, 40"

/* ---- annotations ------------------------------------------------------ */

static void reads_lists_in_any_order_and_skips_the_rest(void **state)
{
    (void)state;
    struct cz_coco *coco = parse_annotations(
        "{\"annotations\": [{\"segmentation\": {\"counts\": [1, [2]], "
        "\"id\": \"x\"}, \"category_id\": 3e0, \"bbox\": [1, 2, 3, 4.5],\n"
        "\"image_id\": 9223372036854775807, \"id\": -1, \"iscrowd\": true}],\n"
        "\"info\": {\"images\": null}, \"licenses\": [[[{}]], 5],\n"
        "\"categories\": [{\"id\": 3, \"supercategory\": 7}],\n"
        "\"images\": [{\"id\": 9223372036854775807, \"width\": 640, "
        "\"height\": 480.0, \"file_name\": \"\\u00e9/b.png\", "
        "\"extra\": {\"id\": 5}}]}");
    size_t count;
    const struct cz_coco_image *images = cz_coco_images(coco, &count);
    assert_int_equal(count, 1);
    assert_true(images[0].id == INT64_MAX);
    assert_string_equal(images[0].file_name, "\xc3\xa9/b.png");
    assert_int_equal(images[0].width, 640);
    assert_int_equal(images[0].height, 480);
    assert_int_equal(cz_coco_box_count(coco), 1);
    assert_string_equal(cz_coco_category(coco, 3)->name, "");
    assert_null(cz_coco_category(coco, 4));
    assert_ptr_equal(cz_coco_image(coco, INT64_MAX), &images[0]);
    cz_coco_free(coco);
}

static void finds_images_by_name(void **state)
{
    (void)state;
    static const char text[] =
        "{\"images\": [{\"id\": 1, \"file_name\": \"val/a.jpg\"},"
        "{\"id\": 2, \"file_name\": \"train/a.jpg\"},"
        "{\"id\": 3, \"file_name\": \"val/b.c.jpg\"}, {\"id\": 4}],"
        "\"annotations\": [], \"categories\": []}";
    static const struct {
        const char *name;
        int64_t id; /* 0: none */
    } cases[] = {
        {"val/a.jpg", 1},
        {"train/a.jpg", 2},
        {"/data/train/a.jpg", 2},
        {"a.jpg", 0},
        {"a", 0},
        {"b.c.jpg", 3},
        {"b.c", 3},
        {"b", 0},
        {"other/b.c.jpg", 3},
        {"retrain/a.jpg", 0},
        {"", 0},
        {"val", 0},
        {"/data/val/b.c.jpg", 3},
    };
    struct cz_coco *coco = parse_annotations(text);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const struct cz_coco_image *image =
            cz_coco_find_image(coco, cases[i].name);
        if ((image ? image->id : 0) != cases[i].id)
            fail_msg("%s: image %lld", cases[i].name,
                     image ? (long long)image->id : 0);
    }
    cz_coco_free(coco);
}

/* No category: no id of a category. */
#define NONE 999

static enum cz_status map(int64_t *ids, char *note, const char *const *names,
                          size_t n, const struct cz_coco *coco)
{
    const struct cz_coco_category *found[4];
    const enum cz_status status =
        cz_coco_map_classes(found, note, names, n, coco, cz_test_error());
    for (size_t i = 0; status == CZ_OK && i < n; i++)
        ids[i] = found[i] ? found[i]->id : NONE;
    return status;
}

static void maps_classes_by_name_or_by_order(void **state)
{
    (void)state;
    static const char text[] =
        "{\"images\": [], \"annotations\": [], \"categories\": ["
        "{\"id\": 90, \"name\": \"cat\"}, {\"id\": -1, \"name\": \"dog\"}]}";
    const char *names[] = {"dog", "bird", "cat"}, *others[] = {"x", "y", "z"};
    int64_t ids[3];
    char note[CZ_COCO_NOTE_BYTES];
    struct cz_coco *coco = parse_annotations(text);
    assert_ok(map(ids, note, names, 3, coco));
    assert_string_equal(note, "");
    assert_int_equal(ids[0], -1);
    assert_int_equal(ids[1], NONE);
    assert_int_equal(ids[2], 90);
    assert_ok(map(ids, note, others, 2, coco));
    assert_string_equal(note, "classes are matched by position; names differ: "
                              "x / dog, y / cat");
    assert_int_equal(ids[0], -1);
    assert_int_equal(ids[1], 90);
    assert_ok(map(ids, note, NULL, 2, coco));
    assert_string_equal(
        note, "classes are matched by position: the model has no names");
    assert_error(map(ids, note, others, 3, coco), CZ_EINVAL,
                 "3 classes and the annotations have 2 categories");
    cz_coco_free(coco);
}

#define CATEGORY(id, name) "{\"id\": " #id ", \"name\": \"" name "\"}"

static void maps_classes_whose_names_differ_a_little(void **state)
{
    (void)state;
    static const struct {
        const char *names[4];
        int64_t ids[4];
        const char *note;
    } cases[] = {
        {{"Key", "DOG", "cat"}, {1, 2, 3}, ""},
        {{"cat", "key", "dog"}, {3, 1, 2}, ""},
        {{"gizmo", "dog", "cat"},
         {1, 2, 3},
         "classes are matched by position; names differ: gizmo / key"},
        {{"cat", "gizmo", "dog"},
         {3, NONE, 2},
         "the model has no class for: key; the annotations have none for: "
         "gizmo"},
        {{"cat", "dog"}, {3, 2}, "the model has no class for: key"},
        {{"cat", "dog", "a", "key"}, {3, 2, NONE, 1}, ""},
    };
    struct cz_coco *coco = parse_annotations(
        "{\"images\": [], \"annotations\": [], \"categories\": [" CATEGORY(
            3, "cat") "," CATEGORY(2, "dog") "," CATEGORY(1, "key") "]}");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char note[CZ_COCO_NOTE_BYTES];
        int64_t ids[4];
        size_t n = 0;
        while (n < 4 && cases[i].names[n])
            n++;
        assert_ok(map(ids, note, cases[i].names, n, coco));
        assert_string_equal(note, cases[i].note);
        for (size_t c = 0; c < n; c++)
            assert_int_equal(ids[c], cases[i].ids[c]);
    }
    cz_coco_free(coco);
}

struct refused {
    const char *text, *words;
};

#define LISTS "\"images\": [], \"categories\": []"

static void refuses_annotations_that_make_no_sense(void **state)
{
    (void)state;
    static const struct refused cases[] = {
        {"", "ann.json: line 1: is empty"},
        {" \n", "ann.json: line 2: ends in the middle"},
        {"{\"images\": [", "ann.json: line 1, image 0: ends in the middle"},
        {"{\"images\": [{\"id\": 1}, {\"id\"",
         "line 1, image 1: ends in the middle"},
        {"[]", "is a list, want an object"},
        {"7", "is a number, want an object"},
        {"\"x\"", "is a string, want an object"},
        {"null", "is null, want an object"},
        {"{}", "ann.json: has no 'images'"},
        {"{" LISTS "}", "ann.json: has no 'annotations'"},
        {"{" LISTS "} x", "is no JSON here: 'x'"},
        {"{\"images\": {}}", "'images' is an object, want a list"},
        {"{\"images\": null}", "'images' is null, want a list"},
        {"{\"images\": [], \"images\": []}", "'images' is there twice"},
        {"{\"images\": [5]}", "image 0: is a number, want an object"},
        {"{\"images\": [{}]}", "image 0: has no 'id'"},
        {"{\"images\": [\n{\"id\": 1},\n{\"id\": \"1\"}]}",
         "line 3, image 1: 'id' is a string, want a whole number"},
        {"{\"images\": [{\"id\": 1.5}]}", "'id' is 1.5, want a whole number"},
        {"{\"images\": [{\"id\": 9223372036854775808}]}",
         "'id' is 9223372036854775808, want a whole number of at most 64"},
        {"{\"images\": [{\"id\": 123456789012345678901234567890123456789012345"
         "67890123456789012345678901234567890}]}",
         "'id' is 123456789012345678901234..., want"},
        {"{\"images\": [{\"id\": null}]}", "'id' is null, want a whole number"},
        {"{\"images\": [{\"id\": [1]}]}", "'id' is a list, want"},
        {"{\"images\": [{\"id\": true}]}", "'id' is true, want"},
        {"{\"images\": [{\"id\": 1, \"file_name\": 5}]}",
         "'file_name' is a number, want a string"},
        {"{\"images\": [{\"id\": 1, \"file_name\": \"a\\u0000b\"}]}",
         "'file_name' has a NUL in it"},
        {"{\"images\": [{\"id\": 1, \"file_name\": \"\xff\"}]}",
         "is no JSON here"},
        {"{\"images\": [{\"id\": 1, \"width\": -5}]}",
         "image 0: is -5x0 pixels large"},
        {"{\"images\": [{\"id\": 1}, {\"id\": 1}], \"categories\": [], "
         "\"annotations\": []}",
         "ann.json: image id 1 is there twice"},
        {"{\"images\": [], \"categories\": [{\"id\": 2}, {\"id\": 2}], "
         "\"annotations\": []}",
         "category id 2 is there twice"},
        {ANNOTATIONS(
             LIST_2(BOX(3, 1, 1, SQUARE, ""), BOX(3, 2, 1, SQUARE, ""))),
         "annotation id 3 is there twice"},
        {ANNOTATIONS(BOX(1, 7, 1, SQUARE, "")),
         "annotation 0: no image has the id 7"},
        {ANNOTATIONS(
             LIST_2(BOX(1, 1, 1, SQUARE, ""), BOX(2, 1, 9, SQUARE, ""))),
         "annotation 1: no category has the id 9"},
        {ANNOTATIONS("{\"id\": 1, \"image_id\": 1, \"category_id\": 1}"),
         "annotation 0: has no 'bbox'"},
        {ANNOTATIONS(BOX(1, 1, 1, "1, 2, 3", "")), "'bbox' has 3 numbers"},
        {ANNOTATIONS(BOX(1, 1, 1, "", "")), "'bbox' has 0 numbers"},
        {ANNOTATIONS(BOX(1, 1, 1, "1, 2, 3, 4, 5", "")),
         "'bbox' has more than 4 numbers"},
        {ANNOTATIONS(BOX(1, 1, 1, "1, \\\"2\\\", 3, 4", "")), "is no JSON"},
        {ANNOTATIONS(BOX(1, 1, 1, "1, \"2\", 3, 4", "")),
         "'bbox' has a string in it, want 4 numbers"},
        {ANNOTATIONS(BOX(1, 1, 1, "1, [2], 3, 4", "")),
         "'bbox' has a list in it"},
        {ANNOTATIONS(BOX(1, 1, 1, "1, NaN, 3, 4", "")),
         "annotation 0: is no JSON here: 'NaN'"},
        {ANNOTATIONS(BOX(1, 1, 1, "1, -Infinity, 3, 4", "")), "-Infinity"},
        {ANNOTATIONS(BOX(1, 1, 1, "1, 1e999, 3, 4", "")),
         "'bbox' has the number 1e999, which is too large"},
        {ANNOTATIONS(BOX(1, 1, 1, "1, 1e10, 3, 4", "")),
         "'bbox' has the number 1e+10, want finite pixels"},
        {ANNOTATIONS(BOX(1, 1, 1, "1, 2, -3, 4", "")),
         "'bbox' has the width -3, want 0 or more"},
        {ANNOTATIONS(BOX(1, 1, 1, SQUARE, ", \"area\": -1")), "'area' is -1"},
        {ANNOTATIONS(BOX(1, 1, 1, SQUARE, ", \"iscrowd\": \"no\"")),
         "'iscrowd' is a string, want 0 or 1"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct cz_coco *coco;
        struct cz_error err = CZ_ERROR_INIT;
        enum cz_status status = cz_coco_parse(
            &coco, cases[i].text, strlen(cases[i].text), "ann.json", &err);
        if (status == CZ_OK || !strstr(err.message, cases[i].words) || coco)
            fail_msg("%s\nsays \"%s\", want \"%s\"", cases[i].text, err.message,
                     cases[i].words);
    }
}

static void refuses_files_that_cannot_be_read(void **state)
{
    (void)state;
    struct cz_coco *coco;
    char *folder = cz_test_folder_new();
    const char *none = cz_test_path(folder, "none.json");
    assert_error(cz_coco_load(&coco, none, NULL, cz_test_error()), CZ_EIO,
                 "none.json: No such file or directory");
    assert_error(cz_coco_load(&coco, folder, NULL, cz_test_error()), CZ_EIO,
                 "Is a directory");
    cz_test_folder_remove(folder);
}

/* Longer than a piece of the file as it is read, with ends of pieces in all
 * kinds of places. */
static void reads_files_of_many_pieces(void **state)
{
    (void)state;
    enum { BOXES = 30000 };
    char *folder = cz_test_folder_new();
    const char *path = cz_test_path(folder, "x.json");
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs("{\"images\": [{\"id\": 1}], \"categories\": [{\"id\": 1}], "
          "\"annotations\": [",
          file);
    for (int i = 0; i < BOXES; i++)
        fprintf(file,
                "%s\n{\"id\": %d, \"image_id\": 1, \"category_id\": 1,"
                " \"bbox\": [%d.%d, 0.25, 10, 20], \"note\": \"\\u00e9%*d\"}",
                i ? "," : "", i + 1, i, i % 10, i % 37, i);
    fputs("]}", file);
    fclose(file);
    struct cz_coco *coco;
    assert_ok(cz_coco_load(&coco, path, NULL, cz_test_error()));
    assert_int_equal(cz_coco_box_count(coco), BOXES);
    cz_coco_free(coco);
    file = fopen(path, "r+");
    assert_non_null(file);
    fseek(file, -40, SEEK_END);
    fputc('!', file);
    fclose(file);
    assert_error(cz_coco_load(&coco, path, NULL, cz_test_error()), CZ_EPARSE,
                 "line 30001, annotation 29999: is no JSON here: '");
    cz_test_folder_remove(folder);
}

/* ---- detections ------------------------------------------------------- */

static void refuses_detections_that_make_no_sense(void **state)
{
    (void)state;
    static const struct refused cases[] = {
        {"", "dets.json: line 1: is empty"},
        {"{}", "is an object, want a list"},
        {"[1]", "detection 0: is a number, want an object"},
        {"[{}]", "detection 0: has no 'image_id'"},
        {"[" DETECTION(1, 1, SQUARE, 0.5) ",\n" DETECTION(7, 1, SQUARE,
                                                          0.5) "]",
         "dets.json: line 2, detection 1: no image has the image_id 7"},
        {"[" DETECTION(1, 3, SQUARE, 0.5) "]",
         "no category has the category_id 3"},
        {"[" DETECTION(1, 1, SQUARE, NaN) "]", "is no JSON here: 'NaN'"},
        {"[" DETECTION(1, 1, "NaN, 1, 1, 1", 1) "]", "is no JSON here: 'NaN'"},
        {"[" DETECTION(1, 1, SQUARE, "x") "]",
         "'score' is a string, want a number"},
        {"[" DETECTION(1, 1, "1, 1, -1, 1", 1) "]", "the width -1"},
        {"[" DETECTION("three.jpg", 1, SQUARE, 1) "]",
         "no image, or more than one, has the name 'three.jpg'"},
        {"[" DETECTION(1, 1, SQUARE, 0.5), "ends in the middle"},
        {"[" DETECTION(1, 1, SQUARE, 0.5) ",]", "is no JSON here: ']'"},
    };
    struct cz_coco *coco = parse_annotations(ANNOTATIONS(""));
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct cz_coco_detections detections = CZ_COCO_DETECTIONS_INIT;
        struct cz_error err = CZ_ERROR_INIT;
        enum cz_status status = cz_coco_detections_parse(
            &detections, cases[i].text, strlen(cases[i].text), "dets.json",
            coco, &err);
        if (status == CZ_OK || !strstr(err.message, cases[i].words))
            fail_msg("%s\nsays \"%s\", want \"%s\"", cases[i].text, err.message,
                     cases[i].words);
        cz_coco_detections_fini(&detections);
    }
    cz_coco_free(coco);
}

static void takes_names_for_image_ids(void **state)
{
    (void)state;
    struct cz_coco *coco = parse_annotations(ANNOTATIONS(""));
    struct cz_coco_detections detections =
        parse_detections("[" LIST_2(DETECTION("one", 1, SQUARE, 1),
                                    DETECTION("two.jpg", 1, SQUARE, 1)) "]",
                         coco);
    assert_int_equal(detections.items[0].image_id, 1);
    assert_int_equal(detections.items[1].image_id, 2);
    cz_coco_detections_fini(&detections);
    cz_coco_free(coco);
}

/* What json.dump() gives for round(x, 3) and round(score, 5). */
static void writes_as_python_would(void **state)
{
    (void)state;
    static const char want[] =
        "[{\"image_id\": -5, \"category_id\": 90, \"bbox\": [0.0, 80.36, "
        "1000000.125, 2.0], \"score\": 0.86444}, "
        "{\"image_id\": 6, \"category_id\": 1, \"bbox\": [-0.0, -1.5, 3.001, "
        "0.002], \"score\": 1e-05}, "
        "{\"image_id\": 6, \"category_id\": 1, \"bbox\": [1.0, 1.0, 1.0, "
        "1.0], \"score\": 0.0001}]";
    static struct cz_coco_detection items[] = {
        {-5, 90, {0, 80.36, 1000000.125, 1.9999}, .864444},
        {6, 1, {-.0001, -1.5, 3.001, .0015001}, .0000119},
        {6, 1, {1, 1, 1, 1}, .0001},
    };
    const struct cz_coco_detections detections = {.items = items, .count = 3};
    char *folder = cz_test_folder_new();
    const char *path = cz_test_path(folder, "dets.json");
    size_t size;
    assert_ok(
        cz_coco_detections_save(&detections, path, false, cz_test_error()));
    char *text = cz_test_file_read(path, &size);
    assert_string_equal(text, want);
    cz_free(text);
    assert_error(
        cz_coco_detections_save(&detections, path, false, cz_test_error()),
        CZ_EINVAL, "exists already");
    assert_ok(
        cz_coco_detections_save(&detections, path, true, cz_test_error()));
    cz_test_folder_remove(folder);
}

static void reads_what_it_wrote(void **state)
{
    (void)state;
    char *folder = cz_test_folder_new();
    const char *path = cz_test_path(folder, "dets.json");
    struct cz_coco *coco = parse_annotations(ANNOTATIONS(""));
    struct cz_coco_detections detections = parse_detections(
        "[" DETECTION(1, 2, "1.5, 2.25, 3.125, 4", 0.12345) "]", coco);
    struct cz_coco_detections again = CZ_COCO_DETECTIONS_INIT;
    assert_ok(
        cz_coco_detections_save(&detections, path, false, cz_test_error()));
    assert_ok(cz_coco_detections_load(&again, path, coco, cz_test_error()));
    assert_int_equal(again.count, 1);
    assert_memory_equal(again.items, detections.items, sizeof *again.items);
    cz_coco_detections_fini(&detections);
    cz_coco_detections_fini(&again);
    cz_coco_free(coco);
    cz_test_folder_remove(folder);
}

/* A list of detections with `size` bytes of `fill` where the score is. */
static enum cz_status load_long(const char *path, char fill, size_t size,
                                struct cz_error *err)
{
    static const char start[] = "[{\"image_id\": 1, \"category_id\": 1, "
                                "\"bbox\": [1, 2, 3, 4], \"score\": 1, "
                                "\"more\": ";
    struct cz_coco_detections detections = CZ_COCO_DETECTIONS_INIT;
    struct cz_coco *coco = parse_annotations(ANNOTATIONS(""));
    const bool is_text = fill == 'x';
    char *text = cz_malloc(sizeof start + size + 8);
    size_t used = (size_t)sprintf(text, "%s%s", start, is_text ? "\"" : "1");
    memset(text + used, fill, size);
    used += size;
    used += (size_t)sprintf(text + used, "%s}]", is_text ? "\"" : "");
    cz_test_file_write(path, text, used);
    cz_free(text);
    enum cz_status status =
        cz_coco_detections_load(&detections, path, coco, err);
    cz_coco_detections_fini(&detections);
    cz_coco_free(coco);
    return status;
}

static void refuses_values_without_an_end(void **state)
{
    (void)state;
    char *folder = cz_test_folder_new();
    const char *path = cz_test_path(folder, "dets.json");
    const size_t mb = (size_t)1024 * 1024;
    static const char fills[] = {'x', '0'};
    for (size_t i = 0; i < sizeof fills; i++) {
        assert_ok(load_long(path, fills[i], mb / 2, cz_test_error()));
        assert_error(load_long(path, fills[i], 2 * mb, cz_test_error()),
                     CZ_EPARSE,
                     "detection 0: a string or a number has more than 1 MB");
    }
    assert_ok(load_long(path, ' ', 4 * mb, cz_test_error()));
    cz_test_folder_remove(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_lists_in_any_order_and_skips_the_rest),
        cmocka_unit_test(finds_images_by_name),
        cmocka_unit_test(maps_classes_by_name_or_by_order),
        cmocka_unit_test(maps_classes_whose_names_differ_a_little),
        cmocka_unit_test(refuses_annotations_that_make_no_sense),
        cmocka_unit_test(refuses_files_that_cannot_be_read),
        cmocka_unit_test(reads_files_of_many_pieces),
        cmocka_unit_test(refuses_detections_that_make_no_sense),
        cmocka_unit_test(takes_names_for_image_ids),
        cmocka_unit_test(writes_as_python_would),
        cmocka_unit_test(reads_what_it_wrote),
        cmocka_unit_test(refuses_values_without_an_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

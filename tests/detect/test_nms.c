/* Non-maximum suppression against the definition, and its order. */
#include <math.h>
#include <stdlib.h>

#include "core/alloc.h"
#include "detect/boxes_internal.h"
#include "tests/support/support.h"

static uint32_t random_state = 1;

static float random_unit(void)
{
    random_state = random_state * 1664525 + 1013904223;
    return (float)(random_state >> 8) * 0x1p-24F;
}

static struct cz_boxes make_boxes(size_t count)
{
    struct cz_boxes boxes = {.count = count, .capacity = count};
    boxes.items = cz_calloc(count, sizeof *boxes.items);
    boxes.memory = cz_calloc(1, sizeof *boxes.memory);
    return boxes;
}

/* Many overlap, scores fall. */
static struct cz_boxes random_boxes(size_t count, uint32_t classes)
{
    struct cz_boxes boxes = make_boxes(count);
    for (size_t i = 0; i < count; i++) {
        struct cz_box *b = &boxes.items[i];
        b->x1 = random_unit() * 100;
        b->y1 = random_unit() * 100;
        b->x2 = b->x1 + random_unit() * 80;
        b->y2 = b->y1 + random_unit() * 80;
        b->score = 1 - (float)i / (float)count;
        b->label = (uint32_t)(random_unit() * (float)classes);
    }
    return boxes;
}

static float overlap(const struct cz_box *a, const struct cz_box *b)
{
    float w = fminf(a->x2, b->x2) - fmaxf(a->x1, b->x1);
    float h = fminf(a->y2, b->y2) - fmaxf(a->y1, b->y1);
    float inter = fmaxf(w, 0) * fmaxf(h, 0);
    return inter / ((a->x2 - a->x1) * (a->y2 - a->y1) +
                    (b->x2 - b->x1) * (b->y2 - b->y1) - inter);
}

/* The definition, straight; kept[] gets the indices. */
static size_t suppress_ref(size_t *kept, const struct cz_boxes *boxes,
                           const struct cz_thresholds *t)
{
    size_t count = 0;
    for (size_t i = 0; i < boxes->count && count < t->max_boxes; i++) {
        const struct cz_box *box = &boxes->items[i];
        bool free_of_all = true;
        for (size_t k = 0; k < count; k++) {
            const struct cz_box *other = &boxes->items[kept[k]];
            free_of_all &= !((t->agnostic || other->label == box->label) &&
                             overlap(other, box) > t->iou);
        }
        if (free_of_all)
            kept[count++] = i;
    }
    return count;
}

static void keeps_what_the_definition_keeps(void **state)
{
    static const uint32_t classes[] = {1, 3, 80};
    (void)state;
    for (size_t round = 0; round < 60; round++) {
        struct cz_thresholds t = CZ_THRESHOLDS_EVAL;
        t.iou = 0.1F + 0.8F * random_unit();
        t.agnostic = round % 2;
        setenv("CZ_CPU", round % 4 < 2 ? "baseline" : "avx2", 1);
        t.max_boxes = round % 3 ? 300 : 20;
        struct cz_boxes boxes = random_boxes(round * 17, classes[round % 3]);
        struct cz_boxes before = make_boxes(boxes.count);
        memcpy(before.items, boxes.items, boxes.count * sizeof *boxes.items);
        size_t *kept = cz_calloc(boxes.count, sizeof *kept);
        size_t count = suppress_ref(kept, &before, &t);
        assert_ok(cz_boxes_suppress(&boxes, &t, cz_test_error()));
        assert_int_equal(boxes.count, count);
        for (size_t i = 0; i < count; i++)
            assert_memory_equal(&boxes.items[i], &before.items[kept[i]],
                                sizeof *boxes.items);
        cz_free(kept);
        cz_boxes_fini(&boxes);
        cz_boxes_fini(&before);
    }
    unsetenv("CZ_CPU");
}

static void keeps_boxes_that_overlap_by_just_the_threshold(void **state)
{
    struct cz_thresholds t = CZ_THRESHOLDS_EVAL;
    struct cz_boxes boxes = make_boxes(2);
    (void)state;
    t.iou = 0.5F;
    boxes.items[0] = (struct cz_box){0, 0, 2, 2, 0.9F, 0};
    boxes.items[1] = (struct cz_box){0, 0, 2, 1, 0.8F, 0}; /* 2 / 4 */
    assert_ok(cz_boxes_suppress(&boxes, &t, cz_test_error()));
    assert_int_equal(boxes.count, 2);
    cz_boxes_fini(&boxes);
}

static void keeps_boxes_without_area(void **state)
{
    const struct cz_thresholds t = CZ_THRESHOLDS_EVAL;
    struct cz_boxes boxes = make_boxes(2);
    (void)state;
    boxes.items[0] = boxes.items[1] = (struct cz_box){1, 1, 1, 1, 0.9F, 0};
    assert_ok(cz_boxes_suppress(&boxes, &t, cz_test_error()));
    assert_int_equal(boxes.count, 2); /* 0 / 0 is no overlap */
    cz_boxes_fini(&boxes);
}

static void leaves_a_finished_list_alone_but_for_its_length(void **state)
{
    struct cz_thresholds t = CZ_THRESHOLDS_EVAL;
    struct cz_boxes boxes = make_boxes(3);
    (void)state;
    t.max_boxes = 2;
    boxes.final = true;
    for (int i = 0; i < 3; i++)
        boxes.items[i] = (struct cz_box){0, 0, 9, 9, 0.5F, 0};
    assert_ok(cz_boxes_suppress(&boxes, &t, cz_test_error()));
    assert_int_equal(boxes.count, 2);
    cz_boxes_fini(&boxes);
}

/* ---- the order of candidates ------------------------------------------ */

static int compare_keys(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

static void sorts_candidates_by_score_then_by_number(void **state)
{
    struct cz_box_memory memory = {0};
    const size_t count = 50000, limit = 30000;
    uint64_t *all = cz_calloc(count, sizeof *all);
    (void)state;
    for (uint32_t i = 0; i < count; i++) {
        float score = (float)(1 + (int)(random_unit() * 3000)) / 3001;
        assert_ok(cz_keys_add(&memory.keys, score, i, cz_test_error()));
        all[i] = cz_key_make(score, i);
    }
    qsort(all, count, sizeof *all, compare_keys);
    assert_ok(cz_keys_best(&memory, limit, 0, cz_test_error()));
    assert_int_equal(memory.keys.count, limit);
    assert_memory_equal(memory.keys.items, all, limit * sizeof *all);
    assert_true(cz_key_score(all[0]) >= cz_key_score(all[1]));
    cz_free(all);
    cz_free(memory.keys.items);
    cz_free(memory.spare);
    cz_free(memory.kept);
}

static void takes_the_best_class_of_each_anchor(void **state)
{
    struct cz_box_memory memory = {0};
    static const float scores[] = {0.1F, 0.9F, 0.3F, 0.5F, 0.5F, 0.2F};
    (void)state;
    for (uint32_t i = 0; i < 6; i++) /* 2 anchors of 3 classes */
        assert_ok(cz_keys_add(&memory.keys, scores[i], i, cz_test_error()));
    assert_ok(cz_keys_best(&memory, 10, 3, cz_test_error()));
    assert_int_equal(memory.keys.count, 2);
    assert_int_equal(cz_key_order(memory.keys.items[0]), 1);
    assert_int_equal(cz_key_order(memory.keys.items[1]), 3); /* not 4: a tie */
    cz_free(memory.keys.items);
    cz_free(memory.spare);
    cz_free(memory.seen);
}

static void says_when_memory_is_short(void **state)
{
    const struct cz_thresholds t = CZ_THRESHOLDS_EVAL;
    struct cz_boxes boxes = random_boxes(50, 3);
    (void)state;
    for (size_t n = 1; n <= 2; n++) {
        cz_alloc_fail_at(n);
        enum cz_status status = cz_boxes_suppress(&boxes, &t, NULL);
        cz_alloc_fail_at(0);
        assert_int_equal(status, CZ_ENOMEM);
    }
    cz_boxes_fini(&boxes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keeps_what_the_definition_keeps),
        cmocka_unit_test(keeps_boxes_that_overlap_by_just_the_threshold),
        cmocka_unit_test(keeps_boxes_without_area),
        cmocka_unit_test(leaves_a_finished_list_alone_but_for_its_length),
        cmocka_unit_test(sorts_candidates_by_score_then_by_number),
        cmocka_unit_test(takes_the_best_class_of_each_anchor),
        cmocka_unit_test(says_when_memory_is_short),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Models over the images of the sample data: turns, order, Ctrl-C, errors. */
#include <stdlib.h>

#include "prune/prune.h"
#include "tests/eval/support.h"

#define SIXTY_FOUR 64 /* images of the sample data */
#define FEW 6

/* The sample detector, and one that finds other boxes: the same with fewer
 * weights. */
static const char *models[2];
static char *folder;
static const char *images;
static struct cz_coco *coco;

static void prune_model(const char *path, const char *to)
{
    const struct cz_prune_options options = {.sparsity = .3};
    struct cz_prune_report report;
    struct cz_model *model;
    assert_ok(cz_model_load(&model, path, cz_test_error()));
    assert_ok(cz_prune_l1(model, &options, &report, cz_test_error()));
    assert_ok(cz_model_save(model, to, true, cz_test_error()));
    cz_prune_report_fini(&report);
    cz_model_free(model);
}

static int set_up(void **state)
{
    (void)state;
    const char *samples = getenv("SAMPLES");
    folder = cz_test_folder_new();
    models[0] = cz_test_path(samples, "shapes8n.onnx");
    models[1] = cz_test_path(folder, "pruned.onnx");
    prune_model(models[0], models[1]);
    images = cz_test_path(samples, "data/val/");
    assert_ok(cz_coco_load(&coco,
                           cz_test_path(samples, "data/val/instances.json"),
                           NULL, cz_test_error()));
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    cz_coco_free(coco);
    cz_test_folder_remove(folder);
    return 0;
}

static struct cz_eval_options options_for(size_t n_models, size_t threads)
{
    struct cz_eval_options options = {.models = models,
                                      .n_models = n_models,
                                      .session = CZ_SESSION_OPTIONS_INIT,
                                      .images = images,
                                      .strict = true};
    options.session.engine.plan.threads = threads;
    options.session.thresholds = CZ_THRESHOLDS_EVAL;
    options.session.thresholds.iou = CZ_IOU_AUTO;
    return options;
}

static bool is_same(const struct cz_eval_model *model,
                    const struct cz_eval_model *other)
{
    return model->detections.count == other->detections.count &&
           memcmp(model->detections.items, other->detections.items,
                  model->detections.count * sizeof *model->detections.items) ==
               0;
}

static void assert_same(const struct cz_eval_model *model,
                        const struct cz_eval_model *other)
{
    assert_int_equal(model->detections.count, other->detections.count);
    assert_true(model->detections.count > 0);
    for (size_t i = 0; i < model->detections.count; i++)
        assert_memory_equal(&model->detections.items[i],
                            &other->detections.items[i],
                            sizeof *model->detections.items);
}

/* The ids of the first images, the last one first. */
static void pick_few(struct cz_eval_options *options, int64_t ids[FEW])
{
    size_t count;
    const struct cz_coco_image *all = cz_coco_images(coco, &count);
    for (size_t i = 0; i < FEW; i++)
        ids[i] = all[FEW - 1 - i].id;
    options->image_ids = ids;
    options->n_images = FEW;
}

static void finds_the_same_alone_and_in_turn(void **state)
{
    (void)state;
    int64_t ids[FEW];
    struct cz_eval_run alone[2], both;
    struct cz_eval_options two = options_for(2, 3);
    pick_few(&two, ids);
    for (size_t m = 0; m < 2; m++) {
        struct cz_eval_options one = options_for(1, 1);
        pick_few(&one, ids);
        one.models = &models[m];
        assert_ok(cz_eval_run(&alone[m], coco, &one, cz_test_error()));
    }
    assert_ok(cz_eval_run(&both, coco, &two, cz_test_error()));
    assert_int_equal(both.n_models, 2);
    assert_int_equal(both.n_images, FEW);
    assert_memory_equal(both.image_ids, ids, sizeof ids);
    for (size_t m = 0; m < 2; m++) {
        assert_same(&both.models[m], &alone[m].models[0]);
        for (size_t i = 0; i < FEW; i++)
            assert_true(both.models[m].times_ms[CZ_STAGE_INFERENCE][i] > 0);
    }
    assert_false(is_same(&both.models[0], &both.models[1]));
    assert_memory_equal(both.models[0].times_ms[CZ_STAGE_READ],
                        both.models[1].times_ms[CZ_STAGE_READ],
                        FEW * sizeof(double));
    cz_eval_run_fini(&alone[0]);
    cz_eval_run_fini(&alone[1]);
    cz_eval_run_fini(&both);
}

/* Ctrl-C after a few images. */
static bool stop_early(void *user, const char *stage, size_t done, size_t total)
{
    (void)user, (void)stage;
    assert_int_equal(total, SIXTY_FOUR);
    return done < FEW;
}

static void keeps_the_same_images_of_all_models_when_stopped(void **state)
{
    (void)state;
    const struct cz_progress progress = {.tick = stop_early};
    const char *const same[] = {models[1], models[1]};
    struct cz_eval_options options = options_for(2, 2);
    struct cz_eval_run run;
    options.models = same;
    options.progress = &progress;
    assert_ok(cz_eval_run(&run, coco, &options, cz_test_error()));
    assert_true(run.interrupted);
    assert_true(run.n_images >= FEW && run.n_images < SIXTY_FOUR);
    assert_same(&run.models[0], &run.models[1]);
    cz_eval_run_fini(&run);
}

/* Ctrl-C when there is nothing left to do. */
static bool stop_at_the_end(void *user, const char *stage, size_t done,
                            size_t total)
{
    bool *was_at_end = user;
    (void)stage;
    *was_at_end = *was_at_end || done == total;
    return done < total;
}

static void is_whole_when_stopped_behind_the_last_image(void **state)
{
    (void)state;
    bool was_at_end = false;
    const struct cz_progress progress = {.tick = stop_at_the_end,
                                         .user = &was_at_end};
    int64_t ids[FEW];
    struct cz_eval_options options = options_for(1, 2);
    struct cz_eval_run run;
    pick_few(&options, ids);
    options.progress = &progress;
    assert_ok(cz_eval_run(&run, coco, &options, cz_test_error()));
    assert_true(was_at_end);
    assert_int_equal(run.n_images, FEW);
    assert_false(run.interrupted);
    cz_eval_run_fini(&run);
}

static void names_the_model_that_cannot_be_opened(void **state)
{
    (void)state;
    const char *const bad[] = {models[0], "none.onnx"};
    struct cz_eval_options options = options_for(2, 1);
    struct cz_eval_run run;
    options.models = bad;
    assert_error(cz_eval_run(&run, coco, &options, cz_test_error()), CZ_EIO,
                 "none.onnx");
    cz_eval_run_fini(&run);
}

static void wants_the_images(void **state)
{
    (void)state;
    struct cz_eval_options options = options_for(2, 2);
    struct cz_eval_run run;
    options.images = "nowhere/";
    assert_error(cz_eval_run(&run, coco, &options, cz_test_error()), CZ_EIO,
                 "nowhere/");
    cz_eval_run_fini(&run);
    options.strict = false;
    assert_ok(cz_eval_run(&run, coco, &options, cz_test_error()));
    assert_int_equal(run.n_skipped, SIXTY_FOUR);
    assert_int_equal(run.n_images, 0);
    cz_eval_run_fini(&run);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds_the_same_alone_and_in_turn),
        cmocka_unit_test(keeps_the_same_images_of_all_models_when_stopped),
        cmocka_unit_test(is_whole_when_stopped_behind_the_last_image),
        cmocka_unit_test(names_the_model_that_cannot_be_opened),
        cmocka_unit_test(wants_the_images),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}

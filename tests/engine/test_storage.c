/* What kernels keep while they are prepared: the store of packed weights,
 * working memory, and the model's weights that a plan gives up for them. */
#include <sys/mman.h>

#include "core/alloc.h"
#include "engine/simd_internal.h"
#include "engine/storage_internal.h"
#include "tests/support/plan.h"
#include "tests/support/rewrite.h"

/* ---- the store -------------------------------------------------------- */

static void assert_zeros(const float *floats, size_t count)
{
    assert_non_null(floats);
    assert_int_equal((uintptr_t)floats % CZ_SIMD_ALIGN_BYTES, 0);
    for (size_t i = 0; i < count; i++)
        assert_true(floats[i] == 0);
}

static void fill(float *floats, size_t count, float value)
{
    for (size_t i = 0; i < count; i++)
        floats[i] = value;
}

static void gives_aligned_zeros_one_behind_the_other(void **state)
{
    (void)state;
    struct cz_store *store = cz_store_new();
    assert_int_equal(cz_store_bytes(store), 0);
    float *a = cz_store_floats(store, 3);
    float *b = cz_store_floats(store, 100);
    assert_zeros(a, 3);
    assert_zeros(b, 100);
    assert_int_equal((char *)b - (char *)a, CZ_SIMD_ALIGN_BYTES);
    assert_int_equal(cz_store_bytes(store), 64 + 448);
    cz_store_free(store);
}

static void gives_zeros_again_after_going_back(void **state)
{
    (void)state;
    struct cz_store *store = cz_store_new();
    float *kept = cz_store_floats(store, 16);
    fill(kept, 16, 7);
    const size_t before = cz_store_bytes(store);
    fill(cz_store_floats(store, 1000), 1000, 1);
    cz_store_rewind(store, before);
    fill(cz_store_floats(store, 100), 100, 2);
    cz_store_rewind(store, before);
    assert_int_equal(cz_store_bytes(store), before);
    assert_zeros(cz_store_floats(store, 2000), 2000);
    assert_true(kept[15] == 7);
    cz_store_free(store);
}

/* More than a block has room for, and back. */
static void begins_another_block_when_one_is_full(void **state)
{
    (void)state;
    const size_t count = (size_t)24 << 20;
    struct cz_store *store = cz_store_new();
    float *first = cz_store_floats(store, 16);
    fill(first, 16, 7);
    const size_t before = cz_store_bytes(store);
    float *second = cz_store_floats(store, count);
    assert_non_null(second);
    second[0] = second[count - 1] = 1;
    assert_int_equal(cz_store_bytes(store), before + count * sizeof(float));
    cz_store_rewind(store, before);
    assert_int_equal(cz_store_bytes(store), before);
    fill(cz_store_floats(store, 16), 16, 8);
    cz_store_close(store);
    assert_true(first[0] == 7 && first[15] == 7 && first[16] == 8);
    cz_store_free(store);
}

/* A block that nothing is left in is given back once: what is mapped at its
 * address afterwards stays. */
static void gives_back_a_block_without_content_once(void **state)
{
    (void)state;
    struct cz_store *store = cz_store_new();
    float *first = cz_store_floats(store, 16);
    assert_non_null(first);
    cz_store_rewind(store, 0);
    cz_store_close(store);
    const int protection = PROT_READ | PROT_WRITE;
    const int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE;
    char *other = mmap(first, 4096, protection, flags, -1, 0);
    assert_ptr_equal(other, first);
    cz_store_free(store);
    assert_int_equal(msync(other, 4096, MS_ASYNC), 0);
    munmap(other, 4096);
}

static void refuses_more_than_can_be_addressed(void **state)
{
    (void)state;
    struct cz_store *store = cz_store_new();
    struct cz_scratch *scratch = cz_scratch_new(2);
    assert_null(cz_store_floats(store, SIZE_MAX / 2));
    assert_null(cz_store_floats(store, SIZE_MAX / sizeof(float)));
    assert_false(cz_scratch_reserve(scratch, SIZE_MAX));
    assert_false(cz_scratch_reserve(scratch, SIZE_MAX / 8));
    assert_null(cz_store_floats(NULL, 1));
    assert_false(cz_scratch_reserve(NULL, 1));
    cz_store_free(store);
    cz_scratch_free(scratch);
}

/* ---- working memory --------------------------------------------------- */

static void lends_each_thread_a_slot_of_its_own(void **state)
{
    (void)state;
    struct cz_scratch *scratch = cz_scratch_new(3);
    float *slots[3];
    assert_true(cz_scratch_reserve(scratch, 10));
    assert_true(cz_scratch_reserve(scratch, 1000));
    assert_true(cz_scratch_reserve(scratch, 20)); /* keeps the larger ones */
    for (size_t i = 0; i < 3; i++) {
        slots[i] = cz_scratch_take(scratch);
        assert_int_equal((uintptr_t)slots[i] % CZ_SIMD_ALIGN_BYTES, 0);
        fill(slots[i], 1000, (float)i);
    }
    for (size_t i = 0; i < 3; i++)
        assert_true(slots[i][0] == (float)i && slots[i][999] == (float)i);
    cz_scratch_give(scratch, slots[1]);
    assert_ptr_equal(cz_scratch_take(scratch), slots[1]);
    cz_scratch_free(scratch);
}

static void keeps_its_slots_where_there_are_no_larger_ones(void **state)
{
    (void)state;
    struct cz_scratch *scratch = cz_scratch_new(1);
    assert_true(cz_scratch_reserve(scratch, 1 << 20));
    cz_alloc_fail_only(1);
    assert_false(cz_scratch_reserve(scratch, 1 << 22));
    assert_true(cz_scratch_reserve(scratch, 20));
    cz_alloc_fail_at(0);
    float *slot = cz_scratch_take(scratch);
    assert_non_null(slot);
    fill(slot, 1 << 20, 3);
    cz_scratch_give(scratch, slot);
    cz_scratch_free(scratch);
}

/* ---- the model's weights ---------------------------------------------- */

/* `t` is packed, by two readers; `v` too, but another reads it as it is; only a
 * pass reads `w` and `u`; `k` is read in each frame. */
#define MODEL                                                                  \
    "in x f32[1,16,9,9]; const w f32[16,16,3,3] random; "                      \
    "const v f32[16,16,1,1] random; const u f32[16] random; "                  \
    "const t f32[16,16,1,1] random; "                                          \
    "const k f32[1,16,9,9] random; const one f32[16] 1 1 1 1 1 1 1 1 1 1 1 1 " \
    "1 1 1 1; a = Conv(x, w) pads=[1,1,1,1]; "                                 \
    "b = BatchNormalization(a, u, u, u, one); c = Conv(b, v); "                \
    "d = Mul(c, k); e = Add(v, v); f = Conv(c, t); g = Conv(f, t); out d; "    \
    "out e; out g"

static struct cz_plan *compile(struct cz_model *model, bool takes_weights)
{
    struct cz_plan_options options = CZ_PLAN_OPTIONS_INIT;
    struct cz_plan *plan;
    options.threads = 1;
    options.kernels = "-onednn";
    options.passes = "-fold";
    options.takes_weights = takes_weights;
    assert_ok(cz_plan_compile(&plan, model, &options, cz_test_error()));
    cz_test_random_frame(plan, 1);
    return plan;
}

/* The image of a Conv is read in each frame even where it is a constant. */
static void keeps_an_image_that_is_a_constant(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "in x f32[1,16,8,8]; const k f32[1,16,8,8] random; "
        "const w f32[16,16,3,3] random; c = Conv(k, w) pads=[1,1,1,1]; "
        "y = Add(c, x); out y",
        "in x f32[1,32,8,8]; const k f32[1,3,10,10] random; "
        "const w f32[32,3,3,3] random; c = Conv(k, w); y = Add(c, x); out y",
        "in x f32[1,4,8,8]; const k f32[1,4,4,4] random; "
        "const w f32[4,4,2,2] random; c = ConvTranspose(k, w) strides=[2,2]; "
        "y = Add(c, x); out y"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        struct cz_model *model = cz_test_graph(texts[i]);
        struct cz_model *whole = cz_test_graph(texts[i]);
        struct cz_plan *plan = compile(model, true);
        struct cz_plan *want = cz_test_compile(whole, "none", NULL);
        cz_test_random_frame(want, 1);
        assert_true(cz_test_difference(plan, want) <= CZ_TEST_OTHER_KERNELS);
        cz_plan_free(plan);
        cz_plan_free(want);
        cz_model_free(model);
        cz_model_free(whole);
    }
}

static bool is_dropped(struct cz_model *model, const char *name)
{
    struct cz_elements elements;
    struct cz_tensor *tensor = cz_test_value(model, name)->constant;
    enum cz_status status =
        cz_tensor_elements(tensor, &elements, cz_test_error());
    assert_true(status == CZ_OK || status == CZ_EINVAL);
    return status != CZ_OK;
}

static void gives_up_the_weights_that_no_step_reads(void **state)
{
    (void)state;
    struct cz_model *model = cz_test_graph(MODEL);
    struct cz_model *whole = cz_test_graph(MODEL);
    struct cz_plan *plan = compile(model, true), *want = compile(whole, false);
    assert_true(is_dropped(model, "t"));
    assert_true(is_dropped(model, "w"));
    assert_true(is_dropped(model, "u"));
    assert_false(is_dropped(model, "v"));
    assert_false(is_dropped(model, "k"));
    assert_false(is_dropped(whole, "w"));
    assert_true(cz_test_difference(plan, want) == 0);
    cz_plan_free(plan);
    cz_plan_free(want);
    cz_model_free(model);
    cz_model_free(whole);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gives_aligned_zeros_one_behind_the_other),
        cmocka_unit_test(gives_zeros_again_after_going_back),
        cmocka_unit_test(begins_another_block_when_one_is_full),
        cmocka_unit_test(gives_back_a_block_without_content_once),
        cmocka_unit_test(refuses_more_than_can_be_addressed),
        cmocka_unit_test(lends_each_thread_a_slot_of_its_own),
        cmocka_unit_test(keeps_its_slots_where_there_are_no_larger_ones),
        cmocka_unit_test(keeps_an_image_that_is_a_constant),
        cmocka_unit_test(gives_up_the_weights_that_no_step_reads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Error codes and messages. */
#include "tests/support/support.h"

static enum cz_status fail_with(enum cz_status status, bool *went_on)
{
    CZ_TRY(status);
    *went_on = true;
    return CZ_OK;
}

static void fills_in_code_and_message(void **state)
{
    (void)state;
    struct cz_error err = CZ_ERROR_INIT;
    assert_int_equal(err.code, CZ_OK);
    assert_string_equal(err.message, "");
    assert_int_equal(cz_error_set(&err, CZ_ESHAPE, "%s has %d", "x", 3),
                     CZ_ESHAPE);
    assert_int_equal(err.code, CZ_ESHAPE);
    assert_string_equal(err.message, "x has 3");
}

static void needs_no_struct_to_give_the_code(void **state)
{
    (void)state;
    assert_int_equal(cz_error_set(NULL, CZ_EIO, "%d", 1), CZ_EIO);
}

static void puts_the_context_before_the_message(void **state)
{
    (void)state;
    struct cz_error err;
    cz_error_set(&err, CZ_EPARSE, "is empty");
    assert_int_equal(cz_error_prefix(&err, CZ_EPARSE, "model.onnx"), CZ_EPARSE);
    assert_string_equal(err.message, "model.onnx: is empty");
    assert_int_equal(err.code, CZ_EPARSE);
}

static void says_no_context_twice(void **state)
{
    (void)state;
    struct cz_error err;
    cz_error_set(&err, CZ_EINVAL, "m.onnx: has 2 inputs");
    cz_error_prefix(&err, CZ_EINVAL, "m.onnx");
    assert_string_equal(err.message, "m.onnx: has 2 inputs");
    cz_error_prefix(&err, CZ_EINVAL, "m.on");
    assert_string_equal(err.message, "m.on: m.onnx: has 2 inputs");
}

static void cuts_what_does_not_fit(void **state)
{
    (void)state;
    struct cz_error err;
    char text[2 * sizeof err.message];
    memset(text, 'a', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    cz_error_set(&err, CZ_EIO, "%s", text);
    assert_int_equal(strlen(err.message), sizeof err.message - 1);
    cz_error_prefix(&err, CZ_EIO, "file");
    assert_int_equal(strlen(err.message), sizeof err.message - 1);
    assert_int_equal(strncmp(err.message, "file: aaa", 9), 0);
    cz_error_prefix(&err, CZ_EIO, text);
    assert_int_equal(strlen(err.message), sizeof err.message - 1);
    assert_int_equal(err.code, CZ_EIO);
}

static void goes_on_only_after_success(void **state)
{
    (void)state;
    bool went_on = false;
    assert_int_equal(fail_with(CZ_ENOMEM, &went_on), CZ_ENOMEM);
    assert_false(went_on);
    assert_int_equal(fail_with(CZ_OK, &went_on), CZ_OK);
    assert_true(went_on);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fills_in_code_and_message),
        cmocka_unit_test(needs_no_struct_to_give_the_code),
        cmocka_unit_test(puts_the_context_before_the_message),
        cmocka_unit_test(says_no_context_twice),
        cmocka_unit_test(cuts_what_does_not_fit),
        cmocka_unit_test(goes_on_only_after_success),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

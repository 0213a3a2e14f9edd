/* What cmocka tests share: files, models, folders.
 *
 * These helpers end the test with a message when they fail, so that a test
 * reads as what it is about. tests/run sets the variables that they look at:
 * $MODELS (made by tests/models), $SHARED (absent where there is none). */
#ifndef CZ_TESTS_SUPPORT_SUPPORT_H
#define CZ_TESTS_SUPPORT_SUPPORT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h> /* needs four of the above */

#include "core/error.h"
#include "onnx/onnx.h"

/* Fails the test with the message when a call does not give CZ_OK. */
#define assert_ok(expr)                                                        \
    do {                                                                       \
        struct cz_error *assert_ok_err_ = cz_test_error();                     \
        if ((expr) != CZ_OK)                                                   \
            fail_msg("%s: %s", #expr, assert_ok_err_->message);                \
    } while (0)

/* Fails the test unless a call gives `status` and a message with `text`. */
#define assert_error(expr, status, text)                                       \
    do {                                                                       \
        struct cz_error *assert_error_err_ = cz_test_error();                  \
        assert_int_equal((expr), (status));                                    \
        if (!strstr(assert_error_err_->message, (text)))                       \
            fail_msg("\"%s\" is not in: %s", (text),                           \
                     assert_error_err_->message);                              \
    } while (0)

/* The error to hand to what is called inside assert_ok() and assert_error();
 * empty at first. */
struct cz_error *cz_test_error(void);

/* $MODELS/name. The text is good until the next calls: four are kept. */
const char *cz_test_model(const char *name);

/* $SHARED/name; skips the test where there is no shared data. */
const char *cz_test_shared(const char *name);

/* folder/name, kept like the others. */
const char *cz_test_path(const char *folder, const char *name);

/* A new empty folder; remove it, with all that is in it, with
 * cz_test_folder_remove(). */
char *cz_test_folder_new(void);
void cz_test_folder_remove(char *folder);

bool cz_test_file_exists(const char *path);

/* The content of a file; cz_free() it. A NUL follows the last byte. */
char *cz_test_file_read(const char *path, size_t *size);
void cz_test_file_write(const char *path, const void *bytes, size_t size);
void assert_files_equal(const char *path, const char *other);

/* Loads a model or fails with the message; cz_model_free() it. */
struct cz_model *cz_test_load(const char *path);

/* Saves and loads again; frees the first. Fails when the view of what was
 * saved is not the view of what was in memory. */
struct cz_model *cz_test_reload(struct cz_model *model);

/* The node or value of the main graph with this name; fails when there is
 * none. */
struct cz_node *cz_test_node(struct cz_model *model, const char *name);
struct cz_value *cz_test_value(struct cz_model *model, const char *name);

/* Limits kernels, by CZ_CPU, to level i of those that differ on this processor;
 * its name. NULL behind the last, without a limit. */
const char *cz_test_limit_cpu(size_t i);

#endif

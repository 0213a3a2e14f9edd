/* Charts: steps of an axis, names that are escaped, the greatest bars named. */
#include <stdio.h>
#include <string.h>

#include "app/plot.h"
#include "core/alloc.h"
#include "tests/support/support.h"

static void steps_are_round(void **state)
{
    (void)state;
    static const struct {
        double value, step;
    } rows[] = {{1, 0.2}, {0.77, 0.2}, {6, 1},          {6.1, 2},
                {13, 5},  {0, 1},      {0.0042, 0.001}, {900, 200}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const double step = app_plot_step(rows[i].value, 6);
        if (step < rows[i].step * 0.999 || step > rows[i].step * 1.001)
            fail_msg("%g: %g, want %g", rows[i].value, step, rows[i].step);
    }
}

static char *plot_of(const struct app_plot_bar *bars, size_t n_bars)
{
    const struct app_plot plot = {.title = "<one> & \"two\"",
                                  .y_label = "y",
                                  .x_label = "x",
                                  .bars = bars,
                                  .n_bars = n_bars};
    char *folder = cz_test_folder_new();
    const char *path = cz_test_path(folder, "plot.svg");
    size_t size;
    assert_ok(app_plot_save(&plot, path, false, cz_test_error()));
    assert_error(app_plot_save(&plot, path, false, cz_test_error()), CZ_EINVAL,
                 "plot.svg");
    char *text = cz_test_file_read(path, &size);
    cz_test_folder_remove(folder);
    return text;
}

static size_t count(const char *text, const char *word)
{
    size_t found = 0;
    for (; (text = strstr(text, word)) != NULL; text++)
        found++;
    return found;
}

static void escapes_what_is_markup(void **state)
{
    (void)state;
    const struct app_plot_bar bars[] = {{"a<b>&\"\x01\xff", 2}};
    char *text = plot_of(bars, 1);
    assert_non_null(strstr(text, "&lt;one&gt; &amp; &quot;two&quot;"));
    assert_non_null(strstr(text, "<title>a&lt;b&gt;&amp;&quot;?\?: 2</title>"));
    assert_int_equal(count(text, "<script"), 0);
    cz_free(text);
}

static void names_the_greatest(void **state)
{
    (void)state;
    struct app_plot_bar bars[30];
    for (size_t i = 0; i < 30; i++)
        bars[i] = (struct app_plot_bar){"n", (double)(i % 15)};
    bars[7].name = "largest";
    bars[7].value = 99;
    char *text = plot_of(bars, 30);
    assert_int_equal(count(text, "<rect "), 30);
    assert_int_equal(count(text, "class=\"worst\""), APP_PLOT_NAMED);
    assert_int_equal(count(text, "class=\"name\">largest<"), 1);
    assert_int_equal(count(text, "class=\"name\">"), APP_PLOT_NAMED);
    cz_free(text);
}

/* No bar, bars of nothing, and what is no number. */
static void draws_nothing_great(void **state)
{
    (void)state;
    const struct app_plot_bar bars[] = {{"a", 0}, {"b", -1}, {"c", 0.0 / 0.0}};
    char *text = plot_of(NULL, 0);
    assert_int_equal(count(text, "<rect "), 0);
    cz_free(text);
    text = plot_of(bars, 3);
    assert_int_equal(count(text, "<rect "), 3);
    assert_int_equal(count(text, "class=\"worst\""), 0);
    assert_int_equal(count(text, "height=\"nan\""), 0);
    cz_free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(steps_are_round),
        cmocka_unit_test(escapes_what_is_markup),
        cmocka_unit_test(names_the_greatest),
        cmocka_unit_test(draws_nothing_great),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

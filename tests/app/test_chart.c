/* Charts of numbers: axes with round ends around all points, names that are
 * escaped, nothing that is not a number. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "app/chart.h"
#include "core/alloc.h"
#include "tests/support/support.h"

#define BYTES 16384

/* The chart as text, NUL at its end. */
static void draw(char text[BYTES], const struct app_chart *chart)
{
    memset(text, 0, BYTES);
    FILE *file = fmemopen(text, BYTES, "w");
    assert_non_null(file);
    app_chart_print(file, chart);
    assert_int_equal(0, fclose(file));
    assert_true(strlen(text) < BYTES - 1);
}

static size_t count(const char *text, const char *part)
{
    size_t n = 0;
    for (const char *at = text; (at = strstr(at, part)); at += strlen(part))
        n++;
    return n;
}

/* The place of the first circle, and whether all are within the view. */
static void check_circles(const char *text, size_t wanted)
{
    size_t n = 0;
    for (const char *at = text; (at = strstr(at, " cx=\"")); at++) {
        double x, y;
        assert_int_equal(2, sscanf(at, " cx=\"%lf\" cy=\"%lf\"", &x, &y));
        assert_true(x >= 60 && x <= 640 && y >= 60 && y <= 520);
        n++;
    }
    assert_int_equal(wanted, n);
}

static void points_are_within(void **state)
{
    (void)state;
    static const double scales[] = {1e-9, 1, 12345, 1e12};
    char text[BYTES];
    for (size_t i = 0; i < sizeof scales / sizeof *scales; i++) {
        const double s = scales[i];
        struct app_chart_point points[] = {
            {1 * s, -3 * s}, {2 * s, 5 * s}, {1.5 * s, 0}};
        const struct app_chart_series series[] = {
            {"a", APP_CHART_POINTS, points, 3, 4},
            {"b", APP_CHART_LINE, points, 2, 1}};
        draw(text, &(struct app_chart){.title = "t",
                                       .x_label = "x",
                                       .y_label = "y",
                                       .series = series,
                                       .n_series = 2});
        check_circles(text, 3 + 2 + 2); /* and two in the list */
        assert_int_equal(3 + 1, count(text, "class=\"point s4\""));
        assert_int_equal(2 + 1, count(text, "class=\"point s1\""));
        assert_int_equal(1, count(text, "<path"));
        assert_null(strstr(text, "nan"));
        assert_null(strstr(text, "inf"));
    }
}

/* One point alone, and points with one x, have axes, too. */
static void has_axes_without_a_range(void **state)
{
    (void)state;
    char text[BYTES];
    struct app_chart_point points[] = {{5, 0.4}, {5, 0.4}};
    const struct app_chart_series series[] = {
        {"a", APP_CHART_POINTS, points, 1, 0},
        {"b", APP_CHART_LINE, points, 2, 1}};
    for (size_t n = 0; n <= 2; n++) {
        draw(text, &(struct app_chart){.title = "t",
                                       .x_label = "x",
                                       .y_label = "y",
                                       .y_from_zero = n == 1,
                                       .series = series,
                                       .n_series = n});
        assert_true(count(text, "class=\"grid\"") >= 3);
        assert_null(strstr(text, "nan"));
        assert_null(strstr(text, "inf"));
    }
}

static void escapes_names_and_lists_no_front(void **state)
{
    (void)state;
    char text[BYTES];
    struct app_chart_point points[] = {{1, 1}, {2, 2}};
    const struct app_chart_series series[] = {
        {"<a & \"b\">", APP_CHART_STEPS, points, 2, 0},
        {"front", APP_CHART_FRONT, points, 2, 1}};
    draw(text, &(struct app_chart){.title = "</title>",
                                   .x_label = "x",
                                   .y_label = "y",
                                   .series = series,
                                   .n_series = 2});
    assert_null(strstr(text, "<a &"));
    assert_non_null(strstr(text, "&lt;a &amp; "));
    assert_int_equal(1, count(text, "</title>"));
    assert_int_equal(1, count(text, "class=\"front\""));
    assert_null(strstr(text, ">front<"));
}

/* The heights of the names in the list, two at most in a line. */
static void check_list(const char *name, bool is_one_column)
{
    char text[BYTES];
    struct app_chart_point points[] = {{1, 1}, {2, 2}};
    const struct app_chart_series series[] = {
        {name, APP_CHART_LINE, points, 2, 0},
        {"b", APP_CHART_LINE, points, 2, 1}};
    double x[2], y[2];
    draw(text, &(struct app_chart){.title = "t",
                                   .x_label = "x",
                                   .y_label = "y",
                                   .series = series,
                                   .n_series = 2});
    const char *at = text;
    for (size_t i = 0; i < 2; i++, at++) {
        at = strstr(at, "class=\"name\"");
        assert_non_null(at);
        while (*at != '<')
            at--;
        assert_int_equal(2,
                         sscanf(at, "<text x=\"%lf\" y=\"%lf\"", &x[i], &y[i]));
        at = strstr(at, "class=\"name\"");
    }
    assert_int_equal(is_one_column, y[1] > y[0]);
    assert_int_equal(is_one_column, x[1] <= x[0]);
}

static void long_names_have_a_line_each(void **state)
{
    (void)state;
    check_list("a", false);
    check_list("a-name-of-sixty-letters-which-is-longer-than-half-of-a-chart",
               true);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(points_are_within),
        cmocka_unit_test(has_axes_without_a_range),
        cmocka_unit_test(escapes_names_and_lists_no_front),
        cmocka_unit_test(long_names_have_a_line_each),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

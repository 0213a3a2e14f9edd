/* See precision.h. */
#include "app/precision.h"

#include <stdio.h>
#include <string.h>

#include "app/app.h"
#include "app/text.h"

/* ---- the command line ------------------------------------------------- */

bool app_parse_precision(enum cz_precision *precision, const char *command,
                         const char *text)
{
    for (int p = 0; p < CZ_PRECISION_COUNT; p++) {
        *precision = (enum cz_precision)p;
        if (strcmp(text, cz_precision_name(*precision)) == 0)
            return true;
    }
    app_usage_error(command,
                    "--precision %s: want float32, bf16, fp16 or auto; what is "
                    "stored as float16 is widened on load",
                    text);
    return false;
}

bool app_parse_precisions(enum cz_precision precisions[CZ_PRECISION_COUNT],
                          size_t *count, const char *command, char *text)
{
    *count = 0;
    for (char *end = text; end; text = end + 1) {
        enum cz_precision precision;
        end = strchr(text, ',');
        if (end)
            *end = 0;
        if (!app_parse_precision(&precision, command, text))
            return false;
        for (size_t i = 0; i < *count; i++) {
            if (precisions[i] == precision) {
                app_usage_error(command, "--precision: %s twice", text);
                return false;
            }
        }
        precisions[(*count)++] = precision;
    }
    return true;
}

/* ---- the report ------------------------------------------------------- */

const char *app_precision_text(char text[APP_PRECISION_BYTES],
                               const struct cz_precision_report *r)
{
    const bool is_fp16 =
        r->asked == CZ_PRECISION_FP16 || r->in_fp16 > r->in_bf16;
    char other[64] = "";
    if (r->asked == CZ_PRECISION_FP16 && r->missing) {
        snprintf(text, APP_PRECISION_BYTES,
                 "fp16: all convolutions in float32, as this CPU has no %s",
                 r->missing);
        return text;
    }
    if (r->in_bf16 && r->in_fp16)
        snprintf(other, sizeof other, " and %zu in %s",
                 is_fp16 ? r->in_bf16 : r->in_fp16, is_fp16 ? "bf16" : "fp16");
    const char *chosen = "as asked";
    if (r->asked == CZ_PRECISION_AUTO)
        chosen = r->is_timed ? "as timed" : "as nothing is timed (--tune)";
    const bool is_slow =
        r->asked == CZ_PRECISION_BF16 && r->missing && r->in_bf16;
    if (!r->in_bf16 && !r->in_fp16 && r->asked == CZ_PRECISION_AUTO) {
        snprintf(text, APP_PRECISION_BYTES,
                 "auto: all convolutions in float32, %s%s%s", chosen,
                 r->missing ? "; this CPU has no " : "",
                 r->missing ? r->missing : "");
        return text;
    }
    snprintf(text, APP_PRECISION_BYTES,
             "%s: %zu of %zu convolutions in %s%s, %s%s%s%s",
             cz_precision_name(r->asked), is_fp16 ? r->in_fp16 : r->in_bf16,
             r->convolutions, is_fp16 ? "fp16" : "bf16", other, chosen,
             r->missing ? "; this CPU has no " : "",
             r->missing ? r->missing : "",
             is_slow ? ": float32 is likely to be faster" : "");
    return text;
}

json_t *app_precision_json(const struct cz_precision_report *r)
{
    char text[APP_PRECISION_BYTES];
    if (!r)
        return json_null();
    json_t *object = json_object();
    json_object_set_new(object, "precision",
                        json_string(cz_precision_name(r->asked)));
    json_object_set_new(object, "convolutions",
                        app_json_count(r->convolutions));
    json_object_set_new(object, "bf16", app_json_count(r->in_bf16));
    json_object_set_new(object, "fp16", app_json_count(r->in_fp16));
    json_object_set_new(object, "native", json_boolean(!r->missing));
    json_object_set_new(object, "why",
                        json_string(app_precision_text(text, r)));
    return object;
}

json_t *app_plan_json(const struct cz_plan *plan)
{
    if (!plan)
        return json_null();
    const struct cz_precision_report report = cz_plan_precision(plan);
    return app_precision_json(&report);
}

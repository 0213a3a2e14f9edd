/* See prune_options.h. */
#include "app/prune_options.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app/app.h"
#include "app/arguments.h"
#include "core/alloc.h"

bool app_prune_options_init(struct app_prune_options *options, int argc)
{
    *options = (struct app_prune_options){.prune = CZ_PRUNE_OPTIONS_INIT,
                                          .importance = CZ_CHANNELS_TRIAL};
    /* No option comes more often than there are arguments. */
    options->prune.rules =
        cz_calloc((size_t)argc + 1, sizeof *options->prune.rules);
    options->prune.skip =
        cz_calloc((size_t)argc + 1, sizeof *options->prune.skip);
    return options->prune.rules && options->prune.skip;
}

void app_prune_options_fini(struct app_prune_options *options)
{
    cz_free((void *)options->prune.rules);
    cz_free((void *)options->prune.skip);
}

bool app_is_prune_option(int option)
{
    return option >= APP_OPTION_PRUNE && option < APP_OPTION_PRUNE_END;
}

bool app_prune_needs_images(const struct app_prune_options *options)
{
    return options->recover || options->is_auto ||
           (app_prune_cuts(options) && options->importance != CZ_CHANNELS_L1);
}

bool app_prune_cuts(const struct app_prune_options *options)
{
    return options->channels > 0 || options->target_macs > 0 ||
           options->target_ms > 0;
}

bool app_prune_zeroes(const struct app_prune_options *options)
{
    const struct cz_prune_options *prune = &options->prune;
    return options->has_sparsity || prune->n_rules > 0 || prune->nm.m > 0;
}

const char *app_prune_images_option(const struct app_prune_options *options)
{
    if (options->channels > 0)
        return "--channels";
    if (options->target_macs > 0)
        return "--target-macs";
    if (options->target_ms > 0)
        return "--target-ms";
    if (options->mask == CZ_RECOVER_MASK_OBS)
        return "--prune-method obs";
    return options->recover ? "--recover lsq" : "--sparsity auto";
}

const char *app_prune_method_name(const struct app_prune_options *options)
{
    if (options->mask == CZ_RECOVER_MASK_OBS)
        return "obs";
    return options->prune.scope == CZ_PRUNE_GLOBAL ? "l1-global" : "l1";
}

/* ---- one option ------------------------------------------------------- */

bool app_parse_sparsity(double *sparsity, const char *option, const char *text)
{
    char *end;
    *sparsity = strtod(text, &end);
    if (end != text && !*end && *sparsity >= 0 && *sparsity < 1)
        return true;
    bool is_percent = end != text && (!*end || strcmp(end, "%") == 0) &&
                      *sparsity > 1 && *sparsity < 100;
    if (is_percent)
        app_usage_error("compress",
                        "%s %s: want a fraction, 0 <= P < 1; for %g %% that "
                        "is %g",
                        option, text, *sparsity, *sparsity / 100);
    else
        app_usage_error("compress",
                        "%s %s: want a fraction, 0 <= P < 1, such as 0.05",
                        option, text);
    return false;
}

/* Splits PATTERN=P at its last '='. The pattern stays in `argument`. */
static bool add_rule(struct cz_prune_options *prune, char *argument)
{
    struct cz_prune_rule *rules = (struct cz_prune_rule *)prune->rules;
    char *equals = strrchr(argument, '=');
    if (!equals || equals == argument) {
        app_usage_error("compress",
                        "--sparsity-of %s: want PATTERN=P, such as "
                        "'/model.22/*=0.5'",
                        argument);
        return false;
    }
    *equals = 0;
    rules[prune->n_rules].pattern = argument;
    return app_parse_sparsity(&rules[prune->n_rules++].sparsity,
                              "--sparsity-of", equals + 1);
}

/* One of two words; prints that it is neither. */
static bool parse_word(bool *is_second, const char *option,
                       const char *const words[2], const char *text)
{
    *is_second = strcmp(text, words[1]) == 0;
    if (*is_second || strcmp(text, words[0]) == 0)
        return true;
    app_usage_error("compress", "%s %s: want %s or %s", option, text, words[0],
                    words[1]);
    return false;
}

static bool parse_scope(enum cz_prune_scope *scope, const char *text)
{
    static const char *const words[2] = {"layer", "global"};
    bool is_global;
    if (!parse_word(&is_global, "--prune-scope", words, text))
        return false;
    *scope = is_global ? CZ_PRUNE_GLOBAL : CZ_PRUNE_LAYER;
    return true;
}

static bool parse_method(struct app_prune_options *o, const char *text)
{
    const bool is_global = strcmp(text, "l1-global") == 0;
    const bool is_obs = strcmp(text, "obs") == 0;
    if (!is_obs) /* or it contradicts --prune-scope: see _check */
        o->prune.scope = is_global ? CZ_PRUNE_GLOBAL : CZ_PRUNE_LAYER;
    o->mask = is_obs ? CZ_RECOVER_MASK_OBS : CZ_RECOVER_MASK_GIVEN;
    o->recover |= is_obs;
    if (is_global || is_obs || strcmp(text, "l1") == 0)
        return true;
    app_usage_error("compress", "--prune-method %s: want l1, l1-global or obs",
                    text);
    return false;
}

static bool parse_nm(struct cz_prune_nm *nm, const char *text)
{
    char end;
    if (sscanf(text, "%zu:%zu%c", &nm->n, &nm->m, &end) == 2 && nm->n > 0 &&
        nm->n < nm->m && nm->m <= CZ_PRUNE_NM_MAX)
        return true;
    app_usage_error("compress",
                    "--nm %s: want N:M, 0 < N < M <= %d, such as 2:4", text,
                    CZ_PRUNE_NM_MAX);
    return false;
}

/* More than 0, and less than `most`. */
static bool parse_amount(double *amount, const char *option, double most,
                         const char *text)
{
    char *end;
    *amount = strtod(text, &end);
    if (end != text && !*end && *amount > 0 && *amount < most)
        return true;
    app_usage_error("compress",
                    isinf(most) ? "%s %s: want milliseconds, such as 25"
                                : "%s %s: want a fraction between 0 and 1",
                    option, text);
    *amount = 0;
    return false;
}

static bool parse_importance(struct app_prune_options *o, const char *text)
{
    o->has_importance = true;
    for (int i = 0; i < CZ_CHANNELS_IMPORTANCE_COUNT; i++) {
        o->importance = (enum cz_channels_importance)i;
        if (strcmp(text, cz_channels_importance_name(o->importance)) == 0)
            return true;
    }
    app_usage_error("compress",
                    "--importance %s: want trial, lsq, energy or "
                    "l1",
                    text);
    return false;
}

static bool parse_recover(struct app_prune_options *o, const char *text)
{
    o->recover = strcmp(text, "lsq") == 0;
    if (!o->recover)
        app_usage_error("compress", "--recover %s: want lsq, least squares",
                        text);
    return o->recover;
}

static const struct app_number clusters_number = {
    "compress", "--cluster", CZ_CLUSTERS_MIN, CZ_CLUSTERS_MAX};

bool app_parse_prune_option(struct app_prune_options *o, int option, char *text)
{
    static const char *const shares[2] = {"equal", "auto"};
    struct cz_prune_options *prune = &o->prune;
    switch (option) {
    case APP_OPTION_PRUNE:
        o->has_sparsity = true;
        return app_parse_sparsity(&prune->sparsity, "--prune", text);
    case APP_OPTION_PRUNE_METHOD:
        return parse_method(o, text);
    case APP_OPTION_PRUNE_SCOPE:
        return parse_scope(&prune->scope, text);
    case APP_OPTION_SKIP:
        ((const char **)prune->skip)[prune->n_skip++] = text;
        return true;
    case APP_OPTION_SPARSITY_OF:
        return add_rule(prune, text);
    case APP_OPTION_SPARSITY:
        return parse_word(&o->is_auto, "--sparsity", shares, text);
    case APP_OPTION_PRUNE_ALL:
        prune->prune_dfl = true;
        return true;
    case APP_OPTION_NM:
        return parse_nm(&prune->nm, text);
    case APP_OPTION_CHANNELS:
        return parse_amount(&o->channels, "--channels", 1, text);
    case APP_OPTION_TARGET_MACS:
        return parse_amount(&o->target_macs, "--target-macs", 1, text);
    case APP_OPTION_TARGET_MS:
        return parse_amount(&o->target_ms, "--target-ms", INFINITY, text);
    case APP_OPTION_IMPORTANCE:
        return parse_importance(o, text);
    case APP_OPTION_CLUSTER:
        return app_parse_number(&o->clusters, &clusters_number, text);
    default:
        return parse_recover(o, text);
    }
}

/* ---- together --------------------------------------------------------- */

bool app_prune_options_check(struct app_prune_options *o)
{
    const struct cz_prune_options *prune = &o->prune;
    const bool zeroes = app_prune_zeroes(o);
    const bool cuts = app_prune_cuts(o);
    const char *what = NULL;
    o->is_asked = zeroes || cuts || o->clusters;
    if (o->channels > 0 && o->importance == CZ_CHANNELS_TRIAL)
        o->importance = CZ_CHANNELS_LSQ; /* the same, as all give alike */
    if (!zeroes && (prune->prune_dfl || prune->scope || o->mask || o->is_auto))
        what = "--prune-all, --prune-method, --prune-scope and --sparsity go "
               "with --prune";
    else if (!o->is_asked && prune->n_skip)
        what = "--skip goes with --prune, --nm, --channels or --cluster";
    else if (!o->is_asked && o->recover)
        what = "--recover goes with --prune, --nm, --channels or --cluster";
    else if (o->has_importance && !cuts)
        what = "--importance goes with --channels, --target-macs or "
               "--target-ms";
    else if ((o->channels > 0) + (o->target_macs > 0) + (o->target_ms > 0) > 1)
        what = "--channels, --target-macs and --target-ms say the same: want "
               "one of them";
    else if (cuts && zeroes)
        what = "channels and single weights are pruned one after the other: "
               "cut channels first, then prune the result";
    else if (prune->nm.m && (o->has_sparsity || prune->n_rules))
        what = "--nm says how many weights go: leave --prune and "
               "--sparsity-of out";
    else if (prune->nm.m && prune->scope)
        what = "--nm is the same in each Conv: leave l1-global out";
    else if (prune->scope && (o->mask || o->is_auto))
        what = "--prune-scope global is for --prune-method l1 and --sparsity "
               "equal; --prune-method obs --sparsity auto does it better";
    else if (o->is_auto && !prune->nm.m && !(prune->sparsity > 0))
        what = "--sparsity auto wants --prune P, the fraction of all weights";
    o->recover |=
        cuts && o->importance != CZ_CHANNELS_L1; /* images are there */
    return !what || (app_usage_error("compress", "%s", what), false);
}

/* What pruning did, as text and as JSON; see prune.h. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "app/prune.h"
#include "app/text.h"

/* So many Convs that were left alone are named. */
#define LEFT_ALONE_MAX 3

static const struct cz_recover_layer *
find_recovered(const struct app_prune_result *r, const char *name)
{
    for (size_t i = 0; i < r->recover.n_layers; i++) {
        if (strcmp(r->recover.layers[i].name, name) == 0)
            return &r->recover.layers[i];
    }
    return NULL;
}

/* ---- text ------------------------------------------------------------- */

static void print_errors(const struct cz_recover_layer *layer)
{
    if (!layer || layer->skipped)
        printf("%10s %10s", "", "");
    else
        printf("%10.6f %10.6f", layer->before, layer->after);
}

void app_prune_report_layers(const struct app_prune_result *r)
{
    char weights[APP_NUMBER_BYTES], zeros[APP_NUMBER_BYTES];
    printf("%12s %12s %7s", "weights", "zeros", "share");
    printf(r->recover.n_layers ? " %10s %10s  Conv\n" : "  Conv\n", "error",
           "recovered");
    for (size_t i = 0; i < r->report.n_layers; i++) {
        const struct cz_prune_layer *layer = &r->report.layers[i];
        const double share =
            layer->weights ? (double)layer->zeros / (double)layer->weights : 0;
        printf("%12s %12s %6.2f%% ", app_count(weights, layer->weights),
               app_count(zeros, layer->zeros), 100 * share);
        if (r->recover.n_layers)
            print_errors(find_recovered(r, layer->name));
        putchar(' ');
        app_print_clean(stdout, layer->name);
        if (layer->skipped)
            printf("  (left alone: %s)", layer->skipped);
        putchar('\n');
    }
    putchar('\n');
}

static void print_left_alone(const struct cz_prune_report *prune)
{
    size_t count = 0;
    for (size_t i = 0; i < prune->n_layers; i++) {
        if (!prune->layers[i].skipped || ++count > LEFT_ALONE_MAX)
            continue;
        fputs("note: left alone: ", stdout);
        app_print_clean(stdout, prune->layers[i].name);
        printf(" (%s)\n", prune->layers[i].skipped);
    }
    if (count > LEFT_ALONE_MAX)
        printf("note: left alone: %zu more; --verbose lists them\n",
               count - LEFT_ALONE_MAX);
}

struct totals {
    size_t layers, channels, kept, deficient;
    double before, after; /* mean shares of the outputs' variance */
};

static struct totals add_up(const struct cz_recover_report *recover)
{
    struct totals t = {.layers = 0};
    for (size_t i = 0; i < recover->n_layers; i++) {
        const struct cz_recover_layer *layer = &recover->layers[i];
        if (layer->skipped)
            continue;
        t.layers++;
        t.channels += layer->outputs;
        t.kept += layer->kept;
        t.deficient += layer->is_deficient;
        t.before += layer->before;
        t.after += layer->after;
    }
    t.before /= t.layers ? (double)t.layers : 1;
    t.after /= t.layers ? (double)t.layers : 1;
    return t;
}

static void print_not_recovered(const struct cz_recover_report *recover)
{
    for (size_t i = 0; i < recover->n_layers; i++) {
        if (!recover->layers[i].skipped)
            continue;
        fputs("note: pruned, but not recovered: ", stdout);
        app_print_clean(stdout, recover->layers[i].name);
        printf(" (%s)\n", recover->layers[i].skipped);
    }
}

static void print_recovery(const struct app_prune_result *r)
{
    const struct totals t = add_up(&r->recover);
    printf("note: least squares on %zu images: the outputs of %zu Convs were "
           "off by %.3g %%\n      of their variance, and are by %.3g %% "
           "(means)\n",
           r->images, t.layers, 100 * t.before, 100 * t.after);
    if (t.kept)
        printf("note: %zu of %zu output channels keep their masked weights: "
               "nothing was better\n",
               t.kept, t.channels);
    if (t.deficient)
        printf("note: %zu Convs have more weights for an output than the %zu "
               "windows of these\n      images can tell: give --calib more "
               "images\n",
               t.deficient, r->images * r->windows);
    print_not_recovered(&r->recover);
}

static void print_shares(const struct cz_share *share)
{
    const struct cz_share_layer *least = NULL, *most = NULL;
    for (size_t i = 0; i < share->n_layers; i++) {
        const struct cz_share_layer *layer = &share->layers[i];
        if (!least || layer->sparsity < least->sparsity)
            least = layer;
        if (!most || layer->sparsity > most->sparsity)
            most = layer;
    }
    if (!least)
        return;
    printf("note: sparsity from %.2f (", least->sparsity);
    app_print_clean(stdout, least->weight);
    printf(") to %.2f (", most->sparsity);
    app_print_clean(stdout, most->weight);
    puts(")");
}

static void print_channels(const struct app_prune_result *r)
{
    const struct cz_channels_report *c = &r->channels;
    size_t before = 0, after = 0, whole = 0;
    for (size_t i = 0; i < c->n_layers; i++) {
        before += c->layers[i].before;
        after += c->layers[i].after;
        whole += c->layers[i].before == c->layers[i].after;
    }
    printf("note: %zu of %zu channels are left; %zu of %zu Convs keep all of "
           "theirs\n",
           after, before, whole, c->n_layers);
    if (r->before_ms > 0)
        printf("note: a frame took %.1f ms and takes %.1f ms, in the engine of "
               "this program\n",
               r->before_ms, r->after_ms);
}

static void print_clusters(const struct cz_cluster_report *cluster)
{
    size_t values = 0;
    for (size_t i = 0; i < cluster->n_layers; i++)
        values = cluster->layers[i].values > values ? cluster->layers[i].values
                                                    : values;
    printf("note: %zu Convs have at most %zu distinct weights: what that saves "
           "are bytes\n      after compression\n",
           cluster->n_clustered, values);
}

/* What least squares was about: zeros, or clusters alone. */
static void print_made_up(const struct app_prune_result *r)
{
    if (!add_up(&r->recover).layers) {
        print_not_recovered(&r->recover);
        return;
    }
    if (r->report.zeros > r->report.zeros_before || r->channels.n_layers)
        print_recovery(r);
    else
        printf("note: values fitted by least squares on %zu images\n",
               r->images);
}

void app_prune_report_notes(const struct app_prune_result *r,
                            const struct app_compress_options *o)
{
    if (!o->pruning.is_asked)
        return;
    if (!o->verbose)
        print_left_alone(&r->report);
    if (!o->pruning.prune.nm.m)
        print_shares(&r->share);
    if (r->recover.n_layers)
        print_made_up(r);
    if (r->channels.n_layers)
        print_channels(r);
    if (r->cluster.n_layers)
        print_clusters(&r->cluster);
    if (r->channels.n_layers && !r->recover.n_layers)
        puts("note: nothing makes up for what was cut, and accuracy goes with "
             "it: give\n      --calib DIR");
    puts("note: 'compress eval' tells what this costs in accuracy");
    if (o->pruning.prune.nm.m)
        puts("note: N:M sparsity is faster only where sparse tensor cores and "
             "a runtime that\n      uses them are (TensorRT on Jetson Orin, "
             "2:4), in fp16 or int8");
    else if (r->report.zeros > r->report.zeros_before)
        puts("note: scattered zeros save bytes after compression; they make "
             "no dense\n      kernel faster");
}

/* ---- JSON ------------------------------------------------------------- */

static json_t *layer_json(const struct cz_prune_layer *layer)
{
    json_t *object = json_object();
    json_object_set_new(object, "name", app_json_text(layer->name));
    json_object_set_new(object, "weight", app_json_text(layer->weight));
    json_object_set_new(object, "weights", app_json_count(layer->weights));
    json_object_set_new(object, "zeros", app_json_count(layer->zeros));
    json_object_set_new(object, "skipped", app_json_maybe(layer->skipped));
    return object;
}

static json_t *recovered_json(const struct cz_recover_layer *layer)
{
    json_t *object = json_object();
    json_object_set_new(object, "name", app_json_text(layer->name));
    json_object_set_new(object, "error_before",
                        app_json_rounded(layer->before, 1e9));
    json_object_set_new(object, "error_after",
                        app_json_rounded(layer->after, 1e9));
    json_object_set_new(object, "channels", app_json_count(layer->outputs));
    json_object_set_new(object, "channels_kept", app_json_count(layer->kept));
    json_object_set_new(object, "deficient", json_boolean(layer->is_deficient));
    json_object_set_new(object, "skipped", app_json_maybe(layer->skipped));
    return object;
}

static json_t *recover_json(const struct app_prune_result *r,
                            const struct app_compress_options *o)
{
    if (!o->pruning.recover)
        return json_null();
    json_t *object = json_object(), *layers = json_array();
    for (size_t i = 0; i < r->recover.n_layers; i++)
        json_array_append_new(layers, recovered_json(&r->recover.layers[i]));
    json_object_set_new(object, "method", json_string("lsq"));
    json_object_set_new(object, "images", app_json_count(r->images));
    json_object_set_new(object, "windows",
                        app_json_count(r->images * r->windows));
    json_object_set_new(object, "layers", layers);
    return object;
}

static json_t *channel_json(const struct cz_channels_layer *layer)
{
    json_t *object = json_object();
    json_object_set_new(object, "name", app_json_text(layer->name));
    json_object_set_new(object, "before", app_json_count(layer->before));
    json_object_set_new(object, "after", app_json_count(layer->after));
    json_object_set_new(object, "fixed", app_json_count(layer->fixed));
    json_object_set_new(object, "reason", app_json_maybe(layer->reason));
    return object;
}

static json_t *channels_json(const struct app_prune_result *r,
                             const struct app_prune_options *o)
{
    if (!app_prune_cuts(o))
        return json_null();
    json_t *object = json_object(), *layers = json_array();
    for (size_t i = 0; i < r->channels.n_layers; i++)
        json_array_append_new(layers, channel_json(&r->channels.layers[i]));
    json_object_set_new(
        object, "importance",
        json_string(cz_channels_importance_name(o->importance)));
    json_object_set_new(object, "before_ms",
                        r->before_ms > 0 ? json_real(r->before_ms)
                                         : json_null());
    json_object_set_new(object, "after_ms",
                        r->after_ms > 0 ? json_real(r->after_ms) : json_null());
    json_object_set_new(object, "layers", layers);
    return object;
}

static json_t *cluster_json(const struct app_prune_result *r,
                            const struct app_prune_options *o)
{
    if (!o->clusters)
        return json_null();
    json_t *object = json_object(), *layers = json_array();
    for (size_t i = 0; i < r->cluster.n_layers; i++) {
        const struct cz_cluster_layer *layer = &r->cluster.layers[i];
        json_t *row = json_object();
        json_object_set_new(row, "name", app_json_text(layer->name));
        json_object_set_new(row, "values", app_json_count(layer->values));
        json_object_set_new(row, "skipped", app_json_maybe(layer->skipped));
        json_array_append_new(layers, row);
    }
    json_object_set_new(object, "values", app_json_count(o->clusters));
    json_object_set_new(object, "layers", layers);
    return object;
}

static json_t *nm_json(const struct cz_prune_nm *nm)
{
    char text[64];
    snprintf(text, sizeof text, "%zu:%zu", nm->n, nm->m);
    return nm->m ? json_string(text) : json_null();
}

json_t *app_prune_report_json(const struct app_prune_result *r,
                              const struct app_compress_options *o)
{
    const struct cz_prune_options *prune = &o->pruning.prune;
    const bool is_global = prune->scope == CZ_PRUNE_GLOBAL;
    if (!o->pruning.is_asked)
        return json_null();
    json_t *object = json_object(), *layers = json_array();
    for (size_t i = 0; i < r->report.n_layers; i++)
        json_array_append_new(layers, layer_json(&r->report.layers[i]));
    json_object_set_new(object, "sparsity", json_real(prune->sparsity));
    json_object_set_new(object, "scope",
                        json_string(is_global ? "global" : "layer"));
    json_object_set_new(object, "method",
                        json_string(app_prune_method_name(&o->pruning)));
    json_object_set_new(object, "shares",
                        json_string(o->pruning.is_auto ? "auto" : "equal"));
    json_object_set_new(object, "nm", nm_json(&prune->nm));
    json_object_set_new(object, "weights", app_json_count(r->report.weights));
    json_object_set_new(object, "zeros_before",
                        app_json_count(r->report.zeros_before));
    json_object_set_new(object, "zeros", app_json_count(r->report.zeros));
    json_object_set_new(object, "layers", layers);
    json_object_set_new(object, "recover", recover_json(r, o));
    json_object_set_new(object, "channels", channels_json(r, &o->pruning));
    json_object_set_new(object, "cluster", cluster_json(r, &o->pruning));
    return object;
}

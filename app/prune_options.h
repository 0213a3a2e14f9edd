/* The options of pruning, and of what makes up for it. */
#ifndef CZ_APP_PRUNE_OPTIONS_H
#define CZ_APP_PRUNE_OPTIONS_H

#include <stdbool.h>

#include "prune/prune.h"

struct app_prune_options {
    bool is_asked;                 /* something goes */
    bool has_sparsity;             /* --prune was given */
    struct cz_prune_options prune; /* its lists are owned */
    enum cz_recover_mask mask;     /* obs: from images */
    bool is_auto;                  /* each Conv's share: from images */
    bool recover;                  /* least squares, with images */
    /* Whole channels: one of the three, the others are 0. */
    double channels;    /* the share of each set of coupled ones to go */
    double target_macs; /* the share of MACs to stay */
    double target_ms;   /* of a frame, on this machine */
    enum cz_channels_importance importance;
    bool has_importance; /* --importance was given */
    size_t clusters;     /* values of each Conv's weights; 0: any number */
};

enum {
    APP_OPTION_PRUNE = 1024,
    APP_OPTION_PRUNE_METHOD,
    APP_OPTION_PRUNE_SCOPE,
    APP_OPTION_SKIP,
    APP_OPTION_SPARSITY_OF,
    APP_OPTION_SPARSITY,
    APP_OPTION_PRUNE_ALL,
    APP_OPTION_NM,
    APP_OPTION_RECOVER,
    APP_OPTION_CHANNELS,
    APP_OPTION_TARGET_MACS,
    APP_OPTION_TARGET_MS,
    APP_OPTION_IMPORTANCE,
    APP_OPTION_CLUSTER,
    APP_OPTION_PRUNE_END,
};

#define APP_PRUNE_LONG_OPTIONS                                                 \
    {"prune", required_argument, NULL, APP_OPTION_PRUNE},                      \
        {"prune-method", required_argument, NULL, APP_OPTION_PRUNE_METHOD},    \
        {"prune-scope", required_argument, NULL, APP_OPTION_PRUNE_SCOPE},      \
        {"skip", required_argument, NULL, APP_OPTION_SKIP},                    \
        {"sparsity-of", required_argument, NULL, APP_OPTION_SPARSITY_OF},      \
        {"sparsity", required_argument, NULL, APP_OPTION_SPARSITY},            \
        {"prune-all", no_argument, NULL, APP_OPTION_PRUNE_ALL},                \
        {"nm", required_argument, NULL, APP_OPTION_NM},                        \
        {"channels", required_argument, NULL, APP_OPTION_CHANNELS},            \
        {"target-macs", required_argument, NULL, APP_OPTION_TARGET_MACS},      \
        {"target-ms", required_argument, NULL, APP_OPTION_TARGET_MS},          \
        {"importance", required_argument, NULL, APP_OPTION_IMPORTANCE},        \
        {"cluster", required_argument, NULL, APP_OPTION_CLUSTER},              \
    {                                                                          \
        "recover", required_argument, NULL, APP_OPTION_RECOVER                 \
    }

#define APP_PRUNE_HELP                                                         \
    "  --prune P             zero the fraction P (0 <= P < 1) of each "        \
    "Conv's\n"                                                                 \
    "                        weights, those of smallest magnitude\n"           \
    "  --recover lsq         then solve for the weights that remain, layer\n"  \
    "                        after layer, by least squares on --calib "        \
    "images\n"                                                                 \
    "  --prune-method M      which weights: l1 (default), of smallest\n"       \
    "                        magnitude; l1-global, one threshold over all\n"   \
    "                        Convs; obs, those that the others make up for\n"  \
    "                        best (takes --recover lsq along)\n"               \
    "  --sparsity auto       another fraction for each Conv, P of all their\n" \
    "                        weights together, where it costs least "          \
    "(likewise\n"                                                              \
    "                        from images); equal (default)\n"                  \
    "  --nm 2:4              of 4 weights in a row at most 2 stay, in place\n" \
    "                        of P: for sparse tensor cores (Jetson Orin);\n"   \
    "                        with --sparsity auto some Convs stay dense\n"     \
    "  --channels R          cut the share R of the channels, 0 < R < 1, "     \
    "with\n"                                                                   \
    "                        what is coupled to them: every runtime gets\n"    \
    "                        faster; the others make up for them, by least\n"  \
    "                        squares on --calib images\n"                      \
    "  --target-macs F       cut channels until the fraction F of the MACs "   \
    "is\n"                                                                     \
    "                        left, where that costs least\n"                   \
    "  --target-ms X         the same until a frame takes X ms here, in the\n" \
    "                        engine of this program\n"                         \
    "  --importance I        of channels: trial (default with --calib), "      \
    "lsq,\n"                                                                   \
    "                        energy, or l1 (needs no images)\n"                \
    "  --cluster K           at most K values (2 to 256) for the weights of\n" \
    "                        each Conv: fewer bytes after gzip; with\n"        \
    "                        --recover lsq fitted to the images\n"             \
    "  --prune-scope SCOPE   global: as l1-global; layer: as l1\n"             \
    "  --skip PATTERN        leave matching Convs alone (a glob on the name "  \
    "of\n"                                                                     \
    "                        the node or its weight), with channels: those\n"  \
    "                        that they make; may be repeated\n"                \
    "  --sparsity-of PATTERN=P\n"                                              \
    "                        another P for matching Convs; may be repeated\n"  \
    "  --prune-all           also the DFL convolution of YOLOv8-style "        \
    "heads,\n"                                                                 \
    "                        which holds 0..15 and no learned weights\n"

/* Room for as many patterns as there are arguments. False when there is no
 * memory. Ends with _fini in any case. */
bool app_prune_options_init(struct app_prune_options *options, int argc);
void app_prune_options_fini(struct app_prune_options *options);

/* Is it one of the above? */
bool app_is_prune_option(int option);

/* Takes one; prints what is wrong and returns false. */
bool app_parse_prune_option(struct app_prune_options *options, int option,
                            char *text);

/* Whether they go together; prints what does not and returns false. */
bool app_prune_options_check(struct app_prune_options *options);

/* Whether single weights are to become zero. */
bool app_prune_zeroes(const struct app_prune_options *options);

/* Whether channels are to be cut. */
bool app_prune_cuts(const struct app_prune_options *options);

/* Whether images are needed for it. */
bool app_prune_needs_images(const struct app_prune_options *options);

/* The option for which they are: "--recover lsq", ... */
const char *app_prune_images_option(const struct app_prune_options *options);

/* "l1", "l1-global", "obs". */
const char *app_prune_method_name(const struct app_prune_options *options);

/* A fraction of weights, 0 <= p < 1; prints what is wrong otherwise. */
bool app_parse_sparsity(double *sparsity, const char *option, const char *text);

#endif

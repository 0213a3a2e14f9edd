/* `compress MODEL --int8`: images, trials, and the quantization itself. */
#ifndef CZ_APP_INT8_H
#define CZ_APP_INT8_H

#include "app/compress_options.h"
#include "search/search.h"

struct app_int8_result {
    struct cz_int8_report report;
    struct cz_choices choices;  /* what was tried */
    size_t judged;              /* images that it was judged by */
    bool judged_calibrate;      /* too few to be held back */
    struct cz_error no_decoder; /* why outputs were compared, not boxes */
};

void app_int8_result_fini(struct app_int8_result *result);

/* Quantizes a model that has been inferred. `pruned` is a file that it is saved
 * in as it is now, NULL where the options prune it again to the same. End with
 * _fini whatever the result; the report's names live as long as the model.
 * CZ_EGATE where it loses more than --max-drop whatever is tried. */
enum cz_status app_int8_quantize(struct cz_model *model,
                                 const struct app_compress_options *options,
                                 const char *pruned,
                                 struct app_int8_result *result,
                                 struct cz_error *err);

/* What layers were judged by. */
struct app_int8_judged {
    size_t images;
    bool by_boxes; /* else by the outputs */
};

/* What each layer does in int8 or, with options->pruning.is_asked, pruned; for
 * `compress sensitivity`. */
enum cz_status app_int8_sensitivity(struct cz_sensitivity *sensitivity,
                                    const struct app_compress_options *options,
                                    struct app_int8_judged *judged,
                                    struct cz_error *err);

#endif

/* What `compress MODEL` did, as text and as JSON. */
#ifndef CZ_APP_COMPRESS_REPORT_H
#define CZ_APP_COMPRESS_REPORT_H

#include "app/compress_options.h"
#include "app/int8.h"
#include "app/prune.h"

struct app_file {
    uint64_t bytes; /* of the model and its external data */
    uint64_t gzip_bytes;
};

struct app_compress_report {
    const struct app_compress_options *options;
    bool measure_gzip; /* somebody will read the sizes after gzip */
    struct app_file input, output;
    struct cz_stats stats;  /* of the model as it came */
    struct cz_stats pruned; /* likewise, before it is quantized */
    struct cz_stats edited; /* of the model that is saved */
    uint64_t macs_nonzero;  /* after pruning */
    int64_t opset;          /* of the model that is saved */
    struct app_prune_result prune;
    struct cz_fp16_report fp16;
    struct app_int8_result int8;
    size_t packed;    /* see cz_pack_tables() */
    size_t functions; /* model-local, left alone */
    bool used_checker;
    struct {
        double load, check, prune, fp16, int8, save, total;
    } ms;
};

void app_compress_report_text(const struct app_compress_report *report);

/* Schema "compress.model/1"; see docs/formats.md. */
void app_compress_report_json(const struct app_compress_report *report);

#endif

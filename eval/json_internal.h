/* yajl, made safe where memory is short. */
#ifndef CZ_EVAL_JSON_INTERNAL_H
#define CZ_EVAL_JSON_INTERNAL_H

#include <setjmp.h>
#include <stdbool.h>
#include <stddef.h>
#include <yajl/yajl_parse.h>

struct cz_json_block;

/* Must stay where it is between _open and _close. */
struct cz_json {
    yajl_handle parser;
    struct cz_json_block *blocks; /* what yajl has; owned */
    jmp_buf no_memory;
};

enum cz_json_result {
    CZ_JSON_OK,
    CZ_JSON_SYNTAX,
    CZ_JSON_ENDED, /* by a callback */
    CZ_JSON_NO_MEMORY,
};

/* False: no memory. Ends with _close in any case. */
bool cz_json_open(struct cz_json *json, const yajl_callbacks *callbacks,
                  void *context);
void cz_json_close(struct cz_json *json);

/* The next bytes of the text; none: it is at its end. After another result
 * than OK nothing but cz_json_consumed() and _close may follow, and only _close
 * after NO_MEMORY. */
enum cz_json_result cz_json_feed(struct cz_json *json, const void *bytes,
                                 size_t size);

/* How many of the last bytes were read. */
size_t cz_json_consumed(const struct cz_json *json);

#endif

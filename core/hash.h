/* SHA-256 (nettle) of texts and files: to tell whether something changed. */
#ifndef CZ_CORE_HASH_H
#define CZ_CORE_HASH_H

#include <nettle/sha2.h>

#include "core/error.h"

#define CZ_HASH_TEXT_BYTES (2 * SHA256_DIGEST_SIZE + 1)

struct cz_hash {
    struct sha256_ctx sha;
};

void cz_hash_start(struct cz_hash *hash);

/* Texts are apart: "a", "bc" gives another hash than "ab", "c". */
void cz_hash_add_text(struct cz_hash *hash, const char *text);

/* The content of a regular file, not its name. CZ_EIO. */
enum cz_status cz_hash_add_file(struct cz_hash *hash, const char *path,
                                struct cz_error *err);

/* Writes hexadecimal digits, and starts anew. */
void cz_hash_end(char text[CZ_HASH_TEXT_BYTES], struct cz_hash *hash);

/* Of one file. */
enum cz_status cz_hash_file(char text[CZ_HASH_TEXT_BYTES], const char *path,
                            struct cz_error *err);

#endif

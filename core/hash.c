/* See hash.h. */
#include "core/hash.h"

#include <nettle/base16.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/alloc.h"
#include "core/file.h"

#define PIECE_BYTES ((size_t)1 << 18)

void cz_hash_start(struct cz_hash *hash)
{
    sha256_init(&hash->sha);
}

void cz_hash_add_text(struct cz_hash *hash, const char *text)
{
    sha256_update(&hash->sha, strlen(text) + 1, (const uint8_t *)text);
}

static enum cz_status add_pieces(struct cz_hash *hash, int fd, uint8_t *piece,
                                 const char *path, struct cz_error *err)
{
    size_t done, size = 0;
    do {
        CZ_TRY(cz_file_read(&done, fd, piece, PIECE_BYTES, path, err));
        sha256_update(&hash->sha, done, piece);
        size += done;
    } while (done == PIECE_BYTES);
    sha256_update(&hash->sha, sizeof size, (const uint8_t *)&size);
    return CZ_OK;
}

enum cz_status cz_hash_add_file(struct cz_hash *hash, const char *path,
                                struct cz_error *err)
{
    int fd;
    struct stat info;
    if (stat(path, &info) != 0)
        return cz_file_fail(path, err);
    if (!S_ISREG(info.st_mode)) /* a pipe would be waited for */
        return cz_error_set(err, CZ_EIO, "%s: is no regular file", path);
    uint8_t *piece = cz_malloc(PIECE_BYTES);
    if (!piece)
        return cz_error_nomem(err);
    enum cz_status status = cz_file_open(&fd, path, err);
    if (status == CZ_OK) {
        status = add_pieces(hash, fd, piece, path, err);
        close(fd);
    }
    cz_free(piece);
    return status;
}

void cz_hash_end(char text[CZ_HASH_TEXT_BYTES], struct cz_hash *hash)
{
    uint8_t digest[SHA256_DIGEST_SIZE];
    sha256_digest(&hash->sha, sizeof digest, digest);
    base16_encode_update(text, sizeof digest, digest);
    text[CZ_HASH_TEXT_BYTES - 1] = 0;
}

enum cz_status cz_hash_file(char text[CZ_HASH_TEXT_BYTES], const char *path,
                            struct cz_error *err)
{
    struct cz_hash hash;
    cz_hash_start(&hash);
    CZ_TRY(cz_hash_add_file(&hash, path, err));
    cz_hash_end(text, &hash);
    return CZ_OK;
}

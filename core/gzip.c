/* The gzip size of a file, streamed through ISA-L. */
#include "core/gzip.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include <isa-l/igzip_lib.h>

#include "core/alloc.h"

#define CHUNK_BYTES ((size_t)128 * 1024)

struct buffers {
    struct isal_zstream stream;
    uint8_t in[CHUNK_BYTES], out[CHUNK_BYTES];
    uint8_t level[ISAL_DEF_LVL1_DEFAULT];
};

static enum cz_status deflate_chunk(struct buffers *b, uint64_t *size_bytes,
                                    struct cz_error *err)
{
    do {
        b->stream.next_out = b->out;
        b->stream.avail_out = sizeof b->out;
        if (isal_deflate(&b->stream) != COMP_OK)
            return cz_error_set(err, CZ_EINTERNAL, "deflate failed");
        *size_bytes += sizeof b->out - b->stream.avail_out;
    } while (b->stream.avail_out == 0);
    return CZ_OK;
}

static enum cz_status deflate_file(struct buffers *b, int fd,
                                   uint64_t *size_bytes, struct cz_error *err)
{
    isal_deflate_init(&b->stream);
    b->stream.level = 1;
    b->stream.level_buf = b->level;
    b->stream.level_buf_size = sizeof b->level;
    b->stream.gzip_flag = IGZIP_GZIP;
    *size_bytes = 0;
    do {
        ssize_t got = read(fd, b->in, sizeof b->in);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return cz_error_set(err, CZ_EIO, "cannot read: %s",
                                strerror(errno));
        b->stream.next_in = b->in;
        b->stream.avail_in = (uint32_t)got;
        b->stream.end_of_stream = got == 0;
        CZ_TRY(deflate_chunk(b, size_bytes, err));
    } while (!b->stream.end_of_stream);
    return CZ_OK;
}

enum cz_status cz_gzip_size(uint64_t *size_bytes, const char *path,
                            struct cz_error *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        cz_error_set(err, CZ_EIO, "cannot open: %s", strerror(errno));
        return cz_error_prefix(err, path);
    }
    struct buffers *buffers = cz_malloc(sizeof *buffers);
    enum cz_status status = buffers ? deflate_file(buffers, fd, size_bytes, err)
                                    : cz_error_nomem(err);
    cz_free(buffers);
    close(fd);
    return status == CZ_OK ? CZ_OK : cz_error_prefix(err, path);
}

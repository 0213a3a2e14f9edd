/* The gzip size of a file, in pieces that ISA-L compresses side by side. */
#include "core/gzip.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <isa-l/igzip_lib.h>

#include "core/alloc.h"
#include "core/checked.h"
#include "core/parallel.h"

#define PIECE_BYTES ((size_t)256 * 1024)
/* Room for a piece that does not shrink: stored blocks have 5 bytes in 65535.
 */
#define OUT_BYTES (PIECE_BYTES + 4096)
#define HEADER_AND_TRAILER_BYTES 18 /* RFC 1952: 10 before, 8 behind */

struct buffers {
    struct isal_zstream stream;
    uint8_t level[ISAL_DEF_LVL1_DEFAULT];
    uint8_t in[PIECE_BYTES], out[OUT_BYTES];
};

struct cz_gzip {
    size_t n_workers;
    struct buffers workers[];
};

struct task {
    struct cz_gzip *gzip;
    int fd;
    uint64_t file_bytes;
    size_t n_pieces;
    atomic_size_t next_piece;
    atomic_uint_fast64_t deflated_bytes;
    atomic_int status; /* enum cz_status of a piece that failed */
    atomic_int read_errno;
};

struct cz_gzip *cz_gzip_new(size_t threads)
{
    size_t bytes;
    if (threads == 0)
        threads = cz_cpu_count();
    if (threads > CZ_THREADS_MAX)
        threads = CZ_THREADS_MAX;
    if (!cz_mul_size(threads, sizeof(struct buffers), &bytes))
        return NULL;
    /* Not zeroed: pages that no piece needs are never touched. */
    struct cz_gzip *gzip = cz_malloc(sizeof *gzip + bytes);
    if (gzip)
        gzip->n_workers = threads;
    return gzip;
}

void cz_gzip_free(struct cz_gzip *gzip)
{
    cz_free(gzip);
}

static enum cz_status read_all(struct task *task, uint8_t *bytes, size_t size,
                               uint64_t offset)
{
    for (size_t done = 0; done < size;) {
        ssize_t got =
            pread(task->fd, bytes + done, size - done, (off_t)(offset + done));
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0) {
            atomic_store(&task->read_errno, got < 0 ? errno : 0);
            return CZ_EIO;
        }
        done += (size_t)got;
    }
    return CZ_OK;
}

/* Compresses the first `size` bytes of `in`; nothing refers to what was before
 * them. */
static enum cz_status deflate_piece(struct task *task, struct buffers *b,
                                    size_t size, bool is_last)
{
    isal_deflate_stateless_init(&b->stream);
    b->stream.level = 1;
    b->stream.level_buf = b->level;
    b->stream.level_buf_size = sizeof b->level;
    b->stream.next_in = b->in;
    b->stream.avail_in = (uint32_t)size;
    b->stream.next_out = b->out;
    b->stream.avail_out = sizeof b->out;
    b->stream.end_of_stream = is_last;
    b->stream.flush = FULL_FLUSH;
    if (isal_deflate_stateless(&b->stream) != COMP_OK)
        return CZ_EINTERNAL;
    atomic_fetch_add(&task->deflated_bytes,
                     sizeof b->out - b->stream.avail_out);
    return CZ_OK;
}

static enum cz_status run_piece(struct task *task, struct buffers *buffers,
                                size_t i)
{
    uint64_t offset = (uint64_t)i * PIECE_BYTES;
    uint64_t rest = task->file_bytes - offset;
    size_t size = rest < PIECE_BYTES ? (size_t)rest : PIECE_BYTES;
    CZ_TRY(read_all(task, buffers->in, size, offset));
    return deflate_piece(task, buffers, size, rest <= PIECE_BYTES);
}

/* One worker's share: with the same buffers, since their pages cost as much as
 * the compression of a piece. */
static void run_worker(void *user, size_t worker)
{
    struct task *task = user;
    struct buffers *buffers = &task->gzip->workers[worker];
    enum cz_status status = CZ_OK;
    while (status == CZ_OK && atomic_load(&task->status) == CZ_OK) {
        size_t i = atomic_fetch_add(&task->next_piece, 1);
        if (i >= task->n_pieces)
            break;
        status = run_piece(task, buffers, i);
    }
    if (status != CZ_OK)
        atomic_store(&task->status, (int)status);
}

static enum cz_status report(const struct task *task, const char *path,
                             struct cz_error *err)
{
    int number = atomic_load(&task->read_errno);
    switch (atomic_load(&task->status)) {
    case CZ_OK:
        return CZ_OK;
    case CZ_EIO:
        return cz_error_set(err, CZ_EIO, "%s: cannot read: %s", path,
                            number ? strerror(number) : "it became shorter");
    default:
        return cz_error_set(err, CZ_EINTERNAL, "%s: deflate failed", path);
    }
}

enum cz_status cz_gzip_size(uint64_t *size_bytes, struct cz_gzip *gzip,
                            const char *path, struct cz_error *err)
{
    struct stat info;
    struct task task = {.gzip = gzip, .fd = open(path, O_RDONLY | O_CLOEXEC)};
    const size_t threads = gzip->n_workers;
    if (task.fd < 0 || fstat(task.fd, &info) != 0) {
        cz_error_set(err, CZ_EIO, "%s: %s", path, strerror(errno));
        if (task.fd >= 0)
            close(task.fd);
        return CZ_EIO;
    }
    task.file_bytes = (uint64_t)info.st_size;
    task.n_pieces = (size_t)((task.file_bytes + PIECE_BYTES - 1) / PIECE_BYTES);
    if (task.n_pieces == 0)
        task.n_pieces = 1; /* an empty file's, which says that it ends */
    cz_parallel_for(threads < task.n_pieces ? threads : task.n_pieces, threads,
                    run_worker, &task);
    close(task.fd);
    *size_bytes = atomic_load(&task.deflated_bytes) + HEADER_AND_TRAILER_BYTES;
    return report(&task, path, err);
}

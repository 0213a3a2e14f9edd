/* Error codes and messages.
 *
 * Every function that can fail returns a cz_status and fills the caller's
 * cz_error, its last parameter, with a sentence that names the file, the node
 * and the number that is wrong. Nothing below app/ prints. */
#ifndef CZ_CORE_ERROR_H
#define CZ_CORE_ERROR_H

/* Behind each function that a C++ shim gives to C: nothing is thrown. */
#ifdef __cplusplus
#define CZ_NOEXCEPT noexcept
extern "C" {
#else
#define CZ_NOEXCEPT
#endif

enum cz_status {
    CZ_OK = 0,
    CZ_ENOMEM,       /* an allocation failed */
    CZ_EIO,          /* a file could not be opened, read or written */
    CZ_EPARSE,       /* the bytes are not a well-formed model */
    CZ_ESHAPE,       /* dimensions contradict each other or overflow */
    CZ_EUNSUPPORTED, /* well-formed, but nothing here can handle it */
    CZ_EINVAL,       /* an option or a value is outside its range */
    CZ_EGATE,        /* the result is not as good as it has to be */
    CZ_EINTERRUPTED, /* the progress callback asked to stop */
    CZ_EINTERNAL,    /* a bug in this program */
};

struct cz_error {
    enum cz_status code;
    char message[512]; /* one line, no newline, no program name */
};

#define CZ_ERROR_INIT ((struct cz_error){CZ_OK, ""})

/* Fills `err` (which may be NULL) and returns `code`, so that a failing
 * function can end with `return cz_error_set(err, CZ_EINVAL, "...");`. A
 * message that does not fit is cut. */
enum cz_status cz_error_set(struct cz_error *err, enum cz_status code,
                            const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Puts `context` and ": " before the message that is already in `err`, unless
 * `status` is CZ_OK or it begins with them: where a lower layer knew the
 * tensor and this one knows the file. Returns `status`. */
enum cz_status cz_error_prefix(struct cz_error *err, enum cz_status status,
                               const char *context);

/* Returns from the calling function when `expr` is not CZ_OK. */
#define CZ_TRY(expr)                                                           \
    do {                                                                       \
        enum cz_status cz_try_status_ = (expr);                                \
        if (cz_try_status_ != CZ_OK)                                           \
            return cz_try_status_;                                             \
    } while (0)

#ifdef __cplusplus
}
#endif

#endif

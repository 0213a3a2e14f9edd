/* The page to watch from another computer: libmicrohttpd serves the page, the
 * pictures as one endless multipart/x-mixed-replace (Motion JPEG, which every
 * browser shows as an image) and the figures as JSON. The library is opened
 * when it is asked for.
 *
 * A connection has a thread of the library's. It waits for the next picture,
 * copies it, and sends the copy, so that a slow one holds up nobody. */
#include <dlfcn.h>
#include <errno.h>
#include <microhttpd.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include "app/camera.h"
#include "core/alloc.h"
#include "core/clock.h"

#define LIBRARY "libmicrohttpd.so.12"
#define CONNECTIONS_MAX 16
#define BOUNDARY "compress-frame"
#define URL_BYTES 320
#define HEAD_BYTES 128
/* A stream that nothing comes in repeats its last picture, which tells whether
 * the other end is still there. */
#define REPEAT_MS 1000

/* The page, app/camera_page.html. */
extern const char app_camera_page[];
extern const char app_camera_page_end[];
__asm__(".section .rodata\n"
        ".global app_camera_page, app_camera_page_end\n"
        "app_camera_page:\n"
        ".incbin \"app/camera_page.html\"\n"
        "app_camera_page_end:\n"
        ".byte 0\n"
        ".previous\n");

/* The functions of libmicrohttpd that are used. */
struct mhd {
    __typeof__(MHD_start_daemon) *start_daemon;
    __typeof__(MHD_stop_daemon) *stop_daemon;
    __typeof__(MHD_create_response_from_buffer) *from_buffer;
    __typeof__(MHD_create_response_from_callback) *from_callback;
    __typeof__(MHD_add_response_header) *add_header;
    __typeof__(MHD_queue_response) *queue_response;
    __typeof__(MHD_destroy_response) *destroy_response;
    __typeof__(MHD_lookup_connection_value) *lookup;
};

struct app_http {
    struct mhd mhd;
    struct MHD_Daemon *daemon;
    int socket;
    bool is_loopback;
    char url[URL_BYTES];
    json_t *(*stats)(void *user);
    void *user;
    struct cz_encoded spare; /* of the thread that publishes */
    pthread_mutex_t lock;    /* of all below */
    pthread_cond_t changed;
    struct cz_encoded latest;
    size_t n_published, n_viewers;
    bool closing;
};

/* Somebody who watches the stream. */
struct viewer {
    struct app_http *http;
    size_t seen; /* pictures published when the last one was taken */
    char *bytes; /* [capacity]: a part of the stream */
    size_t capacity, size, sent;
};

/* ---- the library ------------------------------------------------------ */

static bool find_functions(struct mhd *mhd, void *library)
{
    const struct {
        const char *name;
        void *to;
    } functions[] = {
        {"MHD_start_daemon", &mhd->start_daemon},
        {"MHD_stop_daemon", &mhd->stop_daemon},
        {"MHD_create_response_from_buffer", &mhd->from_buffer},
        {"MHD_create_response_from_callback", &mhd->from_callback},
        {"MHD_add_response_header", &mhd->add_header},
        {"MHD_queue_response", &mhd->queue_response},
        {"MHD_destroy_response", &mhd->destroy_response},
        {"MHD_lookup_connection_value", &mhd->lookup},
    };
    for (size_t i = 0; i < sizeof functions / sizeof *functions; i++) {
        void *found = dlsym(library, functions[i].name);
        if (!found)
            return false;
        memcpy(functions[i].to, &found, sizeof found);
    }
    return true;
}

static enum cz_status open_library(struct mhd *mhd, struct cz_error *err)
{
    void *library = dlopen(LIBRARY, RTLD_NOW | RTLD_LOCAL);
    if (library && find_functions(mhd, library))
        return CZ_OK;
    return cz_error_set(err, CZ_EUNSUPPORTED,
                        "--http needs libmicrohttpd (apt install "
                        "libmicrohttpd12): %s",
                        dlerror());
}

/* ---- listening -------------------------------------------------------- */

/* "8080", "0.0.0.0:8080", "[::1]:8080" into host and port. */
static bool split_address(char *host, size_t size, const char **port,
                          const char *address)
{
    const char *colon = strrchr(address, ':');
    const char *from = address, *to = colon ? colon : address;
    *port = colon ? colon + 1 : address;
    if (!colon)
        return (size_t)snprintf(host, size, "127.0.0.1") < size;
    if (to - from >= 2 && *from == '[' && to[-1] == ']') {
        from++;
        to--;
    }
    return from < to &&
           (size_t)snprintf(host, size, "%.*s", (int)(to - from), from) < size;
}

static bool is_port(const char *text)
{
    const size_t digits = strspn(text, "0123456789");
    return digits > 0 && digits < 6 && !text[digits] &&
           strtol(text, NULL, 10) < 65536;
}

static bool is_loopback(const struct sockaddr *address)
{
    const struct sockaddr_in *v4 = (const void *)address;
    const struct sockaddr_in6 *v6 = (const void *)address;
    if (address->sa_family == AF_INET)
        return ntohl(v4->sin_addr.s_addr) >> 24 == 127;
    return IN6_IS_ADDR_LOOPBACK(&v6->sin6_addr);
}

static bool listen_at(struct app_http *http, const struct addrinfo *at)
{
    const int on = 1;
    http->is_loopback = is_loopback(at->ai_addr);
    http->socket = socket(at->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    return http->socket >= 0 &&
           setsockopt(http->socket, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) ==
               0 &&
           bind(http->socket, at->ai_addr, at->ai_addrlen) == 0 &&
           listen(http->socket, CONNECTIONS_MAX) == 0;
}

/* What to type into a browser, with the port that was found for 0. */
static void make_url(struct app_http *http)
{
    struct sockaddr_storage at;
    socklen_t size = sizeof at;
    char host[256] = "", port[16] = "";
    getsockname(http->socket, (struct sockaddr *)&at, &size);
    getnameinfo((struct sockaddr *)&at, size, host, sizeof host, port,
                sizeof port, NI_NUMERICHOST | NI_NUMERICSERV);
    const bool is_v6 = strchr(host, ':') != NULL;
    snprintf(http->url, sizeof http->url, "http://%s%s%s:%s/", is_v6 ? "[" : "",
             host, is_v6 ? "]" : "", port);
}

static enum cz_status start_listening(struct app_http *http,
                                      const char *address, struct cz_error *err)
{
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM,
                                   .ai_flags = AI_PASSIVE | AI_NUMERICSERV};
    struct addrinfo *found = NULL;
    const char *port;
    char host[256];
    if (!split_address(host, sizeof host, &port, address) || !is_port(port))
        return cz_error_set(err, CZ_EINVAL,
                            "--http %s: want [ADDRESS:]PORT, a port from 0 to "
                            "65535",
                            address);
    const int result = getaddrinfo(host, port, &hints, &found);
    if (result != 0)
        return cz_error_set(err, CZ_EIO, "--http %s: %s", address,
                            gai_strerror(result));
    const bool is_listening = listen_at(http, found);
    const int number = errno;
    freeaddrinfo(found);
    if (!is_listening)
        return cz_error_set(err, CZ_EIO, "--http %s: %s", address,
                            strerror(number));
    make_url(http);
    return CZ_OK;
}

enum cz_status app_http_open(struct app_http **http, const char *address,
                             struct cz_error *err)
{
    struct app_http *h = *http = cz_calloc(1, sizeof *h);
    if (!h)
        return cz_error_nomem(err);
    h->socket = -1;
    pthread_mutex_init(&h->lock, NULL);
    app_condition_init(&h->changed);
    enum cz_status status = start_listening(h, address, err);
    if (status == CZ_OK)
        status = open_library(&h->mhd, err);
    if (status != CZ_OK) {
        app_http_close(h, NULL);
        *http = NULL;
    }
    return status;
}

const char *app_http_url(const struct app_http *http)
{
    return http->url;
}

/* ---- the stream ------------------------------------------------------- */

static void watch(struct app_http *http, int change)
{
    pthread_mutex_lock(&http->lock);
    http->n_viewers += (size_t)change;
    pthread_mutex_unlock(&http->lock);
}

bool app_http_is_watched(struct app_http *http)
{
    pthread_mutex_lock(&http->lock);
    const bool is_watched = http->n_viewers > 0;
    pthread_mutex_unlock(&http->lock);
    return is_watched;
}

/* The newest picture as a part of the stream; under the lock. */
static bool take_part(struct viewer *v)
{
    const struct cz_encoded *picture = &v->http->latest;
    const size_t wanted = HEAD_BYTES + picture->size + 2;
    v->sent = v->size = 0;
    if (wanted > v->capacity) {
        cz_free(v->bytes);
        v->capacity = 0;
        v->bytes = cz_malloc(wanted + wanted / 4);
        if (!v->bytes)
            return false;
        v->capacity = wanted + wanted / 4;
    }
    v->size = (size_t)snprintf(v->bytes, HEAD_BYTES,
                               "--" BOUNDARY "\r\n"
                               "Content-Type: image/jpeg\r\n"
                               "Content-Length: %zu\r\n\r\n",
                               picture->size);
    memcpy(v->bytes + v->size, picture->data, picture->size);
    memcpy(v->bytes + v->size + picture->size, "\r\n", 2);
    v->size += picture->size + 2;
    v->seen = v->http->n_published;
    return true;
}

/* Waits for a picture that was not sent; false: no more come. */
static bool next_part(struct viewer *v)
{
    struct app_http *http = v->http;
    const double until_ms = cz_now_ms() + REPEAT_MS;
    pthread_mutex_lock(&http->lock);
    while (!http->closing &&
           (http->n_published == 0 ||
            (http->n_published == v->seen && cz_now_ms() < until_ms))) {
        if (http->n_published)
            app_condition_wait(&http->changed, &http->lock, until_ms);
        else
            pthread_cond_wait(&http->changed, &http->lock);
    }
    const bool is_there = !http->closing && take_part(v);
    pthread_mutex_unlock(&http->lock);
    return is_there;
}

static ssize_t read_stream(void *user, uint64_t position, char *bytes,
                           size_t size)
{
    struct viewer *v = user;
    (void)position;
    if (v->sent == v->size && !next_part(v))
        return MHD_CONTENT_READER_END_OF_STREAM;
    const size_t left = v->size - v->sent;
    const size_t count = left < size ? left : size;
    memcpy(bytes, v->bytes + v->sent, count);
    v->sent += count;
    return (ssize_t)count;
}

static void end_stream(void *user)
{
    struct viewer *v = user;
    watch(v->http, -1);
    cz_free(v->bytes);
    cz_free(v);
}

static struct MHD_Response *make_stream(struct app_http *http)
{
    struct viewer *v = cz_calloc(1, sizeof *v);
    if (!v)
        return NULL;
    v->http = http;
    struct MHD_Response *response = http->mhd.from_callback(
        MHD_SIZE_UNKNOWN, 1 << 16, read_stream, v, end_stream);
    if (!response) {
        cz_free(v);
        return NULL;
    }
    watch(http, 1);
    http->mhd.add_header(response, "Content-Type",
                         "multipart/x-mixed-replace; boundary=" BOUNDARY);
    return response;
}

enum cz_status app_http_publish(struct app_http *http,
                                const struct cz_image *image,
                                const struct cz_opencv *opencv,
                                struct cz_error *err)
{
    CZ_TRY(cz_image_encode(&http->spare, image, opencv, ".jpg", err));
    pthread_mutex_lock(&http->lock);
    const struct cz_encoded old = http->latest;
    http->latest = http->spare;
    http->spare = old;
    http->n_published++;
    pthread_cond_broadcast(&http->changed);
    pthread_mutex_unlock(&http->lock);
    return CZ_OK;
}

/* ---- the other answers ------------------------------------------------ */

static struct MHD_Response *make_text(const struct app_http *http, char *text,
                                      size_t size, const char *type,
                                      enum MHD_ResponseMemoryMode mode)
{
    struct MHD_Response *response = http->mhd.from_buffer(size, text, mode);
    if (response)
        http->mhd.add_header(response, "Content-Type", type);
    return response;
}

static struct MHD_Response *make_stats(struct app_http *http)
{
    json_t *root = http->stats(http->user);
    char *text = json_dumps(root, JSON_COMPACT | JSON_REAL_PRECISION(10));
    json_decref(root);
    if (!text)
        return NULL;
    struct MHD_Response *response = make_text(
        http, text, strlen(text), "application/json", MHD_RESPMEM_MUST_COPY);
    json_malloc_t take;
    json_free_t give;
    json_get_alloc_funcs(&take, &give);
    give(text);
    return response;
}

static struct MHD_Response *make_page(const struct app_http *http)
{
    static char page_type[] = "text/html; charset=utf-8";
    return make_text(http, (char *)(uintptr_t)app_camera_page,
                     (size_t)(app_camera_page_end - app_camera_page), page_type,
                     MHD_RESPMEM_PERSISTENT);
}

/* A page of somebody else's must not read the camera by a name of its own
 * that leads to this computer. */
static bool is_welcome(const struct app_http *http,
                       struct MHD_Connection *connection)
{
    static const char *const names[] = {"localhost", "127.", "[::1]"};
    const char *host = http->mhd.lookup(connection, MHD_HEADER_KIND, "Host");
    if (!http->is_loopback || !host)
        return true;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const size_t size = strlen(names[i]);
        if (strncasecmp(host, names[i], size) == 0 &&
            (names[i][size - 1] == '.' || !host[size] || host[size] == ':'))
            return true;
    }
    return false;
}

static struct MHD_Response *make_answer(unsigned *code, struct app_http *http,
                                        const char *path)
{
    static char sentence[] = "There is /, /stream and /stats.\n";
    *code = MHD_HTTP_OK;
    if (strcmp(path, "/") == 0)
        return make_page(http);
    if (strcmp(path, "/stream") == 0)
        return make_stream(http);
    if (strcmp(path, "/stats") == 0)
        return make_stats(http);
    *code = MHD_HTTP_NOT_FOUND;
    return make_text(http, sentence, sizeof sentence - 1, "text/plain",
                     MHD_RESPMEM_PERSISTENT);
}

static struct MHD_Response *refuse(const struct app_http *http, char *sentence)
{
    return make_text(http, sentence, strlen(sentence), "text/plain",
                     MHD_RESPMEM_PERSISTENT);
}

static void add_headers(const struct app_http *http,
                        struct MHD_Response *response)
{
    static const char *const headers[][2] = {
        {"Cache-Control", "no-store"},
        {"X-Content-Type-Options", "nosniff"},
        {"Content-Security-Policy",
         "default-src 'none'; img-src 'self' data:; connect-src 'self'; "
         "style-src 'unsafe-inline'; script-src 'unsafe-inline'; "
         "frame-ancestors 'none'; base-uri 'none'"},
    };
    for (size_t i = 0; i < sizeof headers / sizeof *headers; i++)
        http->mhd.add_header(response, headers[i][0], headers[i][1]);
}

static enum MHD_Result answer(void *user, struct MHD_Connection *connection,
                              const char *path, const char *method,
                              const char *version, const char *upload,
                              size_t *upload_size, void **request)
{
    static char not_here[] = "Only for this computer.\n";
    static char not_so[] = "Only GET and HEAD.\n";
    struct app_http *http = user;
    struct MHD_Response *response;
    unsigned code = MHD_HTTP_FORBIDDEN;
    (void)version, (void)upload, (void)upload_size, (void)request;
    const bool is_head = strcmp(method, "HEAD") == 0;
    if (!is_welcome(http, connection)) {
        response = refuse(http, not_here);
    } else if (strcmp(method, "GET") != 0 && !is_head) {
        code = MHD_HTTP_METHOD_NOT_ALLOWED;
        response = refuse(http, not_so);
    } else {
        response = make_answer(&code, http, path);
    }
    if (!response)
        return MHD_NO;
    add_headers(http, response);
    const enum MHD_Result result =
        http->mhd.queue_response(connection, code, response);
    http->mhd.destroy_response(response);
    return result;
}

/* ---- start and end ---------------------------------------------------- */

enum cz_status app_http_start(struct app_http *http,
                              json_t *(*stats)(void *user), void *user,
                              struct cz_error *err)
{
    http->stats = stats;
    http->user = user;
    http->daemon = http->mhd.start_daemon(
        MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_THREAD_PER_CONNECTION |
            MHD_USE_POLL,
        0, NULL, NULL, answer, http, MHD_OPTION_LISTEN_SOCKET, http->socket,
        MHD_OPTION_CONNECTION_LIMIT, (unsigned)CONNECTIONS_MAX,
        MHD_OPTION_CONNECTION_TIMEOUT, 30U, MHD_OPTION_END);
    return http->daemon
               ? CZ_OK
               : cz_error_set(err, CZ_EIO, "%s: cannot be served", http->url);
}

void app_http_close(struct app_http *http, const struct cz_opencv *opencv)
{
    if (!http)
        return;
    pthread_mutex_lock(&http->lock);
    http->closing = true;
    pthread_cond_broadcast(&http->changed);
    pthread_mutex_unlock(&http->lock);
    if (http->daemon)
        http->mhd.stop_daemon(http->daemon);
    if (http->socket >= 0 && !http->daemon)
        close(http->socket);
    if (opencv) {
        cz_encoded_free(&http->latest, opencv);
        cz_encoded_free(&http->spare, opencv);
    }
    pthread_cond_destroy(&http->changed);
    pthread_mutex_destroy(&http->lock);
    cz_free(http);
}

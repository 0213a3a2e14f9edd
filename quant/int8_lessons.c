/* What was learned of each convolution, so that it is learned once. */
#include <string.h>

#include "core/alloc.h"
#include "quant/int8_internal.h"

/* It depends on nothing else: weights and images are those of the statistics.
 */
struct cz_int8_lesson {
    char *name;             /* of what the convolution makes */
    struct cz_affine input; /* of the codes that it reads; 0: it reads floats */
    enum cz_dtype type;
    bool is_integer;
    size_t count, channels;
    float *scales; /* [channels] */
    int8_t *start; /* [count] codes that were changed to these: */
    int8_t *codes; /* [count] */
    float *bias;   /* [channels], or NULL */
};

static struct cz_affine input_of(const struct cz_int8_conv *conv)
{
    return conv->input ? conv->input->affine : (struct cz_affine){0, 0};
}

static size_t count_codes(const struct cz_int8_conv *conv)
{
    return conv->weights.channels * conv->weights.per_channel;
}

static bool is_about(const struct cz_int8_lesson *lesson,
                     const struct cz_int8_conv *conv)
{
    const struct cz_affine input = input_of(conv);
    return strcmp(lesson->name, conv->node->outputs[0]->name) == 0 &&
           lesson->input.scale == input.scale &&
           lesson->input.zero_point == input.zero_point &&
           lesson->type == conv->type &&
           lesson->is_integer == conv->is_integer &&
           lesson->count == count_codes(conv) &&
           memcmp(lesson->scales, conv->scales,
                  lesson->channels * sizeof *lesson->scales) == 0 &&
           memcmp(lesson->start, conv->codes, lesson->count) == 0;
}

bool cz_int8_recall(const struct cz_int8_statistics *statistics,
                    struct cz_int8_conv *conv)
{
    for (size_t i = 0; i < statistics->n_lessons; i++) {
        const struct cz_int8_lesson *lesson = &statistics->lessons[i];
        if (!is_about(lesson, conv))
            continue;
        memcpy(conv->codes, lesson->codes, lesson->count);
        if (conv->bias)
            memcpy(conv->bias, lesson->bias,
                   lesson->channels * sizeof *lesson->bias);
        return true;
    }
    return false;
}

static void *copy(const void *from, size_t count, size_t size)
{
    void *to = cz_calloc(count + 1, size);
    return to ? memcpy(to, from, count * size) : NULL;
}

enum cz_status cz_int8_remember(struct cz_int8_statistics *statistics,
                                const struct cz_int8_conv *conv,
                                const int8_t *start, struct cz_error *err)
{
    struct cz_int8_lesson *grown = cz_array_grow(
        statistics->lessons, statistics->n_lessons,
        &statistics->lessons_capacity, sizeof *statistics->lessons);
    if (!grown)
        return cz_error_nomem(err);
    statistics->lessons = grown;
    struct cz_int8_lesson *lesson = &grown[statistics->n_lessons++];
    const size_t count = count_codes(conv), channels = conv->weights.channels;
    *lesson = (struct cz_int8_lesson){
        .name = cz_strdup(conv->node->outputs[0]->name),
        .input = input_of(conv),
        .type = conv->type,
        .is_integer = conv->is_integer,
        .count = count,
        .channels = channels,
        .scales = copy(conv->scales, channels, sizeof *conv->scales),
        .start = copy(start, count, sizeof *start),
        .codes = copy(conv->codes, count, sizeof *conv->codes)};
    if (conv->bias)
        lesson->bias = copy(conv->bias, channels, sizeof *conv->bias);
    if (lesson->name && lesson->scales && lesson->start && lesson->codes &&
        (lesson->bias || !conv->bias))
        return CZ_OK;
    return cz_error_nomem(err);
}

void cz_int8_forget(struct cz_int8_statistics *statistics)
{
    for (size_t i = 0; i < statistics->n_lessons; i++) {
        struct cz_int8_lesson *lesson = &statistics->lessons[i];
        cz_free(lesson->name);
        cz_free(lesson->scales);
        cz_free(lesson->start);
        cz_free(lesson->codes);
        cz_free(lesson->bias);
    }
    cz_free(statistics->lessons);
}

/* Which category each class of a model is: by name, or by order. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "eval/coco_internal.h"

#define NAMES_TOLD 5

/* The category of each class and the class of each category, by place. */
struct mapping {
    const char *const *names; /* [n_classes] or NULL */
    const struct cz_coco *coco;
    size_t n_classes;
    size_t *class_of;    /* [n_categories]; n_classes: none */
    size_t *category_of; /* [n_classes], by id; n_categories: none */
    size_t n_matched;
};

/* The category that is the n-th by id. */
static const struct cz_coco_category *nth_category(const struct cz_coco *coco,
                                                   size_t n)
{
    return &coco->categories[coco->category_ids.items[n].place];
}

static const char *nth_name(const struct cz_coco *coco, size_t n)
{
    return nth_category(coco, n)->name;
}

/* Gives each category that has none the first free class of its name. */
static void match_names(struct mapping *m,
                        int (*compare)(const char *, const char *))
{
    const size_t n_categories = m->coco->n_categories;
    for (size_t i = 0; i < n_categories; i++) {
        const char *name = nth_name(m->coco, i);
        size_t c = 0;
        if (m->class_of[i] < m->n_classes || !*name)
            continue;
        while (c < m->n_classes && (m->category_of[c] < n_categories ||
                                    compare(m->names[c], name) != 0))
            c++;
        if (c == m->n_classes)
            continue;
        m->class_of[i] = c;
        m->category_of[c] = i;
        m->n_matched++;
    }
}

/* Do all that have a name in common stand at the same place? */
static bool is_in_order(const struct mapping *m)
{
    for (size_t i = 0; i < m->coco->n_categories; i++) {
        if (m->class_of[i] < m->n_classes && m->class_of[i] != i)
            return false;
    }
    return m->coco->n_categories == m->n_classes;
}

/* Appends to the note; what is too long is cut. */
__attribute__((format(printf, 2, 3))) static void
tell(char note[CZ_COCO_NOTE_BYTES], const char *format, ...)
{
    const size_t used = strlen(note);
    va_list args;
    va_start(args, format);
    vsnprintf(note + used, CZ_COCO_NOTE_BYTES - used, format, args);
    va_end(args);
}

/* ": a, b, c and 4 more" */
static void tell_name(char *note, size_t n, const char *name, const char *other)
{
    if (n < NAMES_TOLD)
        tell(note, "%s%.40s%s%.40s", n ? ", " : ": ", name, other ? " / " : "",
             other ? other : "");
}

static void tell_rest(char *note, size_t n)
{
    if (n > NAMES_TOLD)
        tell(note, " and %zu more", n - NAMES_TOLD);
}

static void map_by_order(struct mapping *m, char note[CZ_COCO_NOTE_BYTES])
{
    size_t n = 0;
    if (!m->names)
        tell(note, "classes are matched by position: the model has no names");
    for (size_t i = 0; i < m->n_classes; i++) {
        if (m->names && m->class_of[i] != i) {
            if (n == 0)
                tell(note, "classes are matched by position; names differ");
            tell_name(note, n++, m->names[i], nth_name(m->coco, i));
        }
        m->category_of[i] = i;
    }
    tell_rest(note, n);
}

/* Names the categories that no class is called like, and the classes. */
static void tell_unmatched(const struct mapping *m,
                           char note[CZ_COCO_NOTE_BYTES])
{
    size_t n = 0, others = 0;
    for (size_t i = 0; i < m->coco->n_categories; i++) {
        if (m->class_of[i] < m->n_classes)
            continue;
        if (n == 0)
            tell(note, "the model has no class for");
        tell_name(note, n++, nth_name(m->coco, i), NULL);
    }
    tell_rest(note, n);
    for (size_t c = 0; n && c < m->n_classes; c++) {
        if (m->category_of[c] < m->coco->n_categories)
            continue;
        if (others == 0)
            tell(note, "; the annotations have none for");
        tell_name(note, others++, m->names[c], NULL);
    }
    tell_rest(note, others);
}

static enum cz_status choose_mapping(struct mapping *m,
                                     char note[CZ_COCO_NOTE_BYTES],
                                     struct cz_error *err)
{
    const size_t n_categories = m->coco->n_categories;
    const size_t fewer =
        n_categories < m->n_classes ? n_categories : m->n_classes;
    if (m->names) {
        match_names(m, strcmp);
        match_names(m, strcasecmp);
    }
    const bool most = m->names && m->n_matched * 2 > fewer;
    if (m->n_matched < n_categories && is_in_order(m))
        map_by_order(m, note);
    else if (most || m->n_matched == n_categories)
        tell_unmatched(m, note);
    else if (n_categories == m->n_classes)
        map_by_order(m, note);
    else
        return cz_error_set(err, CZ_EINVAL,
                            "the model has %zu classes and the annotations "
                            "have %zu categories, of other names",
                            m->n_classes, n_categories);
    return CZ_OK;
}

enum cz_status cz_coco_map_classes(const struct cz_coco_category **categories,
                                   char note[CZ_COCO_NOTE_BYTES],
                                   const char *const *names, size_t n_classes,
                                   const struct cz_coco *coco,
                                   struct cz_error *err)
{
    const size_t n_categories = coco->n_categories;
    struct mapping m = {.names = names, .coco = coco, .n_classes = n_classes};
    enum cz_status status = CZ_ENOMEM;
    *note = 0;
    m.class_of = cz_calloc(n_categories, sizeof *m.class_of);
    m.category_of = cz_calloc(n_classes, sizeof *m.category_of);
    if (!m.class_of || !m.category_of) {
        cz_error_nomem(err);
        goto out;
    }
    for (size_t i = 0; i < n_categories; i++)
        m.class_of[i] = n_classes;
    for (size_t c = 0; c < n_classes; c++)
        m.category_of[c] = n_categories;
    status = choose_mapping(&m, note, err);
    for (size_t c = 0; status == CZ_OK && c < n_classes; c++)
        categories[c] = m.category_of[c] < n_categories
                            ? nth_category(coco, m.category_of[c])
                            : NULL;
out:
    cz_free(m.class_of);
    cz_free(m.category_of);
    return status;
}

/* Heads that exporters for edge chips cut off before the decoding: maps, some
 * for each stride. What a map holds is told from the number of its channels
 * and of class names; where that leaves a choice, nothing is guessed. */
#include <stdlib.h>
#include <string.h>

#include "detect/detector_internal.h"

#define BINS 16 /* of a distance, in every YOLO with distributions */
#define SIDES 4
#define PARTS_MAX 3 /* maps of a stride */
#define STRIDES_MAX 4

/* Glenn Jocher's anchors of YOLOv5 (models/yolov5n.yaml), pixels, by stride. */
static const float v5_anchors[] = {10, 13, 16,  30,  33, 23,  30,  61,  62,
                                   45, 59, 119, 116, 90, 156, 198, 373, 326};

/* A map, whichever way its anchors are written. */
struct map {
    size_t port;
    size_t anchors; /* of rank 5; 1 for rank 4 */
    size_t channels, rows, columns;
    bool channels_last;
};

/* The maps of a stride, in the order of the outputs. */
struct grid {
    struct map parts[PARTS_MAX];
    size_t count;
};

struct grids {
    struct grid items[STRIDES_MAX];
    size_t count;
};

/* ---- sorting the outputs ---------------------------------------------- */

static bool read_map(struct map *map, const struct cz_dims *d, size_t port)
{
    *map = (struct map){.port = port, .anchors = 1};
    for (size_t i = 0; i < d->rank; i++) {
        if (d->size[i] <= 0)
            return false;
    }
    if ((d->rank != 4 && d->rank != 5) || d->size[0] != 1)
        return false;
    map->channels = (size_t)d->size[d->rank == 4 ? 1 : 4];
    map->rows = (size_t)d->size[2];
    map->columns = (size_t)d->size[3];
    map->channels_last = d->rank == 5;
    map->anchors = d->rank == 5 ? (size_t)d->size[1] : 1;
    return true;
}

static bool add_map(struct grids *grids, const struct map *map)
{
    size_t i = 0;
    while (i < grids->count &&
           (grids->items[i].parts[0].rows != map->rows ||
            grids->items[i].parts[0].columns != map->columns))
        i++;
    if (i == STRIDES_MAX ||
        (i < grids->count && grids->items[i].count == PARTS_MAX))
        return false;
    if (i == grids->count)
        grids->items[grids->count++].count = 0;
    struct grid *grid = &grids->items[i];
    grid->parts[grid->count++] = *map;
    return true;
}

/* Finest first. */
static int compare(const void *a, const void *b)
{
    const struct grid *x = a, *y = b;
    size_t cells_x = x->parts[0].rows * x->parts[0].columns;
    size_t cells_y = y->parts[0].rows * y->parts[0].columns;
    return (cells_x < cells_y) - (cells_x > cells_y);
}

/* All grids must have the same maps, by number and channels. */
static bool are_alike(const struct grids *grids)
{
    for (size_t i = 1; i < grids->count; i++) {
        const struct grid *a = &grids->items[0], *b = &grids->items[i];
        if (a->count != b->count)
            return false;
        for (size_t k = 0; k < a->count; k++) {
            if (a->parts[k].channels != b->parts[k].channels ||
                a->parts[k].anchors != b->parts[k].anchors)
                return false;
        }
    }
    return true;
}

static bool collect(struct grids *grids, const struct cz_port *outputs,
                    size_t count)
{
    *grids = (struct grids){0};
    for (size_t i = 0; i < count; i++) {
        struct map map;
        if (!read_map(&map, &outputs[i].dims, i) || !add_map(grids, &map))
            return false;
    }
    qsort(grids->items, grids->count, sizeof *grids->items, compare);
    return grids->count > 0 && are_alike(grids);
}

/* ---- what the channels mean ------------------------------------------- */

/* Classes that a single map of so many channels has; 0: it is none of this
 * decoder's. */
static size_t classes_of(enum cz_decoder decoder, const struct map *map,
                         size_t anchors)
{
    size_t channels = map->channels, before = 5;
    if (decoder == CZ_DECODER_V5_MAPS && map->anchors == 1) {
        if (channels % anchors)
            return 0;
        channels /= anchors;
    } else if (decoder != CZ_DECODER_V5_MAPS && map->anchors > 1) {
        return 0;
    }
    if (decoder == CZ_DECODER_V8_MAPS)
        before = SIDES * BINS;
    return channels > before ? channels - before : 0;
}

/* The decoder of single maps: the one that gives as many classes as there are
 * names, else the only one that gives COCO's 80, or any. */
static enum cz_decoder choose_single(const struct map *map, size_t names,
                                     size_t anchors)
{
    static const enum cz_decoder all[] = {
        CZ_DECODER_V5_MAPS, CZ_DECODER_V8_MAPS, CZ_DECODER_YOLOX_MAPS};
    enum cz_decoder found = CZ_DECODER_AUTO;
    for (size_t i = 0; i < 3; i++) {
        if (classes_of(all[i], map, anchors) == (names ? names : 80))
            return all[i];
    }
    for (size_t i = 0; i < 3 && !names; i++) {
        if (!classes_of(all[i], map, anchors))
            continue;
        if (found)
            return CZ_DECODER_AUTO;
        found = all[i];
    }
    return found;
}

/* Which parts are boxes, scores and objectness. */
struct roles {
    const struct map *box, *scores, *objectness;
};

/* Boxes of YOLOX (4, 1, C) or YOLOv8 (64 or 4, C, and a sum over the classes
 * that some chips use to skip cells). */
static bool find_roles(struct roles *roles, const struct grid *grid,
                       enum cz_decoder decoder)
{
    const struct map *p = grid->parts;
    bool third_is_sum = grid->count == 3 && p[2].channels == 1;
    *roles = (struct roles){0};
    if (decoder == CZ_DECODER_YOLOX_MAPS) {
        *roles = (struct roles){&p[0], &p[2], &p[1]};
        return grid->count == 3 && p[0].channels == SIDES && p[1].channels == 1;
    }
    if (grid->count != 2 && !third_is_sum)
        return false;
    bool swapped = p[0].channels != SIDES * BINS && p[0].channels != SIDES;
    *roles = (struct roles){&p[swapped], &p[!swapped], NULL};
    return roles->box->channels == SIDES * BINS ||
           roles->box->channels == SIDES;
}

static enum cz_decoder choose_parts(const struct grid *grid)
{
    struct roles roles;
    if (grid->count == 3 && grid->parts[2].channels != 1 &&
        find_roles(&roles, grid, CZ_DECODER_YOLOX_MAPS))
        return CZ_DECODER_YOLOX_MAPS;
    return find_roles(&roles, grid, CZ_DECODER_V8_MAPS) ? CZ_DECODER_V8_MAPS
                                                        : CZ_DECODER_AUTO;
}

/* ---- levels ----------------------------------------------------------- */

static struct cz_fields fields_of(const struct map *map, size_t channel)
{
    size_t cells = map->rows * map->columns;
    if (map->channels_last)
        return (struct cz_fields){map->port, channel, 1, map->channels};
    return (struct cz_fields){map->port, channel * cells, cells, 1};
}

static struct cz_fields shifted(struct cz_fields fields, size_t channels)
{
    fields.start += channels * fields.field;
    return fields;
}

/* The next level; all but the fields. */
static struct cz_level *add_level(struct cz_detector *detector,
                                  const struct map *map)
{
    const struct cz_level *before =
        detector->n_levels ? &detector->levels[detector->n_levels - 1] : NULL;
    struct cz_level *level = &detector->levels[detector->n_levels++];
    *level = (struct cz_level){
        .anchors = map->rows * map->columns,
        .columns = map->columns,
        .stride = (float)(detector->format.height / map->rows),
        .bins = 1,
        .first = before ? before->first + before->anchors : 0,
    };
    return level;
}

static void add_v5(struct cz_detector *detector, const struct map *map,
                   size_t stride, size_t anchors)
{
    const float *sizes =
        detector->options.anchors ? detector->options.anchors : v5_anchors;
    size_t fields = detector->classes + 5;
    for (size_t a = 0; a < anchors; a++) {
        struct cz_level *level = add_level(detector, map);
        struct cz_fields own =
            fields_of(map, map->channels_last ? 0 : a * fields);
        if (map->channels_last)
            own.start += a * level->anchors * map->channels;
        level->box = own;
        level->objectness = shifted(own, 4);
        level->scores = shifted(own, 5);
        level->has_objectness = true;
        level->anchor_w = sizes[2 * (stride * anchors + a)];
        level->anchor_h = sizes[2 * (stride * anchors + a) + 1];
        level->logits = !detector->facts.activated[map->port];
    }
}

static void add_single(struct cz_detector *detector, const struct map *map)
{
    struct cz_level *level = add_level(detector, map);
    bool v8 = detector->decoder == CZ_DECODER_V8_MAPS;
    struct cz_fields own = fields_of(map, 0);
    level->box = own;
    level->objectness = shifted(own, 4);
    level->scores = shifted(own, v8 ? SIDES * BINS : 5);
    level->has_objectness = !v8;
    level->bins = v8 ? BINS : 1;
    level->logits = !detector->facts.activated[map->port];
}

static void add_parts(struct cz_detector *detector, const struct roles *roles)
{
    struct cz_level *level = add_level(detector, roles->box);
    level->box = fields_of(roles->box, 0);
    level->scores = fields_of(roles->scores, 0);
    if (roles->objectness)
        level->objectness = fields_of(roles->objectness, 0);
    level->has_objectness = roles->objectness;
    level->bins = roles->box->channels / SIDES;
    level->logits = !detector->facts.activated[roles->scores->port];
}

/* ---- all together ----------------------------------------------------- */

/* Whether each map covers the input in equal cells. */
static bool strides_fit(const struct cz_detector *detector,
                        const struct grids *grids)
{
    for (size_t i = 0; i < grids->count; i++) {
        const struct map *map = &grids->items[i].parts[0];
        if (detector->format.height % map->rows ||
            detector->format.width % map->columns ||
            detector->format.height / map->rows !=
                detector->format.width / map->columns)
            return false;
    }
    return true;
}

static size_t anchors_of_stride(const struct cz_detector *detector,
                                const struct grids *grids)
{
    if (detector->options.anchors)
        return detector->options.n_anchors / 2 / grids->count;
    return 3;
}

static bool anchors_fit(const struct cz_detector *detector,
                        const struct grids *grids, size_t anchors)
{
    size_t numbers = detector->options.anchors
                         ? detector->options.n_anchors
                         : sizeof v5_anchors / sizeof *v5_anchors;
    const struct map *map = &grids->items[0].parts[0];
    return numbers == 2 * anchors * grids->count &&
           anchors * grids->count <= CZ_LEVELS_MAX &&
           (map->anchors == 1 || map->anchors == anchors);
}

static void add_levels(struct cz_detector *detector, const struct grids *grids,
                       size_t anchors)
{
    detector->n_levels = 0;
    for (size_t i = 0; i < grids->count; i++) {
        const struct grid *grid = &grids->items[i];
        struct roles roles;
        if (detector->decoder == CZ_DECODER_V5_MAPS)
            add_v5(detector, &grid->parts[0], i, anchors);
        else if (grid->count == 1)
            add_single(detector, &grid->parts[0]);
        else if (find_roles(&roles, grid, detector->decoder))
            add_parts(detector, &roles);
    }
}

static size_t count_classes(const struct cz_detector *detector,
                            const struct grid *grid, size_t anchors)
{
    struct roles roles;
    if (grid->count == 1)
        return classes_of(detector->decoder, &grid->parts[0], anchors);
    return find_roles(&roles, grid, detector->decoder) ? roles.scores->channels
                                                       : 0;
}

bool cz_decoder_choose_maps(struct cz_detector *detector,
                            const struct cz_port *outputs, size_t count,
                            const char **why)
{
    struct grids grids;
    if (!collect(&grids, outputs, count))
        return false;
    const struct grid *first = &grids.items[0];
    size_t anchors = anchors_of_stride(detector, &grids);
    size_t names = detector->names.count;
    if (!detector->decoder && anchors)
        detector->decoder =
            first->count == 1 ? choose_single(&first->parts[0], names, anchors)
                              : choose_parts(first);
    *why = "the channels leave it open what they are; give --decoder, or the "
           "classes with --names";
    if (detector->decoder < CZ_DECODER_V5_MAPS || !anchors)
        return false;
    *why = "the maps do not divide the input into equal cells";
    if (!strides_fit(detector, &grids))
        return false;
    *why = "other anchors than 3 for each of 3 maps have to be given with "
           "--anchors";
    if (detector->decoder == CZ_DECODER_V5_MAPS &&
        (first->count > 1 || !anchors_fit(detector, &grids, anchors)))
        return false;
    detector->classes = count_classes(detector, first, anchors);
    *why = "the number of channels is not that of the class names";
    if (!detector->classes || (names && names != detector->classes))
        return false;
    add_levels(detector, &grids, anchors);
    return true;
}

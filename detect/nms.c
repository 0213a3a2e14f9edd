/* Greedy non-maximum suppression (the NMS of R-CNN, Girshick et al. 2014,
 * section 2.2), as torchvision's nms() computes it: inter / (a + b - inter) in
 * float32, suppressed where it is greater than the threshold.
 *
 * Candidates come best first. Each is compared with the boxes that were kept
 * for its class, which lie in chains of blocks of LANES, so that compilers
 * turn a block into a few vector instructions. As soon as max_boxes are kept,
 * no other can be among them, and the rest is not looked at. */
#include <math.h>
#include <string.h>

#include "core/alloc.h"
#include "core/cpu.h"
#include "detect/boxes_internal.h"

#define LANES 8
#define NO_BLOCK UINT32_MAX

/* Empty lanes are boxes that overlap nothing. */
struct block {
    float x1[LANES], y1[LANES], x2[LANES], y2[LANES], area[LANES];
    uint32_t used, next; /* next: the index of another block */
};

struct kept {
    struct block *blocks;
    uint32_t *chains; /* by class: its first block, the newest */
    uint32_t n_blocks;
};

/* A little below the threshold: what does not even exceed it by a product needs
 * no division, and products and quotients may round differently. */
#define ALMOST 0.99999F

#define INLINE static inline __attribute__((always_inline))

INLINE bool block_overlaps(const struct block *b, const struct cz_box *box,
                           float area, float iou)
{
    float inter[LANES], both[LANES];
    int near = 0, hits = 0;
    for (int k = 0; k < LANES; k++) {
        float x1 = b->x1[k] > box->x1 ? b->x1[k] : box->x1;
        float y1 = b->y1[k] > box->y1 ? b->y1[k] : box->y1;
        float x2 = b->x2[k] < box->x2 ? b->x2[k] : box->x2;
        float y2 = b->y2[k] < box->y2 ? b->y2[k] : box->y2;
        float w = x2 - x1, h = y2 - y1;
        inter[k] = (w > 0 ? w : 0) * (h > 0 ? h : 0);
        both[k] = b->area[k] + area - inter[k];
        near |= inter[k] > iou * ALMOST * both[k];
    }
    for (int k = 0; near && k < LANES; k++)
        hits |= inter[k] / both[k] > iou;
    return hits;
}

INLINE bool chain_overlaps(const struct block *blocks, uint32_t first,
                           const struct cz_box *box, float area, float iou)
{
    for (uint32_t i = first; i != NO_BLOCK; i = blocks[i].next) {
        if (block_overlaps(&blocks[i], box, area, iou))
            return true;
    }
    return false;
}

/* The same loop twice, for two kinds of vector units. */
static bool overlaps_plain(const struct block *blocks, uint32_t first,
                           const struct cz_box *box, float area, float iou)
{
    return chain_overlaps(blocks, first, box, area, iou);
}

#ifdef __x86_64__
__attribute__((target("avx2"))) static bool
overlaps_avx2(const struct block *blocks, uint32_t first,
              const struct cz_box *box, float area, float iou)
{
    return chain_overlaps(blocks, first, box, area, iou);
}
#endif

typedef bool overlaps_fn(const struct block *blocks, uint32_t first,
                         const struct cz_box *box, float area, float iou);

static overlaps_fn *find_overlaps(void)
{
#ifdef __x86_64__
    if (cz_cpu_has(CZ_CPU_AVX2))
        return overlaps_avx2;
#endif
    return overlaps_plain;
}

static void keep(struct kept *kept, uint32_t chain, const struct cz_box *box,
                 float area)
{
    uint32_t *first = &kept->chains[chain];
    if (*first == NO_BLOCK || kept->blocks[*first].used == LANES) {
        struct block *block = &kept->blocks[kept->n_blocks];
        *block = (struct block){.next = *first};
        for (int k = 0; k < LANES; k++) {
            block->x1[k] = block->y1[k] = INFINITY;
            block->x2[k] = block->y2[k] = -INFINITY;
        }
        *first = kept->n_blocks++;
    }
    struct block *block = &kept->blocks[*first];
    uint32_t k = block->used++;
    block->x1[k] = box->x1;
    block->y1[k] = box->y1;
    block->x2[k] = box->x2;
    block->y2[k] = box->y2;
    block->area[k] = area;
}

static enum cz_status make_kept(struct kept *kept, struct cz_boxes *boxes,
                                const struct cz_thresholds *thresholds,
                                struct cz_error *err)
{
    struct cz_box_memory *m = boxes->memory;
    uint32_t last = 0;
    for (size_t i = 0; i < boxes->count && !thresholds->agnostic; i++)
        last = boxes->items[i].label > last ? boxes->items[i].label : last;
    size_t most = boxes->count < thresholds->max_boxes ? boxes->count
                                                       : thresholds->max_boxes;
    CZ_TRY(cz_reserve(&m->kept, &m->kept_capacity, most * sizeof(struct block),
                      1, err));
    CZ_TRY(cz_reserve(&m->chains, &m->chains_capacity,
                      (last + (size_t)1) * sizeof(uint32_t), 1, err));
    *kept = (struct kept){m->kept, m->chains, 0};
    for (size_t i = 0; i <= last; i++)
        kept->chains[i] = NO_BLOCK;
    return CZ_OK;
}

enum cz_status cz_boxes_suppress(struct cz_boxes *boxes,
                                 const struct cz_thresholds *thresholds,
                                 struct cz_error *err)
{
    overlaps_fn *overlaps = find_overlaps();
    struct kept kept;
    size_t count = 0;
    if (boxes->final && boxes->count > thresholds->max_boxes)
        boxes->count = thresholds->max_boxes;
    if (boxes->final || !boxes->count)
        return CZ_OK;
    CZ_TRY(make_kept(&kept, boxes, thresholds, err));
    for (size_t i = 0; i < boxes->count && count < thresholds->max_boxes; i++) {
        const struct cz_box box = boxes->items[i];
        float area = (box.x2 - box.x1) * (box.y2 - box.y1);
        uint32_t chain = thresholds->agnostic ? 0 : box.label;
        if (overlaps(kept.blocks, kept.chains[chain], &box, area,
                     thresholds->iou))
            continue;
        keep(&kept, chain, &box, area);
        boxes->items[count++] = box;
    }
    boxes->count = count;
    return CZ_OK;
}

/* ---- back to the image ------------------------------------------------ */

static float undo(float x, size_t offset, double scale, size_t limit)
{
    double image = ((double)x - (double)offset) / scale;
    return (float)fmin(fmax(image, 0), (double)limit);
}

void cz_letterbox_undo(const struct cz_fit *fit, struct cz_boxes *boxes)
{
    for (size_t i = 0; i < boxes->count; i++) {
        struct cz_box *b = &boxes->items[i];
        b->x1 = undo(b->x1, fit->left, fit->scale, fit->image_width);
        b->y1 = undo(b->y1, fit->top, fit->scale, fit->image_height);
        b->x2 = undo(b->x2, fit->left, fit->scale, fit->image_width);
        b->y2 = undo(b->y2, fit->top, fit->scale, fit->image_height);
    }
}

/* Working memory that the kernels of a plan share. */
#include <stdatomic.h>

#include "core/alloc.h"
#include "core/checked.h"
#include "engine/simd_internal.h"
#include "engine/storage_internal.h"

struct cz_scratch {
    float *floats; /* [n_slots][slot_floats] */
    size_t slot_floats, n_slots;
    atomic_bool taken[]; /* [n_slots] */
};

struct cz_scratch *cz_scratch_new(size_t threads)
{
    struct cz_scratch *scratch =
        cz_calloc(1, sizeof *scratch + threads * sizeof *scratch->taken);
    if (scratch)
        scratch->n_slots = threads;
    return scratch;
}

static size_t bytes_of(const struct cz_scratch *scratch)
{
    return scratch->n_slots * scratch->slot_floats * sizeof(float);
}

void cz_scratch_free(struct cz_scratch *scratch)
{
    if (scratch)
        cz_pages_free(scratch->floats, bytes_of(scratch), 0);
    cz_free(scratch);
}

bool cz_scratch_reserve(struct cz_scratch *scratch, size_t count)
{
    const size_t unit = CZ_SIMD_ALIGN_BYTES / sizeof(float);
    size_t rounded, bytes;
    if (!scratch || !cz_add_size(count, unit - 1, &rounded))
        return false;
    rounded -= rounded % unit;
    if (rounded <= scratch->slot_floats)
        return true;
    if (!cz_mul_size(rounded, scratch->n_slots * sizeof(float), &bytes))
        return false;
    float *floats = cz_pages_alloc(bytes);
    if (!floats)
        return false;
    cz_pages_free(scratch->floats, bytes_of(scratch), 0);
    scratch->floats = floats;
    scratch->slot_floats = rounded;
    return true;
}

float *cz_scratch_take(struct cz_scratch *scratch)
{
    size_t slot = 0;
    while (atomic_exchange_explicit(&scratch->taken[slot], true,
                                    memory_order_acquire))
        slot = slot + 1 < scratch->n_slots ? slot + 1 : 0;
    return scratch->floats + slot * scratch->slot_floats;
}

void cz_scratch_give(struct cz_scratch *scratch, const float *slot)
{
    const size_t i = (size_t)(slot - scratch->floats) / scratch->slot_floats;
    atomic_store_explicit(&scratch->taken[i], false, memory_order_release);
}

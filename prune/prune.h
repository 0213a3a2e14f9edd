/* Pruning: which weights of a model go, and what makes up for them. */
#ifndef CZ_PRUNE_PRUNE_H
#define CZ_PRUNE_PRUNE_H

#include "prune/channels.h"
#include "prune/cluster.h"
#include "prune/l1.h"
#include "prune/recover.h"
#include "prune/share.h"

#endif

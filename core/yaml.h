/* YAML files as trees of nodes (libyaml). */
#ifndef CZ_CORE_YAML_H
#define CZ_CORE_YAML_H

#include <stddef.h>
#include <yaml.h>

#include "core/error.h"

/* The first document of a regular file of at most 64 MiB; end with
 * yaml_document_delete(). CZ_EPARSE, with line and column, for what is no YAML
 * and for lists and maps more than 100 deep in each other. */
enum cz_status cz_yaml_load(yaml_document_t *document, const char *path,
                            struct cz_error *err);

/* The text of a scalar; NULL where it is none, or has a NUL in it. */
const char *cz_yaml_scalar(const yaml_node_t *node);

#endif

/* libonnx's checker for C. */
#ifndef CZ_ONNX_CHECKER_SHIM_H
#define CZ_ONNX_CHECKER_SHIM_H

#include "core/error.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Checks a model of proto_shim.h against ONNX's rules and the schemas of its
 * operators. External data is looked for in `folder` (may be NULL). CZ_EPARSE
 * with what is wrong. */
enum cz_status cz_checker_run(const void *model, const char *folder,
                              struct cz_error *err) CZ_NOEXCEPT;

#ifdef __cplusplus
}
#endif

#endif

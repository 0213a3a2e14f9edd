/* See checker_shim.h. libonnx's own registry sets up the schemas of all
 * versions of all operators, some 20 ms and 6 MB; this one makes those that a
 * model asks for. */
#include "onnx/checker_shim.h"

#include <algorithm>
#include <exception>
#include <map>
#include <new>
#include <string>
#include <string_view>

#include <onnx/checker.h>
#include <onnx/defs/operator_sets.h>
#include <onnx/defs/operator_sets_ml.h>
#include <onnx/defs/schema.h>
#include <onnx/onnx_pb.h>

/* libonnx exports this overload, but its header does not declare it. */
namespace onnx::checker
{
void check_model(const ModelProto &model, CheckerContext &context);
}

namespace
{

struct Maker {
    const char *op_type, *domain;
    int since_version;
    onnx::OpSchema (*make)();
};

constexpr const char *Onnx = "", *OnnxML = "ai.onnx.ml";

/* Every schema that libonnx's headers declare; see the Makefile. */
const Maker makers[] = {
#define SCHEMA(op_type, domain, version)                                       \
    {#op_type, domain, version,                                                \
     onnx::GetOpSchema<onnx::op_type##_##domain##_ver##version>},
#include "onnx/schemas.inc"
#undef SCHEMA
};

class LazyRegistry final : public onnx::ISchemaRegistry
{
    std::multimap<std::string_view, const Maker *> by_op_type;
    mutable std::map<const Maker *, onnx::OpSchema> made;

    const onnx::OpSchema *get(const Maker &maker) const
    {
        auto found = made.find(&maker);
        if (found == made.end()) {
            found = made.emplace(&maker, maker.make()).first;
            found->second.Finalize();
        }
        return &found->second;
    }

  public:
    LazyRegistry()
    {
        for (const Maker &m : makers)
            by_op_type.emplace(m.op_type, &m);
    }

    const onnx::OpSchema *GetSchema(const std::string &op_type,
                                    const int version,
                                    const std::string &domain) const override
    {
        const Maker *best = nullptr;
        auto [from, to] = by_op_type.equal_range(op_type);
        for (auto i = from; i != to; ++i) {
            const Maker *m = i->second;
            if (domain == m->domain && m->since_version <= version &&
                (!best || m->since_version > best->since_version))
                best = m;
        }
        return best ? get(*best) : nullptr;
    }
};

} // namespace

cz_status cz_checker_run(const void *model, const char *folder,
                         cz_error *err) noexcept
{
    try {
        LazyRegistry registry;
        onnx::checker::CheckerContext context;
        context.set_schema_registry(&registry);
        context.set_model_dir(folder ? folder : "");
        onnx::checker::check_model(
            *static_cast<const onnx::ModelProto *>(model), context);
        return CZ_OK;
    } catch (const std::bad_alloc &) {
        return cz_error_set(err, CZ_ENOMEM, "out of memory");
    } catch (const std::exception &e) {
        std::string line = e.what();
        std::replace(line.begin(), line.end(), '\n', ' ');
        return cz_error_set(err, CZ_EPARSE, "ONNX checker: %s", line.c_str());
    } catch (...) {
        return cz_error_set(err, CZ_EINTERNAL, "unknown C++ exception");
    }
}

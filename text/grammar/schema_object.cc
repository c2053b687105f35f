#include "text/grammar/schema_object.h"

#include <algorithm>
#include <string>

#include <boost/json.hpp>

#include "absl/container/flat_hash_map.h"
#include "base/status.h"
#include "base/strings.h"
#include "text/grammar/schema_flatten.h"
#include "text/json_text.h"

namespace batucada::grammar {
namespace {

namespace bj = boost::json;

constexpr int kMaxDepth = 100;
// Names that a stranger has chosen may meet in one bucket of an object's table, and each reference looks some up.
constexpr int kMaxReferences = 1000;

bool IsObject(const bj::value& value) { return value.is_object(); }

// One walk, which looks at each schema once. A schema that refers to itself is taken to leave objects.
class ObjectFinder {
 public:
  explicit ObjectFinder(const bj::value& root) : root_(root) {}

  absl::Status Check(const bj::value& schema, const std::string& path, int depth) {
    if (schema.is_bool()) return schema.get_bool() ? absl::OkStatus() : None(path);
    const bj::object* const object = schema.if_object();
    if (object == nullptr || depth > kMaxDepth) return absl::OkStatus();
    if (const auto [seen, is_new] = seen_.try_emplace(&schema); !is_new) return seen->second;
    absl::Status status = CheckKeywords(*object, path, depth + 1);
    seen_[&schema] = status;
    return status;
  }

 private:
  static absl::Status None(const std::string& path) { return Refused(path, "leaves no object"); }

  absl::Status CheckKeywords(const bj::object& schema, const std::string& path, int depth) {
    const bj::value *type = schema.if_contains("type"), *values = schema.if_contains("enum");
    const bj::value *constant = schema.if_contains("const"), *reference = schema.if_contains("$ref");
    if (type != nullptr && !type->is_null()) {
      const bj::array one = {*type}, &names = type->is_array() ? type->get_array() : one;
      if (std::find(names.begin(), names.end(), "object") == names.end()) return None(Below(path, "type"));
    }
    if (values != nullptr && values->is_array() &&
        std::none_of(values->get_array().begin(), values->get_array().end(), IsObject)) {
      return None(Below(path, "enum"));
    }
    if (constant != nullptr && !constant->is_object()) return None(Below(path, "const"));
    // What is within another $id refers to places of that.
    if (reference != nullptr && reference->is_string() && (depth == 1 || !schema.contains("$id")) &&
        ++references_ <= kMaxReferences) {
      const bj::value* const target = AtPointer(root_, View(reference->get_string()));
      if (target != nullptr) BATUCADA_RETURN_IF_ERROR(Check(*target, Below(path, "$ref"), depth));
    }
    for (const char* keyword : {"anyOf", "oneOf", "allOf"}) {
      const bj::value* const list = schema.if_contains(keyword);
      if (list == nullptr || !list->is_array()) continue;
      const std::string at = Below(path, keyword);
      const bool all = keyword[1] == 'l';
      bool any = false;
      for (size_t i = 0; i < list->get_array().size() && !any; ++i) {
        const absl::Status status = Check(list->get_array()[i], Concat(at, "[", i, "]"), depth);
        if (all) BATUCADA_RETURN_IF_ERROR(status);
        any = !all && status.ok();
      }
      if (!all && !any) return None(at);
    }
    return absl::OkStatus();
  }

  const bj::value& root_;
  int references_ = 0;
  absl::flat_hash_map<const bj::value*, absl::Status> seen_;
};

}  // namespace

absl::Status CheckLeavesObject(const bj::value& schema) { return ObjectFinder(schema).Check(schema, "$", 0); }

}  // namespace batucada::grammar

#include "text/grammar/schema_shape.h"

#include <algorithm>
#include <iterator>
#include <string>
#include <string_view>

#include <boost/json.hpp>

#include "absl/container/flat_hash_map.h"
#include "base/status.h"
#include "base/strings.h"
#include "text/grammar/schema_flatten.h"

namespace batucada::grammar {
namespace {

namespace bj = boost::json;

constexpr int kMaxShapeDepth = 100;

enum class Shape : uint8_t {
  kType,
  kList,
  kNames,
  kString,
  kFlag,
  kCount,
  kNumber,
  kNumberOrFlag,  // a flag in draft 4
  kSchema,
  kSchemaOrList,  // a list in draft 7
  kSchemas,
  kSchemaMap,
};

const absl::flat_hash_map<std::string_view, Shape>& Shapes() {
  static const auto* const shapes = new absl::flat_hash_map<std::string_view, Shape>{
      {"type", Shape::kType},
      {"enum", Shape::kList},
      {"required", Shape::kNames},
      {"$ref", Shape::kString},
      {"format", Shape::kString},
      {"pattern", Shape::kString},
      {"uniqueItems", Shape::kFlag},
      {"minLength", Shape::kCount},
      {"maxLength", Shape::kCount},
      {"minItems", Shape::kCount},
      {"maxItems", Shape::kCount},
      {"minProperties", Shape::kCount},
      {"maxProperties", Shape::kCount},
      {"minContains", Shape::kCount},
      {"maxContains", Shape::kCount},
      {"minimum", Shape::kNumber},
      {"maximum", Shape::kNumber},
      {"exclusiveMinimum", Shape::kNumberOrFlag},
      {"exclusiveMaximum", Shape::kNumberOrFlag},
      {"multipleOf", Shape::kNumber},
      {"additionalProperties", Shape::kSchema},
      {"unevaluatedProperties", Shape::kSchema},
      {"unevaluatedItems", Shape::kSchema},
      {"propertyNames", Shape::kSchema},
      {"contains", Shape::kSchema},
      {"not", Shape::kSchema},
      {"if", Shape::kSchema},
      {"then", Shape::kSchema},
      {"else", Shape::kSchema},
      {"items", Shape::kSchemaOrList},
      {"prefixItems", Shape::kSchemas},
      {"anyOf", Shape::kSchemas},
      {"oneOf", Shape::kSchemas},
      {"allOf", Shape::kSchemas},
      {"properties", Shape::kSchemaMap},
      {"patternProperties", Shape::kSchemaMap},
      {"dependentSchemas", Shape::kSchemaMap},
      {"$defs", Shape::kSchemaMap},
      {"definitions", Shape::kSchemaMap},
  };
  return *shapes;
}

bool IsType(const bj::value& value) {
  constexpr std::string_view kTypes[] = {"null", "boolean", "object", "array", "number", "integer", "string"};
  const bj::string* const name = value.if_string();
  return name != nullptr && std::find(std::begin(kTypes), std::end(kTypes),
                                      std::string_view(name->data(), name->size())) != std::end(kTypes);
}

bool IsCount(const bj::value& value) {
  if (!value.is_number()) return false;
  const double number = value.to_number<double>();
  return number >= 0 && number == static_cast<double>(static_cast<uint64_t>(std::min(number, 0x1p60)));
}

absl::Status Check(const bj::value& schema, const std::string& path, int depth);

absl::Status CheckAll(const bj::array& schemas, const std::string& path, int depth) {
  for (size_t i = 0; i < schemas.size(); ++i) {
    BATUCADA_RETURN_IF_ERROR(Check(schemas[i], Concat(path, "[", i, "]"), depth));
  }
  return absl::OkStatus();
}

absl::Status CheckKeyword(Shape shape, const bj::value& value, const std::string& at, int depth) {
  const bj::array* const list = value.if_array();
  switch (shape) {
    case Shape::kType:
      if (list != nullptr && list->empty()) return Refused(at, "is empty");
      if (list == nullptr ? IsType(value) : std::all_of(list->begin(), list->end(), IsType)) break;
      return Refused(at, "is no type of JSON Schema");
    case Shape::kList:
      if (list == nullptr) return Refused(at, "must be a list");
      break;
    case Shape::kNames:
      if (list != nullptr &&
          std::all_of(list->begin(), list->end(), [](const bj::value& name) { return name.is_string(); })) {
        break;
      }
      return Refused(at, "must be a list of names");
    case Shape::kString:
      if (!value.is_string()) return Refused(at, "must be a string");
      break;
    case Shape::kFlag:
      if (!value.is_bool()) return Refused(at, "must be true or false");
      break;
    case Shape::kCount:
      if (!IsCount(value)) return Refused(at, "must be a whole number, at least 0");
      break;
    case Shape::kNumberOrFlag:
      if (value.is_bool()) break;
      [[fallthrough]];
    case Shape::kNumber:
      if (!value.is_number()) return Refused(at, "must be a number");
      break;
    case Shape::kSchemaOrList:
      if (list != nullptr) return CheckAll(*list, at, depth + 1);
      [[fallthrough]];
    case Shape::kSchema: return Check(value, at, depth + 1);
    case Shape::kSchemas:
      if (list == nullptr || list->empty()) return Refused(at, "must be a list of schemas");
      return CheckAll(*list, at, depth + 1);
    case Shape::kSchemaMap:
      if (!value.is_object()) return Refused(at, "must be an object");
      for (const auto& [key, schema] : value.get_object()) {
        BATUCADA_RETURN_IF_ERROR(Check(schema, Below(at, {key.data(), key.size()}), depth + 1));
      }
  }
  return absl::OkStatus();
}

absl::Status Check(const bj::value& schema, const std::string& path, int depth) {
  // So deep nobody would be held to it.
  if (depth > kMaxShapeDepth || schema.is_bool()) return absl::OkStatus();
  const bj::object* const object = schema.if_object();
  if (object == nullptr) return Refused(path, "must be a schema: an object, true or false");
  for (const auto& [key, value] : *object) {
    const std::string_view name(key.data(), key.size());
    const auto shape = Shapes().find(name);
    if (shape == Shapes().end() || value.is_null()) continue;
    BATUCADA_RETURN_IF_ERROR(CheckKeyword(shape->second, value, Below(path, name), depth));
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status CheckSchemaShape(const bj::value& schema) { return Check(schema, "$", 0); }

}  // namespace batucada::grammar

#include "server/json/json_schema.h"

#include <algorithm>
#include <string>
#include <utility>

#include <boost/json/array.hpp>

namespace batucada {

namespace bj = boost::json;

namespace {

bj::string Text(std::string_view text) { return bj::string(text.data(), text.size()); }

bj::object Typed(std::string_view type, std::string_view description) {
  bj::object schema;
  schema["type"] = Text(type);
  if (!description.empty()) schema["description"] = Text(description);
  return schema;
}

}  // namespace

bj::object IntegerSchema(std::string_view description, IntegerBounds bounds) {
  bj::object schema = Typed("integer", description);
  if (bounds.min) schema["minimum"] = *bounds.min;
  if (bounds.max) schema["maximum"] = *bounds.max;
  if (bounds.fallback) schema["default"] = *bounds.fallback;
  return schema;
}

bj::object NumberSchema(std::string_view description, NumberBounds bounds) {
  bj::object schema = Typed("number", description);
  schema[bounds.lower == NumberBounds::Lower::kClosed ? "minimum" : "exclusiveMinimum"] = bounds.min;
  schema["maximum"] = bounds.max;
  return schema;
}

bj::object BooleanSchema(std::string_view description, std::optional<bool> fallback) {
  bj::object schema = Typed("boolean", description);
  if (fallback) schema["default"] = *fallback;
  return schema;
}

bj::object StringSchema(std::string_view description) { return Typed("string", description); }

bj::object ArraySchema(std::string_view description, bj::object items) {
  bj::object schema = Typed("array", description);
  schema["items"] = std::move(items);
  return schema;
}

bj::object ObjectSchema(std::string_view description, bj::object properties) {
  bj::object schema = Typed("object", description);
  schema["properties"] = std::move(properties);
  return schema;
}

bj::object AnyOfSchema(std::string_view description, bj::array schemas) {
  bj::object schema;
  if (!description.empty()) schema["description"] = Text(description);
  schema["anyOf"] = std::move(schemas);
  return schema;
}

bj::object SchemaReference(std::string_view name) {
  return {{"$ref", Text("#/components/schemas/" + std::string(name))}};
}

bj::object Nullable(bj::object schema) {
  if (bj::value* type = schema.if_contains("type"); type != nullptr && type->is_string()) {
    *type = bj::array{*type, "null"};
  } else if (bj::value* any = schema.if_contains("anyOf")) {
    any->get_array().push_back(bj::object{{"type", "null"}});
  }
  if (bj::value* values = schema.if_contains("enum")) {
    bj::array& list = values->get_array();
    const bool has_null = std::any_of(list.begin(), list.end(), [](const bj::value& one) { return one.is_null(); });
    if (!has_null) list.emplace_back(nullptr);
  }
  return schema;
}

}  // namespace batucada

// The few forms of JSON Schema (2020-12) that the API's description is made of.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include <boost/json/object.hpp>

namespace batucada {

struct IntegerBounds {
  std::optional<int64_t> min;
  std::optional<int64_t> max;
  std::optional<int64_t> fallback;  // what absence means
};

struct NumberBounds {
  enum class Lower : uint8_t { kClosed, kOpen };
  double min = 0;
  double max = 1;
  Lower lower = Lower::kClosed;
};

boost::json::object IntegerSchema(std::string_view description, IntegerBounds bounds = {});
boost::json::object NumberSchema(std::string_view description, NumberBounds bounds);
boost::json::object BooleanSchema(std::string_view description, std::optional<bool> fallback = {});
boost::json::object StringSchema(std::string_view description);
boost::json::object ArraySchema(std::string_view description, boost::json::object items);
boost::json::object ObjectSchema(std::string_view description, boost::json::object properties);

// Any of these; `description` is of the whole.
boost::json::object AnyOfSchema(std::string_view description, boost::json::array schemas);
// {"$ref": "#/components/schemas/NAME"}
boost::json::object SchemaReference(std::string_view name);

// The same, or null.
boost::json::object Nullable(boost::json::object schema);

}  // namespace batucada

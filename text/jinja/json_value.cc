#include "text/jinja/json_value.h"

#include <limits>
#include <string_view>
#include <utility>
#include <vector>

#include "base/status.h"
#include "text/utf8.h"

namespace batucada::jinja {
namespace {

absl::StatusOr<Value> Text(Runtime& runtime, std::string_view text) {
  if (FindInvalidUtf8(text).has_value()) return absl::InvalidArgumentError("text that is not valid UTF-8");
  return runtime.String(text);
}

absl::StatusOr<Value> Convert(Runtime& runtime, const boost::json::value& json, int depth) {
  BATUCADA_RETURN_IF_ERROR(runtime.Step());
  BATUCADA_RETURN_IF_ERROR(Runtime::CheckDepth(depth));
  switch (json.kind()) {
    case boost::json::kind::null: return Value();
    case boost::json::kind::bool_: return Value::Bool(json.get_bool());
    case boost::json::kind::int64: return Value::Int(json.get_int64());
    case boost::json::kind::double_: return Value::Float(json.get_double());
    case boost::json::kind::string: return Text(runtime, {json.get_string().data(), json.get_string().size()});
    case boost::json::kind::uint64: {
      const uint64_t number = json.get_uint64();
      if (number <= uint64_t{std::numeric_limits<int64_t>::max()}) return Value::Int(static_cast<int64_t>(number));
      return absl::InvalidArgumentError("an integer beyond 64 bits");
    }
    case boost::json::kind::array: {
      std::vector<Value> items;
      items.reserve(json.get_array().size());
      for (const boost::json::value& element : json.get_array()) {
        BATUCADA_ASSIGN_OR_RETURN(Value item, Convert(runtime, element, depth + 1));
        items.push_back(std::move(item));
      }
      return runtime.List(std::move(items));
    }
    case boost::json::kind::object: break;
  }
  Dict dict;
  for (const auto& member : json.get_object()) {
    BATUCADA_ASSIGN_OR_RETURN(Value key, Text(runtime, {member.key().data(), member.key().size()}));
    BATUCADA_ASSIGN_OR_RETURN(Value value, Convert(runtime, member.value(), depth + 1));
    dict.Set(std::move(key), std::move(value));
  }
  return runtime.OwnDict(std::move(dict));
}

}  // namespace

absl::StatusOr<Value> FromJson(Runtime& runtime, const boost::json::value& json) {
  return Convert(runtime, json, /*depth=*/1);
}

}  // namespace batucada::jinja

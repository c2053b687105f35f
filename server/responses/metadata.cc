#include "server/responses/metadata.h"

#include <fmt/format.h>

#include "base/json.h"
#include "server/json/json_schema.h"

namespace batucada {
namespace {

namespace bj = boost::json;

constexpr size_t kMaxPairs = 16, kMaxKey = 64, kMaxValue = 512;  // of characters

size_t Characters(const std::string_view text) {
  size_t count = 0;
  for (const char c : text) count += (static_cast<unsigned char>(c) & 0xC0) != 0x80 ? 1 : 0;
  return count;
}

}  // namespace

bj::object ReadMetadata(RequestReader& reader, std::string_view name) {
  const bj::value* value = reader.Take(name);
  if (value == nullptr) return {};
  if (!value->is_object()) {
    reader.Fail(name, fmt::format("must be an object, not {}", DescribeJson(*value)));
    return {};
  }
  const bj::object& pairs = value->get_object();
  if (pairs.size() > kMaxPairs) {
    reader.Fail(name, fmt::format("has {} pairs: at most {}", pairs.size(), kMaxPairs), "invalid_value");
    return {};
  }
  for (const auto& [key, text] : pairs) {
    const std::string_view key_text(key.data(), key.size());
    const std::string place = fmt::format("{}.{}", name, Printable(key_text));
    if (Characters(key_text) > kMaxKey) {
      reader.Fail(place, fmt::format("is a key of more than {} characters", kMaxKey), "invalid_value");
    } else if (!text.is_string()) {
      reader.Fail(place, fmt::format("must be a string, not {}", DescribeJson(text)));
    } else if (Characters({text.get_string().data(), text.get_string().size()}) > kMaxValue) {
      reader.Fail(place, fmt::format("has more than {} characters", kMaxValue), "invalid_value");
    }
  }
  return reader.ok() ? pairs : bj::object();
}

bj::object MetadataSchema() {
  bj::object schema = ObjectSchema("Texts that are kept and told with it.", {});
  schema.erase("properties");
  schema["maxProperties"] = kMaxPairs;
  schema["propertyNames"] = {{"maxLength", kMaxKey}};
  bj::object value = StringSchema("");
  value["maxLength"] = kMaxValue;
  schema["additionalProperties"] = std::move(value);
  return schema;
}

}  // namespace batucada

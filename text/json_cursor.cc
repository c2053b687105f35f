#include "text/json_cursor.h"

#include "absl/strings/escaping.h"
#include "base/strings.h"
#include "text/utf8.h"

namespace batucada {
namespace {

std::string_view KindName(const boost::json::value* value) {
  if (value == nullptr) return "nothing";
  switch (value->kind()) {
    case boost::json::kind::null: return "null";
    case boost::json::kind::bool_: return "a boolean";
    case boost::json::kind::int64:
    case boost::json::kind::uint64:
    case boost::json::kind::double_: return "a number";
    case boost::json::kind::string: return "a string";
    case boost::json::kind::array: return "an array";
    case boost::json::kind::object: return "an object";
  }
  return "something else";
}

}  // namespace

std::string Quoted(std::string_view text) {
  constexpr size_t kLongest = 80;
  const bool cut = text.size() > kLongest;
  return Concat("\"", absl::Utf8SafeCHexEscape(ToAbsl(text.substr(0, kLongest))), cut ? "…" : "", "\"");
}

absl::StatusOr<boost::json::value> ParseJson(std::string_view text, std::string_view name, const JsonLimits& limits) {
  if (text.size() > limits.max_bytes) {
    return absl::InvalidArgumentError(
        Concat(name, ": ", text.size(), " bytes, more than the ", limits.max_bytes, " allowed"));
  }
  boost::json::parse_options options;
  options.max_depth = limits.max_depth;
  boost::json::error_code error;
  try {
    boost::json::value value = boost::json::parse({text.data(), text.size()}, error, {}, options);
    if (error) return absl::InvalidArgumentError(Concat(name, ": not valid JSON: ", error.message()));
    return value;
  } catch (const std::exception& e) {  // out of memory, or over the library's own limits
    return absl::InvalidArgumentError(Concat(name, ": cannot be parsed: ", e.what()));
  }
}

JsonCursor JsonCursor::operator[](std::string_view key) const {
  std::string path = Concat(path_, ".", key);
  if (absent()) return JsonCursor(nullptr, std::move(path), error_);
  const boost::json::object* object = AsObject();
  return JsonCursor(object == nullptr ? nullptr : object->if_contains({key.data(), key.size()}), std::move(path),
                    error_);
}

std::vector<std::pair<std::string_view, JsonCursor>> JsonCursor::Members() const {
  std::vector<std::pair<std::string_view, JsonCursor>> members;
  if (absent()) return members;
  if (const boost::json::object* object = AsObject()) {
    members.reserve(object->size());
    for (const auto& member : *object) {
      const std::string_view key(member.key().data(), member.key().size());
      members.emplace_back(key, JsonCursor(&member.value(), Concat(path_, "[", Quoted(key), "]"), error_));
    }
  }
  return members;
}

std::vector<JsonCursor> JsonCursor::Elements() const {
  std::vector<JsonCursor> elements;
  if (absent()) return elements;
  if (const boost::json::array* array = AsArray()) {
    elements.reserve(array->size());
    for (size_t i = 0; i < array->size(); ++i) {
      elements.push_back(JsonCursor(&(*array)[i], Concat(path_, "[", i, "]"), error_));
    }
  }
  return elements;
}

const boost::json::object* JsonCursor::AsObject() const {
  const boost::json::object* object = value_ == nullptr ? nullptr : value_->if_object();
  if (object == nullptr) FailType("an object");
  return object;
}

const boost::json::array* JsonCursor::AsArray() const {
  const boost::json::array* array = value_ == nullptr ? nullptr : value_->if_array();
  if (array == nullptr) FailType("an array");
  return array;
}

std::string_view JsonCursor::String() const {
  const boost::json::string* string = value_ == nullptr ? nullptr : value_->if_string();
  if (string == nullptr) {
    FailType("a string");
    return {};
  }
  return {string->data(), string->size()};
}

bool JsonCursor::Bool() const {
  const bool* value = value_ == nullptr ? nullptr : value_->if_bool();
  if (value == nullptr) {
    FailType("true or false");
    return false;
  }
  return *value;
}

int64_t JsonCursor::Int(int64_t min, int64_t max) const {
  const int64_t* value = value_ == nullptr ? nullptr : value_->if_int64();
  if (value != nullptr && *value >= min && *value <= max) return *value;
  if (value != nullptr || (value_ != nullptr && value_->is_number())) {
    Fail(Concat("expected a whole number from ", min, " to ", max, ", found ", boost::json::serialize(*value_)));
  } else {
    FailType("a whole number");
  }
  return min;
}

double JsonCursor::Number() const {
  if (value_ == nullptr || !value_->is_number()) {
    FailType("a number");
    return 0;
  }
  boost::json::error_code error;
  const auto number = value_->to_number<double>(error);
  if (error) Fail(error.message());
  return error ? 0 : number;
}

char32_t JsonCursor::Character() const {
  const std::string_view text = String();
  if (!ok()) return U' ';
  size_t offset = 0;
  const char32_t character = text.empty() ? U' ' : NextCodepoint(text, &offset);
  if (text.empty() || offset != text.size()) Fail(Concat("expected a single character, found ", Quoted(text)));
  return character;
}

void JsonCursor::FailType(std::string_view expected) const {
  Fail(Concat("expected ", expected, ", found ", KindName(value_)));
}

void JsonCursor::Fail(std::string_view what) const {
  if (error_->ok()) *error_ = absl::InvalidArgumentError(Concat(path_, ": ", what));
}

void JsonCursor::Unsupported(std::string_view what) const {
  if (error_->ok()) *error_ = absl::UnimplementedError(Concat(path_, ": ", what, " is not supported"));
}

}  // namespace batucada

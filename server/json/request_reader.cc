#include "server/json/request_reader.h"

#include <algorithm>
#include <cmath>
#include <span>
#include <utility>

#include <fmt/format.h>
#include <boost/json/serialize.hpp>

#include "absl/strings/numbers.h"
#include "base/json.h"
#include "server/common/error.h"

namespace batucada {

namespace bj = boost::json;

namespace {

constexpr double kBeyond64Bits = 0x1p63;

// The text of a string that may stand for something else.
std::optional<absl::string_view> Spelled(const bj::value& value, Typing typing) {
  if (typing == Typing::kStrict || !value.is_string()) return std::nullopt;
  return absl::string_view(value.get_string().data(), value.get_string().size());
}

// Whether the value says the same as one that changes nothing; 1.0 is 1.
bool IsSame(const bj::value& value, const bj::value& harmless, Typing typing) {
  if (harmless.is_bool()) return AsBoolean(value, typing) == harmless.get_bool();
  if (harmless.is_number()) return AsNumber(value, typing) == harmless.to_number<double>();
  return value == harmless;
}

// A client's own value as a message repeats it: not all of a long one.
std::string ShownValue(const bj::value& value) {
  constexpr size_t kMost = 60;
  if (value.is_array() && value.get_array().size() > kMost) return DescribeJson(value);
  if (value.is_object() && value.get_object().size() > kMost) return DescribeJson(value);
  if (value.is_string() && value.get_string().size() > kMost) return DescribeJson(value);
  const std::string text = value.is_double() ? fmt::format("{}", value.get_double()) : bj::serialize(value);
  // JSON's own escapes are enough: another layer would show a client's quotes with backslashes it never wrote.
  return text.size() > kMost ? DescribeJson(value) : text;
}

}  // namespace

std::optional<int64_t> AsInteger(const bj::value& value, Typing typing) {
  if (const int64_t* integer = value.if_int64()) return *integer;
  if (const uint64_t* integer = value.if_uint64()) {
    return *integer <= INT64_MAX ? std::optional(static_cast<int64_t>(*integer)) : std::nullopt;
  }
  if (const double* number = value.if_double()) {
    // The least of 64 bits comes as an integer: as a double it is what was beyond.
    const bool whole = *number > -kBeyond64Bits && *number < kBeyond64Bits && *number == std::trunc(*number);
    return whole ? std::optional(static_cast<int64_t>(*number)) : std::nullopt;
  }
  int64_t integer = 0;
  const auto text = Spelled(value, typing);
  return text && absl::SimpleAtoi(*text, &integer) ? std::optional(integer) : std::nullopt;
}

std::optional<double> AsNumber(const bj::value& value, Typing typing) {
  if (value.is_number()) return value.to_number<double>();
  double number = 0;
  const auto text = Spelled(value, typing);
  const bool decimal = text && text->find_first_of("xX") == text->npos;  // which that would take, too
  return decimal && absl::SimpleAtod(*text, &number) ? std::optional(number) : std::nullopt;
}

std::optional<bool> AsBoolean(const bj::value& value, Typing typing) {
  if (value.is_bool()) return value.get_bool();
  const auto text = Spelled(value, typing);
  if (text == "true" || text == "True") return true;
  if (text == "false" || text == "False") return false;
  return std::nullopt;
}

std::string DescribeJson(const bj::value& value) {
  switch (value.kind()) {
    case bj::kind::null: return "null";
    case bj::kind::bool_: return value.get_bool() ? "true" : "false";
    case bj::kind::string: return "a string";
    case bj::kind::array: return "a list";
    case bj::kind::object: return "an object";
    case bj::kind::double_: return fmt::format("the number {}", value.get_double());
    default: return "the number " + bj::serialize(value);
  }
}

RequestReader::RequestReader(const bj::object& object, std::string path, Typing typing, UnknownMembers* unknown)
    : object_(object), path_(std::move(path)), typing_(typing), unknown_(unknown), read_(object.size(), false) {}

void RequestReader::Fail(std::string_view name, std::string_view problem, std::string_view code) {
  if (!status_.ok()) return;
  const std::string full = FullName(name);
  status_ = InvalidParameter(full, fmt::format("{} {}", full, problem), code);
}

void RequestReader::Fail(absl::Status status) {
  if (status_.ok()) status_ = std::move(status);
}

const bj::value* RequestReader::Take(std::string_view name) {
  const auto* member = object_.find(bj::string_view(name.data(), name.size()));
  if (member == object_.end()) return nullptr;
  read_[static_cast<size_t>(member - object_.begin())] = true;
  return member->value().is_null() || !status_.ok() ? nullptr : &member->value();
}

std::optional<std::vector<int32_t>> RequestReader::TakeIds(std::string_view name) {
  if (apart_ == nullptr) return std::nullopt;
  const auto list = apart_->lists.find(name);
  if (list == apart_->lists.end() || Take(name) == nullptr) return std::nullopt;
  return std::move(list->second);
}

void RequestReader::Read(std::string_view name, std::optional<int64_t>* out) {
  const bj::value* value = Take(name);
  if (value == nullptr) return;
  if (const std::optional<int64_t> integer = AsInteger(*value, typing_)) {
    *out = integer;
  } else if (value->is_uint64()) {
    Fail(name, fmt::format("is {}: too large for a 64-bit integer", value->get_uint64()));
  } else if (value->is_double() && std::abs(value->get_double()) >= kBeyond64Bits) {
    Fail(name, fmt::format("is {}: too {} for a 64-bit integer", value->get_double(),
                           value->get_double() > 0 ? "large" : "small"));
  } else {
    Fail(name, fmt::format("must be an integer, not {}", DescribeJson(*value)));
  }
}

void RequestReader::Read(std::string_view name, std::optional<double>* out) {
  const bj::value* value = Take(name);
  if (value == nullptr) return;
  if (const std::optional<double> number = AsNumber(*value, typing_)) {
    *out = number;
  } else {
    Fail(name, fmt::format("must be a number, not {}", DescribeJson(*value)));
  }
}

void RequestReader::Read(std::string_view name, bool* out) {
  const bj::value* value = Take(name);
  if (value == nullptr) return;
  if (const std::optional<bool> boolean = AsBoolean(*value, typing_)) {
    *out = *boolean;
  } else {
    Fail(name, fmt::format("must be true or false, not {}", DescribeJson(*value)));
  }
}

void RequestReader::Read(std::string_view name, std::optional<bool>* out) {
  if (Take(name) != nullptr) Read(name, &out->emplace());
}

void RequestReader::Read(std::string_view name, std::string* out) {
  const bj::value* value = Take(name);
  if (value == nullptr) return;
  if (value->is_string()) {
    out->assign(value->get_string().data(), value->get_string().size());
  } else {
    Fail(name, fmt::format("must be a string, not {}", DescribeJson(*value)));
  }
}

void RequestReader::Read(std::string_view name, std::vector<int64_t>* out) {
  const bj::value* value = Take(name);
  if (value == nullptr) return;
  const bool alone = typing_ == Typing::kLenient && AsInteger(*value, typing_);
  if (!alone && !value->is_array()) {
    return Fail(name, fmt::format("must be a list of integers, not {}", DescribeJson(*value)));
  }
  const std::span<const bj::value> elements =
      alone ? std::span(value, 1) : std::span(value->get_array().data(), value->get_array().size());
  for (const bj::value& element : elements) {
    const std::optional<int64_t> integer = AsInteger(element, typing_);
    if (!integer) {
      return Fail(fmt::format("{}[{}]", name, out->size()),
                  fmt::format("must be an integer, not {}", DescribeJson(element)));
    }
    out->push_back(*integer);
  }
}

void RequestReader::Read(std::string_view name, std::optional<std::vector<int64_t>>* out) {
  if (Take(name) != nullptr) Read(name, &out->emplace());
}

void RequestReader::Read(std::string_view name, std::vector<std::string>* out) {
  const bj::value* value = Take(name);
  if (value == nullptr) return;
  const bool alone = typing_ == Typing::kLenient && value->is_string();
  if (!alone && !value->is_array()) {
    return Fail(name, fmt::format("must be a list of strings, not {}", DescribeJson(*value)));
  }
  ReadOneOrMore(name, out);
}

void RequestReader::ReadOneOrMore(std::string_view name, std::vector<std::string>* out) {
  const bj::value* value = Take(name);
  if (value == nullptr) return;
  if (value->is_string()) {
    out->emplace_back(value->get_string().data(), value->get_string().size());
    return;
  }
  if (!value->is_array()) {
    return Fail(name, fmt::format("must be a string or a list of strings, not {}", DescribeJson(*value)));
  }
  for (const bj::value& element : value->get_array()) {
    if (!element.is_string()) {
      return Fail(fmt::format("{}[{}]", name, out->size()),
                  fmt::format("must be a string, not {}", DescribeJson(element)));
    }
    out->emplace_back(element.get_string().data(), element.get_string().size());
  }
}

void RequestReader::Refuse(std::string_view name, const std::vector<bj::value>& harmless) {
  const bj::value* value = Take(name);
  const auto same = [&](const bj::value& one) { return IsSame(*value, one, typing_); };
  if (value == nullptr || std::any_of(harmless.begin(), harmless.end(), same)) return;
  std::string advice = "leave it out";
  if (!harmless.empty()) advice += fmt::format(" or set it to {}", bj::serialize(harmless.front()));
  Fail(name, fmt::format("is {}, which is not supported by this server: {}", ShownValue(*value), advice),
       "unsupported_parameter");
}

absl::Status RequestReader::Finish() {
  for (size_t i = 0; i < read_.size() && status_.ok(); ++i) {
    const bj::key_value_pair& member = object_.begin()[i];
    if (read_[i] || member.value().is_null()) continue;
    const std::string name(member.key().data(), member.key().size());
    if (unknown_ != nullptr && unknown_->policy == UnknownMembers::Policy::kIgnore) {
      unknown_->Ignore(path_ + name);
    } else {
      // An empty name begins no sentence.
      Fail(name.empty() ? "\"\"" : Printable(name), "is not a parameter of this endpoint: leave it out",
           "unknown_parameter");
    }
  }
  return status_;
}

}  // namespace batucada

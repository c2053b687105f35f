#include "server/request_reader.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>
#include <boost/json/serialize.hpp>

#include "engine/model/json.h"
#include "server/error.h"

namespace batucada {

namespace bj = boost::json;

std::string DescribeJson(const bj::value& value) {
  switch (value.kind()) {
    case bj::kind::null: return "null";
    case bj::kind::bool_: return value.get_bool() ? "true" : "false";
    case bj::kind::string: return "a string";
    case bj::kind::array: return "a list";
    case bj::kind::object: return "an object";
    default: return "the number " + bj::serialize(value);
  }
}

RequestReader::RequestReader(const bj::object& object, std::string path) : object_(object), path_(std::move(path)) {}

void RequestReader::Fail(std::string_view name, std::string_view problem, std::string_view code) {
  if (!status_.ok()) return;
  const std::string full = fmt::format("{}{}", path_, name);
  status_ = InvalidParameter(full, fmt::format("{} {}", full, problem), code);
}

void RequestReader::Fail(absl::Status status) {
  if (status_.ok()) status_ = std::move(status);
}

const bj::value* RequestReader::Take(std::string_view name) {
  read_.emplace(name.data(), name.size());
  const bj::value* value = object_.if_contains(bj::string_view(name.data(), name.size()));
  return value == nullptr || value->is_null() || !status_.ok() ? nullptr : value;
}

void RequestReader::Read(std::string_view name, std::optional<int64_t>* out) {
  const bj::value* value = Take(name);
  if (value == nullptr) return;
  if (value->is_int64()) {
    *out = value->get_int64();
  } else if (value->is_uint64()) {
    Fail(name, fmt::format("is {}: too large for a 64-bit integer", value->get_uint64()));
  } else {
    Fail(name, fmt::format("must be an integer, not {}", DescribeJson(*value)));
  }
}

void RequestReader::Read(std::string_view name, std::optional<double>* out) {
  const bj::value* value = Take(name);
  if (value == nullptr) return;
  if (value->is_number()) {
    *out = value->to_number<double>();
  } else {
    Fail(name, fmt::format("must be a number, not {}", DescribeJson(*value)));
  }
}

void RequestReader::Read(std::string_view name, bool* out) {
  const bj::value* value = Take(name);
  if (value == nullptr) return;
  if (value->is_bool()) {
    *out = value->get_bool();
  } else {
    Fail(name, fmt::format("must be true or false, not {}", DescribeJson(*value)));
  }
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
  if (!value->is_array()) return Fail(name, fmt::format("must be a list of integers, not {}", DescribeJson(*value)));
  for (const bj::value& element : value->get_array()) {
    if (!element.is_int64()) {
      return Fail(fmt::format("{}[{}]", name, out->size()),
                  fmt::format("must be an integer, not {}", DescribeJson(element)));
    }
    out->push_back(element.get_int64());
  }
}

void RequestReader::Read(std::string_view name, std::optional<std::vector<int64_t>>* out) {
  if (Take(name) != nullptr) Read(name, &out->emplace());
}

void RequestReader::Read(std::string_view name, std::vector<std::string>* out) {
  const bj::value* value = Take(name);
  if (value == nullptr) return;
  if (!value->is_array()) return Fail(name, fmt::format("must be a list of strings, not {}", DescribeJson(*value)));
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
  if (value == nullptr || std::find(harmless.begin(), harmless.end(), *value) != harmless.end()) return;
  std::string advice = "leave it out";
  if (!harmless.empty()) advice += fmt::format(" or set it to {}", std::string(bj::serialize(harmless.front())));
  Fail(name, fmt::format("is not supported by this server: {}", advice), "unsupported_parameter");
}

absl::Status RequestReader::Finish() {
  for (const auto& member : object_) {
    if (!status_.ok()) break;
    const std::string name(member.key().data(), member.key().size());
    if (!read_.contains(name)) {
      Fail(Printable(name), "is not a parameter of this endpoint: leave it out", "unknown_parameter");
    }
  }
  return status_;
}

}  // namespace batucada

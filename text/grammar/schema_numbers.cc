#include "text/grammar/schema_numbers.h"

#include <algorithm>
#include <cmath>
#include <cstdint>

#include <boost/json.hpp>

namespace batucada::grammar {

namespace bj = boost::json;

void MakeIntegers(bj::value& value) {
  if (bj::array* list = value.if_array()) {
    for (bj::value& one : *list) MakeIntegers(one);
  } else if (bj::object* object = value.if_object()) {
    for (auto& member : *object) MakeIntegers(member.value());
  } else if (const double* number = value.if_double();
             number != nullptr && *number == std::floor(*number) && std::abs(*number) < 0x1p63) {
    value = static_cast<int64_t>(*number);
  }
}

bool HasRoundedInteger(const bj::value& value) {
  if (const bj::array* list = value.if_array()) return std::any_of(list->begin(), list->end(), HasRoundedInteger);
  if (const bj::object* object = value.if_object()) {
    return std::any_of(object->begin(), object->end(),
                       [](const auto& member) { return HasRoundedInteger(member.value()); });
  }
  const double* number = value.if_double();
  return number != nullptr && std::abs(*number) >= 0x1p63;  // doubles of that size are all whole
}

}  // namespace batucada::grammar

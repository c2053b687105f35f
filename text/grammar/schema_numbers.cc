#include "text/grammar/schema_numbers.h"

#include <algorithm>
#include <cmath>

#include <boost/json.hpp>

namespace batucada::grammar {

namespace bj = boost::json;

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

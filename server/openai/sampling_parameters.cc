#include "server/openai/sampling_parameters.h"

#include <cstdint>

#include "server/json/json_schema.h"

namespace batucada {

boost::json::object SamplingSchema(const SamplingField& field) {
  if (std::holds_alternative<IntegerMembers>(field.members)) {
    return IntegerSchema(field.description,
                         {.min = static_cast<int64_t>(field.least), .max = static_cast<int64_t>(field.most)});
  }
  using Lower = NumberBounds::Lower;
  return NumberSchema(field.description,
                      {.min = field.least,
                       .max = field.most,
                       .lower = field.lower == LowerBound::kExcluded ? Lower::kOpen : Lower::kClosed});
}

}  // namespace batucada

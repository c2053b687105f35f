// Numbers of a schema as it means them: those of 64 bits are not rounded to doubles, and 1.0 is 1.
#pragma once

#include <limits>

#include <boost/json/value.hpp>

namespace batucada::grammar {

// Every integer of 64 bits and every double is one, and no two of them are the same one.
using ExactNumber = long double;
static_assert(std::numeric_limits<ExactNumber>::digits >= 64);

// REQUIRES: value.is_number().
inline ExactNumber ExactOf(const boost::json::value& value) { return value.to_number<ExactNumber>(); }

// Makes integers of the doubles in `value`, at any depth, that are integers of 64 bits: to JSON Schema 1.0 and 1e2 are
// some (draft 2020-12, validation, section 6.1.1), and are the same values as 1 and 100.
void MakeIntegers(boost::json::value& value);

// Whether a number in `value`, at any depth, is an integer beyond 64 bits: of such the parser of JSON has made the
// nearest double, and which one was meant can't be told any more.
bool HasRoundedInteger(const boost::json::value& value);

}  // namespace batucada::grammar

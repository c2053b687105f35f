// Numbers of a schema as they were written: those of 64 bits are not rounded to doubles.
#pragma once

#include <limits>

#include <boost/json/value.hpp>

namespace batucada::grammar {

// Every integer of 64 bits and every double is one, and no two of them are the same one.
using ExactNumber = long double;
static_assert(std::numeric_limits<ExactNumber>::digits >= 64);

// REQUIRES: value.is_number().
inline ExactNumber ExactOf(const boost::json::value& value) { return value.to_number<ExactNumber>(); }

// Whether a number in `value`, at any depth, is an integer beyond 64 bits: of such the parser of JSON has made the
// nearest double, and which one was meant can't be told any more.
bool HasRoundedInteger(const boost::json::value& value);

}  // namespace batucada::grammar

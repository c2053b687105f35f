// JSON as people and models write it.
#pragma once

#include <string>

#include <boost/json/value.hpp>

namespace batucada {

// Without spaces, and with numbers as json.dumps of Python has them: 0.5 and 100.0, where Boost's serializer writes
// 5E-1 and 1E2. REQUIRES: no deeper than a parser let it be.
std::string WriteJson(const boost::json::value& value);

}  // namespace batucada

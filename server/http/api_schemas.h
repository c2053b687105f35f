// JSON Schemas of what the API takes, from the tables that requests are read by, and of what it answers.
#pragma once

#include <boost/json/object.hpp>

namespace batucada {

// By name.
boost::json::object ApiSchemas();

}  // namespace batucada

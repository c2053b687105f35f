// JSON Schemas of what the API takes, from the tables that requests are read by, and of what it answers.
#pragma once

#include <boost/json/object.hpp>

#include "server/json/unknown_members.h"

namespace batucada {

// By name. `unknown`: whether requests may hold members that no table knows.
boost::json::object ApiSchemas(UnknownMembers::Policy unknown);

}  // namespace batucada

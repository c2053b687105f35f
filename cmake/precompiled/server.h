// As base.h, for the rooms of the server.
#pragma once

#include <fmt/format.h>
#include <boost/json/object.hpp>
#include <boost/json/value.hpp>

#include "cmake/precompiled/base.h"

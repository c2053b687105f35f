// A result as JSON in the field names of `vllm bench serve`, so that tools for those files read ours; what vLLM has no
// name for stands beside them under names of its own.
#pragma once

#include <boost/json/object.hpp>

#include "loadtest/report/result.h"

namespace batucada::loadtest {

boost::json::object ResultToJson(const Result& result);

}  // namespace batucada::loadtest

// Results as one HTML page that needs nothing else: tables, distributions, and from a sweep how latency grows with the
// load.
#pragma once

#include <string>
#include <vector>

#include "loadtest/report/result.h"

namespace batucada::loadtest {

// REQUIRES: at least one result; more are a sweep's, in its order.
std::string HtmlReport(const std::vector<Result>& results);

}  // namespace batucada::loadtest

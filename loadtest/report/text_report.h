// A result for the terminal.
#pragma once

#include <string>

#include "loadtest/report/result.h"

namespace batucada::loadtest {

std::string TextReport(const Result& result);

}  // namespace batucada::loadtest

// Numbers of single precision as their writers meant them: 0.8, not 0.800000011920929.
#pragma once

#include <cstdlib>

#include <fmt/format.h>

namespace batucada {

// The double with the fewest decimals that becomes `number` again in single precision.
inline double ShortestDouble(float number) { return std::strtod(fmt::format("{}", number).c_str(), nullptr); }

}  // namespace batucada

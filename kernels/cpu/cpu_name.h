// What the processor calls itself, and which instructions the kernels use on it.
#pragma once

#include <string>

namespace batucada {

std::string CpuName();   // "Intel(R) Xeon(R) Platinum 8488C"; "unknown" where the system does not say
std::string SimdName();  // Highway's name of the best target compiled in that runs here: "AVX3", "AVX2", "NEON"

}  // namespace batucada

// Amounts of memory as people read them.
#pragma once

#include <cstdint>
#include <string>

namespace batucada {

// "1.50 GiB", "72.0 MiB", "512 B": three significant digits.
std::string HumanBytes(int64_t bytes);

}  // namespace batucada

// Files for others to read.
#pragma once

#include <string>
#include <string_view>

#include "absl/status/status.h"

namespace batucada {

// Makes `bytes` the whole of the file: a reader sees all of it or what was there before. What is there and is no
// regular file (a terminal, a pipe that is read, a link such as /dev/stdout) is written to where it is, and never
// replaced. UNAVAILABLE, in a sentence with the path and the reason.
[[nodiscard]] absl::Status WriteWholeFile(const std::string& path, std::string_view bytes);

}  // namespace batucada

// Files from outside, read with care.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

#include "absl/status/statusor.h"

namespace batucada {

// The whole of a regular file: never of a directory, a pipe, a device or a socket, none of which it waits for or
// disturbs, and never more than `max_bytes`, however the file grows meanwhile. NOT_FOUND if it is not there;
// INVALID_ARGUMENT if it is something else or too long; UNAVAILABLE if it cannot be read. Each in a sentence with the
// path.
absl::StatusOr<std::string> ReadWholeFile(const std::filesystem::path& path, int64_t max_bytes);

}  // namespace batucada

// What the Hub calls a file's content by: SHA-256 of large files, git's SHA-1 of small ones, and so the cache, too.
#pragma once

#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace batucada {

// Whether `digest` is one of either kind, in lower case.
bool IsDigest(std::string_view digest);

// The digest of the whole open file, of the same kind as `like`. `size` in bytes is what the file must have.
absl::StatusOr<std::string> DigestOfFile(int fd, int64_t size, std::string_view like);

}  // namespace batucada

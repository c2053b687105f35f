// A read-only memory mapping of a whole file.
#pragma once

#include <cstddef>
#include <filesystem>
#include <span>

#include "absl/status/statusor.h"

namespace batucada {

// Move-only; unmaps at the end. Pages are read when first touched, so opening costs nothing whatever the size.
// A file that is shortened while mapped raises SIGBUS at the next touch of a page that is gone: replace model files by
// renaming a new one over them, never by writing into them. A file that is replaced so stays readable here.
class MappedFile {
 public:
  // Regular, non-empty files only; the error names the path.
  static absl::StatusOr<MappedFile> Open(const std::filesystem::path& path);

  MappedFile(MappedFile&& other) noexcept;
  MappedFile& operator=(MappedFile&& other) noexcept;
  ~MappedFile();

  std::span<const std::byte> bytes() const { return bytes_; }

  // Asks the system to start reading now what will be touched soon: `part` lies within the bytes() of some MappedFile.
  static void Prefetch(std::span<const std::byte> part);

 private:
  explicit MappedFile(std::span<const std::byte> bytes) : bytes_(bytes) {}

  std::span<const std::byte> bytes_;
};

}  // namespace batucada

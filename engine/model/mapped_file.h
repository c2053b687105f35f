// A read-only memory mapping of a whole file.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>

#include "absl/status/statusor.h"

namespace batucada {

// Move-only; unmaps at the end. Pages are read when first touched, so opening costs nothing whatever the size.
// A file that is shortened while mapped raises SIGBUS at the next touch of a page that is gone
// (server/commands/signals.h says so and ends the program), and what is written into it is read here: replace model
// files by renaming new ones over them. A file that is replaced so stays readable here.
class MappedFile {
 public:
  // Regular, non-empty files only; the error names the path.
  static absl::StatusOr<MappedFile> Open(const std::filesystem::path& path);

  MappedFile(MappedFile&& other) noexcept;
  MappedFile& operator=(MappedFile&& other) noexcept;
  ~MappedFile();

  std::span<const std::byte> bytes() const { return bytes_; }

  // INVALID_ARGUMENT if the file's size or time of change is not what it was at Open: part of what was read since may
  // be of another version. Ask after reading.
  [[nodiscard]] absl::Status CheckUnchanged() const;

  // Brings `part` into memory, many pages at a time: faster than touching one after another, which it does not replace.
  // For any memory, of which the bytes() of some MappedFile gain most. Thread-safe.
  static void Populate(std::span<const std::byte> part);

 private:
  struct Version {
    int64_t bytes = 0;
    int64_t modified_ns = 0;  // since 1970
    bool operator==(const Version&) const = default;
  };
  MappedFile() = default;
  static absl::StatusOr<Version> VersionOf(int fd, const std::filesystem::path& path);

  std::filesystem::path path_;
  int fd_ = -1;
  Version opened_;
  std::span<const std::byte> bytes_;
};

}  // namespace batucada

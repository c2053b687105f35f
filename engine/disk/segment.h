// A file of checkpoints, one behind the other, that is only appended to:
//
//   head      48 bytes, see segment.cc: magic, checksums, lengths
//   scope     its bytes
//   names     of sessions, their bytes
//   ids       int32 each
//   payload   the pages' bytes, in the order in which they are given
//
// in this machine's byte order. Each part has a CRC-32 (zlib's). A file that was cut short, by a crash or a full disk,
// ends with its last whole record; bytes that were changed are found when they are read. Not thread-safe.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace batucada {

class Segment {
 public:
  struct Record {
    int64_t offset = 0;  // of its head
    int64_t bytes = 0;   // of all of it
    int64_t payload_bytes = 0;
    uint32_t payload_checksum = 0;
    std::string scope, names;
    std::vector<int32_t> ids;
  };

  // An empty one; the file must not be there yet.
  static absl::StatusOr<std::unique_ptr<Segment>> Create(const std::string& path);
  // One that is only read from now on: appends its whole records to `records`.
  static absl::StatusOr<std::unique_ptr<Segment>> Open(const std::string& path, std::vector<Record>* records);
  ~Segment();
  Segment(const Segment&) = delete;
  Segment& operator=(const Segment&) = delete;

  static int64_t BytesOf(const std::string& scope, const std::string& names, size_t ids,
                         std::span<const std::span<char>> payload);
  // RESOURCE_EXHAUSTED: the disk is full. After an error the file is as it was.
  absl::StatusOr<Record> Append(const std::string& scope, const std::string& names, std::span<const int32_t> ids,
                                std::span<const std::span<char>> payload);
  // The whole record that begins there, with its text; none if there is none, or it was changed.
  std::optional<Record> RecordAt(int64_t offset) const;
  // Fills `payload`, which has the sizes that were appended. DATA_LOSS: it is not what was written.
  absl::Status Read(const Record& record, std::span<const std::span<char>> payload) const;
  // What was appended survives a loss of power.
  absl::Status Sync();

  int64_t bytes() const { return bytes_; }
  const std::string& path() const { return path_; }

 private:
  Segment(std::string path, int descriptor) : path_(std::move(path)), descriptor_(descriptor) {}

  const std::string path_;
  const int descriptor_;
  int64_t bytes_ = 0;
};

}  // namespace batucada

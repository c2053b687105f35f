// The file of a store: DIR/store.db, in SQLite's format, with its write-ahead log beside it.
//
// application_id 0x42545543 says whose it is, user_version which schema it has (1). Only its owner may read it.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "server/store/sqlite.h"

namespace batucada {

// Opens the file, or makes it; for this process alone, for as long as the database lives. `directory` empty: in memory.
// `max_bytes`: see StoreOptions; half as much again is where SQLite itself stops.
// DATA_LOSS if it is no sound database; FAILED_PRECONDITION if it is another's, or another process has it.
[[nodiscard]] absl::StatusOr<std::unique_ptr<Database>> OpenStoreFile(const std::string& directory, int64_t max_bytes);

// Which file is there now, to be held against which was opened; zeroes where there is none, or the store is in memory.
// Nothing where that cannot be told.
struct StoreFileId {
  uint64_t device = 0, number = 0;
  bool operator==(const StoreFileId&) const = default;
};
[[nodiscard]] std::optional<StoreFileId> FindStoreFile(const std::string& directory);

// Moves the file, which was DIR/store.db, to DIR/store.db.corrupt, or where there are such already to .corrupt.2 and so
// on: the name that it has now. The last of kMostAside is replaced, so that a disk that fails and fails is not filled.
// REQUIRES: it is not open.
inline constexpr int kMostAside = 8;
[[nodiscard]] absl::StatusOr<std::string> SetStoreFileAside(const std::string& directory);

// Room on the disk that is kept for deleting: also what takes something away is written first, to the log. A file
// beside the store's, for as much as its log has before it is read back. Without room for that there is none. Nothing
// in memory.
void KeepReserve(const std::string& directory, int64_t max_bytes);
// Gives the room back to the disk. False if there was none.
bool SpendReserve(const std::string& directory);

}  // namespace batucada

// A session's state as one file, to be taken by another server:
//
//   head       16 bytes of magic, then 8 bytes each: bytes of the model's name, of the salt, of the session's name; the
//              text's ids; bytes of the state
//   the names, the ids (int32 each), the state, in this machine's byte order
//   SHA-256    of all that
//
// The sum finds what was changed by accident. It is no signature: a server takes states from whom it lets, and uses
// them for nobody else's texts (server/grpc/checkpoint_calls.h).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "engine/core/session.h"

namespace batucada {

struct StateFile {
  std::string session;
  SavedState state;
};

// How large the file will be.
int64_t StateFileBytes(const StateFile& file, int64_t state_bytes);
// The file's bytes; `file.state.bytes` is empty afterwards.
std::string WriteStateFile(StateFile file);

// What the head says, as soon as it is there.
struct StateFileHead {
  int64_t bytes = 0;  // of the whole file
};
inline constexpr size_t kStateFileHeadBytes = 56;
// DATA_LOSS: these bytes, kStateFileHeadBytes or more, do not begin such a file.
absl::StatusOr<StateFileHead> ReadStateFileHead(std::string_view bytes);
// DATA_LOSS, in a sentence: the bytes are no such file, or not as they were written.
absl::StatusOr<StateFile> ReadStateFile(std::string_view bytes);

}  // namespace batucada

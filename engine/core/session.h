// Sessions as the engine tells of them (engine/prefix/session_table.h), and a session's state on its way to another
// engine.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/time/time.h"

namespace batucada {

// Where the nearest copy of a state lies.
enum class StateTier : uint8_t { kDevice, kHost, kDisk, kNone };

struct SessionInfo {
  std::string name;
  int64_t tokens = 0;  // that its state stands for
  StateTier tier = StateTier::kNone;
  absl::Duration idle = absl::InfiniteDuration();  // since it was used; infinite: not since the start
};

// What a sequence held after `ids`, whole.
struct SavedState {
  std::string model;  // of which weights, computed where, in pages of which sizes: equal, or the bytes mean nothing
  std::string salt;   // of the texts it may be used for, beside whose they are
  std::vector<int32_t> ids;
  std::string bytes;  // of its pages, in the engine's order
};

}  // namespace batucada

// An engine's sessions: what its cache of prefixes keeps, by the names that clients gave it, and the way of a state
// from one engine to another. Thread-safe.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "engine/core/session.h"

namespace batucada {

class StepLoop;

// Errors: NOT_FOUND for a session that is not there; FAILED_PRECONDITION where the engine keeps nothing, or has no
// memory on the host for it.
class SessionStates {
 public:
  struct Bounds {
    int64_t max_tokens = 0;
    int32_t vocab_size = 0;
  };
  // `model`: SavedState::model of this engine.
  SessionStates(std::shared_ptr<StepLoop> loop, std::string model, Bounds bounds)
      : loop_(std::move(loop)), model_(std::move(model)), bounds_(bounds) {}

  // Names are at most so long, and not empty. `owner`: names of different owners never meet.
  static constexpr size_t kMostNameBytes = 256;

  // The one used last first.
  std::vector<SessionInfo> List(uint64_t owner) const;
  absl::StatusOr<SessionInfo> Find(uint64_t owner, std::string_view name) const;
  // The name, and the state that stands there where nobody else's text goes on from it.
  absl::Status Erase(uint64_t owner, std::string_view name);
  // `to` stands where `from` does; and where there is a disk, the state is written there under both names.
  absl::Status Copy(uint64_t owner, std::string_view from, std::string_view to);

  // Waits until the state lies in the host's memory: not for a step loop's thread. `charge` is asked before so many
  // bytes are held, and its error is this one's. UNAVAILABLE: not before the deadline.
  absl::StatusOr<SavedState> Export(uint64_t owner, std::string_view name, absl::Time deadline,
                                    const std::function<absl::Status(int64_t)>& charge);
  // Takes a state for texts of `scope` (Request::cache_scope). INVALID_ARGUMENT: it is another model's, or none at
  // all. REQUIRES: its bytes are those that were exported, which only their sum can tell.
  absl::Status Import(uint64_t owner, std::string_view name, const std::string& scope, const SavedState& state);

 private:
  const std::shared_ptr<StepLoop> loop_;
  const std::string model_;
  const Bounds bounds_;
};

}  // namespace batucada

// From configuration to a backend that is ready to run.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "base/byte_progress.h"
#include "engine/engine_config.h"
#include "engine/model/checkpoint.h"
#include "engine/run/backend.h"

namespace batucada {

struct BackendChoice {
  std::unique_ptr<Backend> backend;
  // What the configuration left open, decided.
  BackendKind kind = BackendKind::kAuto;
  int32_t max_batch_tokens = 0;
  absl::Duration load_time;  // of the weights
};

// Loads `checkpoint` into the backend that `config` asks for. Appends to `report` which was chosen, why, and how the
// memory is divided. `end_tokens` are never drawn by the fake backend. `progress` of loading may be null.
absl::StatusOr<BackendChoice> MakeBackend(const EngineConfig& config, Checkpoint& checkpoint,
                                          const std::vector<int32_t>& end_tokens, ByteProgress* progress,
                                          std::string* report);

}  // namespace batucada

// A model that is no model: tokens are a hash of a sequence's whole history, and a step takes a set time. It proves the
// scheduler, the server and load tools without arithmetic: a token fed to the wrong sequence, twice or not at all
// changes every token after it.
#pragma once

#include <chrono>
#include <deque>
#include <utility>
#include <vector>

#include "absl/time/time.h"
#include "engine/run/backend.h"

namespace batucada {

struct FakeBackendConfig {
  BackendCapacity capacity;
  int32_t vocab_size = 0;
  std::vector<int32_t> never;  // ids that are not drawn: end tokens would make lengths vary
  absl::Duration step_time;    // from launch, or the end of the step before, to the result
};

class FakeBackend : public Backend {
 public:
  explicit FakeBackend(FakeBackendConfig config);

  const BackendCapacity& capacity() const override { return config_.capacity; }
  absl::Status Launch(const BatchPlan& plan) override;
  absl::StatusOr<StepResult> Wait() override;

  // The token drawn after `history`, for tests. Depends on the seed only if temperature > 0.
  static int32_t Draw(const FakeBackendConfig& config, std::span<const int32_t> history,
                      const SamplingParams& sampling);

 private:
  struct Slot {
    uint64_t hash = 0;     // of all tokens so far
    int64_t position = 0;  // how many
    int32_t last = 0;      // sampled last
  };
  struct Launched {
    std::chrono::steady_clock::time_point ready;
    StepResult result;
  };

  const FakeBackendConfig config_;
  std::vector<Slot> slots_;
  std::deque<Launched> launched_;
  std::chrono::steady_clock::time_point device_free_;
};

}  // namespace batucada

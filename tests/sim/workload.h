// A server's shape and what its clients do to it, drawn from a seed: the same seed draws the same life.
#pragma once

#include <cstdint>
#include <random>

#include "absl/time/time.h"
#include "engine/core/request.h"
#include "engine/schedule/batch_plan.h"
#include "engine/schedule/scheduler.h"

namespace batucada::sim {

// Ids that a fake model draws; the first ends a text.
inline constexpr int32_t kVocabulary = 64;
inline constexpr int32_t kEndToken = 0;

class Workload {
 public:
  explicit Workload(uint64_t seed);

  const SchedulerConfig& config() const { return config_; }

  // What happens before the next step. Loads come in waves: quiet, steady and flood.
  int Arrivals();
  Request NextRequest(absl::Time now);
  // Sequences of the request that came last.
  int Choices() { return Chance(0.1) ? static_cast<int>(2 + Below(20)) : 1; }
  // A token; now and then none.
  int32_t Draw() { return Chance(0.001) ? kNothingDrawn : static_cast<int32_t>(Below(kVocabulary)); }
  bool Chance(double probability) { return std::bernoulli_distribution(probability)(random_); }
  uint64_t Below(uint64_t bound) { return random_() % bound; }
  absl::Duration StepTime() { return absl::Microseconds(static_cast<int64_t>(1 + Below(5000))); }

 private:
  void MakeParking();
  // 1 … most, small ones more often: uniform in the logarithm.
  int64_t Length(int64_t most);

  std::mt19937_64 random_;
  SchedulerConfig config_;
  uint64_t groups_ = 0;
  uint64_t clients_ = 1;
  int64_t longest_prompt_ = 0;
  int64_t longest_text_ = 0;
  double urgent_ = 0;      // of the requests
  double rate_ = 0;        // arrivals a step, of this wave
  int64_t wave_left_ = 0;  // steps
};

}  // namespace batucada::sim

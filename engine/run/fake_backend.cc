#include "engine/run/fake_backend.h"

#include <algorithm>
#include <cmath>
#include <thread>

#include "base/status.h"

namespace batucada {
namespace {

// One round of SplitMix64 (Steele, Lea, Flood 2014).
uint64_t Mix(uint64_t x) {
  x += 0x9E3779B97F4A7C15;
  x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9;
  x = (x ^ (x >> 27)) * 0x94D049BB133111EB;
  return x ^ (x >> 31);
}

uint64_t Extend(uint64_t hash, int32_t token) { return Mix(hash ^ static_cast<uint64_t>(token)); }

int32_t DrawFromHash(const FakeBackendConfig& config, uint64_t hash, const SamplingParams& sampling) {
  uint64_t h = sampling.temperature > 0 ? Mix(hash ^ sampling.seed) : hash;
  for (;; h = Mix(h)) {
    const auto token = static_cast<int32_t>(h % static_cast<uint64_t>(config.vocab_size));
    if (std::find(config.never.begin(), config.never.end(), token) == config.never.end()) return token;
  }
}

}  // namespace

FakeBackend::FakeBackend(FakeBackendConfig config)
    : config_(std::move(config)), slots_(static_cast<size_t>(config_.capacity.slots)),
      device_free_(std::chrono::steady_clock::now()) {
  BATUCADA_CHECK(config_.vocab_size > static_cast<int32_t>(config_.never.size()));
}

int32_t FakeBackend::Draw(const FakeBackendConfig& config, std::span<const int32_t> history,
                          const SamplingParams& sampling) {
  uint64_t hash = 0;
  for (int32_t token : history) hash = Extend(hash, token);
  return DrawFromHash(config, hash, sampling);
}

absl::Status FakeBackend::Launch(const BatchPlan& plan) {
  std::vector<uint64_t> row_hash;
  row_hash.reserve(static_cast<size_t>(plan.num_tokens));
  for (const PlannedSequence& s : plan.sequences) {
    Slot& slot = slots_.at(static_cast<size_t>(s.slot));
    if (s.start == 0) slot = {};
    BATUCADA_CHECK(s.start == slot.position, "sequence ", s.id, " skips or repeats a position");
    for (int32_t i = 0; i < s.num_tokens; ++i) {
      slot.hash = Extend(slot.hash, s.tokens.empty() ? slot.last : s.tokens[static_cast<size_t>(i)]);
      row_hash.push_back(slot.hash);
    }
    slot.position += s.num_tokens;
  }
  StepResult result{.step = plan.step, .samples = {}};
  result.samples.reserve(plan.samples.size());
  for (const PlannedSample& sample : plan.samples) {
    const uint64_t hash = row_hash.at(static_cast<size_t>(sample.row));
    const bool draws = sample.target < 0;
    const int32_t id = draws ? DrawFromHash(config_, hash, *sample.sampling) : sample.target;
    if (draws) slots_.at(static_cast<size_t>(sample.slot)).last = id;
    TokenResult token{.id = id, .logprob = -0.5F, .rank = 1, .top = {}};
    for (int32_t i = 0; i < sample.num_top; ++i) {
      token.top.push_back({.id = (id + i) % config_.vocab_size, .logprob = -0.5F - static_cast<float>(i)});
    }
    result.samples.push_back(std::move(token));
  }
  device_free_ =
      std::max(device_free_, std::chrono::steady_clock::now()) + absl::ToChronoNanoseconds(config_.step_time);
  launched_.push_back({.ready = device_free_, .result = std::move(result)});
  return absl::OkStatus();
}

absl::StatusOr<StepResult> FakeBackend::Wait() {
  BATUCADA_CHECK(!launched_.empty(), "nothing was launched");
  Launched step = std::move(launched_.front());
  launched_.pop_front();
  if (config_.step_time > absl::ZeroDuration()) std::this_thread::sleep_until(step.ready);
  return std::move(step.result);
}

}  // namespace batucada

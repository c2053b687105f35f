#include "tests/sim/workload.h"

#include <algorithm>
#include <cmath>

namespace batucada::sim {

Workload::Workload(uint64_t seed) : random_(seed) {
  config_.slots = static_cast<int32_t>(1 + Below(24));
  config_.urgent_slots = Chance(0.5) ? static_cast<int32_t>(Below(static_cast<uint64_t>(config_.slots))) : 0;
  config_.control_rows = static_cast<int32_t>(1 + Below(static_cast<uint64_t>(config_.slots)));
  config_.block_tokens = static_cast<int32_t>(8 << Below(4));
  // No K/V, mostly one group, sometimes several; blocks from hardly enough to plenty.
  const uint64_t groups = Chance(0.1) ? 0 : Chance(0.7) ? 1 : 2 + Below(kMaxKvGroups - 1);
  for (uint64_t group = 0; group < groups; ++group) {
    const auto most = static_cast<int32_t>(1 + Below(12));
    const int32_t least = (config_.urgent_slots + 1) * most, plenty = config_.slots * most;
    const auto blocks = least + static_cast<int32_t>(Below(static_cast<uint64_t>(plenty - least) + 1));
    config_.kv.push_back({.blocks = blocks, .most_per_sequence = most});
  }
  config_.max_batch_tokens = config_.slots + static_cast<int32_t>(Below(400));
  config_.max_waiting = static_cast<int32_t>(1 + Below(40));
  config_.max_waiting_tokens = static_cast<int64_t>(1 + Below(20'000));
  config_.max_steps_in_flight = static_cast<int32_t>(1 + Below(3));
  constexpr double kShares[] = {1, 0.9, 0.75, 0.5, 0.1};
  config_.request_share = kShares[Below(std::size(kShares))];
  config_.client_share = Chance(0.5) ? 1 : kShares[Below(std::size(kShares))];
  clients_ = 1 + Below(5);
  config_.end_tokens = {kEndToken};
  config_.max_decode_rows = Chance(0.5) ? 1 : 1 + static_cast<int32_t>(Below(8));
  if (Chance(0.5)) config_.max_drafts = static_cast<int32_t>(Below(40));
  config_.awaits_drafts = Chance(0.5);
  longest_prompt_ = static_cast<int64_t>(8 << Below(9));
  longest_text_ = static_cast<int64_t>(2 << Below(8));
  if (Chance(0.6)) MakeParking();
  config_.cuts_steps = seed % 2 == 0;
}

void Workload::MakeParking() {
  ParkingBounds& parking = config_.parking;
  parking.room.slots = static_cast<int32_t>(1 + Below(static_cast<uint64_t>(config_.slots)));
  for (const KvGroupSize& group : config_.kv) {
    const int32_t plenty = parking.room.slots * group.most_per_sequence;
    parking.room.blocks.push_back(Chance(0.5) ? plenty : static_cast<int32_t>(Below(static_cast<uint64_t>(plenty))));
  }
  parking.most_times = static_cast<int32_t>(1 + Below(4));
  parking.most_time = absl::Milliseconds(static_cast<int64_t>(1 + Below(3000)));
  urgent_ = Chance(0.5) ? 0.3 : 0.02;
}

int Workload::Arrivals() {
  if (wave_left_-- <= 0) {
    wave_left_ = static_cast<int64_t>(20 + Below(400));
    constexpr double kRates[] = {0, 0.02, 0.1, 0.5, 3};
    rate_ = kRates[Below(std::size(kRates))];
  }
  return rate_ == 0 ? 0 : std::poisson_distribution<int>(rate_)(random_);
}

int64_t Workload::Length(int64_t most) {
  const double u = std::uniform_real_distribution<double>(0, 1)(random_);
  return std::clamp<int64_t>(static_cast<int64_t>(std::exp(u * std::log(static_cast<double>(most) + 1))), 1, most);
}

Request Workload::NextRequest(absl::Time now) {
  Request request;
  std::vector<int32_t> prompt(static_cast<size_t>(Length(longest_prompt_)));
  const auto base = static_cast<int32_t>(Below(1 << 20));
  for (size_t i = 0; i < prompt.size(); ++i) prompt[i] = base + static_cast<int32_t>(i);
  request.prompt = std::move(prompt);
  request.max_tokens = Length(longest_text_);
  if (Chance(0.05)) request.prompt_logprobs = 0;
  if (request.prompt_logprobs && Chance(0.5)) request.max_tokens = 0;
  if (Chance(0.1)) request.ignore_eos = true;
  if (Chance(0.1)) request.stop_token_ids = {static_cast<int32_t>(1 + Below(kVocabulary - 1))};
  if (Chance(0.2)) request.priority = static_cast<Priority>(Below(5)) - 2;
  if (Chance(urgent_)) request.priority = -1 - static_cast<Priority>(Below(3));
  request.client = Below(clients_);
  request.group = Chance(0.1) ? 0 : ++groups_;
  if (Chance(0.2)) request.sampling.min_tokens = static_cast<int64_t>(Below(4));
  if (Chance(0.1)) request.deadline = now + absl::Milliseconds(static_cast<int64_t>(Below(2000)));
  return request;
}

}  // namespace batucada::sim

// What making masks of grammars may take of the step loop's time, by client. A mask that nobody needed before takes
// some milliseconds, and everybody waits for it; so each client has so many steps a second. Who has used them up sits
// out until there are new ones, and loses a sequence only where one step's masks took twice what there can be.
//
// A token bucket (J. Turner, "New directions in communications", 1986). Not thread-safe.
#pragma once

#include <algorithm>
#include <cstdint>

#include "absl/container/node_hash_map.h"
#include "absl/time/time.h"

namespace batucada {

class MaskBudgets {
 public:
  static constexpr int64_t kPerSecond = 2'000'000;            // steps: an eighth of a second
  static constexpr int64_t kMost = 500'000, kMore = 500'000;  // kept, and what one step may overdraw

  // Before anything is planned. Pointers that Find returned end here, unless `keep`: somebody is yet to draw.
  void Refill(absl::Time now, bool keep) {
    if (left_.empty()) return;
    const auto more = static_cast<int64_t>(absl::ToDoubleSeconds(now - refilled_) * static_cast<double>(kPerSecond));
    if (more <= 0) return;
    refilled_ = now;
    for (auto it = left_.begin(); it != left_.end();) {
      it->second = std::min(kMost + kMore, it->second + std::min(more, kMost + kMore));
      const auto full = it++;
      if (!keep && full->second == kMost + kMore) left_.erase(full);
    }
  }
  // What a client's masks may take in this step.
  int64_t* Find(uint64_t client, absl::Time now) {
    if (left_.empty()) refilled_ = now;
    return &left_.try_emplace(client, kMost + kMore).first->second;
  }
  static bool MayDraw(int64_t left) { return left > kMore; }

 private:
  absl::node_hash_map<uint64_t, int64_t> left_;  // of clients that have used some
  absl::Time refilled_;
};

}  // namespace batucada

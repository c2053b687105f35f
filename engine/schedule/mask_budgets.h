// What following grammars may take of the step loop's time, by client: making masks, and taking note of what was drawn.
// Either takes some milliseconds where nobody needed it before, and everybody waits for it; so each client has so many
// steps a second. Who has used them up sits out until there are new ones.
//
// A row is planned before it is known what it takes: it is thought to take what it took last, and so many of a client's
// rows are out at once as the budget has room for, one at least. Where they take more than was thought the budget is
// overdrawn; what has no steps left is followed with few (text/grammar/machine.h).
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
  static constexpr int64_t kMostOut = 100'000;                // what the rows that are out may be thought to take

  struct Client {
    int64_t left = kMost + kMore;
    int64_t out = 0;  // what its rows that are out are thought to take

    // Whether a row may be planned that is thought to take so much.
    bool MayDraw(int64_t steps) const {
      if (out == 0) return left > kMore;
      return out + steps <= std::min(kMostOut, left - kMore);
    }
  };

  // Before anything is planned. What Find returned ends here where nothing is out, unless `keep`: somebody is yet to
  // draw.
  void Refill(absl::Time now, bool keep) {
    if (clients_.empty()) return;
    const auto more = static_cast<int64_t>(absl::ToDoubleSeconds(now - refilled_) * static_cast<double>(kPerSecond));
    if (more <= 0) return;
    refilled_ = now;
    for (auto it = clients_.begin(); it != clients_.end();) {
      Client& client = it->second;
      client.left = std::min(kMost + kMore, client.left + std::min(more, kMost + kMore));
      const auto full = it++;
      if (!keep && client.left == kMost + kMore && client.out == 0) clients_.erase(full);
    }
  }
  Client& Find(uint64_t client, absl::Time now) {
    if (clients_.empty()) refilled_ = now;
    return clients_.try_emplace(client).first->second;
  }
  // Nothing is out any more.
  void Abandon() {
    for (auto& [id, client] : clients_) client.out = 0;
  }

 private:
  absl::node_hash_map<uint64_t, Client> clients_;  // that have used some
  absl::Time refilled_;
};

}  // namespace batucada

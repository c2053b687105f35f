// How long a transfer may wait for its other side: a grace, and more for every byte that comes over. Who takes or sends
// a byte now and then to keep a connection busy runs out of it; who is slow but steady does not.
#pragma once

#include <algorithm>
#include <cstdint>

#include "absl/time/time.h"

namespace batucada {

// Of one body or one answer.
class Patience {
 public:
  // `rate`: bytes that buy a second. What is bought and not used is kept up to the grace.
  Patience(absl::Duration grace, int64_t rate) : grace_(grace), rate_(static_cast<double>(rate)), left_(grace) {}

  absl::Duration left() const { return left_; }
  void OnWaited(absl::Duration waited) { left_ -= waited; }
  void OnMoved(size_t bytes) { left_ = std::min(grace_, left_ + absl::Seconds(static_cast<double>(bytes) / rate_)); }

 private:
  absl::Duration grace_;
  double rate_;
  absl::Duration left_;
};

}  // namespace batucada

#include "server/telemetry/line_budget.h"

#include <algorithm>
#include <utility>

namespace batucada {

bool LineBudget::Take(absl::Time now, int64_t* left_out) {
  const std::lock_guard lock(mutex_);
  if (now > filled_) {
    left_ = std::min(burst_, left_ + per_second_ * absl::ToDoubleSeconds(now - filled_));
    filled_ = now;
  }
  if (left_ < 1) {
    ++left_out_;
    return false;
  }
  --left_;
  *left_out = std::exchange(left_out_, 0);
  return true;
}

}  // namespace batucada

// Plans that a backend has and that are not committed: those launched to their end, and the one in parts.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <utility>

#include "absl/status/status.h"
#include "base/status.h"
#include "engine/run/backend.h"
#include "engine/schedule/scheduler.h"

namespace batucada::sim {

struct PlansOut {
  std::deque<BatchPlan> launched;     // in the order in which their results come
  std::optional<BatchPlan> in_parts;  // until its last part is launched

  bool empty() const { return launched.empty() && !in_parts; }
  void clear() {
    launched.clear();
    in_parts.reset();
  }

  // Of a plan in parts, what comes before them: LaunchParts comes next.
  absl::Status Launch(BatchPlan plan, Backend& backend) {
    BATUCADA_RETURN_IF_ERROR(backend.Launch(plan));
    if (plan.in_parts) {
      in_parts = std::move(plan);
    } else {
      launched.push_back(std::move(plan));
    }
    return absl::OkStatus();
  }
  absl::Status LaunchParts(int32_t count, Backend& backend, Scheduler& scheduler) {
    BATUCADA_ASSIGN_OR_RETURN(const bool last, backend.LaunchParts(*in_parts, count));
    if (!last) return absl::OkStatus();
    scheduler.PartsLaunched();
    launched.push_back(*std::exchange(in_parts, std::nullopt));
    return absl::OkStatus();
  }
};

}  // namespace batucada::sim

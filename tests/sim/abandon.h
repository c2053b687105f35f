#pragma once

#include <memory>
#include <utility>
#include <vector>

#include "engine/schedule/scheduler.h"

namespace batucada::sim {

// Keeps a scheduler whose rules were broken for ever: its destructor would stop the process at a leak, before anybody
// is told which life it was. Still reachable, it is none to LeakSanitizer.
inline void Abandon(std::unique_ptr<Scheduler> scheduler) {
  static auto* const abandoned = new std::vector<std::unique_ptr<Scheduler>>();
  abandoned->push_back(std::move(scheduler));
}

}  // namespace batucada::sim

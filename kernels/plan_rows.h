// Which row counts of a matrix product share a plan, on devices that search for plans (kernels/cuda/matmul.h). A search
// takes tens of milliseconds, so every plan that a step may need is found at start-up: by running a step of each of
// RowsToPlan's counts.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "base/rounding.h"

namespace batucada {

// The largest row count that shares a plan with `rows`: neighbours are finer where there are few, for plans are timed
// once each.
constexpr int64_t PlanRows(int64_t rows) {
  const int64_t step = rows <= 32 ? 8 : rows <= 256 ? 32 : 256;
  return RoundUp(rows, step);
}

// Row counts up to `most`, largest first, that stand for all: of every group its largest and, where kernels for few
// rows may serve that one without a plan, its smallest.
inline std::vector<int32_t> RowsToPlan(int32_t most) {
  constexpr int64_t kFew = 512;
  std::vector<int32_t> counts;
  for (int64_t group = PlanRows(most), next = 0; group > 0; group = next) {
    next = group <= 32 ? group - 8 : group <= 256 ? group - 32 : group - 256;  // the group below
    counts.push_back(static_cast<int32_t>(std::min<int64_t>(group, most)));
    if (group <= kFew && next + 1 < counts.back()) counts.push_back(static_cast<int32_t>(next + 1));
  }
  return counts;
}

}  // namespace batucada

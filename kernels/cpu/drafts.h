// Sequences of a batch that are drafts: see BatchView::before, and Ops for what is done with them.
#pragma once

#include <algorithm>
#include <cstdint>

#include "kernels/batch_view.h"
#include "kernels/cpu/thread_pool.h"
#include "kernels/ops.h"

namespace batucada {

inline bool IsDraft(const BatchView& b, int32_t s) { return b.before != nullptr && b.before[s] != b.slot[s]; }

// Sequence s's own state, `count` numbers from `first` of `state`, which is slot 0's. A draft gets a copy of what the
// sequence in front of it has left: sequences are to be taken in their order.
inline float* OwnState(const BatchView& b, int32_t s, void* state, int64_t slot_bytes, int64_t first, int64_t count) {
  const auto of = [&](int32_t slot) {
    return reinterpret_cast<float*>(static_cast<char*>(state) + slot * slot_bytes) + first;
  };
  float* const own = of(b.slot[s]);
  if (b.start[s] == 0) {
    std::fill_n(own, count, 0.0f);
  } else if (IsDraft(b, s)) {
    std::copy_n(of(b.before[s]), count, own);
  }
  return own;
}

void PlaceRows(const BatchView& b, const PlaceRowsArgs& args);
void KeepDrafts(const BatchView& b, const KeepDraftsArgs& args, ThreadPool& pool);

}  // namespace batucada

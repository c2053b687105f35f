#include "kernels/cpu/drafts.h"

#include <cstring>

namespace batucada {

void PlaceRows(const BatchView& b, const PlaceRowsArgs& args) {
  for (int32_t row = 0; row < b.num_decode; ++row) {
    if (args.from[row] < 0) continue;
    const int32_t next = args.next_position[args.from[row]];
    args.positions[row] += next;
    args.start[row] += next;
    args.sampling[row].position += next;
  }
}

void KeepDrafts(const BatchView& b, const KeepDraftsArgs& args, ThreadPool& pool) {
  pool.ParallelFor(b.num_decode, Grain(), [&](int64_t begin, int64_t end, int) {
    for (auto row = static_cast<int32_t>(begin); row < end; ++row) {
      if (IsDraft(b, row)) continue;
      int32_t last = row;  // that is kept
      while (last + 1 < b.num_decode && IsDraft(b, last + 1) && args.results[last].token == b.token_ids[last + 1]) {
        ++last;
      }
      const int32_t slot = b.slot[row], from = b.slot[last];
      args.next_position[slot] = b.positions[last] + 1;
      if (from == slot) continue;
      args.last_token[slot] = args.last_token[from];
      if (args.slot_bytes == 0) continue;
      std::memcpy(args.slots + slot * args.slot_bytes, args.slots + from * args.slot_bytes,
                  static_cast<size_t>(args.slot_bytes));
    }
  });
}

}  // namespace batucada

#include "kernels/cpu/kv_ring.h"

#include <cstring>

namespace batucada {
namespace {
constexpr int64_t kMinElements = 16 << 10;  // per thread
}  // namespace

void WriteKv(const BatchView& b, const AttentionArgs& args, ThreadPool& pool) {
  const int32_t d = args.head_dim;
  const int64_t visible = std::min<int64_t>(args.window - 1, RingTokens(b, args.kv));
  const int64_t k_column = static_cast<int64_t>(args.heads) * d;
  const int64_t v_column = k_column + static_cast<int64_t>(args.kv_heads) * d;
  const Grain grain = Grain::Of(kMinElements, 2 * static_cast<int64_t>(args.kv_heads) * d);
  pool.ParallelFor(b.num_tokens, grain, [&](int64_t begin, int64_t end, int) {
    for (int64_t t = begin; t < end; ++t) {
      const int32_t s = b.row_sequence[t];
      if (t < b.first_row[s + 1] - visible) continue;
      const int32_t position = b.start[s] + static_cast<int32_t>(t - b.first_row[s]);
      const float* row = args.qkv.As<float>() + t * args.qkv.stride;
      for (int32_t g = 0; g < args.kv_heads; ++g) {
        const int64_t offset = RingOffset(b, args.kv, s, g, d, position);
        const size_t bytes = static_cast<size_t>(d) * sizeof(float);
        std::memcpy(static_cast<float*>(args.kv.k) + offset, row + k_column + static_cast<int64_t>(g) * d, bytes);
        std::memcpy(static_cast<float*>(args.kv.v) + offset, row + v_column + static_cast<int64_t>(g) * d, bytes);
      }
    }
  });
}

void WriteDecodeKv(BatchView b, AttentionArgs args, ThreadPool& pool) {
  b.num_tokens = b.num_sequences = b.num_decode;
  args.window = kNoWindow;
  WriteKv(b, args, pool);
}

}  // namespace batucada

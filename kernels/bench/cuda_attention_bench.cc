// Attention: prompts over a window and in full, decode from blocks.
#include <algorithm>
#include <cstdlib>

#include "kernels/bench/cuda_ragged.h"
#include "kernels/cuda/attention_decode.h"
#include "kernels/cuda/attention_prefill.h"

namespace batucada::bench {
namespace {

using bf16 = __nv_bfloat16;
constexpr int kBlockTokens = 64;

struct Heads {
  int32_t heads, kv_heads, dim;
};

std::string NameOf(const Heads& h) {
  std::string name = "h" + std::to_string(h.heads);
  if (h.kv_heads != h.heads) name += "kv" + std::to_string(h.kv_heads);
  return name + "d" + std::to_string(h.dim);
}

void Check(cudaError_t error) {
  if (error != cudaSuccess) std::abort();
}

// A prompt chunk of `rows` tokens behind `start` earlier ones, whose keys lie in blocks that hold `layers` layers.
void Prompt(Bench& bench, const Heads& h, int32_t rows, int32_t start, int32_t window, const std::string& name,
            int layers = 1) {
  const int64_t cols = int64_t{h.heads + 2 * h.kv_heads} * h.dim;
  const int32_t visible = std::min(start, window);
  const int32_t width = std::max(1, visible / kBlockTokens + 1);
  const Ragged batch(bench, 1, rows, start, width);
  Buffer qkv = bench.Fill(static_cast<size_t>(rows * cols), DType::kBf16);
  Buffer out = bench.Fill(static_cast<size_t>(rows) * static_cast<size_t>(h.heads * h.dim), DType::kBf16);
  const int64_t plane = int64_t{h.kv_heads} * kBlockTokens * h.dim;
  Buffer pool = bench.Fill(static_cast<size_t>(width * plane * 2 * layers), DType::kBf16);
  const cuda::AttentionPrefillParams params{.qkv = qkv.As<bf16>(),
                                            .stride = cols,
                                            .blocks = {.k = pool.As<bf16>(),
                                                       .v = pool.As<bf16>() + plane,
                                                       .block_stride = 2 * plane * layers,
                                                       .block_shift = 6,
                                                       .table = batch.view.block_table,
                                                       .table_width = width},
                                            .first_row = batch.view.first_row,
                                            .start = batch.view.start,
                                            .num_sequences = 1,
                                            .num_decode = 0,
                                            .max_chunk = rows,
                                            .heads = h.heads,
                                            .kv_heads = h.kv_heads,
                                            .head_dim = h.dim,
                                            .window = window,
                                            .values = cuda::Values::kOwn,
                                            .out_head_stride = h.dim,
                                            .out = out.As<bf16>(),
                                            .out_stride = int64_t{h.heads} * h.dim};
  const double seconds = bench.Time(2, [&](int) { Check(cuda::AttentionPrefill(params, bench.ops().target())); });
  double pairs = 0;
  for (int64_t t = start; t < start + rows; ++t) pairs += static_cast<double>(std::min<int64_t>(t + 1, window));
  const double flops = 4. * h.dim * h.heads * pairs;
  bench.Rate(name, seconds, bench.FlopsFloor(flops), flops * 1e-12, "TFLOP/s");
  if (rows > 40000 || start > 40000) return;
  const double fallback_seconds =
      bench.Time(2, [&](int) { Check(cuda::AttentionPrefillAmpere(params, bench.ops().target())); });
  bench.Rate(name + "/sm80", fallback_seconds, bench.FlopsFloor(flops), flops * 1e-12, "TFLOP/s");
}

void Decode(Bench& bench, const Heads& h, int32_t rows, int32_t window, int32_t context, const std::string& name,
            bool paired = false) {
  const int64_t cols = int64_t{h.heads + 2 * h.kv_heads} * h.dim;
  const int32_t keys = std::min(context, window);
  const int32_t width = keys / kBlockTokens + 1;
  const Ragged batch(bench, rows, 1, context - 1, width);
  const int64_t plane = int64_t{h.kv_heads} * kBlockTokens * h.dim;
  const double bytes = 4. * h.dim * h.kv_heads * keys * rows;
  const int layers = bytes > 3e8 ? 2 : bytes > 3e7 ? 8 : 32;  // so that K and V do not stay in the cache
  Buffer pool = bench.Fill(static_cast<size_t>(rows) * static_cast<size_t>(width * layers * plane * 2), DType::kBf16);
  Buffer qkv = bench.Fill(static_cast<size_t>(rows * cols), DType::kBf16);
  Buffer out =
      bench.Fill(static_cast<size_t>(rows) * static_cast<size_t>(h.heads * h.dim * (paired ? 2 : 1)), DType::kBf16);
  const double seconds = bench.Time(layers, [&](int layer) {
    const cuda::AttentionDecodeParams params{.qkv = qkv.As<bf16>(),
                                             .stride = cols,
                                             .blocks = {.k = pool.As<bf16>() + layer * 2 * plane,
                                                        .v = pool.As<bf16>() + (layer * 2 + 1) * plane,
                                                        .block_stride = layers * 2 * plane,
                                                        .block_shift = 6,
                                                        .table = batch.view.block_table,
                                                        .table_width = width},
                                             .positions = batch.view.positions,
                                             .row_of = nullptr,
                                             .row_sequence = nullptr,
                                             .rows = rows,
                                             .heads = h.heads,
                                             .kv_heads = h.kv_heads,
                                             .head_dim = h.dim,
                                             .window = window,
                                             .splits = 0,
                                             .paired_values = paired,
                                             .out_head_stride = h.dim * (paired ? 2 : 1),
                                             .out = out.As<bf16>(),
                                             .out_stride = int64_t{h.heads} * h.dim * (paired ? 2 : 1)};
    Check(cuda::AttentionDecode(params, bench.ops().target()));
  });
  bench.Duration(name, seconds, bench.BytesFloor(bytes));
}

}  // namespace

void BenchAttention(Bench& bench) {
  Prompt(bench, {32, 32, 64}, 131072, 0, 2048, "attn_window/h32d64w2048/l131072");
  for (const Heads h : {Heads{32, 4, 64}, {12, 12, 128}, {11, 1, 256}}) {
    Prompt(bench, h, 32768, 4096, 2048, "attn_window/" + NameOf(h) + "w2048/l32768");
  }
  Prompt(bench, {32, 4, 64}, 2048, 4096, 2048, "attn_window/h32kv4d64w2048/l2048");
  Prompt(bench, {32, 32, 64}, 32768, 0, kNoWindow, "attn_full/h32d64/l32768");
  Prompt(bench, {32, 4, 64}, 32768, 0, kNoWindow, "attn_full/h32kv4d64/l32768");
  Prompt(bench, {32, 32, 64}, 131072, 0, kNoWindow, "attn_full/h32d64/l131072");
  Prompt(bench, {32, 4, 64}, 131072, 0, kNoWindow, "attn_full/h32kv4d64/l131072");
  // As a whole model runs them: the last chunk of a long prompt.
  Prompt(bench, {32, 4, 64}, 2048, 122880, kNoWindow, "attn_full/h32kv4d64/l2048/after122880", 24);
  Prompt(bench, {32, 4, 64}, 8192, 122880, kNoWindow, "attn_full/h32kv4d64/l8192/after122880", 24);
  for (const int32_t rows : {1, 16, 64, 256}) {
    Decode(bench, {32, 4, 64}, rows, 2048, 5000, "attn_decode/h32kv4d64w2048/b" + std::to_string(rows));
  }
  Decode(bench, {12, 12, 128}, 64, 2048, 5000, "attn_decode/h12d128w2048/b64");
  Decode(bench, {11, 1, 256}, 64, 2048, 5000, "attn_decode/h11kv1d256w2048/b64");
  Decode(bench, {40, 20, 64}, 64, 512, 2048, "attn_decode_pairs/h40kv20d64w512/b64", true);
  Decode(bench, {40, 20, 64}, 1, kNoWindow, 2048, "attn_decode_pairs_full/h40kv20d64/b1/c2048", true);
  Decode(bench, {40, 20, 64}, 64, kNoWindow, 2048, "attn_decode_pairs_full/h40kv20d64/b64/c2048", true);
  Decode(bench, {40, 20, 64}, 16, kNoWindow, 32768, "attn_decode_pairs_full/h40kv20d64/b16/c32768", true);
  Decode(bench, {32, 4, 64}, 16, kNoWindow, 65536, "attn_decode_full/h32kv4d64/b16/c65536");
}

}  // namespace batucada::bench

#include <gtest/gtest.h>

#include <optional>

#include "tests/kernels/cpu_fixture.h"

namespace batucada::testing {
namespace {

using reference::RelativeError;

struct Heads {
  int32_t heads, kv_heads, head_dim;
};

class AttentionCpuTest : public CpuOpsTest {
 protected:
  static constexpr float kTheta = 10000;

  // Sequences of these lengths with random q, k, v, and a pool with a ring of table_width blocks for each.
  void Prepare(const Heads& h, const std::vector<int32_t>& lengths, int32_t table_width, int32_t block_tokens) {
    heads = h;
    qkv.clear(), results.clear();
    for (int32_t length : lengths) {
      qkv.push_back(Rounded(random.Normals(length, (h.heads + 2 * h.kv_heads) * h.head_dim, 1.5), DType::kF32));
      results.emplace_back(length, h.heads * h.head_dim);
    }
    kv.emplace(*ops, random, static_cast<int32_t>(lengths.size()), table_width, block_tokens, h.kv_heads, h.head_dim);
  }

  void Step(const std::vector<Chunk>& chunks, int32_t window, float theta = kTheta) {
    const Batch batch(*ops, chunks, kv->tables());
    DeviceTensor in(*ops, batch.Gather(qkv), DType::kF32, 6);
    DeviceTensor out(*ops, batch.view().num_tokens, heads.heads * heads.head_dim, DType::kF32, 2);
    ops->Attention(batch.view(), {.qkv = in.view(),
                                  .kv = kv->view(),
                                  .heads = heads.heads,
                                  .kv_heads = heads.kv_heads,
                                  .head_dim = heads.head_dim,
                                  .window = window,
                                  .rope_theta = theta,
                                  .out = out.view()});
    batch.Scatter(out.Download(), results);
  }

  // Runs sequence `slot` alone in chunks of `size`.
  void RunInChunks(int32_t slot, int32_t size, int32_t window) {
    const int32_t length = static_cast<int32_t>(qkv[static_cast<size_t>(slot)].rows);
    for (int32_t start = 0; start < length; start += size) {
      Step({{.slot = slot, .start = start, .rows = std::min(size, length - start), .decode = size == 1}}, window);
    }
  }

  Dense Expected(int32_t slot, int32_t window, float theta = kTheta) const {
    const Dense& all = qkv[static_cast<size_t>(slot)];
    const int64_t d = heads.head_dim;
    Dense q = all.ColRange(0, heads.heads * d), k = all.ColRange(heads.heads * d, heads.kv_heads * d);
    std::vector<int32_t> positions(static_cast<size_t>(all.rows));
    for (size_t i = 0; i < positions.size(); ++i) positions[i] = static_cast<int32_t>(i);
    reference::Rope(q, heads.head_dim, positions, theta);
    reference::Rope(k, heads.head_dim, positions, theta);
    return reference::Attention(q, k, all.ColRange((heads.heads + heads.kv_heads) * d, heads.kv_heads * d),
                                heads.head_dim, window);
  }

  Heads heads = {};
  std::vector<Dense> qkv, results;  // by sequence
  std::optional<KvBlocks> kv;
};

TEST_F(AttentionCpuTest, EveryGroupingAndHeadSize) {
  for (const Heads& h :
       {Heads{1, 1, 64}, {6, 2, 64}, {32, 4, 64}, {3, 3, 128}, {11, 1, 256}, {66, 1, 64}, {2, 1, 96}}) {
    Prepare(h, {90}, 4, 16);
    RunInChunks(0, 90, 40);
    EXPECT_LT(RelativeError(results[0], Expected(0, 40)), kFp32Tolerance)
        << h.heads << "/" << h.kv_heads << "×" << h.head_dim;
  }
}

TEST_F(AttentionCpuTest, WindowEdges) {
  for (int32_t window : {1, 2, 31, 32, 33, 63, 64, 65, 199, 200, 201, kNoWindow}) {
    Prepare({2, 1, 64}, {200}, 13, 16);  // the ring holds 208 tokens
    RunInChunks(0, 200, window);
    EXPECT_LT(RelativeError(results[0], Expected(0, window)), kFp32Tolerance) << "whole, window " << window;
    RunInChunks(0, 23, window);
    EXPECT_LT(RelativeError(results[0], Expected(0, window)), kFp32Tolerance) << "in chunks, window " << window;
  }
}

TEST_F(AttentionCpuTest, ChunksOfAnyLengthEqualTheWholeBitForBit) {
  for (int32_t window : {40, 64, 100}) {
    Prepare({6, 2, 64}, {230}, 7, 16);  // the ring holds 112 tokens and wraps twice
    RunInChunks(0, 230, window);
    const Dense whole = results[0];
    EXPECT_LT(RelativeError(whole, Expected(0, window)), kFp32Tolerance);
    for (int32_t size : {1, 7, 64, 113, 200}) {  // some longer than the ring
      RunInChunks(0, size, window);
      EXPECT_EQ(results[0].values, whole.values) << "chunks of " << size << ", window " << window;
    }
  }
}

// The smallest ring that serves: window - 1 old tokens, not a block more.
TEST_F(AttentionCpuTest, TightRing) {
  for (int32_t block_tokens : {1, 4, 32}) {
    Prepare({4, 4, 64}, {150}, 32 / block_tokens, block_tokens);
    RunInChunks(0, 5, 33);
    EXPECT_LT(RelativeError(results[0], Expected(0, 33)), kFp32Tolerance) << "blocks of " << block_tokens;
  }
}

TEST_F(AttentionCpuTest, RefusesARingThatCannotHoldTheWindow) {
  Prepare({1, 1, 64}, {60}, 2, 16);
  Step({{.rows = 40}}, 34);
  ASSERT_TRUE(ops->status().ok());
  const Batch batch(*ops, {{.start = 40, .rows = 1}}, kv->tables());
  DeviceTensor in(*ops, 1, 3 * 64, DType::kF32), out(*ops, 1, 64, DType::kF32);
  ops->Attention(batch.view(), {in.view(), kv->view(), 1, 1, 64, 34, 0, out.view()});
  EXPECT_EQ(ops->status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_NE(ops->status().message().find("attention"), std::string::npos);
}

TEST_F(AttentionCpuTest, MixedBatchesEqualEachSequenceAloneBitForBit) {
  const std::vector<int32_t> lengths = {70, 130, 9};
  const int32_t window = 48;
  Prepare({6, 2, 64}, lengths, 4, 16);
  for (int32_t s = 0; s < 3; ++s) RunInChunks(s, 1000, window);
  const std::vector<Dense> alone = results;
  for (Dense& result : results) result = Dense(result.rows, result.cols);
  Step({{.slot = 1, .rows = 100}, {.slot = 0, .rows = 68}, {.slot = 2, .rows = 8}}, window);
  Step({{.slot = 0, .start = 68, .decode = true},
        {.slot = 2, .start = 8, .decode = true},
        {.slot = 1, .start = 100, .rows = 29}},
       window);
  Step({{.slot = 0, .start = 69, .decode = true}, {.slot = 1, .start = 129, .decode = true}}, window);
  for (size_t s = 0; s < 3; ++s) EXPECT_EQ(results[s].values, alone[s].values) << "sequence " << s;
}

TEST_F(AttentionCpuTest, WithoutRotation) {
  Prepare({2, 2, 64}, {50}, 4, 16);
  Step({{.rows = 50}}, 20, 0);
  EXPECT_LT(RelativeError(results[0], Expected(0, 20, 0)), kFp32Tolerance);
}

// Rotation at large positions: with a window of one token the output is v, so the keys must be looked at themselves.
TEST_F(AttentionCpuTest, RotatesQueriesAndKeysInPlaceUpToAMillionPositions) {
  for (int32_t head_dim : {64, 128, 256}) {
    for (int32_t start : {0, 4095, 131072, 1000000}) {
      Prepare({3, 1, head_dim}, {1}, 1, 16);
      const Dense rows = Rounded(random.Normals(5, 5 * head_dim), DType::kF32);
      const Batch batch(*ops, {{.start = start, .rows = 5}}, kv->tables());
      DeviceTensor in(*ops, rows, DType::kF32), out(*ops, 5, 3 * head_dim, DType::kF32);
      ops->Attention(batch.view(), {in.view(), kv->view(), 3, 1, head_dim, 1, kTheta, out.view()});
      Dense rotated = rows.ColRange(0, 4 * head_dim);
      reference::Rope(rotated, head_dim, {start, start + 1, start + 2, start + 3, start + 4}, kTheta);
      const Dense result = in.Download();
      EXPECT_LT(RelativeError(result.ColRange(0, 4 * head_dim), rotated), kFp32Tolerance) << "at " << start;
      EXPECT_EQ(result.ColRange(4 * head_dim, head_dim).values, rows.ColRange(4 * head_dim, head_dim).values);
    }
  }
}

// Scores of thousands: the softmax must not overflow, and one key takes all.
TEST_F(AttentionCpuTest, LargeScores) {
  Prepare({1, 1, 64}, {80}, 6, 16);
  for (double& v : qkv[0].values) v *= 40;
  Step({{.rows = 80}}, 64);
  EXPECT_LT(RelativeError(results[0], Expected(0, 64)), 1e-3);  // scores themselves carry an error of 1e-4 here
}

}  // namespace
}  // namespace batucada::testing

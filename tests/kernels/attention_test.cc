// Attention: rotation, the window's edges, the ring of blocks, mixed batches, every head shape. Whatever a query must
// not see is NaN, so that one wrong key fails a test.
#include <cmath>
#include <numeric>
#include <optional>

#include "tests/kernels/op_test.h"

namespace batucada::testing {
namespace {

using reference::RelativeError;

class AttentionTest : public OpTest {
 protected:
  static constexpr float kTheta = 10000;

  int64_t OutWidth() const { return int64_t{heads.heads} * heads.head_dim * (paired ? 2 : 1); }

  // Sequences of these lengths with random q, k, v, and a pool with a ring of table_width blocks for each.
  void Prepare(const Heads& h, const std::vector<int32_t>& lengths, int32_t table_width, int32_t block_tokens) {
    heads = h;
    qkv.clear(), results.clear();
    for (const int32_t length : lengths) {
      qkv.push_back(Acts(length, (h.heads + 2 * h.kv_heads) * h.head_dim, 1.2));
      results.emplace_back(length, OutWidth());
    }
    kv.emplace(*ops, random, static_cast<int32_t>(lengths.size()), table_width, block_tokens, h.kv_heads, h.head_dim);
  }

  void Step(const std::vector<Chunk>& chunks, int32_t window, float theta = kTheta) {
    const Batch batch(*ops, chunks, kv->tables());
    DeviceTensor in(*ops, batch.Gather(qkv), act, 16);
    DeviceTensor out(*ops, batch.view().num_tokens, OutWidth(), act, 2);
    ops->Attention(batch.view(), {.qkv = in.view(),
                                  .kv = kv->view(),
                                  .heads = heads.heads,
                                  .kv_heads = heads.kv_heads,
                                  .head_dim = heads.head_dim,
                                  .window = window,
                                  .rope = {.theta = theta},
                                  .paired_values = paired,
                                  .out = out.view()});
    batch.Scatter(out.Download(), results);
  }

  // Runs rows first … of sequence `slot` alone in chunks of `size`; chunks of one row decode, where that is the same.
  void RunInChunks(int32_t slot, int32_t size, int32_t window, int32_t first = 0, float theta = kTheta) {
    const auto length = static_cast<int32_t>(qkv[static_cast<size_t>(slot)].rows);
    for (int32_t start = first; start < length; start += size) {
      Step({{.slot = slot,
             .start = start,
             .rows = std::min(size, length - start),
             .decode = size == 1 && StepsLikePrompts()}},
           window, theta);
    }
  }

  // Rows first … of sequence `slot`: the reference takes long, so no more than a test is about.
  Dense Expected(int32_t slot, int32_t window, float theta = kTheta, int64_t first = 0) const {
    const Dense& all = qkv[static_cast<size_t>(slot)];
    const int64_t d = heads.head_dim;
    Dense q = all.ColRange(0, heads.heads * d), k = all.ColRange(heads.heads * d, heads.kv_heads * d);
    std::vector<int32_t> positions(static_cast<size_t>(all.rows));
    std::iota(positions.begin(), positions.end(), 0);
    reference::Rope(q, heads.head_dim, positions, theta);
    reference::Rope(k, heads.head_dim, positions, theta);
    const Dense v = all.ColRange((heads.heads + heads.kv_heads) * d, heads.kv_heads * d);
    return paired ? reference::PairedAttention(q, k, v, heads.head_dim, window, first)
                  : reference::Attention(q, k, v, heads.head_dim, window, first);
  }
  void ExpectRight(int32_t slot, int32_t window, float theta = kTheta, int64_t first = 0) const {
    const Dense& result = results[static_cast<size_t>(slot)];
    EXPECT_LT(RelativeError(result.RowRange(first, result.rows - first), Expected(slot, window, theta, first)),
              traits.act_tolerance)
        << heads.heads << "/" << heads.kv_heads << " x " << heads.head_dim << ", window " << window << ", sequence "
        << slot;
  }

  Heads heads = {};
  bool paired = false;              // values
  std::vector<Dense> qkv, results;  // by sequence
  std::optional<KvBlocks> kv;
};

TEST_F(AttentionTest, PromptsFromTheirStart) {
  for (const Heads& h : traits.heads) {
    Prepare(h, {1, 70, 257}, 8, 16);
    Step({{.slot = 0, .rows = 1}, {.slot = 1, .rows = 70}, {.slot = 2, .rows = 257}}, 100);
    for (int32_t s = 0; s < 3; ++s) ExpectRight(s, 100, kTheta, s == 2 ? 180 : 0);
    EXPECT_TRUE(kv->OtherLayerUntouched(*ops));
  }
}

TEST_F(AttentionTest, PromptsContinueFromBlocks) {
  for (const Heads& h : traits.heads) {
    const std::vector<int32_t> starts = {1, 5, 99, 100, 101, 333}, rows = {1, 33, 64, 65, 150, 7};
    std::vector<int32_t> lengths;
    std::vector<Chunk> before, after;
    for (size_t s = 0; s < starts.size(); ++s) {
      lengths.push_back(starts[s] + rows[s]);
      before.push_back({.slot = static_cast<int32_t>(s), .rows = starts[s]});
      after.push_back({.slot = static_cast<int32_t>(s), .start = starts[s], .rows = rows[s]});
    }
    Prepare(h, lengths, 8, 16);
    Step(before, 100);
    Step(after, 100);
    for (size_t s = 0; s < starts.size(); ++s) ExpectRight(static_cast<int32_t>(s), 100, kTheta, starts[s]);
  }
}

TEST_F(AttentionTest, DecodeRows) {
  for (const Heads& h : traits.heads) {
    const std::vector<int32_t> starts = {1, 62, 63, 64, 98, 99, 100, 101, 127, 128, 300};
    std::vector<int32_t> lengths = {2};
    std::vector<Chunk> before, first = {{.slot = 0, .decode = true}},
                               second = {{.slot = 0, .start = 1, .decode = true}};
    for (size_t i = 0; i < starts.size(); ++i) {
      const auto slot = static_cast<int32_t>(i) + 1;
      lengths.push_back(starts[i] + 2);
      before.push_back({.slot = slot, .rows = starts[i]});
      first.push_back({.slot = slot, .start = starts[i], .decode = true});
      second.push_back({.slot = slot, .start = starts[i] + 1, .decode = true});
    }
    Prepare(h, lengths, 8, 16);
    Step(before, 100);
    Step(first, 100);
    Step(second, 100);
    for (size_t s = 0; s < lengths.size(); ++s) ExpectRight(static_cast<int32_t>(s), 100, kTheta, lengths[s] - 2);
    EXPECT_TRUE(kv->OtherLayerUntouched(*ops));
  }
}

TEST_F(AttentionTest, MixedBatches) {
  for (const Heads& h : traits.heads) {
    Prepare(h, {4, 130, 401, 200, 134, 390}, 5, 32);
    Step({{.slot = 0, .rows = 3},
          {.slot = 1, .rows = 129},
          {.slot = 2, .rows = 400},
          {.slot = 4, .rows = 131},
          {.slot = 5, .rows = 300}},
         130, 500000);
    Step({{.slot = 0, .start = 3, .decode = true},
          {.slot = 1, .start = 129, .decode = true},
          {.slot = 2, .start = 400, .decode = true},
          {.slot = 3, .rows = 200},
          {.slot = 4, .start = 131, .rows = 3},
          {.slot = 5, .start = 300, .rows = 90}},
         130, 500000);
    const int32_t starts[] = {3, 129, 400, 0, 131, 300};
    for (int32_t s = 0; s < 6; ++s) ExpectRight(s, 130, 500000, starts[s]);
  }
}

// Prompts, their continuation and decode rows, in windows and over all, where K/V heads lend each other their values.
TEST_F(AttentionTest, PairedValues) {
  paired = true;
  for (Heads h : traits.heads) {
    if (h.head_dim > 128) continue;
    if (h.kv_heads % 2 != 0) h = {2 * h.heads, 2 * h.kv_heads, h.head_dim};
    for (const int32_t window : {32, kNoWindow}) {
      Prepare(h, {4, 130, 201}, 14, 16);
      Step({{.slot = 0, .rows = 3}, {.slot = 1, .rows = 129}, {.slot = 2, .rows = 101}}, window);
      Step({{.slot = 0, .start = 3, .decode = true},
            {.slot = 1, .start = 129, .decode = true},
            {.slot = 2, .start = 101, .rows = 100}},
           window);
      ExpectRight(0, window);
      ExpectRight(1, window, kTheta, 120);
      ExpectRight(2, window, kTheta, 90);
      EXPECT_TRUE(kv->OtherLayerUntouched(*ops));
    }
  }
}

TEST_F(AttentionTest, MixedBatchesEqualEachSequenceAlone) {
  const std::vector<int32_t> lengths = {70, 130, 9};
  const int32_t window = 48;
  Prepare({6, 2, 64}, lengths, 4, 16);
  for (int32_t s = 0; s < 3; ++s) RunInChunks(s, 1000, window);
  const std::vector<Dense> alone = results;
  for (Dense& result : results) result = Dense(result.rows, result.cols);
  Step({{.slot = 1, .rows = 100}, {.slot = 0, .rows = 68}, {.slot = 2, .rows = 8}}, window);
  const bool decode = StepsLikePrompts();
  Step({{.slot = 0, .start = 68, .decode = decode},
        {.slot = 2, .start = 8, .decode = decode},
        {.slot = 1, .start = 100, .rows = 29}},
       window);
  Step({{.slot = 0, .start = 69, .decode = decode}, {.slot = 1, .start = 129, .decode = decode}}, window);
  for (size_t s = 0; s < 3; ++s) ExpectSame(results[s], alone[s]);
}

// Also where a chunk does not begin at a whole group of queries, so that its rows meet keys in other tiles.
TEST_F(AttentionTest, LongPromptsAreTheSameInChunks) {
  if (traits.many_rows == 0) GTEST_SKIP() << "this device does not promise it, or takes too long";
  for (const Heads& h : {Heads{8, 1, 64}, Heads{4, 4, 128}}) {
    for (const int32_t window : {2048, kNoWindow}) {
      SCOPED_TRACE(::testing::Message() << "heads of " << h.head_dim << ", window " << window);
      Prepare(h, {traits.many_rows}, window == kNoWindow ? 80 : 33, 64);
      RunInChunks(0, traits.many_rows, window);
      const Dense whole = results[0];
      for (const int32_t size : {4096, 1000, 333, 63}) {
        RunInChunks(0, size, window);
        EXPECT_TRUE(results[0].values == whole.values) << "chunks of " << size;
      }
    }
  }
}

TEST_F(AttentionTest, DecodeRowsAreTheSameInAnyCompany) {
  for (const Heads& h : {Heads{8, 2, 64}, Heads{4, 4, 128}}) {
    for (const int32_t window : {100, kNoWindow}) {
      std::vector<int32_t> lengths;
      std::vector<Chunk> before, last;
      const int32_t slots = ops->device().CapturesGraphs() ? 70 : 25;  // all are too much for a CPU
      for (int32_t slot = 0; slot < slots; ++slot) {
        lengths.push_back(random.Integer(2, 600));
        before.push_back({.slot = slot, .rows = lengths.back() - 1});
        last.push_back({.slot = slot, .start = lengths.back() - 1, .decode = true});
      }
      Prepare(h, lengths, 40, 16);
      Step(before, window);
      Step(last, window);
      const std::vector<Dense> together = results;
      for (const size_t company : {size_t{1}, size_t{3}, size_t{17}}) {  // each row again, which changes nothing in K/V
        for (size_t first = 0; first < last.size(); first += company) {
          const size_t end = std::min(first + company, last.size());
          Step({last.begin() + static_cast<ptrdiff_t>(first), last.begin() + static_cast<ptrdiff_t>(end)}, window);
        }
        for (size_t s = 0; s < lengths.size(); ++s) {
          ExpectSame(results[s].RowRange(lengths[s] - 1, 1), together[s].RowRange(lengths[s] - 1, 1));
        }
      }
    }
  }
}

TEST_F(AttentionTest, WindowEdges) {
  for (const int32_t window : {1, 2, 31, 32, 33, 63, 64, 65, 199, 200, 201, kNoWindow}) {
    Prepare({2, 1, 64}, {200}, 13, 16);  // the ring holds 208 tokens
    RunInChunks(0, 200, window);
    ExpectRight(0, window);
    RunInChunks(0, 23, window);
    ExpectRight(0, window);
  }
}

TEST_F(AttentionTest, ChunksOfAnyLengthEqualTheWhole) {
  for (const int32_t window : {40, 64, 100}) {
    Prepare({6, 2, 64}, {230}, 7, 16);  // the ring holds 112 tokens and wraps twice
    RunInChunks(0, 230, window);
    const Dense whole = results[0];
    ExpectRight(0, window);
    for (const int32_t size : {1, 7, 64, 113, 200}) {  // some longer than the ring
      SCOPED_TRACE(::testing::Message() << "chunks of " << size << ", window " << window);
      RunInChunks(0, size, window);
      ExpectSame(results[0], whole);
    }
  }
}

// The smallest rings that serve: window - 1 old tokens, and the window itself, so that each write takes the place of
// the token that has just left it.
TEST_F(AttentionTest, TightRing) {
  for (const int32_t block_tokens : traits.block_tokens) {
    for (const int32_t window : {32, 33}) {
      if (window > 32 && !traits.reads_ring_before_writing) continue;
      Prepare({4, 4, 64}, {150}, 32 / block_tokens, block_tokens);
      for (const int32_t size : {1, 5, 32, 150}) {
        RunInChunks(0, size, window);
        ExpectRight(0, window);
      }
    }
  }
}

TEST_F(AttentionTest, FullAttention) {
  Prepare({8, 2, 64}, {901, 6, 300, 750}, 64, 16);
  Step({{.slot = 0, .rows = 900}, {.slot = 1, .rows = 5}, {.slot = 3, .rows = 600}}, kNoWindow);
  Step({{.slot = 0, .start = 900, .decode = true},
        {.slot = 1, .start = 5, .decode = true},
        {.slot = 2, .rows = 300},
        {.slot = 3, .start = 600, .rows = 150}},
       kNoWindow);
  ExpectRight(0, kNoWindow, kTheta, 890);
  ExpectRight(1, kNoWindow);
  ExpectRight(2, kNoWindow);
  ExpectRight(3, kNoWindow, kTheta, 590);
}

// A long window splits a decode row over many blocks of a GPU's grid.
TEST_F(AttentionTest, LongWindow) {
  for (const Heads& h : {Heads{2, 1, 64}, {32, 4, 64}}) {
    if (h.heads > 2 && !ops->device().CapturesGraphs()) continue;  // too much for a CPU
    Prepare(h, {3001, 2048, 101}, 33, 64);
    Step({{.slot = 0, .rows = 3000}, {.slot = 1, .rows = 2047}, {.slot = 2, .rows = 100}}, 2048);
    Step({{.slot = 0, .start = 3000, .decode = true},
          {.slot = 1, .start = 2047, .decode = true},
          {.slot = 2, .start = 100, .decode = true}},
         2048);
    ExpectRight(0, 2048, kTheta, 2999);
    ExpectRight(1, 2048, kTheta, 2046);
    ExpectRight(2, 2048, kTheta, 99);
  }
}

TEST_F(AttentionTest, ManyHeadsShareOnePairOfKAndV) {
  Prepare({act == DType::kF32 ? 66 : 20, 1, 64}, {90}, 4, 16);
  RunInChunks(0, 60, 40);
  ExpectRight(0, 40);
}

TEST_F(AttentionTest, WithoutRotation) {
  Prepare({4, 4, 128}, {110}, 8, 64);
  Step({{.rows = 109}}, 60, 0);
  Step({{.start = 109, .decode = true}}, 60, 0);
  ExpectRight(0, 60, 0);
}

// Far from the start the angle has lost digits, and must have lost the same ones as in training. With a window of one
// token the output is v, so the keys must be looked at themselves.
TEST_F(AttentionTest, RotatesQueriesAndKeysInPlaceUpToAMillionPositions) {
  for (const int32_t head_dim : {64, 128, 256}) {
    for (const int32_t start : {0, 4095, 131072, 1000000}) {
      Prepare({3, 1, head_dim}, {1}, 1, 16);
      const Dense rows = Acts(5, 5 * head_dim);
      const Batch batch(*ops, {{.start = start, .rows = 5}}, kv->tables());
      DeviceTensor in(*ops, rows, act), out(*ops, 5, 3 * head_dim, act);
      ops->Attention(batch.view(), {.qkv = in.view(),
                                    .kv = kv->view(),
                                    .heads = 3,
                                    .kv_heads = 1,
                                    .head_dim = head_dim,
                                    .window = 1,
                                    .rope = {.theta = kTheta},
                                    .out = out.view()});
      Dense rotated = rows.ColRange(0, 4 * head_dim);
      reference::Rope(rotated, head_dim, {start, start + 1, start + 2, start + 3, start + 4}, kTheta);
      const Dense result = in.Download();
      EXPECT_LT(RelativeError(result.ColRange(0, 4 * head_dim), rotated),
                act == DType::kF32 ? traits.f32_tolerance : 4e-3)
          << "at " << start;
      EXPECT_EQ(result.ColRange(4 * head_dim, head_dim).values, rows.ColRange(4 * head_dim, head_dim).values);
    }
  }
}

// Scores of thousands: the softmax must not overflow, and one key takes all.
TEST_F(AttentionTest, LargeScores) {
  Prepare({1, 1, 64}, {80}, 6, 16);
  for (double& v : qkv[0].values) v *= 32;
  Step({{.rows = 80}}, 64);
  // Scores themselves carry an error of 1e-4 in fp32. In bf16 they are off by several, and another key may win.
  if (act == DType::kF32) {
    EXPECT_LT(RelativeError(results[0], Expected(0, 64)), 1e-3);
  }
  double largest = 0;
  for (const double v : qkv[0].values) largest = std::max(largest, std::abs(v));
  for (const double v : results[0].values) ASSERT_LE(std::abs(v), largest * (1 + traits.act_tolerance));
}

}  // namespace
}  // namespace batucada::testing

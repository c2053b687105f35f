// WriteKv, then CrossAttention of some rows of the step over what stands in the blocks.
#include <optional>

#include "tests/kernels/op_test.h"

namespace batucada::testing {
namespace {

using reference::RelativeError;

class CrossAttentionTest : public OpTest {
 protected:
  void Prepare(const Heads& h, const std::vector<int32_t>& lengths, int32_t table_width) {
    heads = h;
    queries.clear(), keys_values.clear();
    for (const int32_t length : lengths) {
      queries.push_back(Acts(length, int64_t{h.heads} * h.head_dim, 1.2));
      keys_values.push_back(Acts(length, int64_t{2} * h.kv_heads * h.head_dim, 1.2));
    }
    kv.emplace(*ops, random, static_cast<int32_t>(lengths.size()), table_width, 16, h.kv_heads, h.head_dim);
  }

  // Writes a step's keys and values, attends from `rows` of it and compares.
  void Step(const std::vector<Chunk>& chunks, const std::vector<int32_t>& rows) {
    const Batch batch(*ops, chunks, kv->tables());
    DeviceTensor in(*ops, batch.Gather(keys_values), act, 8);
    ops->WriteKv(batch.view(), {.kv = in.view(),
                                .to = kv->view(),
                                .kv_heads = heads.kv_heads,
                                .head_dim = heads.head_dim,
                                .window = kNoWindow});
    std::vector<std::pair<size_t, int64_t>> places;  // sequence and position of every row of the step
    for (const Chunk& chunk : chunks) {
      for (int32_t i = 0; i < chunk.rows; ++i) places.emplace_back(chunk.slot, chunk.start + i);
    }
    const int64_t width = queries[0].cols;
    Dense q(static_cast<int64_t>(rows.size()), width);
    for (size_t i = 0; i < rows.size(); ++i) {
      const auto& [sequence, position] = places[static_cast<size_t>(rows[i])];
      for (int64_t c = 0; c < width; ++c) q.At(static_cast<int64_t>(i), c) = queries[sequence].At(position, c);
    }
    const Buffer rows_on_device = OnDevice<int32_t>(*ops, rows);
    for (const bool paired : {false, true}) {
      if (paired && (heads.kv_heads % 2 != 0 || heads.head_dim > 128)) continue;
      DeviceTensor q_on_device(*ops, q, act, 16), out(*ops, q.rows, paired ? 2 * width : width, act, 2);
      ops->CrossAttention(batch.view(), {.q = q_on_device.view(),
                                         .rows = rows_on_device.As<int32_t>(),
                                         .kv = kv->view(),
                                         .heads = heads.heads,
                                         .kv_heads = heads.kv_heads,
                                         .head_dim = heads.head_dim,
                                         .paired_values = paired,
                                         .out = out.view()});
      const Dense result = out.Download();
      for (size_t i = 0; i < rows.size(); ++i) {
        const auto& [sequence, position] = places[static_cast<size_t>(rows[i])];
        EXPECT_LT(RelativeError(result.RowRange(static_cast<int64_t>(i), 1), Expected(sequence, position, paired)),
                  traits.act_tolerance)
            << heads.heads << "/" << heads.kv_heads << " x " << heads.head_dim << ", row " << rows[i] << ", paired "
            << paired;
      }
    }
  }

  Dense Expected(size_t sequence, int64_t position, bool paired) const {
    const int64_t count = position + 1, width = int64_t{heads.kv_heads} * heads.head_dim;
    const Dense q = queries[sequence].RowRange(0, count), both = keys_values[sequence].RowRange(0, count);
    const Dense k = both.ColRange(0, width), v = both.ColRange(width, width);
    return paired ? reference::PairedAttention(q, k, v, heads.head_dim, kNoWindow, position)
                  : reference::Attention(q, k, v, heads.head_dim, kNoWindow, position);
  }

  Heads heads = {};
  std::vector<Dense> queries, keys_values;  // by sequence
  std::optional<KvBlocks> kv;
};

// Prompts, their continuation beside decode rows, rows in any order, some of them twice.
TEST_F(CrossAttentionTest, SomeRowsOfMixedBatches) {
  for (const Heads& h : traits.heads) {
    Prepare(h, {2, 131, 65, 40}, 9);
    Step({{.slot = 0, .rows = 1}, {.slot = 1, .rows = 100}, {.slot = 2, .rows = 64}}, {0, 164, 100, 31});
    Step({{.slot = 0, .start = 1, .decode = true},
          {.slot = 2, .start = 64, .decode = true},
          {.slot = 1, .start = 100, .rows = 31},
          {.slot = 3, .rows = 40}},
         {72, 0, 1, 32, 2, 32});
    EXPECT_TRUE(kv->OtherLayerUntouched(*ops));
  }
}

TEST_F(CrossAttentionTest, DecodeRowsAfterLongTexts) {
  Prepare({8, 4, 64}, {1501, 17, 700}, 94);
  Step({{.slot = 0, .rows = 1500}, {.slot = 1, .rows = 16}, {.slot = 2, .rows = 699}}, {1499});
  Step({{.slot = 0, .start = 1500, .decode = true},
        {.slot = 1, .start = 16, .decode = true},
        {.slot = 2, .start = 699, .decode = true}},
       {0, 1, 2});
}

TEST_F(CrossAttentionTest, ManyRows) {
  Prepare({4, 2, 64}, {90, 90}, 6);
  std::vector<int32_t> all(180);
  for (int32_t i = 0; i < 180; ++i) all[static_cast<size_t>(i)] = i;
  Step({{.slot = 1, .rows = 90}, {.slot = 0, .rows = 90}}, all);
}

}  // namespace
}  // namespace batucada::testing

// Attention on CUDA: RoPE, the window's edges, the ring of blocks, mixed batches and every head shape, against the fp64
// reference. Whatever a query must not see is NaN, so that one wrong key fails a test.
#include <algorithm>
#include <string>

#include "tests/kernels/cuda/cuda_test.h"

namespace batucada {
namespace {

struct Heads {
  int32_t heads, kv_heads, head_dim;
};

struct Setting {
  Heads shape;
  int32_t window;
  int32_t block_tokens;
  int32_t table_width;
  float theta;
};

// K (rotated) and V of every position of one sequence so far.
struct History {
  Dense k, v;
};

Dense Append(const Dense& a, const Dense& b) {
  Dense out(a.rows + b.rows, b.cols);
  std::copy(a.values.begin(), a.values.end(), out.values.begin());
  std::copy(b.values.begin(), b.values.end(), out.values.begin() + static_cast<int64_t>(a.values.size()));
  return out;
}

class AttentionTest : public CudaTest {
 protected:
  // Element offset of `position` of a sequence in K of this layer: [block][2 layers][K,
  // V][kv_heads][block_tokens][head_dim].
  static int64_t Offset(const Setting& s, const DeviceBatch& b, size_t sequence, int32_t position, int32_t kv_head) {
    const size_t entry = static_cast<size_t>(position / s.block_tokens % s.table_width);
    const int64_t block = b.table[sequence * static_cast<size_t>(s.table_width) + entry];
    return block * BlockElements(s) +
           (int64_t{kv_head} * s.block_tokens + position % s.block_tokens) * s.shape.head_dim;
  }
  static int64_t PlaneElements(const Setting& s) {
    return int64_t{s.shape.kv_heads} * s.block_tokens * s.shape.head_dim;
  }
  static int64_t BlockElements(const Setting& s) { return 4 * PlaneElements(s); }

  // One batch over random histories; every row's result and every block written is compared.
  void Check(const Setting& s, const std::vector<Part>& parts, int32_t num_decode) {
    const Heads& h = s.shape;
    SCOPED_TRACE(std::to_string(h.heads) + "/" + std::to_string(h.kv_heads) + " x " + std::to_string(h.head_dim) +
                 ", window " + std::to_string(s.window) + ", blocks " + std::to_string(s.block_tokens) + " x " +
                 std::to_string(s.table_width));
    const DeviceBatch b = MakeBatch(parts, num_decode, static_cast<int32_t>(parts.size()), s.table_width);
    const int64_t q_cols = int64_t{h.heads} * h.head_dim, kv_cols = int64_t{h.kv_heads} * h.head_dim;
    const int32_t capacity = s.table_width * s.block_tokens;

    // What earlier steps left in the blocks: the tokens the next query sees; NaN everywhere else.
    std::vector<uint16_t> pool(b.table.size() * static_cast<size_t>(BlockElements(s)), 0xffff);
    const int64_t layer = 2 * PlaneElements(s), v_plane = PlaneElements(s);
    std::vector<History> histories;
    for (size_t i = 0; i < parts.size(); ++i) {
      History history{Random(parts[i].start, kv_cols, 1, DType::kBf16),
                      Random(parts[i].start, kv_cols, 1, DType::kBf16)};
      const int64_t oldest = std::max<int64_t>(0, int64_t{parts[i].start} - s.window + 1);
      for (int32_t p = static_cast<int32_t>(oldest); p < parts[i].start; ++p) {
        for (int64_t c = 0; c < kv_cols; ++c) {
          const int64_t at = layer + Offset(s, b, i, p, static_cast<int32_t>(c / h.head_dim)) + c % h.head_dim;
          pool[static_cast<size_t>(at)] = ToBf16(static_cast<float>(history.k.At(p, c)));
          pool[static_cast<size_t>(at + v_plane)] = ToBf16(static_cast<float>(history.v.At(p, c)));
        }
      }
      histories.push_back(std::move(history));
    }
    const Buffer pool_device = UploadVector(pool);
    const KvView kv{.k = pool_device.As<uint16_t>() + layer,
                    .v = pool_device.As<uint16_t>() + layer + v_plane,
                    .block_stride = BlockElements(s),
                    .block_tokens = s.block_tokens};

    const Dense qkv = Random(b.view.num_tokens, q_cols + 2 * kv_cols, 1, DType::kBf16);
    const DeviceTensor in = Upload(qkv, DType::kBf16, 16), out = Poisoned(b.view.num_tokens, q_cols, DType::kBf16, 2);
    ops().Attention(b.view, {.qkv = in.view,
                             .kv = kv,
                             .heads = h.heads,
                             .kv_heads = h.kv_heads,
                             .head_dim = h.head_dim,
                             .window = s.window,
                             .rope_theta = s.theta,
                             .out = out.view});
    Finish();
    const Dense got = Download(out.view);
    const std::vector<uint16_t> pool_after = DownloadVector<uint16_t>(pool_device.data(), pool.size());

    for (size_t i = 0; i < parts.size(); ++i) {
      const Part& part = parts[i];
      SCOPED_TRACE("part " + std::to_string(i) + ": " + std::to_string(part.rows) + " rows from " +
                   std::to_string(part.start));
      const Dense rows = qkv.RowRange(b.first_row[i], part.rows);
      std::vector<int32_t> positions;
      for (int32_t r = 0; r < part.rows; ++r) positions.push_back(part.start + r);
      Dense q = rows.ColRange(0, q_cols), k = rows.ColRange(q_cols, kv_cols);
      const Dense v = rows.ColRange(q_cols + kv_cols, kv_cols);
      reference::Rope(q, h.head_dim, positions, s.theta);
      reference::Rope(k, h.head_dim, positions, s.theta);
      const Dense all_k = Append(histories[i].k, k), all_v = Append(histories[i].v, v);
      const Dense all_q = Append(Dense(part.start, q_cols), q);
      const Dense expected = reference::Attention(all_q, all_k, all_v, h.head_dim, s.window, part.start);
      EXPECT_CLOSE(got.RowRange(b.first_row[i], part.rows), expected, 1e-2);

      // What the next query will see is in the blocks.
      const int32_t end = part.start + part.rows;
      const int64_t oldest = std::max<int64_t>({0, int64_t{end} - s.window + 1, int64_t{end} - capacity});
      Dense stored_k(end - oldest, kv_cols), stored_v(end - oldest, kv_cols);
      for (int64_t p = oldest; p < end; ++p) {
        for (int64_t c = 0; c < kv_cols; ++c) {
          const int64_t at =
              layer + Offset(s, b, i, static_cast<int32_t>(p), static_cast<int32_t>(c / h.head_dim)) + c % h.head_dim;
          stored_k.At(p - oldest, c) = FromBf16(pool_after[static_cast<size_t>(at)]);
          stored_v.At(p - oldest, c) = FromBf16(pool_after[static_cast<size_t>(at + v_plane)]);
        }
      }
      EXPECT_CLOSE(stored_k, all_k.RowRange(oldest, end - oldest), 1e-2);
      EXPECT_EQ(reference::RelativeError(stored_v, all_v.RowRange(oldest, end - oldest)), 0);
    }
    // The other layer of the pool was not touched.
    for (size_t block = 0; block < b.table.size(); ++block) {
      const auto first = pool_after.begin() + static_cast<int64_t>(block) * BlockElements(s);
      EXPECT_TRUE(std::all_of(first, first + layer, [](uint16_t x) { return x == 0xffff; })) << "block " << block;
    }
  }
};

constexpr Heads kShapes[] = {{1, 1, 64},  {8, 2, 64},   {12, 12, 64}, {9, 1, 64}, {4, 4, 128},
                             {6, 2, 128}, {11, 1, 256}, {2, 2, 256},  {20, 1, 64}};

TEST_F(AttentionTest, PromptsFromTheirStart) {
  for (const Heads& shape : kShapes) {
    Check({.shape = shape, .window = 100, .block_tokens = 16, .table_width = 8, .theta = 10000},
          {{1, 0}, {70, 0}, {257, 0}}, 0);
  }
}

TEST_F(AttentionTest, PromptsContinueFromBlocks) {
  for (const Heads& shape : kShapes) {
    Check({.shape = shape, .window = 100, .block_tokens = 16, .table_width = 8, .theta = 10000},
          {{1, 1}, {33, 5}, {64, 99}, {65, 100}, {150, 101}, {7, 333}}, 0);
  }
}

TEST_F(AttentionTest, DecodeRows) {
  for (const Heads& shape : kShapes) {
    Check(
        {.shape = shape, .window = 100, .block_tokens = 16, .table_width = 8, .theta = 10000},
        {{1, 0}, {1, 1}, {1, 62}, {1, 63}, {1, 64}, {1, 98}, {1, 99}, {1, 100}, {1, 101}, {1, 127}, {1, 128}, {1, 777}},
        12);
  }
}

TEST_F(AttentionTest, MixedBatches) {
  for (const Heads& shape : kShapes) {
    Check({.shape = shape, .window = 130, .block_tokens = 32, .table_width = 5, .theta = 500000},
          {{1, 3}, {1, 129}, {1, 400}, {200, 0}, {3, 131}, {90, 300}}, 3);
  }
}

// The ring holds exactly the window, so that each write takes the place of the token that has just left it.
TEST_F(AttentionTest, RingThatHoldsExactlyTheWindow) {
  for (const int32_t start : {63, 64, 65, 127, 1000}) {
    Check({.shape = {4, 2, 64}, .window = 64, .block_tokens = 16, .table_width = 4, .theta = 10000},
          {{1, start}, {17, start}, {64, start}, {200, start}}, 1);
  }
}

TEST_F(AttentionTest, FullAttention) {
  Check({.shape = {8, 2, 64}, .window = kNoWindow, .block_tokens = 16, .table_width = 64, .theta = 10000},
        {{1, 900}, {1, 5}, {300, 0}, {150, 600}}, 2);
  Check({.shape = {4, 4, 128}, .window = kNoWindow, .block_tokens = 64, .table_width = 8, .theta = 0},
        {{1, 500}, {100, 300}}, 1);
}

TEST_F(AttentionTest, WindowOfOneSeesItself) {
  Check({.shape = {2, 1, 64}, .window = 1, .block_tokens = 16, .table_width = 1, .theta = 10000},
        {{1, 40}, {70, 0}, {70, 31}}, 1);
}

// A long window splits a decode row over many blocks of the grid.
TEST_F(AttentionTest, LongWindow) {
  Check({.shape = {32, 4, 64}, .window = 2048, .block_tokens = 64, .table_width = 33, .theta = 10000},
        {{1, 3000}, {1, 2047}, {1, 100}}, 3);
}

// Far positions: the angle has lost digits by then, and must have lost the same ones as in training.
TEST_F(AttentionTest, RopeFarFromTheStart) {
  const int32_t head_dim = 128, rows = 64;
  const DeviceBatch b = MakeBatch({{rows, 131072 - rows}}, 0, 1, 128);
  const Buffer pool = *ops().Allocate(size_t{128} * 2 * 16 * head_dim * 2, "pool");
  const Dense qkv = Random(rows, 3 * head_dim, 1, DType::kBf16);
  const DeviceTensor in = Upload(qkv, DType::kBf16), out = Poisoned(rows, head_dim, DType::kBf16);
  ops().Attention(b.view, {.qkv = in.view,
                           .kv = {.k = pool.data(),
                                  .v = pool.As<uint16_t>() + 16 * head_dim,
                                  .block_stride = 2 * 16 * head_dim,
                                  .block_tokens = 16},
                           .heads = 1,
                           .kv_heads = 1,
                           .head_dim = head_dim,
                           .window = 2048,
                           .rope_theta = 10000,
                           .out = out.view});
  Finish();
  std::vector<int32_t> positions;
  for (int32_t r = 0; r < rows; ++r) positions.push_back(131072 - rows + r);
  Dense expected = qkv.ColRange(0, 2 * head_dim);
  reference::Rope(expected, head_dim, positions, 10000);
  EXPECT_CLOSE(Download(in.view).ColRange(0, 2 * head_dim), expected, 3e-3);
}

}  // namespace
}  // namespace batucada

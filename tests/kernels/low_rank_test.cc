// MatMulSelectiveScan: the product, the norms and the scan in one, against the three apart.
#include <cmath>

#include "tests/kernels/op_test.h"

namespace batucada::testing {
namespace {

using reference::RelativeError;

struct Sizes {
  int64_t channels, rank;
  int64_t padding = 0;  // columns of rank
};

class LowRankTest : public OpTest {
 protected:
  static constexpr int64_t kStates = 16;

  void Prepare(const Sizes& sizes) {
    channels = sizes.channels;
    rank = sizes.rank;
    dt_rank = rank - sizes.padding;
    weights = Rounded(random.Normals(rank + 2 * kStates, channels, 1 / std::sqrt(channels)), DType::kBf16);
    dt_weights = Rounded(random.Normals(channels, rank, 0.2), DType::kBf16);
    for (int64_t col = dt_rank; col < rank; ++col) {
      for (int64_t row = 0; row < channels; ++row) weights.At(col, row) = dt_weights.At(row, col) = 0;
    }
    x_proj = LoadWeights(*ops, weights, DType::kBf16);
    dt_proj = LoadWeights(*ops, dt_weights, DType::kBf16);
    a = Floats(channels, kStates);
    for (double& v : a.values) v = -0.05 - std::abs(v);
    a = Rounded(a, DType::kF32);
    d = Floats(1, channels).values;
    dt_bias = random.NormalVector(channels);
    for (double& v : dt_bias) v -= 3;
    dt_bias = Rounded(dt_bias, DType::kF32);
    floats.clear();
    norms.clear();
    for (const auto* values : {&a.values, &d, &dt_bias}) floats.push_back(FloatsOnDevice(*ops, *values));
    for (const int64_t width : {dt_rank, kStates, kStates}) {
      norms.push_back(Floats(1, width).values);
      floats.push_back(FloatsOnDevice(*ops, norms.back()));
    }
  }

  // [dt_low, B, C] as the device is to hold them.
  Dense LowOf(const Dense& x, bool normed) const {
    Dense all = reference::MatMul(weights, x);
    for (int64_t part = 0, first = 0; normed && part < 3; ++part) {
      const int64_t width = part == 0 ? dt_rank : kStates;
      const Dense to = reference::RmsNorm(all.ColRange(first, width), norms[static_cast<size_t>(part)], 1e-5);
      for (int64_t row = 0; row < x.rows; ++row) {
        for (int64_t col = 0; col < width; ++col) all.At(row, first + col) = to.At(row, col);
      }
      first += part == 0 ? rank : width;
    }
    return Rounded(all, act);
  }

  // How large the terms are that `count` rows, the next of a sequence in state `h`, are sums of: all of a fresh
  // sequence's first row is small where B and C happen to be nearly orthogonal.
  Dense TermsOf(const Dense& x, const Dense& z, const Dense& low, int64_t first, int64_t count, Dense h) const {
    const Dense own = low.RowRange(first, count);
    reference::ScanInputs in = {.x = x.RowRange(first, count),
                                .dt = reference::MatMul(dt_weights, own.ColRange(0, rank)),
                                .z = z.RowRange(first, count),
                                .b = own.ColRange(rank, kStates),
                                .c = own.ColRange(rank + kStates, kStates),
                                .a = a,
                                .d = d,
                                .dt_bias = dt_bias};
    for (auto* values : {&in.x.values, &in.b.values, &in.c.values, &in.d, &h.values}) {
      for (double& v : *values) v = std::abs(v);
    }
    return reference::SelectiveScan(in, h);
  }

  Dense Run(const std::vector<Chunk>& chunks, const Dense& x_rows, const Dense& z_rows, RecurrentSlots& slots,
            bool fused, bool normed) {
    const Batch batch(*ops, chunks);
    const int64_t rows = x_rows.rows;
    DeviceTensor x(*ops, x_rows, act), z(*ops, z_rows, act, 8), dt(*ops, rows, channels, act);
    DeviceTensor low(*ops, rows, rank + 2 * kStates, act), raw(*ops, rows, rank + 2 * kStates, DType::kF32);
    DeviceTensor out(*ops, rows, channels, act, 8);
    const ScanArgs scan{.x = x.view(),
                        .dt = dt.view(),
                        .dt_low = low.view().Cols(0, rank),
                        .dt_proj = &dt_proj,
                        .b = low.view().Cols(rank, kStates),
                        .c = low.view().Cols(rank + kStates, kStates),
                        .z = z.view(),
                        .a = floats[0].As<float>(),
                        .d = floats[1].As<float>(),
                        .dt_bias = floats[2].As<float>(),
                        .state = slots.view(),
                        .d_state = kStates,
                        .out = out.view()};
    if (dt_rank < rank) low.Upload(Dense(rows, rank + 2 * kStates));  // padding need not be written
    if (fused) {
      LowRankArgs args{.x_proj = &x_proj};
      if (normed) {
        args = {.x_proj = &x_proj,
                .raw = raw.view(),
                .dt_norm = floats[3].As<float>(),
                .b_norm = floats[4].As<float>(),
                .c_norm = floats[5].As<float>(),
                .dt_rank = static_cast<int32_t>(dt_rank),
                .eps = 1e-5F};
      }
      ops->MatMulSelectiveScan(batch.view(), args, scan);
    } else {
      low.Upload(LowOf(x_rows, normed));
      ops->SelectiveScan(batch.view(), scan);
    }
    return out.Download();
  }

  // Decode rows of `count` slots, and a prompt of so many rows behind them, if any.
  void Check(int32_t count, int32_t prompt) {
    std::vector<Chunk> chunks;
    for (int32_t i = 0; i < count; ++i) chunks.push_back({.slot = i, .start = i % 3 == 2 ? 0 : 5, .decode = true});
    if (prompt > 0) chunks.push_back({.slot = count, .start = 0, .rows = prompt});
    const int64_t rows = count + prompt;
    const Dense x = Acts(rows, channels), z = Acts(rows, channels);
    for (const bool normed : {false, true}) {
      SCOPED_TRACE(::testing::Message() << channels << " channels, rank " << rank << ", " << count
                                        << " rows, prompt of " << prompt << (normed ? ", normed" : ""));
      RecurrentSlots together(*ops, count + 1, channels, kStates), apart(*ops, count + 1, channels, kStates);
      std::vector<Dense> states;
      for (int32_t i = 0; i <= count; ++i) {
        const Dense& h = states.emplace_back(Floats(channels, kStates));
        together.SetSsm(i, h);
        apart.SetSsm(i, h);
      }
      const Dense actual = Run(chunks, x, z, together, true, normed);
      const Dense expected = Run(chunks, x, z, apart, false, normed);
      const Dense low = LowOf(x, normed);
      int64_t row = 0;
      for (const Chunk& chunk : chunks) {
        const Dense h = chunk.start == 0 ? Dense(channels, kStates) : states[static_cast<size_t>(chunk.slot)];
        const Dense terms = TermsOf(x, z, low, row, chunk.rows, h);
        for (int64_t i = 0; i < chunk.rows; ++i, ++row) {  // one at a time, so that none hides behind the others
          EXPECT_LT(RelativeError(actual.RowRange(row, 1), expected.RowRange(row, 1), terms.RowRange(i, 1)),
                    2 * traits.act_tolerance)
              << row;
        }
        EXPECT_LT(RelativeError(together.Ssm(chunk.slot), apart.Ssm(chunk.slot)), traits.act_tolerance) << chunk.slot;
      }
    }
  }

  int64_t channels = 0, rank = 0, dt_rank = 0;
  Dense weights, dt_weights;  // of x_proj, dt_proj
  Dense a;
  std::vector<double> d, dt_bias;
  Matrix x_proj, dt_proj;
  std::vector<Buffer> floats;  // a, d, dt_bias and the norms of dt, B and C
  std::vector<std::vector<double>> norms;
};

TEST_F(LowRankTest, DecodeRows) {
  for (const Sizes& sizes : {Sizes{40, 8}, {128, 16}, {128, 16, 4}, {192, 96}, {1024, 160}, {2048, 256}}) {
    Prepare(sizes);
    for (const int32_t rows : {1, 2, 5, 8, 13, 16, 17, 33, 64, 65, 130}) Check(rows, 0);
  }
}

TEST_F(LowRankTest, BesideAPrompt) {
  for (const Sizes& sizes : {Sizes{40, 8}, {192, 96}}) {
    Prepare(sizes);
    for (const int32_t rows : {0, 1, 7, 40}) {
      for (const int32_t prompt : {1, 9, 50, 200}) Check(rows, prompt);
    }
  }
}

}  // namespace
}  // namespace batucada::testing

// CausalConv and SelectiveScan: values, state hand-over, ragged batches.
#include <gtest/gtest.h>

#include <cmath>

#include "tests/kernels/cpu_fixture.h"

namespace batucada::testing {
namespace {

using reference::RelativeError;

// Random sequences, the weights of one layer, and what the layer should give for whole sequences.
class MambaCpuTest : public CpuOpsTest {
 protected:
  static constexpr int64_t kStates = 16;

  void Prepare(int64_t num_channels, const std::vector<int32_t>& lengths) {
    channels = num_channels;
    conv_weight = Rounded(random.Normals(channels, 4), DType::kF32);
    conv_bias = Rounded(random.NormalVector(channels), DType::kF32);
    a = Dense(channels, kStates);
    for (double& v : a.values) v = -std::exp(random.Uniform(-1, 3));
    a = Rounded(a, DType::kF32);
    d = Rounded(random.NormalVector(channels), DType::kF32);
    dt_bias = Rounded(random.NormalVector(channels, 2), DType::kF32);
    device.clear();
    for (const auto* values : {&conv_weight.values, &conv_bias, &a.values, &d, &dt_bias}) {
      device.push_back(FloatsOnDevice(*ops, *values));
    }
    x.clear(), dt.clear(), z.clear(), b.clear(), c.clear();
    for (int32_t length : lengths) {
      for (auto* rows : {&x, &dt, &z}) rows->push_back(Rounded(random.Normals(length, channels, 1.5), DType::kF32));
      for (auto* rows : {&b, &c}) rows->push_back(Rounded(random.Normals(length, kStates), DType::kF32));
      // Softplus far to both sides of where it turns linear.
      dt.back().At(0, 0) = 60, dt.back().At(0, channels - 1) = -60;
    }
  }

  reference::ScanInputs ScanInputsOf(size_t sequence) const {
    return {x[sequence], dt[sequence], z[sequence], b[sequence], c[sequence], a, d, dt_bias};
  }

  // How large the terms are that a scan's outputs are sums of. At the first token every channel's B · C is the same
  // sum, so all outputs can be small beside their terms.
  Dense TermsOf(size_t sequence) const {
    reference::ScanInputs in = ScanInputsOf(sequence);
    for (auto* values : {&in.x.values, &in.b.values, &in.c.values, &in.d}) {
      for (double& v : *values) v = std::abs(v);
    }
    Dense h(channels, kStates);
    return reference::SelectiveScan(in, h);
  }

  // Rows of a step, in and out.
  Dense Conv(const std::vector<Chunk>& chunks, RecurrentSlots& slots) {
    const Batch batch(*ops, chunks);
    DeviceTensor in(*ops, batch.Gather(x), DType::kF32, 5),
        out(*ops, batch.view().num_tokens, channels, DType::kF32, 1);
    ops->CausalConv(batch.view(), {.x = in.view(),
                                   .weight = device[0].As<float>(),
                                   .bias = device[1].As<float>(),
                                   .state = slots.view(),
                                   .out = out.view()});
    return out.Download();
  }
  Dense Scan(const std::vector<Chunk>& chunks, RecurrentSlots& slots) {
    const Batch batch(*ops, chunks);
    DeviceTensor in_x(*ops, batch.Gather(x), DType::kF32, 2), in_dt(*ops, batch.Gather(dt), DType::kF32, 3);
    DeviceTensor in_b(*ops, batch.Gather(b), DType::kF32, 9), in_c(*ops, batch.Gather(c), DType::kF32);
    DeviceTensor in_z(*ops, batch.Gather(z), DType::kF32, 1);
    DeviceTensor out(*ops, batch.view().num_tokens, channels, DType::kF32, 4);
    ops->SelectiveScan(batch.view(), {.x = in_x.view(),
                                      .dt = in_dt.view(),
                                      .b = in_b.view(),
                                      .c = in_c.view(),
                                      .z = in_z.view(),
                                      .a = device[2].As<float>(),
                                      .d = device[3].As<float>(),
                                      .dt_bias = device[4].As<float>(),
                                      .state = slots.view(),
                                      .d_state = kStates,
                                      .out = out.view()});
    return out.Download();
  }

  int64_t channels = 0;
  Dense conv_weight, a;
  std::vector<double> conv_bias, d, dt_bias;
  std::vector<Buffer> device;         // the five above
  std::vector<Dense> x, dt, z, b, c;  // by sequence
};

constexpr int32_t kLength = 150;
const int64_t kWidths[] = {1, 15, 16, 31, 32, 33, 64, 100};

TEST_F(MambaCpuTest, WholeSequencesMatchReference) {
  for (int64_t width : kWidths) {
    for (int32_t length : {1, 2, 3, 4, 5, 31, 32, 33, kLength}) {
      Prepare(width, {length});
      RecurrentSlots slots(*ops, 1, width, kStates);  // NaN: must not be read at start 0
      Dense conv_state(width, 3), h(width, kStates);
      const Dense conv = reference::CausalConv(x[0], conv_weight, conv_bias, conv_state);
      EXPECT_LT(RelativeError(Conv({{.rows = length}}, slots), conv), kFp32Tolerance) << width << " × " << length;
      EXPECT_EQ(slots.Conv(0).values, conv_state.values);
      const Dense scan = reference::SelectiveScan(ScanInputsOf(0), h);
      EXPECT_LT(RelativeError(Scan({{.rows = length}}, slots), scan, TermsOf(0)), kFp32Tolerance)
          << width << " × " << length;
      EXPECT_LT(RelativeError(slots.Ssm(0), h), kFp32Tolerance);
    }
  }
}

TEST_F(MambaCpuTest, ContinuesFromTheStateInTheSlot) {
  Prepare(48, {20});
  RecurrentSlots slots(*ops, 2, 48, kStates);
  Dense conv_state = Rounded(random.Normals(48, 3), DType::kF32), h = Rounded(random.Normals(48, kStates), DType::kF32);
  slots.SetConv(0, conv_state);
  slots.SetSsm(0, h);
  // Rows 7 … 19 of the sequence, on top of a state that something else left.
  const Chunk chunk = {.slot = 0, .start = 7, .rows = 13};
  reference::ScanInputs in = ScanInputsOf(0);
  for (Dense* rows : {&in.x, &in.dt, &in.z, &in.b, &in.c}) *rows = rows->RowRange(7, 13);
  EXPECT_LT(RelativeError(Conv({chunk}, slots), reference::CausalConv(in.x, conv_weight, conv_bias, conv_state)),
            kFp32Tolerance);
  EXPECT_EQ(slots.Conv(0).values, conv_state.values);
  EXPECT_LT(RelativeError(Scan({chunk}, slots), reference::SelectiveScan(in, h)), kFp32Tolerance);
  EXPECT_LT(RelativeError(slots.Ssm(0), h), kFp32Tolerance);
  EXPECT_TRUE(std::isnan(slots.Ssm(1).At(0, 0))) << "another sequence's slot was written";
}

TEST_F(MambaCpuTest, ChunksOfAnyLengthEqualTheWholeBitForBit) {
  Prepare(72, {kLength});
  RecurrentSlots whole(*ops, 1, 72, kStates);
  const Dense conv = Conv({{.rows = kLength}}, whole), scan = Scan({{.rows = kLength}}, whole);
  for (int32_t size : {1, 2, 3, 7, 64, 100}) {
    RecurrentSlots slots(*ops, 1, 72, kStates);
    for (int32_t start = 0; start < kLength; start += size) {
      const Chunk chunk = {.start = start, .rows = std::min(size, kLength - start), .decode = size == 1};
      EXPECT_EQ(Conv({chunk}, slots).values, conv.RowRange(start, chunk.rows).values) << "chunks of " << size;
      EXPECT_EQ(Scan({chunk}, slots).values, scan.RowRange(start, chunk.rows).values) << "chunks of " << size;
    }
    EXPECT_EQ(slots.Conv(0).values, whole.Conv(0).values);
    EXPECT_EQ(slots.Ssm(0).values, whole.Ssm(0).values);
  }
}

TEST_F(MambaCpuTest, MixedBatchesEqualEachSequenceAloneBitForBit) {
  const std::vector<int32_t> lengths = {40, 41, 12, 90, 33};
  Prepare(50, lengths);
  std::vector<Dense> conv, scan, mixed_conv, mixed_scan;
  RecurrentSlots alone(*ops, 5, 50, kStates), mixed(*ops, 5, 50, kStates);
  for (int32_t s = 0; s < 5; ++s) {
    const Chunk all = {.slot = s, .rows = lengths[static_cast<size_t>(s)]};
    conv.push_back(Conv({all}, alone));
    scan.push_back(Scan({all}, alone));
    mixed_conv.emplace_back(all.rows, 50);
    mixed_scan.emplace_back(all.rows, 50);
  }
  const std::vector<std::vector<Chunk>> steps = {
      {{.slot = 3, .rows = 50}, {.slot = 0, .rows = 39}, {.slot = 2, .rows = 3}},
      {{.slot = 0, .start = 39, .decode = true},
       {.slot = 2, .start = 3, .decode = true},
       {.slot = 3, .start = 50, .rows = 40},
       {.slot = 1, .rows = 1}},
      {{.slot = 1, .start = 1, .decode = true}, {.slot = 4, .rows = 33}, {.slot = 2, .start = 4, .rows = 8}},
      {{.slot = 1, .start = 2, .rows = 39}}};
  for (const auto& chunks : steps) {
    const Batch batch(*ops, chunks);
    batch.Scatter(Conv(chunks, mixed), mixed_conv);
    batch.Scatter(Scan(chunks, mixed), mixed_scan);
  }
  for (size_t s = 0; s < 5; ++s) {
    EXPECT_EQ(mixed_conv[s].values, conv[s].values) << "sequence " << s;
    EXPECT_EQ(mixed_scan[s].values, scan[s].values) << "sequence " << s;
    EXPECT_EQ(mixed.Ssm(static_cast<int32_t>(s)).values, alone.Ssm(static_cast<int32_t>(s)).values);
    EXPECT_EQ(mixed.Conv(static_cast<int32_t>(s)).values, alone.Conv(static_cast<int32_t>(s)).values);
  }
}

// With one state, B = C = x = 1, D = 0 and h = 0, the output is δ · silu(z): softplus by itself, element by element.
TEST_F(MambaCpuTest, SoftplusIsAccurateToAFewUlps) {
  const int64_t count = 4000;
  Prepare(count, {1});
  for (int64_t e = 0; e < count; ++e) {
    x[0].At(0, e) = 1;
    z[0].At(0, e) = 3;
    dt[0].At(0, e) = -80 + 160.0 * static_cast<double>(e) / static_cast<double>(count - 1);
  }
  dt[0] = Rounded(dt[0], DType::kF32);
  for (int64_t n = 0; n < kStates; ++n) b[0].At(0, n) = c[0].At(0, n) = n == 5 ? 1 : 0;
  const std::vector<double> zeros(static_cast<size_t>(count));
  d = dt_bias = zeros;
  device[3] = FloatsOnDevice(*ops, zeros);
  device[4] = FloatsOnDevice(*ops, zeros);
  RecurrentSlots slots(*ops, 1, count, kStates);
  Dense h(count, kStates);
  const Dense result = Scan({{.rows = 1}}, slots), expected = reference::SelectiveScan(ScanInputsOf(0), h);
  for (int64_t e = 0; e < count; ++e) {
    ASSERT_NEAR(result.At(0, e), expected.At(0, e), 1e-6 * expected.At(0, e)) << "at " << dt[0].At(0, e);
  }
}

TEST_F(MambaCpuTest, StaysAccurateOverLongSequences) {
  Prepare(17, {5000});
  RecurrentSlots slots(*ops, 1, 17, kStates);
  Dense h(17, kStates);
  const Dense expected = reference::SelectiveScan(ScanInputsOf(0), h);
  EXPECT_LT(RelativeError(Scan({{.rows = 5000}}, slots), expected), kFp32Tolerance);
  EXPECT_LT(RelativeError(slots.Ssm(0), h), kFp32Tolerance);
}

}  // namespace
}  // namespace batucada::testing

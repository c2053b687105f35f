// Embed, RmsNorm, SwiGlu, MatMulSwiGlu, GatherRows, LoadFloats.
#include <gtest/gtest.h>

#include <cmath>

#include "kernels/cpu/swiglu.h"
#include "kernels/cpu/thread_pool.h"
#include "tests/kernels/cpu_fixture.h"

namespace batucada::testing {
namespace {

using reference::RelativeError;
using ElementwiseCpuTest = CpuOpsTest;

TEST_F(ElementwiseCpuTest, RmsNorm) {
  for (int64_t cols : {1, 7, 16, 33, 384, 2816}) {
    for (int64_t rows : {1, 3, 20}) {
      const Dense x = Rounded(random.Normals(rows, cols, 3), DType::kF32);
      const std::vector<double> weight = Rounded(random.NormalVector(cols), DType::kF32);
      const Buffer device_weight = FloatsOnDevice(*ops, weight);
      DeviceTensor in(*ops, x, DType::kF32, 2), out(*ops, rows, cols, DType::kF32, 3);
      ops->RmsNorm(in.view(), device_weight.As<float>(), 1e-5f, out.view());
      EXPECT_LT(RelativeError(out.Download(), reference::RmsNorm(x, weight, 1e-5)), kFp32Tolerance) << cols;
    }
  }
}

TEST_F(ElementwiseCpuTest, RmsNormOfZerosIsZero) {
  const Buffer weight = FloatsOnDevice(*ops, std::vector<double>(40, 2.0));
  DeviceTensor in(*ops, Dense(2, 40), DType::kF32), out(*ops, 2, 40, DType::kF32);
  ops->RmsNorm(in.view(), weight.As<float>(), 1e-5f, out.view());
  EXPECT_EQ(out.Download().values, std::vector<double>(80, 0.0));
}

TEST_F(ElementwiseCpuTest, SwiGlu) {
  ThreadPool pool(2);
  for (int64_t m : {1, 15, 16, 17, 1024, 5000}) {
    for (int64_t rows : {1, 9}) {
      const Dense gate_up = Rounded(random.Normals(rows, 2 * m, 10), DType::kF32);
      DeviceTensor in(*ops, gate_up, DType::kF32, 1), out(*ops, rows, m, DType::kF32, 7);
      SwiGlu(in.view(), out.view(), pool);
      EXPECT_LT(RelativeError(out.Download(), reference::SwiGlu(gate_up)), kFp32Tolerance) << m;
    }
  }
}

// Element by element, so that small values count as much as large ones.
TEST_F(ElementwiseCpuTest, SiluIsAccurateToAFewUlps) {
  ThreadPool pool(2);
  const int64_t count = 20000;
  Dense gate_up(1, 2 * count);
  for (int64_t i = 0; i < count; ++i) {
    gate_up.At(0, i) = -80 + 160.0 * static_cast<double>(i) / static_cast<double>(count - 1);
    gate_up.At(0, count + i) = 1;
  }
  gate_up = Rounded(gate_up, DType::kF32);
  DeviceTensor in(*ops, gate_up, DType::kF32), out(*ops, 1, count, DType::kF32);
  SwiGlu(in.view(), out.view(), pool);
  const Dense result = out.Download(), expected = reference::SwiGlu(gate_up);
  for (int64_t i = 0; i < count; ++i) {
    ASSERT_NEAR(result.At(0, i), expected.At(0, i), 5e-7 * std::abs(expected.At(0, i))) << "at " << gate_up.At(0, i);
  }
}

TEST_F(ElementwiseCpuTest, SwiGluSaturatesWithoutOverflow) {
  ThreadPool pool(2);
  Dense gate_up(1, 4);
  gate_up.values = {-500, 500, 2, 3};  // silu(-500) = 0 to fp32, silu(500) = 500
  DeviceTensor in(*ops, gate_up, DType::kF32), out(*ops, 1, 2, DType::kF32);
  SwiGlu(in.view(), out.view(), pool);
  const Dense result = out.Download();
  EXPECT_NEAR(result.At(0, 0), 0, 1e-30);
  EXPECT_EQ(result.At(0, 1), 1500);
}

TEST_F(ElementwiseCpuTest, MatMulSwiGluPadsGateAndUpAlike) {
  const Dense gate = Rounded(random.Normals(10, 24), DType::kF32), up = Rounded(random.Normals(10, 24), DType::kF32);
  const Dense x = Rounded(random.Normals(3, 24), DType::kF32);
  const std::vector<float> gate_values(gate.values.begin(), gate.values.end());
  const std::vector<float> up_values(up.values.begin(), up.values.end());
  const Matrix w =
      ops->LoadGateUp({gate_values.data(), DType::kF32, 10, 24}, {up_values.data(), DType::kF32, 10, 24}, 8, "gate_up")
          .value();
  ASSERT_EQ(w.out, 32);
  DeviceTensor in(*ops, x, DType::kF32, 2), scratch(*ops, 3, 32, DType::kF32), out(*ops, 3, 16, DType::kF32, 5);
  ops->MatMulSwiGlu(w, in.view(), scratch.view(), out.view());
  const Dense gates = reference::MatMul(gate, x), ups = reference::MatMul(up, x), got = out.Download();
  for (int64_t t = 0; t < 3; ++t) {
    for (int64_t i = 0; i < 16; ++i) {
      const double g = i < 10 ? gates.At(t, i) : 0;
      EXPECT_NEAR(got.At(t, i), i < 10 ? g / (1 + std::exp(-g)) * ups.At(t, i) : 0, 1e-4) << t << ", " << i;
    }
  }
  EXPECT_EQ(ops->LoadGateUp({gate_values.data(), DType::kF32, 10, 24}, {up_values.data(), DType::kF32, 5, 24}, 8, "odd")
                .status()
                .code(),
            absl::StatusCode::kInvalidArgument);
}

TEST_F(ElementwiseCpuTest, EmbedTakesDecodeRowsFromLastTokenAndOthersFromTheirIds) {
  for (DType dtype : {DType::kBf16, DType::kF32}) {
    const Dense table = Rounded(random.Normals(77, 50), dtype);
    const Matrix matrix = LoadWeights(*ops, table, dtype);
    const Batch batch(*ops, {{.slot = 2, .start = 5, .rows = 1, .decode = true},
                             {.slot = 0, .start = 9, .rows = 1, .decode = true},
                             {.slot = 1, .start = 0, .rows = 4}});
    const Buffer ids = OnDevice<int32_t>(*ops, {-1, -1, 0, 76, 33, 31}), last = OnDevice<int32_t>(*ops, {12, -1, 64});
    BatchView view = batch.view();
    view.token_ids = ids.As<int32_t>();
    view.last_token = last.As<int32_t>();
    DeviceTensor out(*ops, 6, 50, DType::kF32, 4);
    ops->Embed(matrix, view, out.view());
    const Dense result = out.Download();
    const int64_t expected[] = {64, 12, 0, 76, 33, 31};
    for (int64_t t = 0; t < 6; ++t) EXPECT_EQ(result.RowRange(t, 1).values, table.RowRange(expected[t], 1).values) << t;
  }
}

TEST_F(ElementwiseCpuTest, GatherRows) {
  const Dense x = Rounded(random.Normals(9, 33), DType::kF32);
  DeviceTensor in(*ops, x, DType::kF32, 2), out(*ops, 4, 33, DType::kF32, 1);
  const Buffer rows = OnDevice<int32_t>(*ops, {8, 0, 3, 8});
  ops->GatherRows(in.view(), rows.As<int32_t>(), out.view());
  const Dense result = out.Download();
  const int64_t expected[] = {8, 0, 3, 8};
  for (int64_t i = 0; i < 4; ++i) EXPECT_EQ(result.RowRange(i, 1).values, x.RowRange(expected[i], 1).values);
}

TEST_F(ElementwiseCpuTest, LoadFloatsConvertsEveryFloatType) {
  for (DType dtype : {DType::kBf16, DType::kF16, DType::kF32}) {
    const Dense values = Rounded(random.Normals(3, 13), dtype);
    const auto bytes = Encoded(values, dtype);
    const Buffer buffer = ops->LoadFloats({bytes.data(), dtype, 3, 13}, "table").value();
    for (size_t i = 0; i < values.values.size(); ++i) EXPECT_EQ(buffer.As<float>()[i], values.values[i]);
  }
  // Subnormal, infinite and NaN halves.
  const uint16_t halves[] = {0x0001, 0x8200, 0x7c00, 0x7e00};
  const Buffer buffer = ops->LoadFloats({halves, DType::kF16, 1, 4}, "halves").value();
  EXPECT_EQ(buffer.As<float>()[0], 0x1p-24f);
  EXPECT_EQ(buffer.As<float>()[1], -0x1p-15f);
  EXPECT_EQ(buffer.As<float>()[2], std::numeric_limits<float>::infinity());
  EXPECT_TRUE(std::isnan(buffer.As<float>()[3]));
}

}  // namespace
}  // namespace batucada::testing

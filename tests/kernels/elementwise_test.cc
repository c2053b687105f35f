// Embed, RmsNorm, GatherRows, LoadFloats.
#include <cmath>

#include "tests/kernels/op_test.h"

namespace batucada::testing {
namespace {

using reference::RelativeError;
using ElementwiseTest = OpTest;

TEST_F(ElementwiseTest, RmsNorm) {
  for (const int64_t cols : {1, 7, 16, 33, 37, 384, 1536, 2048, 2304, 2816, 4098, 8192}) {
    for (const int64_t rows : {1, 5, 20}) {
      for (const int64_t slack : {0, 1, 8}) {
        const Dense x = Floats(rows, cols, 3);
        const std::vector<double> weight = Floats(1, cols).values;
        const Buffer weight_on_device = FloatsOnDevice(*ops, weight);
        DeviceTensor in(*ops, x, DType::kF32, slack), out(*ops, rows, cols, act, slack);
        ops->RmsNorm(in.view(), weight_on_device.As<float>(), 1e-5f, out.view());
        EXPECT_LT(RelativeError(out.Download(), reference::RmsNorm(x, weight, 1e-5)), traits.act_tolerance) << cols;
      }
    }
  }
}

TEST_F(ElementwiseTest, RmsNormOfZerosIsZero) {
  const Buffer weight = FloatsOnDevice(*ops, std::vector<double>(40, 2.0));
  DeviceTensor in(*ops, Dense(2, 40), DType::kF32), out(*ops, 2, 40, act);
  ops->RmsNorm(in.view(), weight.As<float>(), 1e-5f, out.view());
  EXPECT_EQ(out.Download().values, std::vector<double>(80, 0.0));
}

TEST_F(ElementwiseTest, EmbedTakesDecodeRowsFromLastTokenAndOthersFromTheirIds) {
  for (const DType type : traits.weight_types) {
    for (const int64_t cols : {1, 40, 50, 384, 2816}) {
      const Dense table = Rounded(random.Normals(77, cols), type);
      const auto bytes = Encoded(table, type);
      const HostTensor part = {bytes.data(), type, 77, cols};
      const Matrix matrix = ops->LoadMatrix({&part, 1}, 64, 8, "table").value();
      const Batch batch(*ops, {{.slot = 2, .start = 5, .rows = 1, .decode = true},
                               {.slot = 0, .start = 9, .rows = 1, .decode = true},
                               {.slot = 1, .start = 0, .rows = 4}});
      const Buffer ids = OnDevice<int32_t>(*ops, {-1, -1, 0, 76, 33, 31}), last = OnDevice<int32_t>(*ops, {12, -1, 64});
      BatchView view = batch.view();
      view.token_ids = ids.As<int32_t>();
      view.last_token = last.As<int32_t>();
      DeviceTensor out(*ops, 6, (cols + 7) / 8 * 8, DType::kF32, 4);
      ops->Embed(matrix, view, out.view());
      const Dense result = out.Download();
      const int64_t expected[] = {64, 12, 0, 76, 33, 31};
      for (int64_t t = 0; t < 6; ++t) {
        EXPECT_EQ(result.RowRange(t, 1).ColRange(0, cols).values, table.RowRange(expected[t], 1).values) << t;
      }
    }
  }
}

TEST_F(ElementwiseTest, GatherRows) {
  for (const int64_t cols : {33, 130}) {
    const Dense x = Floats(20, cols);
    DeviceTensor in(*ops, x, DType::kF32, 2), out(*ops, 4, cols, DType::kF32, 6);
    const Buffer rows = OnDevice<int32_t>(*ops, {19, 0, 7, 7});
    ops->GatherRows(in.view(), rows.As<int32_t>(), out.view());
    const Dense result = out.Download();
    const int64_t expected[] = {19, 0, 7, 7};
    for (int64_t i = 0; i < 4; ++i) EXPECT_EQ(result.RowRange(i, 1).values, x.RowRange(expected[i], 1).values);
  }
}

TEST_F(ElementwiseTest, LoadFloatsConvertsEveryFloatType) {
  const auto load = [&](const void* data, DType type, int64_t rows, int64_t cols) {
    const Buffer buffer = ops->LoadFloats({data, type, rows, cols}, "table").value();
    std::vector<float> values(static_cast<size_t>(rows * cols));
    ops->device().CopyToHost(values.data(), buffer.data(), values.size() * sizeof(float));
    EXPECT_TRUE(ops->device().Synchronize().ok());
    return values;
  };
  for (const DType type : {DType::kBf16, DType::kF16, DType::kF32}) {
    const Dense values = Rounded(random.Normals(3, 13), type);
    const auto bytes = Encoded(values, type);
    const std::vector<float> loaded = load(bytes.data(), type, 3, 13);
    EXPECT_EQ(std::vector<double>(loaded.begin(), loaded.end()), values.values);
  }
  // Subnormal, infinite and NaN halves.
  const uint16_t halves[] = {0x0001, 0x8200, 0x7c00, 0x7e00};
  const std::vector<float> loaded = load(halves, DType::kF16, 1, 4);
  EXPECT_EQ(loaded[0], 0x1p-24f);
  EXPECT_EQ(loaded[1], -0x1p-15f);
  EXPECT_EQ(loaded[2], std::numeric_limits<float>::infinity());
  EXPECT_TRUE(std::isnan(loaded[3]));
  EXPECT_FALSE(ops->LoadFloats({halves, DType::kI32, 1, 2}, "table").ok());
}

}  // namespace
}  // namespace batucada::testing

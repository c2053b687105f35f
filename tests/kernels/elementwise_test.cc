// Embed, RmsNorm, LayerNorm, AddBias, SiluGate, DiffCombine, GatherRows, LoadFloats.
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

// Rows far from zero, whose mean must be taken off before they are squared.
TEST_F(ElementwiseTest, LayerNorm) {
  for (const int64_t cols : {1, 7, 16, 33, 384, 2048, 2560, 4098}) {
    for (const int64_t slack : {0, 1, 8}) {
      Dense x = Floats(5, cols, 3);
      for (double& v : x.values) v += 20;
      x = Rounded(x, DType::kF32);
      const std::vector<double> weight = Floats(1, cols).values, bias = Floats(1, cols).values;
      const Buffer weight_on_device = FloatsOnDevice(*ops, weight), bias_on_device = FloatsOnDevice(*ops, bias);
      DeviceTensor in(*ops, x, DType::kF32, slack), out(*ops, 5, cols, act, slack);
      ops->LayerNorm(in.view(), weight_on_device.As<float>(), bias_on_device.As<float>(), 1e-5f, out.view());
      // Next to 20 an fp32 mean has lost five bits.
      EXPECT_LT(RelativeError(out.Download(), reference::LayerNorm(x, weight, bias, 1e-5)), 4 * traits.act_tolerance)
          << cols;
    }
  }
}

TEST_F(ElementwiseTest, AddBiasToActivationsAndToTheResidualStream) {
  for (const DType type : {act, DType::kF32}) {
    for (const int64_t cols : {1, 33, 256, 5120}) {
      const Dense x = Rounded(random.Normals(7, cols), type);
      const std::vector<double> bias = Floats(1, cols).values;
      const Buffer bias_on_device = FloatsOnDevice(*ops, bias);
      DeviceTensor sum(*ops, x, type, 3);
      ops->AddBias(sum.view(), bias_on_device.As<float>());
      Dense expected = x;
      for (int64_t r = 0; r < x.rows; ++r) {
        for (int64_t c = 0; c < cols; ++c) expected.At(r, c) += bias[static_cast<size_t>(c)];
      }
      EXPECT_LT(RelativeError(sum.Download(), expected), type == act ? traits.act_tolerance : traits.f32_tolerance);
    }
  }
}

TEST_F(ElementwiseTest, SiluGateIntoAnyOfItsOperands) {
  for (const int64_t cols : {1, 31, 64, 1000, 5120}) {
    const Dense gate = Acts(6, cols, 3), x = Acts(6, cols);
    const Dense expected = reference::SiluGate(gate, x);
    for (const int into : {0, 1, 2}) {
      DeviceTensor gates(*ops, gate, act, 4), values(*ops, x, act, 8), out(*ops, 6, cols, act);
      const DeviceTensor& target = into == 0 ? gates : into == 1 ? values : out;
      ops->SiluGate(gates.view(), values.view(), target.view());
      EXPECT_LT(RelativeError(target.Download(), expected), traits.act_tolerance) << cols << " into " << into;
    }
  }
}

TEST_F(ElementwiseTest, DiffCombine) {
  for (const int64_t width : {128, 256, 512}) {
    for (const auto& [group, groups] : {std::pair{1, 2}, {2, 20}, {3, 4}}) {
      const Dense streams = Acts(5, groups * group * width);
      const std::vector<double> weight = Floats(1, width).values;
      const Buffer weight_on_device = FloatsOnDevice(*ops, weight);
      DeviceTensor in(*ops, streams, act, 8), out(*ops, 5, groups / 2 * group * width, act, 4);
      ops->DiffCombine({.streams = in.view(),
                        .group = group,
                        .width = static_cast<int32_t>(width),
                        .lambda = 0.6F,
                        .weight = weight_on_device.As<float>(),
                        .eps = 1e-5F,
                        .out = out.view()});
      EXPECT_LT(RelativeError(out.Download(), reference::DiffCombine(streams, group, width, 0.6F, weight, 1e-5)),
                traits.act_tolerance)
          << group << " x " << groups << " of " << width;
    }
  }
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
  for (const DType type : {DType::kF32, act}) {
    for (const int64_t cols : {34, 130, 5120}) {
      const Dense x = Rounded(random.Normals(20, cols), type);
      DeviceTensor in(*ops, x, type, 2), out(*ops, 4, cols, type, 6);
      const Buffer rows = OnDevice<int32_t>(*ops, {19, 0, 7, 7});
      ops->GatherRows(in.view(), rows.As<int32_t>(), out.view());
      const Dense result = out.Download();
      const int64_t expected[] = {19, 0, 7, 7};
      for (int64_t i = 0; i < 4; ++i) EXPECT_EQ(result.RowRange(i, 1).values, x.RowRange(expected[i], 1).values);
    }
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

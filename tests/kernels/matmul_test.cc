// Products: to the activation type, to fp32, added, added and normed; stacked and padded weights.
#include <cmath>

#include "tests/kernels/op_test.h"

namespace batucada::testing {
namespace {

using reference::RelativeError;

class MatMulTest : public OpTest {
 protected:
  // Rows lie 8 elements further apart than they are wide.
  Dense Run(const Matrix& weights, const Dense& in, DType out_type) {
    DeviceTensor x(*ops, in, act, 8), out(*ops, in.rows, weights.out, out_type, 8);
    ops->MatMul(weights, x.view(), out.view());
    return out.Download();
  }
  Dense RunAdd(const Matrix& weights, const Dense& in, const Dense& acc) {
    DeviceTensor x(*ops, in, act, 8), sum(*ops, acc, DType::kF32, 8);
    ops->MatMulAdd(weights, x.view(), sum.view());
    return sum.Download();
  }
  static Dense Absolute(Dense a) {
    for (double& v : a.values) v = std::abs(v);
    return a;
  }
  static Dense Sum(Dense a, const Dense& b) {
    for (size_t i = 0; i < a.values.size(); ++i) a.values[i] += b.values[i];
    return a;
  }
};

TEST_F(MatMulTest, MatchesReferenceOnEveryPath) {
  for (const Product& p : traits.products) {
    for (const DType type : traits.weight_types) {
      SCOPED_TRACE(::testing::Message() << p.rows << " rows, " << p.in << " -> " << p.out << ", " << NameOf(type));
      const Dense weights = Rounded(random.Normals(p.out, p.in, 0.2), type), in = Acts(p.rows, p.in);
      const Dense acc = Floats(p.rows, p.out), expected = reference::MatMul(weights, in);
      const Matrix matrix = LoadWeights(*ops, weights, type);
      EXPECT_LT(RelativeError(Run(matrix, in, act), expected), traits.act_tolerance);
      EXPECT_LT(RelativeError(Run(matrix, in, DType::kF32), expected), traits.f32_tolerance);
      EXPECT_LT(RelativeError(RunAdd(matrix, in, acc), Sum(expected, acc)), traits.f32_tolerance);
    }
  }
}

// The sum and the norm of it, whether or not they are one pass.
TEST_F(MatMulTest, AddsAndNorms) {
  for (const int64_t rows : traits.norm_rows) {
    for (const auto& [n, k] : {std::pair<int64_t, int64_t>{64, 72},
                               {384, 1544},
                               {2048, 264},
                               {2816, 2048},
                               {2048, 4096},
                               {320, 640},
                               {33, 40}}) {
      SCOPED_TRACE(::testing::Message() << rows << " rows, " << k << " -> " << n);
      const Dense weights = Rounded(random.Normals(n, k, 0.1), DType::kBf16), in = Acts(rows, k), acc = Floats(rows, n);
      const std::vector<double> scale = Floats(1, n).values, bias = Floats(1, n).values, added = Floats(1, n).values;
      const Matrix matrix = LoadWeights(*ops, weights, DType::kBf16);
      const Buffer scale_there = FloatsOnDevice(*ops, scale), bias_there = FloatsOnDevice(*ops, bias);
      const Buffer added_there = FloatsOnDevice(*ops, added);
      const Dense total = Sum(reference::MatMul(weights, in), acc);
      for (const bool layer : {false, true}) {
        for (const bool adds : {false, true}) {
          DeviceTensor x(*ops, in, act, 8), sum(*ops, acc, DType::kF32, 4), out(*ops, rows, n, act, 8);
          ops->MatMulAddNorm(matrix, x.view(), sum.view(),
                             {.added = adds ? added_there.As<float>() : nullptr,
                              .weight = scale_there.As<float>(),
                              .bias = layer ? bias_there.As<float>() : nullptr,
                              .eps = 1e-5f},
                             out.view());
          Dense expected = total;
          for (size_t i = 0; adds && i < expected.values.size(); ++i) expected.values[i] += added[i % added.size()];
          EXPECT_LT(RelativeError(sum.Download(), expected), traits.f32_tolerance) << layer << adds;
          const Dense normed =
              layer ? reference::LayerNorm(expected, scale, bias, 1e-5) : reference::RmsNorm(expected, scale, 1e-5);
          EXPECT_LT(RelativeError(out.Download(), normed), traits.act_tolerance) << layer << adds;
        }
      }
    }
  }
}

TEST_F(MatMulTest, RowsAreTheSameAloneAndInAnyBatch) {
  for (const DType type : traits.weight_types) {
    const Matrix matrix = LoadWeights(*ops, random.Normals(99, 1000), type);
    const Dense in = Acts(470, 1000), acc = Floats(470, 99);
    const Dense all = Run(matrix, in, DType::kF32), all_added = RunAdd(matrix, in, acc);
    for (int64_t rows = 1; rows <= 97; rows += rows < 30 ? 1 : 11) {
      SCOPED_TRACE(::testing::Message() << rows << " rows");
      const int64_t first = random.Integer(0, static_cast<int32_t>(in.rows - rows));
      const Dense part = in.RowRange(first, rows);
      ExpectSame(Run(matrix, part, DType::kF32), all.RowRange(first, rows));
      ExpectSame(RunAdd(matrix, part, acc.RowRange(first, rows)), all_added.RowRange(first, rows));
    }
  }
}

TEST_F(MatMulTest, SumsAndNormsAreTheSameAloneAndInAnyBatch) {
  for (const auto& [n, k] : {std::pair<int64_t, int64_t>{2048, 264}, {384, 1544}, {33, 40}}) {
    const Matrix matrix = LoadWeights(*ops, random.Normals(n, k, 0.1), DType::kBf16);
    const Dense in = Acts(470, k), acc = Floats(470, n);
    const Buffer scale = FloatsOnDevice(*ops, Floats(1, n).values), bias = FloatsOnDevice(*ops, Floats(1, n).values);
    for (const bool layer : {false, true}) {
      const auto run = [&](int64_t first, int64_t rows) {
        DeviceTensor x(*ops, in.RowRange(first, rows), act, 8), sum(*ops, acc.RowRange(first, rows), DType::kF32, 4);
        DeviceTensor out(*ops, rows, n, act, 8);
        const float* const shift = layer ? bias.As<float>() : nullptr;
        ops->MatMulAddNorm(matrix, x.view(), sum.view(),
                           {.added = shift, .weight = scale.As<float>(), .bias = shift, .eps = 1e-5f}, out.view());
        return std::pair(sum.Download(), out.Download());
      };
      const auto [sums, norms] = run(0, 470);
      for (const int64_t rows : {1, 8, 31, 33, 64, 100, 129, 300}) {
        SCOPED_TRACE(::testing::Message() << rows << " rows, " << k << " -> " << n << (layer ? ", LayerNorm" : ""));
        const int64_t first = random.Integer(0, static_cast<int32_t>(in.rows - rows));
        const auto [sum, norm] = run(first, rows);
        ExpectSame(sum, sums.RowRange(first, rows));
        ExpectSame(norm, norms.RowRange(first, rows));
      }
    }
  }
}

// The widths of a model of 1.7 billion parameters.
TEST_F(MatMulTest, ManyRowsAreTheSameInParts) {
  if (traits.many_rows == 0) GTEST_SKIP() << "this device does not promise it, or takes too long";
  const int64_t all = traits.many_rows;
  const std::pair<int64_t, int64_t> parts[] = {{0, 1},      {5, 8},    {90, 33},          {1000, 129},
                                               {2000, 700}, {0, 4096}, {4096, all - 4096}};
  for (const auto& [n, k] :
       {std::pair<int64_t, int64_t>{8192, 2048}, {160, 4096}, {4096, 128}, {2560, 2048}, {2048, 8256}}) {
    const Matrix matrix = LoadWeights(*ops, random.Normals(n, k, 0.1), DType::kBf16);
    const Dense in = Acts(all, k), acc = Floats(all, n);
    const Buffer scale = FloatsOnDevice(*ops, Floats(1, n).values);
    const bool adds = n == 2048;
    const auto run = [&](int64_t first, int64_t rows) {
      DeviceTensor x(*ops, in.RowRange(first, rows), act), out(*ops, rows, n, act);
      if (!adds) {
        ops->MatMul(matrix, x.view(), out.view());
        return out.Download();
      }
      DeviceTensor sum(*ops, acc.RowRange(first, rows), DType::kF32);
      ops->MatMulAddNorm(matrix, x.view(), sum.view(), {.weight = scale.As<float>(), .eps = 1e-5f}, out.view());
      return out.Download();
    };
    const Dense whole = run(0, all);
    for (const auto& [first, rows] : parts) {
      SCOPED_TRACE(::testing::Message() << k << " -> " << n << ", rows " << first << " to " << first + rows);
      EXPECT_TRUE(run(first, rows).values == whole.RowRange(first, rows).values);
    }
    if (!adds) continue;
    // And by way of the sum alone, normed apart.
    DeviceTensor x(*ops, in.RowRange(0, 200), act), sum(*ops, acc.RowRange(0, 200), DType::kF32),
        out(*ops, 200, n, act);
    ops->MatMulAdd(matrix, x.view(), sum.view());
    ops->RmsNorm(sum.view(), scale.As<float>(), 1e-5f, out.view());
    EXPECT_TRUE(out.Download().values == whole.RowRange(0, 200).values) << "apart";
  }
}

TEST_F(MatMulTest, ReadsAndWritesColumnRangesInPlace) {
  const Dense weights = Rounded(random.Normals(48, 24), DType::kBf16), wide = Acts(6, 80);
  DeviceTensor x(*ops, wide, act), out(*ops, Floats(6, 96), DType::kF32);
  const Dense before = out.Download();
  const Matrix matrix = LoadWeights(*ops, weights, DType::kBf16);
  ops->MatMul(matrix, x.view().Cols(32, 24), out.view().Cols(16, 48));
  const Dense after = out.Download();
  EXPECT_LT(RelativeError(after.ColRange(16, 48), reference::MatMul(weights, wide.ColRange(32, 24))),
            traits.f32_tolerance);
  EXPECT_EQ(after.ColRange(0, 16).values, before.ColRange(0, 16).values);
  EXPECT_EQ(after.ColRange(64, 32).values, before.ColRange(64, 32).values);
}

// Parts of different types become one matrix; padding multiplies as zeros.
TEST_F(MatMulTest, StacksPartsAndPadsRowsAndColumns) {
  const Dense a = Rounded(random.Normals(5, 11), DType::kBf16), b = Rounded(random.Normals(3, 11), DType::kF16);
  const Dense c = Rounded(random.Normals(40, 11), DType::kF32);
  std::vector<uint8_t> bytes = Encoded(a, DType::kBf16);
  bytes.insert(bytes.begin(), 1);  // checkpoints need not align tensors
  const auto b_bytes = Encoded(b, DType::kF16), c_bytes = Encoded(c, DType::kF32);
  const HostTensor parts[] = {{bytes.data() + 1, DType::kBf16, 5, 11},
                              {b_bytes.data(), DType::kF16, 3, 11},
                              {c_bytes.data(), DType::kF32, 40, 11}};
  const Matrix matrix = ops->LoadMatrix(parts, 8, 16, "stack").value();
  ASSERT_EQ(matrix.out, 8 + 8 + 40);
  ASSERT_EQ(matrix.in, 16);
  const Dense in = Acts(4, 16), out = Run(matrix, in, DType::kF32), used = in.ColRange(0, 11);
  // fp16 and fp32 weights are rounded where matrices are held in bf16 alone.
  const double rounded = traits.weight_types.size() > 1 ? traits.f32_tolerance : traits.act_tolerance;
  EXPECT_LT(RelativeError(out.ColRange(0, 5), reference::MatMul(a, used)), traits.f32_tolerance);
  EXPECT_LT(RelativeError(out.ColRange(8, 3), reference::MatMul(b, used)), rounded);
  EXPECT_LT(RelativeError(out.ColRange(16, 40), reference::MatMul(c, used)), rounded);
  EXPECT_EQ(out.ColRange(5, 3).values, std::vector<double>(4 * 3, 0.0));
  EXPECT_EQ(out.ColRange(11, 5).values, std::vector<double>(4 * 5, 0.0));
}

// Larger than what goes to a device at once (16 MiB), parts and padding beginning in the midst of it.
TEST_F(MatMulTest, LargeMatricesArriveWhole) {
  const int64_t cols = 1000, rows[] = {4001, 1, 6003};
  std::vector<Dense> parts;
  std::vector<std::vector<uint8_t>> bytes;
  std::vector<HostTensor> tensors;
  for (const int64_t count : rows) {
    parts.push_back(Rounded(random.Normals(count, cols), DType::kBf16));
    bytes.push_back(Encoded(parts.back(), DType::kBf16));
  }
  for (size_t i = 0; i < parts.size(); ++i) tensors.push_back({bytes[i].data(), DType::kBf16, rows[i], cols});
  const Matrix matrix = ops->LoadMatrix(tensors, 64, 8, "large").value();
  ASSERT_EQ(matrix.out, 4032 + 64 + 6016);
  const Dense in = Acts(2, cols), out = Run(matrix, in, DType::kF32);
  const int64_t first[] = {0, 4032, 4096};
  for (size_t i = 0; i < parts.size(); ++i) {
    const Dense terms = reference::MatMul(Absolute(parts[i]), Absolute(in));  // of one output they may cancel out
    EXPECT_LT(RelativeError(out.ColRange(first[i], rows[i]), reference::MatMul(parts[i], in), terms),
              traits.f32_tolerance);
  }
  EXPECT_EQ(out.ColRange(4033, 63).values, std::vector<double>(2 * 63, 0.0));
  EXPECT_EQ(out.ColRange(4096 + 6003, 13).values, std::vector<double>(2 * 13, 0.0));

  const std::vector<float> table = [&] {
    std::vector<float> values(5'000'011);
    for (size_t i = 0; i < values.size(); ++i) values[i] = static_cast<float>(i % 4099);
    return values;
  }();
  const auto count = static_cast<int64_t>(table.size());
  const Buffer loaded = ops->LoadFloats({table.data(), DType::kF32, 1, count}, "table").value();
  std::vector<float> back(table.size());
  ops->device().CopyToHost(back.data(), loaded.data(), table.size() * sizeof(float));
  ASSERT_TRUE(ops->device().Synchronize().ok());
  EXPECT_EQ(back, table);
  EXPECT_TRUE(ops->FinishLoading().ok());
}

TEST_F(MatMulTest, PartsThatCannotBeStackedAreRefusedAndNothingElseIsDisturbed) {
  const float values[12] = {};
  const HostTensor good = {values, DType::kF32, 2, 3};
  const auto load = [&](std::vector<HostTensor> parts) { return ops->LoadMatrix(parts, 1, 1, "w.weight").status(); };
  EXPECT_TRUE(load({good, good}).ok());
  for (const absl::Status& status : {load({}), load({good, {values, DType::kF32, 3, 2}})}) {
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
    EXPECT_NE(status.message().find("w.weight"), std::string::npos) << status;
  }
  EXPECT_EQ(ops->LoadGateUp(good, {values, DType::kF32, 4, 3}, 8, "odd").status().code(),
            absl::StatusCode::kInvalidArgument);
  EXPECT_TRUE(ops->status().ok()) << "a refused load is not a failed op";
}

// Through every kind of product: SwiGLU as the sums are stored, and after them.
TEST_F(MatMulTest, SwiGlu) {
  for (const int64_t rows : {1, 8, 13, 32, 33, 48, 64, 65, 100, 200}) {
    for (const auto& [m, k] : {std::pair<int64_t, int64_t>{1, 16}, {33, 72}, {256, 520}, {1000, 384}}) {
      SCOPED_TRACE(::testing::Message() << rows << " rows, " << k << " -> " << m);
      const Dense gate = Rounded(random.Normals(m, k, 0.1), DType::kBf16);
      const Dense up = Rounded(random.Normals(m, k, 0.1), DType::kBf16), x = Acts(rows, k);
      const auto gate_bytes = Encoded(gate, DType::kBf16), up_bytes = Encoded(up, DType::kBf16);
      const Matrix w =
          ops->LoadGateUp({gate_bytes.data(), DType::kBf16, m, k}, {up_bytes.data(), DType::kBf16, m, k}, 8, "gate_up")
              .value();
      ASSERT_EQ(w.out, (m + 7) / 8 * 16);
      DeviceTensor in(*ops, x, act, 8), scratch(*ops, rows, w.out, act, 4), out(*ops, rows, w.out / 2, act, 3);
      ops->MatMulSwiGlu(w, in.view(), scratch.view(), out.view());
      const Dense gates = reference::MatMul(gate, x), ups = reference::MatMul(up, x);
      // Both products are sums that may be small beside their terms, as the only one of a row may be: an error of gate
      // counts as much as up, and the other way round.
      const Dense gate_terms = reference::MatMul(Absolute(gate), Absolute(x));
      const Dense up_terms = reference::MatMul(Absolute(up), Absolute(x));
      Dense halves(rows, w.out), terms(rows, w.out / 2);  // padding is zeros
      for (int64_t t = 0; t < rows; ++t) {
        for (int64_t i = 0; i < m; ++i) {
          halves.At(t, i) = gates.At(t, i);
          halves.At(t, w.out / 2 + i) = ups.At(t, i);
          terms.At(t, i) = std::abs(gates.At(t, i)) * up_terms.At(t, i) + gate_terms.At(t, i) * std::abs(ups.At(t, i));
        }
      }
      EXPECT_LT(RelativeError(out.Download(), reference::SwiGlu(halves), terms), traits.act_tolerance);
    }
  }
}

}  // namespace
}  // namespace batucada::testing

#include <gtest/gtest.h>

#include <numeric>

#include "tests/kernels/cpu_fixture.h"

namespace batucada::testing {
namespace {

using reference::RelativeError;

class MatMulCpuTest : public CpuOpsTest {
 protected:
  // out [rows, weights.rows] of `in`, or of `in` added to `acc` if that is not empty.
  Dense Run(const Matrix& weights, const Dense& in, const Dense& acc = {}, int64_t in_slack = 3,
            int64_t out_slack = 5) {
    DeviceTensor x(*ops, in, DType::kF32, in_slack);
    if (acc.rows == 0) {
      DeviceTensor out(*ops, in.rows, weights.out, DType::kF32, out_slack);
      ops->MatMul(weights, x.view(), out.view());
      return out.Download();
    }
    DeviceTensor out(*ops, acc, DType::kF32, out_slack);
    ops->MatMulAdd(weights, x.view(), out.view());
    return out.Download();
  }
};

// Rows either side of every tile height and of the change from the few-rows to the many-rows path.
std::vector<int64_t> RowCounts() {
  std::vector<int64_t> rows(29);
  std::iota(rows.begin(), rows.end(), 1);
  for (int64_t more : {41, 42, 43, 63, 64, 65, 97}) rows.push_back(more);
  return rows;
}

TEST_F(MatMulCpuTest, MatchesReferenceForEveryRowCountAndOddSizes) {
  struct Shape {
    int64_t out, in;
  };
  for (const Shape& shape : {Shape{1, 1}, {31, 7}, {32, 64}, {33, 191}, {56, 193}, {100, 385}}) {
    for (DType dtype : {DType::kBf16, DType::kF32}) {
      const Dense weights = Rounded(random.Normals(shape.out, shape.in), dtype);
      const Matrix matrix = LoadWeights(*ops, weights, dtype);
      for (int64_t rows : RowCounts()) {
        const Dense in = Rounded(random.Normals(rows, shape.in), DType::kF32);
        const Dense expected = reference::MatMul(weights, in);
        EXPECT_LT(RelativeError(Run(matrix, in), expected), kFp32Tolerance)
            << rows << " rows, " << NameOf(dtype) << " [" << shape.out << ", " << shape.in << "]";
      }
    }
  }
}

TEST_F(MatMulCpuTest, AddsToWhatIsThere) {
  for (int64_t rows : {1, 5, 17, 30, 65}) {
    const Dense weights = Rounded(random.Normals(70, 400), DType::kBf16);
    const Dense in = Rounded(random.Normals(rows, 400), DType::kF32),
                acc = Rounded(random.Normals(rows, 70), DType::kF32);
    Dense expected = reference::MatMul(weights, in);
    for (size_t i = 0; i < expected.values.size(); ++i) expected.values[i] += acc.values[i];
    EXPECT_LT(RelativeError(Run(LoadWeights(*ops, weights, DType::kBf16), in, acc), expected), kFp32Tolerance);
  }
}

// More rows than one block of them, and long sums.
TEST_F(MatMulCpuTest, LargeProducts) {
  const Dense weights = Rounded(random.Normals(40, 2048), DType::kBf16);
  const Dense in = Rounded(random.Normals(901, 2048), DType::kF32);
  EXPECT_LT(RelativeError(Run(LoadWeights(*ops, weights, DType::kBf16), in), reference::MatMul(weights, in)),
            kFp32Tolerance);
}

TEST_F(MatMulCpuTest, RowsAreBitIdenticalAloneAndInAnyBatchOnAnyNumberOfThreads) {
  for (DType dtype : {DType::kBf16, DType::kF32}) {
    const Dense weights = random.Normals(99, 1000);
    const Dense in = random.Normals(470, 1000), acc = random.Normals(470, 99);
    const Matrix matrix = LoadWeights(*ops, weights, dtype);
    const Dense all = Run(matrix, in), all_added = Run(matrix, in, acc);
    for (int64_t rows : RowCounts()) {
      const int64_t first = random.Integer(0, static_cast<int32_t>(in.rows - rows));
      const Dense part = in.RowRange(first, rows);
      EXPECT_EQ(Run(matrix, part, {}, 0, 0).values, all.RowRange(first, rows).values) << rows << " rows";
      EXPECT_EQ(Run(matrix, part, acc.RowRange(first, rows)).values, all_added.RowRange(first, rows).values);
    }
    for (int threads : {1, 3, 7}) {
      ops = MakeCpuOps(threads).value();
      EXPECT_EQ(Run(matrix, in).values, all.values) << threads << " threads";
      EXPECT_EQ(Run(matrix, in.RowRange(7, 1)).values, all.RowRange(7, 1).values) << threads << " threads";
    }
  }
}

TEST_F(MatMulCpuTest, ReadsAndWritesColumnRangesInPlace) {
  const Dense weights = Rounded(random.Normals(48, 24), DType::kBf16),
              wide = Rounded(random.Normals(6, 80), DType::kF32);
  DeviceTensor x(*ops, wide, DType::kF32), out(*ops, random.Normals(6, 100), DType::kF32);
  const Dense before = out.Download();
  const Matrix matrix = LoadWeights(*ops, weights, DType::kBf16);
  ops->MatMul(matrix, x.view().Cols(30, 24), out.view().Cols(20, 48));
  const Dense after = out.Download();
  EXPECT_LT(RelativeError(after.ColRange(20, 48), reference::MatMul(weights, wide.ColRange(30, 24))), kFp32Tolerance);
  EXPECT_EQ(after.ColRange(0, 20).values, before.ColRange(0, 20).values);
  EXPECT_EQ(after.ColRange(68, 32).values, before.ColRange(68, 32).values);
}

TEST_F(MatMulCpuTest, StacksPartsAndPadsRowsAndColumns) {
  // Parts of different types become one fp32 matrix; padding multiplies as zeros.
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
  const Dense in = Rounded(random.Normals(4, 16), DType::kF32);
  const Dense out = Run(matrix, in);
  const Dense used = in.ColRange(0, 11);
  EXPECT_LT(RelativeError(out.ColRange(0, 5), reference::MatMul(a, used)), kFp32Tolerance);
  EXPECT_LT(RelativeError(out.ColRange(8, 3), reference::MatMul(b, used)), kFp32Tolerance);
  EXPECT_LT(RelativeError(out.ColRange(16, 40), reference::MatMul(c, used)), kFp32Tolerance);
  EXPECT_EQ(out.ColRange(5, 3).values, std::vector<double>(4 * 3, 0.0));
  EXPECT_EQ(out.ColRange(11, 5).values, std::vector<double>(4 * 5, 0.0));
}

}  // namespace
}  // namespace batucada::testing

// What tests of ops are written against: the ops of one device, and what that device promises of them. Every body is
// compiled once and linked into one program for each device, with the file that says which (device_cpu.cc,
// device_cuda.cc).
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <vector>

#include "kernels/ops.h"
#include "tests/kernels/op_test_support.h"

namespace batucada::testing {

struct Heads {
  int32_t heads, kv_heads, head_dim;
};
struct Product {
  int64_t rows, out, in;
};

struct DeviceTraits {
  double act_tolerance = 0;                // of results in the activation type, by relative norm
  double f32_tolerance = 0;                // of results in fp32
  bool bit_exact = false;                  // a row is the same bits alone, in any batch and in chunks of any length
  bool steps_like_prompts = false;         // and a decode row the same as the row of a prompt
  std::vector<DType> weight_types;         // in which matrices are held
  std::vector<int64_t> conv_channels;      // widths to try; the first is small
  std::vector<int64_t> scan_channels;      // likewise
  std::vector<int64_t> dt_ranks;           // likewise, of ScanArgs::dt_proj
  std::vector<int64_t> scan_slacks;        // elements between rows
  std::vector<int32_t> block_tokens;       // sizes of K/V blocks to try, divisors of 32
  bool reads_ring_before_writing = false;  // decode rows too: a ring may hold one token less than the window
  std::vector<Heads> heads;                // every grouping and head size
  std::vector<Product> products;           // every path that a product can take
  std::vector<int64_t> norm_rows;          // likewise of MatMulAddNorm
  int32_t many_rows = 0;  // rows that are to be the same bits in parts, at a real model's widths; 0: none
};

// Of the device that this program tests.
const DeviceTraits& TraitsUnderTest();
// UNAVAILABLE, with the reason, where there is no such device.
absl::StatusOr<std::shared_ptr<Ops>> OpsUnderTest();

class OpTest : public ::testing::Test {
 protected:
  // Skips the test, with the reason, where there is no device.
  void SetUp() override {
    absl::StatusOr<std::shared_ptr<Ops>> made = OpsUnderTest();
    if (!made.ok()) GTEST_SKIP() << "nothing to test on: " << made.status().message();
    ops = *std::move(made);
    act = ops->activation_dtype();
  }

  // Random values as the device holds them.
  Dense Acts(int64_t rows, int64_t cols, double scale = 1) { return Rounded(random.Normals(rows, cols, scale), act); }
  Dense Floats(int64_t rows, int64_t cols, double scale = 1) {
    return Rounded(random.Normals(rows, cols, scale), DType::kF32);
  }

  // What the device computes twice in different company.
  void ExpectSame(const Dense& actual, const Dense& expected) const {
    if (traits.bit_exact) {
      EXPECT_EQ(actual.values, expected.values);
    } else {
      EXPECT_LT(reference::RelativeError(actual, expected), traits.act_tolerance);
    }
  }

  // Whether decode rows are to equal prompts as far as ExpectSame asks.
  bool StepsLikePrompts() const { return !traits.bit_exact || traits.steps_like_prompts; }

  const DeviceTraits& traits = TraitsUnderTest();
  std::shared_ptr<Ops> ops;
  DType act = DType::kF32;
  Random random;
};

}  // namespace batucada::testing

// The CPU ops under test.
#pragma once

#include <gtest/gtest.h>

#include <memory>

#include "kernels/ops.h"
#include "tests/kernels/op_test_support.h"

namespace batucada::testing {

// Two threads, so that division among threads is exercised everywhere. With BATUCADA_TEST_SIMD=AVX2 (SSE4, EMU128 …) in
// the environment the kernels run on that instruction set; a test is skipped if it is not to be had here.
class CpuOpsTest : public ::testing::Test {
 protected:
  CpuOpsTest() : ops(MakeCpuOps(2).value()) {}
  void SetUp() override;

  std::unique_ptr<Ops> ops;
  Random random;
};

// Rounding of fp32 arithmetic against fp64.
inline constexpr double kFp32Tolerance = 1e-5;

}  // namespace batucada::testing

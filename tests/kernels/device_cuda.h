// GPU 0 under test, in each of the ways it computes rows.
#pragma once

#include "tests/kernels/op_test.h"

namespace batucada::testing {

DeviceTraits CudaTraits();
absl::StatusOr<std::shared_ptr<Ops>> CudaUnderTest(RowMath rows);

}  // namespace batucada::testing

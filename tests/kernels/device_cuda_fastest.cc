// GPU 0 as it is fastest.
#include "tests/kernels/device_cuda.h"

namespace batucada::testing {

const DeviceTraits& TraitsUnderTest() {
  static const DeviceTraits traits = CudaTraits();
  return traits;
}

absl::StatusOr<std::shared_ptr<Ops>> OpsUnderTest() { return CudaUnderTest(RowMath::kFastest); }

// Runs everywhere: with a device there is none of this number, without one the reason says so.
TEST(CudaDeviceTest, DevicesThatDoNotExistAreUnavailable) {
  for (const int device : {-1, 1000}) {
    const absl::StatusOr<std::unique_ptr<Ops>> ops = MakeCudaOps(device);
    ASSERT_EQ(ops.status().code(), absl::StatusCode::kUnavailable) << ops.status();
    EXPECT_FALSE(ops.status().message().empty());
  }
}

}  // namespace batucada::testing

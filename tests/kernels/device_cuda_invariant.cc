// GPU 0 where a row is the same bits in any batch.
#include "tests/kernels/device_cuda.h"

namespace batucada::testing {

const DeviceTraits& TraitsUnderTest() {
  static const DeviceTraits traits = [] {
    DeviceTraits t = CudaTraits();
    t.bit_exact = true;
    t.scan_slacks = {0, 8};  // its products need aligned rows, which models' are
    // Many rows: whole blocks of them, and more than the scratch for their parts holds.
    t.products.push_back({700, 2050, 2048});
    t.norm_rows.push_back(2100);
    t.many_rows = 5000;
    return t;
  }();
  return traits;
}

absl::StatusOr<std::shared_ptr<Ops>> OpsUnderTest() { return CudaUnderTest(RowMath::kSameInAnyBatch); }

}  // namespace batucada::testing

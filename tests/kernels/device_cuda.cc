// GPU 0 under test.
#include "tests/kernels/device_cuda.h"

namespace batucada::testing {

DeviceTraits CudaTraits() {
  return {
      .act_tolerance = 1e-2,
      .f32_tolerance = 1e-5,
      .bit_exact = false,
      .weight_types = {DType::kBf16},
      .conv_channels = {4, 36, 768, 1000},
      .scan_channels = {8, 40, 768, 1000},
      .dt_ranks = {8, 24, 96, 128, 144, 256, 264},
      .scan_slacks = {0, 3, 8},  // 3: rows that are not aligned
      .block_tokens = {16, 32},
      .reads_ring_before_writing = false,
      .heads = {{1, 1, 64},
                {8, 2, 64},
                {12, 12, 64},
                {9, 1, 64},
                {32, 4, 64},
                {4, 4, 128},
                {6, 2, 128},
                {11, 1, 256},
                {2, 2, 256},
                {20, 1, 64},
                {20, 1, 128},
                {40, 1, 64},
                {20, 2, 64},
                {24, 2, 128}},
      .products =
          {// Few rows: on Hopper, through our own kernel in all its shapes.
           {1, 64, 64},
           {1, 72, 24},
           {2, 512, 384},
           {3, 56, 768},
           {5, 1000, 136},
           {7, 64, 2048},
           {8, 384, 768},
           {13, 256, 1544},
           {16, 2048, 512},
           {17, 136, 512},
           {1, 160, 4096},
           {4, 4096, 128},
           {9, 2048, 2056},
           {24, 2560, 2048},
           {3, 16896, 128},
           {12, 17000, 192},
           {16, 8192, 320},
           {9, 12640, 64},
           {2, 33, 8192},
           // Medium: on Hopper, most through the kernel for larger steps: one block a tile, clusters, odd widths.
           {33, 520, 512},
           {64, 264, 1032},
           {40, 96, 4096},
           {48, 2048, 1032},
           {64, 300, 2040},
           {64, 8192, 264},
           {57, 2050, 4096},
           {64, 2048, 8256},
           {63, 131, 72},
           {33, 16512, 64},
           {41, 2560, 2048},
           {64, 4096, 8},
           {65, 2048, 1032},
           {97, 160, 4096},
           {100, 2560, 520},
           {128, 2049, 2048},
           {128, 8192, 136},
           {65, 128, 256},
           {60, 10000, 96},  // tiles of 80 weight rows, and of 128, on 132 multiprocessors
           {100, 10000, 96},
           {128, 16001, 72},
           {66, 16000, 328},
           // Many: through cuBLASLt.
           {64, 17000, 64},
           {129, 384, 384},
           {300, 200, 128}},
      .norm_rows = {1, 3, 8, 9, 16, 17, 32, 33, 47, 64, 65, 100, 128, 200},
  };
}

// One for all tests: opening a device takes long. After a failure, which stays, the next test gets a new one.
absl::StatusOr<std::shared_ptr<Ops>> CudaUnderTest(RowMath rows) {
  static auto* const shared = new std::shared_ptr<Ops>;  // never freed: the driver may be gone before statics are
  if (*shared == nullptr || !(*shared)->status().ok()) {
    absl::StatusOr<std::unique_ptr<Ops>> made = MakeCudaOps(0, rows);
    if (!made.ok()) return made.status();
    *shared = *std::move(made);
  }
  return *shared;
}

}  // namespace batucada::testing

// The CPU under test. Two threads, so that division among threads is exercised everywhere. With BATUCADA_TEST_SIMD=AVX2
// (SSE4, EMU128 …) in the environment the kernels run on that instruction set; tests are skipped if it is not to be had
// here.
#include <cstdlib>
#include <string>

#include "absl/strings/str_cat.h"
#include "hwy/targets.h"
#include "tests/kernels/op_test.h"

namespace batucada::testing {
namespace {

// Rows either side of every tile height and of the change from the few-rows to the many-rows path, odd sizes.
std::vector<Product> Products() {
  std::vector<int64_t> rows = {41, 42, 43, 63, 64, 65, 97};
  for (int64_t r = 1; r <= 29; ++r) rows.push_back(r);
  std::vector<Product> products = {{901, 40, 2048}};
  for (const auto& [out, in] :
       {std::pair<int64_t, int64_t>{1, 1}, {31, 7}, {32, 64}, {33, 191}, {56, 193}, {100, 385}}) {
    for (const int64_t r : rows) products.push_back({r, out, in});
  }
  return products;
}

absl::Status ChooseInstructionSet() {
  const char* name = std::getenv("BATUCADA_TEST_SIMD");
  if (name == nullptr) return absl::OkStatus();
  static const int64_t available = hwy::SupportedTargets();
  int64_t wanted = 0;
  for (int64_t bits = available | HWY_EMU128; bits != 0; bits &= bits - 1) {
    const int64_t target = bits & -bits;
    if (std::string(hwy::TargetName(target)) == name) wanted = target;
  }
  if (wanted == 0) return absl::UnavailableError(absl::StrCat("no ", name, " here"));
  hwy::SetSupportedTargetsForTest(wanted);
  hwy::GetChosenTarget().Update(wanted);
  return absl::OkStatus();
}

}  // namespace

const DeviceTraits& TraitsUnderTest() {
  static const DeviceTraits traits = {
      .act_tolerance = 1e-5,
      .f32_tolerance = 1e-5,
      .bit_exact = true,
      .steps_like_prompts = true,
      .weight_types = {DType::kBf16, DType::kF32},
      .conv_channels = {1, 15, 16, 31, 32, 33, 64, 100},
      .scan_channels = {1, 15, 16, 31, 32, 33, 64, 100},
      .dt_ranks = {1, 8, 24, 130},
      .scan_slacks = {0, 3},
      .block_tokens = {1, 4, 32},
      .reads_ring_before_writing = true,
      .heads = {{1, 1, 64}, {6, 2, 64}, {3, 3, 128}, {11, 1, 256}, {2, 1, 96}},
      .products = Products(),
      .norm_rows = {1, 5, 17, 30, 65},
  };
  return traits;
}

absl::StatusOr<std::shared_ptr<Ops>> OpsUnderTest() {
  if (const absl::Status status = ChooseInstructionSet(); !status.ok()) return status;
  absl::StatusOr<std::unique_ptr<Ops>> made = MakeCpuOps(2);
  if (!made.ok()) return made.status();
  const char* name = std::getenv("BATUCADA_TEST_SIMD");
  const std::string device = (*made)->device().Info().name;
  if (name != nullptr) {
    EXPECT_NE(device.find(absl::StrCat("(", name, ",")), std::string::npos) << device;
  }
  return std::shared_ptr<Ops>(*std::move(made));
}

}  // namespace batucada::testing

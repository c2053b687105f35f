#include "tests/kernels/cpu_fixture.h"

#include <cstdlib>
#include <string>

#include "hwy/targets.h"

namespace batucada::testing {

void CpuOpsTest::SetUp() {
  const char* name = std::getenv("BATUCADA_TEST_SIMD");
  if (name == nullptr) return;
  static const int64_t available = hwy::SupportedTargets();
  int64_t wanted = 0;
  for (int64_t bits = available | HWY_EMU128; bits != 0; bits &= bits - 1) {
    const int64_t target = bits & -bits;
    if (std::string(hwy::TargetName(target)) == name) wanted = target;
  }
  if (wanted == 0) GTEST_SKIP() << "no " << name << " here";
  hwy::SetSupportedTargetsForTest(wanted);
  hwy::GetChosenTarget().Update(wanted);
  ASSERT_NE(ops->Info().name.find(std::string("(") + name + ","), std::string::npos) << ops->Info().name;
}

}  // namespace batucada::testing

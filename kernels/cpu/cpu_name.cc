#include "kernels/cpu/cpu_name.h"

#include <fstream>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cpu/cpu_name.cc"
#include "hwy/foreach_target.h"
// After foreach_target.h:
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace batucada {
namespace HWY_NAMESPACE {
const char* TargetNameImpl() { return hwy::TargetName(HWY_TARGET); }
}  // namespace HWY_NAMESPACE
}  // namespace batucada
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace batucada {
HWY_EXPORT(TargetNameImpl);

std::string CpuName() {
  std::ifstream file("/proc/cpuinfo");
  for (std::string line; std::getline(file, line);) {
    const size_t colon = line.find(": ");
    if (line.rfind("model name", 0) == 0 && colon != std::string::npos) return line.substr(colon + 2);
  }
  return "unknown";
}

std::string SimdName() { return HWY_DYNAMIC_DISPATCH(TargetNameImpl)(); }

}  // namespace batucada
#endif  // HWY_ONCE

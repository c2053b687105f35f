#include "kernels/cpu/amx.h"

#if defined(__x86_64__)

#include <cpuid.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstdint>

#include "hwy/targets.h"

namespace batucada {
namespace {

bool SystemLetsUseTiles() {
  constexpr unsigned kTile = 1U << 24, kBf16 = 1U << 22, kSavesState = 1U << 27;
  constexpr unsigned kTileState = 3U << 17;  // the system saves it with a thread's registers
  unsigned eax = 0, ebx = 0, ecx = 0, edx = 0;
  if (__get_cpuid(1, &eax, &ebx, &ecx, &edx) == 0 || (ecx & kSavesState) == 0) return false;
  if (__get_cpuid_count(7, 0, &eax, &ebx, &ecx, &edx) == 0 || (edx & (kTile | kBf16)) != (kTile | kBf16)) return false;
  unsigned saved = 0, high = 0;
  __asm__ volatile("xgetbv" : "=a"(saved), "=d"(high) : "c"(0));
  if ((saved & kTileState) != kTileState) return false;
  constexpr int64_t kRequestPermission = 0x1023, kTileData = 18;  // ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA
  return syscall(SYS_arch_prctl, kRequestPermission, kTileData) == 0;
}

}  // namespace

bool UsesAmx() {
  static const bool possible = SystemLetsUseTiles();
  return possible && (hwy::SupportedTargets() & HWY_AVX3_DL) != 0;
}

}  // namespace batucada

#else

namespace batucada {

bool UsesAmx() { return false; }

}  // namespace batucada

#endif

#include "base/memory_reserve.h"

#include <atomic>
#include <cstdlib>
#include <new>

namespace batucada {
namespace {

constexpr size_t kReserveBytes = 4 << 20;  // many steps' results and events

std::atomic<void*> reserve{nullptr};
thread_local bool may_use = false;

// Called by operator new when there is no memory: it tries again if this returns.
void OnNoMemory() {
  void* const block = may_use ? reserve.exchange(nullptr) : nullptr;
  if (block == nullptr) throw std::bad_alloc();
  std::free(block);
}

}  // namespace

void FillMemoryReserve() {
  std::set_new_handler(OnNoMemory);
  if (reserve.load() != nullptr) return;
  void* none = nullptr;
  void* const block = std::malloc(kReserveBytes);
  if (block != nullptr && !reserve.compare_exchange_strong(none, block)) std::free(block);
}

void UseMemoryReserve() { may_use = true; }

}  // namespace batucada

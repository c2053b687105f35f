#include "server/memory/disposer.h"

#include <pthread.h>
#include <sys/resource.h>
#include <unistd.h>

#include <new>
#include <utility>

namespace batucada {
namespace {

constexpr int kNiceness = 5;  // as of those who work on large texts

}  // namespace

Disposer::Disposer() : thread_([this] { Run(); }) {}

Disposer::~Disposer() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_all();
  thread_.join();
}

void Disposer::Dispose(std::shared_ptr<void> waste, size_t bytes, MemoryCharge charge) {
  if (bytes < kLarge) return;
  Waste more{.charge = std::move(charge), .held = std::move(waste)};
  try {
    const std::lock_guard lock(mutex_);
    waste_.push_back(std::move(more));
  } catch (const std::bad_alloc&) {
    return;  // with what there was no room for
  }
  changed_.notify_all();
}

void Disposer::Run() {
  pthread_setname_np(pthread_self(), "batucada-free");
  // Of this thread alone, as Linux has it.
  setpriority(PRIO_PROCESS, static_cast<id_t>(gettid()), kNiceness);
  std::unique_lock lock(mutex_);
  while (!stopping_) {
    changed_.wait(lock, [this] { return stopping_ || !waste_.empty(); });
    std::vector<Waste> taken = std::exchange(waste_, {});
    lock.unlock();
    for (Waste& waste : taken) {
      waste.held.reset();
      waste.charge.Release();
    }
    taken.clear();
    lock.lock();
  }
}

}  // namespace batucada

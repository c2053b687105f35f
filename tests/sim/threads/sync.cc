#include "tests/sim/threads/sync.h"

#include <utility>

#include "base/status.h"

namespace batucada {
namespace {

ThreadWorld* world = nullptr;
constexpr uint64_t kMostSwitches = 20'000'000;

}  // namespace

ThreadWorld::ThreadWorld(uint64_t seed) : seed_(seed), random_(seed) {
  BATUCADA_CHECK(world == nullptr);
  world = this;
  fibers_.push_back(std::make_unique<Fiber>());
}

ThreadWorld::~ThreadWorld() {
  for (const auto& fiber : fibers_) {
    if (fiber->thread.joinable()) fiber->thread.join();
  }
  world = nullptr;
}

ThreadWorld& ThreadWorld::Get() { return *world; }

void ThreadWorld::Yield() {
  if (Below(3) != 0) Switch();
}

bool ThreadWorld::Block(const void* on, bool timed) {
  Fiber& self = *fibers_[current_];
  self.blocked_on = on;
  self.timed = timed;
  self.woken = false;
  Switch();
  self.blocked_on = nullptr;
  return self.woken;
}

void ThreadWorld::Wake(const void* on, bool all) {
  std::vector<Fiber*> waiting;
  for (const auto& fiber : fibers_) {
    if (fiber->blocked_on == on && !fiber->woken) waiting.push_back(fiber.get());
  }
  if (!all && !waiting.empty()) waiting = {waiting[Below(waiting.size())]};
  for (Fiber* fiber : waiting) fiber->woken = true;
}

void ThreadWorld::Switch() {
  BATUCADA_CHECK(++switches_ < kMostSwitches, "seed ", seed_, ": it does not end");
  std::unique_lock lock(mutex_);
  std::vector<size_t> ready;
  for (size_t i = 0; i < fibers_.size(); ++i) {
    const Fiber& f = *fibers_[i];
    if (!f.done && (f.blocked_on == nullptr || f.woken)) ready.push_back(i);
  }
  // Time passes where nobody has anything to do, and now and then where somebody has.
  if (ready.empty() || Below(20) == 0) {
    for (size_t i = 0; i < fibers_.size(); ++i) {
      const Fiber& f = *fibers_[i];
      if (!f.done && f.blocked_on != nullptr && !f.woken && f.timed) ready.push_back(i);
    }
  }
  BATUCADA_CHECK(!ready.empty(), "seed ", seed_, ": a deadlock of ", fibers_.size(), " threads");
  const size_t self = current_;
  current_ = ready[Below(ready.size())];
  if (current_ == self) return;
  fibers_[current_]->turn.notify_one();
  if (!fibers_[self]->done) AwaitTurn(self, lock);
}

void ThreadWorld::AwaitTurn(size_t self, std::unique_lock<std::mutex>& lock) {
  fibers_[self]->turn.wait(lock, [this, self] { return current_ == self; });
}

size_t ThreadWorld::Start(std::function<void()> body) {
  const size_t index = fibers_.size();
  {
    const std::lock_guard lock(mutex_);  // those that begin look themselves up
    fibers_.push_back(std::make_unique<Fiber>());
  }
  fibers_.back()->thread = std::thread([this, index, body = std::move(body)] {
    {
      std::unique_lock lock(mutex_);
      AwaitTurn(index, lock);
    }
    body();
    fibers_[index]->done = true;
    Wake(fibers_[index].get(), /*all=*/true);
    Switch();
  });
  Yield();
  return index;
}

void ThreadWorld::Join(size_t thread) {
  while (!fibers_[thread]->done) Block(fibers_[thread].get(), /*timed=*/false);
}

}  // namespace batucada

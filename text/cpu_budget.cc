#include "text/cpu_budget.h"

#include <ctime>

namespace batucada {
namespace {

constexpr int64_t kLookEvery = 5'000'000;  // ns

int64_t Nanoseconds(clockid_t clock) {
  timespec now{};
  clock_gettime(clock, &now);
  return int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec;
}

}  // namespace

int64_t CpuBudget::CoarseNow() { return Nanoseconds(CLOCK_MONOTONIC_COARSE); }

bool CpuBudget::Spent() {
  const int64_t now = CoarseNow();
  if (now - last_look_ns_ < kLookEvery) return false;
  last_look_ns_ = now;
  const int64_t thread = Nanoseconds(CLOCK_THREAD_CPUTIME_ID);
  if (began_ns_ < 0) began_ns_ = thread;
  return thread - began_ns_ > allowed_ns_;
}

}  // namespace batucada

#include "loadtest/metrics/sampler.h"

#include <utility>

namespace batucada::loadtest {
namespace {

constexpr auto kPeriod = std::chrono::seconds(1);
constexpr Duration kSettleTime = std::chrono::seconds(5);
constexpr auto kSettleStep = std::chrono::milliseconds(20);

bool Busy(const ServerCounts& counts) { return counts.running.value_or(0) + counts.waiting.value_or(0) > 0; }

}  // namespace

Sampler::Sampler(const Target& target, const RequestHead& head) : target_(target), head_(head) {
  if (Read()) thread_ = std::thread([this] { Run(); });
}

Sampler::~Sampler() {
  if (thread_.joinable()) Finish();
}

bool Sampler::Read() {
  absl::StatusOr<ServerCounts> counts = ScrapeServerCounts(target_, head_);
  if (counts.ok()) {
    moments_.push_back({.at = Clock::now() - start_, .counts = *std::move(counts)});
    return true;
  }
  why_ = std::string(counts.status().message());
  return false;
}

void Sampler::Run() {
  std::unique_lock lock(mutex_);
  while (!ended_.wait_for(lock, kPeriod, [this] { return end_; })) {
    lock.unlock();
    Read();  // a reading that fails under load leaves a gap
    lock.lock();
  }
}

void Sampler::Finish() {
  if (!thread_.joinable()) return;
  {
    const std::lock_guard lock(mutex_);
    end_ = true;
  }
  ended_.notify_all();
  thread_.join();
  const TimePoint deadline = Clock::now() + kSettleTime;
  bool read = Read();
  while ((!read || Busy(moments_.back().counts)) && Clock::now() < deadline) {
    std::this_thread::sleep_for(kSettleStep);
    read = Read();
  }
  if (!read) moments_.clear();  // without the end the rest says nothing
}

}  // namespace batucada::loadtest

// The last batches that were published, by number, for subscribers that missed some. Bounded in bytes. Not thread-safe.
#pragma once

#include <cstdint>
#include <deque>
#include <string>
#include <utility>

namespace batucada {

class ReplayBuffer {
 public:
  // `first`: the number of the first one.
  ReplayBuffer(int64_t most_bytes, uint64_t first) : most_bytes_(most_bytes), begin_(first), first_(first) {}

  // Its number: each is one more.
  uint64_t Add(std::string batch) {
    bytes_ += Bytes(batch);
    batches_.push_back(std::move(batch));
    for (; bytes_ > most_bytes_ && !batches_.empty(); ++first_) {
      bytes_ -= Bytes(batches_.front());
      batches_.pop_front();
    }
    return next() - 1;
  }

  // Whether all from this number on are kept, or all there ever were.
  bool HasAllFrom(uint64_t number) const { return first_ == begin_ || number >= first_; }
  uint64_t first() const { return first_; }                   // the oldest that is kept, if any is
  uint64_t next() const { return first_ + batches_.size(); }  // which the next one will have
  // REQUIRES: first() <= number < next().
  const std::string& At(uint64_t number) const { return batches_[number - first_]; }

 private:
  static constexpr int64_t kOverhead = 64;  // of a short one
  static int64_t Bytes(const std::string& batch) { return static_cast<int64_t>(batch.capacity()) + kOverhead; }

  const int64_t most_bytes_;
  const uint64_t begin_;
  std::deque<std::string> batches_;
  uint64_t first_;
  int64_t bytes_ = 0;
};

}  // namespace batucada

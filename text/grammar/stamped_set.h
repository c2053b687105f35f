// A set of numbers that is filled and emptied over and over: emptying takes no time, and nothing is allocated once it
// is large enough.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace batucada::grammar {

// Not thread-safe.
class StampedSet {
 public:
  void Clear() {
    size_ = 0;
    if (++stamp_ != 0) return;
    std::fill(slots_.begin(), slots_.end(), Slot{});
    stamp_ = 1;
  }
  // False if it is in it.
  bool Insert(uint64_t key) {
    if (2 * (size_ + 1) > slots_.size()) Grow();
    Slot& slot = Find(key);
    if (slot.stamp == stamp_) return false;
    slot = {.key = key, .stamp = stamp_};
    ++size_;
    return true;
  }

 private:
  struct Slot {
    uint64_t key = 0;
    uint32_t stamp = 0;
  };

  // REQUIRES: a slot is free.
  Slot& Find(uint64_t key) {
    const size_t mask = slots_.size() - 1;
    size_t at = (key * 0x9E3779B97F4A7C15U) >> 32 & mask;
    while (slots_[at].stamp == stamp_ && slots_[at].key != key) at = (at + 1) & mask;
    return slots_[at];
  }
  void Grow() {
    std::vector<Slot> old(slots_.empty() ? 64 : 2 * slots_.size());
    old.swap(slots_);
    for (const Slot& slot : old) {
      if (slot.stamp == stamp_) Find(slot.key) = slot;
    }
  }

  std::vector<Slot> slots_;
  size_t size_ = 0;
  uint32_t stamp_ = 1;
};

}  // namespace batucada::grammar

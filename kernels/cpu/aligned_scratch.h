// Working memory that grows to what was once needed and stays.
#pragma once

#include <cstddef>
#include <cstdlib>
#include <memory>
#include <new>

#include "base/rounding.h"

namespace batucada {

// Floats on cache-line boundaries, contents undefined. Grows, never shrinks; growing forgets the contents.
class AlignedScratch {
 public:
  float* Floats(size_t count) {
    if (count > capacity_) {
      const size_t bytes = RoundUp(count * sizeof(float), kAlignment);
      data_.reset(static_cast<float*>(std::aligned_alloc(kAlignment, bytes)));
      if (data_ == nullptr) throw std::bad_alloc();
      capacity_ = count;
    }
    return data_.get();
  }

 private:
  static constexpr size_t kAlignment = 64;
  struct Free {
    void operator()(float* p) const { std::free(p); }
  };
  std::unique_ptr<float, Free> data_;
  size_t capacity_ = 0;
};

}  // namespace batucada

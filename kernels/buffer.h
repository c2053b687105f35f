// Owned memory of some device. Move-only; frees itself.
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>

namespace batucada {

// When the host's memory becomes resident: as it is written, or at once, which takes start-up time and spares the steps
// that write it first.
enum class Residency : uint8_t { kAsUsed, kAtOnce };

class Buffer {
 public:
  using FreeFn = void (*)(void*);

  Buffer() = default;
  // Takes ownership of `data`; `free` releases it.
  Buffer(void* data, size_t bytes, FreeFn free) : data_(data), bytes_(bytes), free_(free) {}
  Buffer(Buffer&& o) noexcept
      : data_(std::exchange(o.data_, nullptr)), bytes_(std::exchange(o.bytes_, 0)), free_(o.free_) {}
  Buffer& operator=(Buffer&& o) noexcept {
    if (this != &o) {
      Reset();
      data_ = std::exchange(o.data_, nullptr);
      bytes_ = std::exchange(o.bytes_, 0);
      free_ = o.free_;
    }
    return *this;
  }
  Buffer(const Buffer&) = delete;
  Buffer& operator=(const Buffer&) = delete;
  ~Buffer() { Reset(); }

  void* data() const { return data_; }
  size_t bytes() const { return bytes_; }
  template <typename T>
  T* As() const {
    return static_cast<T*>(data_);
  }

 private:
  void Reset() {
    if (data_ != nullptr) free_(data_);
    data_ = nullptr;
    bytes_ = 0;
  }
  void* data_ = nullptr;
  size_t bytes_ = 0;
  FreeFn free_ = nullptr;
};

}  // namespace batucada

// A long text that is written piece by piece, so that no more of it lies in memory than is on its way: a coroutine that
// stops (co_yield) wherever it may go on later. One calls another with BATUCADA_WRITE.
#pragma once

#include <coroutine>
#include <cstddef>
#include <exception>
#include <utility>

namespace batucada {

// Used by one thread at a time. What its coroutine refers to outlives it.
class Pieces {
 public:
  struct promise_type {
    std::exception_ptr failure;

    Pieces get_return_object() { return Pieces(std::coroutine_handle<promise_type>::from_promise(*this)); }
    std::suspend_always initial_suspend() noexcept { return {}; }
    std::suspend_always final_suspend() noexcept { return {}; }
    std::suspend_always yield_value(std::nullptr_t) noexcept { return {}; }
    void return_void() {}
    void unhandled_exception() { failure = std::current_exception(); }
  };

  Pieces() = default;  // nothing to write
  Pieces(Pieces&& other) noexcept : coroutine_(std::exchange(other.coroutine_, nullptr)) {}
  Pieces& operator=(Pieces&& other) noexcept {
    std::swap(coroutine_, other.coroutine_);
    return *this;
  }
  ~Pieces() {
    if (coroutine_) coroutine_.destroy();
  }

  // Writes on until the next stop. False: all is written.
  bool Next() {
    if (!coroutine_ || coroutine_.done()) return false;
    coroutine_.resume();
    if (coroutine_.promise().failure != nullptr) std::rethrow_exception(coroutine_.promise().failure);
    return !coroutine_.done();
  }
  // To the end.
  void Finish() {
    while (Next()) {
    }
  }

 private:
  explicit Pieces(std::coroutine_handle<promise_type> coroutine) : coroutine_(coroutine) {}
  std::coroutine_handle<promise_type> coroutine_;
};

}  // namespace batucada

// In a coroutine that returns Pieces: writes all of another, stopping where it stops.
#define BATUCADA_WRITE(pieces) \
  for (::batucada::Pieces inner_ = (pieces); inner_.Next();) co_yield nullptr

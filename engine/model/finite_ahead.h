// Looks for numbers that are none (finite.h) in tensors that will be read next, on threads of its own. It reads every
// weight on the way, so that whoever uses them finds them in memory: where they come from a file, as many reads are
// under way as there are threads. Floor: one read of every weight, by all threads together.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

#include "kernels/tensor.h"

namespace batucada {

// Used by one thread.
class FiniteAhead {
 public:
  // `threads` besides the caller's, 0 or more.
  explicit FiniteAhead(int threads);
  ~FiniteAhead();
  FiniteAhead(const FiniteAhead&) = delete;
  FiniteAhead& operator=(const FiniteAhead&) = delete;

  // Begins with a tensor, behind those that were added before. Its data stays until this object ends. Returns its
  // number: 0, 1, 2, …
  size_t Add(const HostTensor& tensor);
  // What FindNotFinite says of it. Waits until that is known, and helps.
  std::optional<int64_t> FirstBad(size_t number);

 private:
  // Of a tensor; small enough that a large one is divided among all threads.
  struct Piece {
    size_t number;
    HostTensor part;  // [1, elements]
    int64_t first;    // element of the tensor
  };
  struct Verdict {
    int64_t pieces_left = 0;
    std::optional<int64_t> bad;  // the first that is known
  };
  void Work();
  // Judges the next piece. `lock` is held before and after, and not meanwhile. REQUIRES: there is one.
  void JudgeNext(std::unique_lock<std::mutex>* lock);

  std::mutex mutex_;
  std::condition_variable more_;    // pieces_, or over_
  std::condition_variable judged_;  // a tensor's last piece
  std::deque<Piece> pieces_;        // guarded by mutex_, like the two below
  std::vector<Verdict> verdicts_;
  bool over_ = false;
  std::vector<std::thread> workers_;
};

}  // namespace batucada

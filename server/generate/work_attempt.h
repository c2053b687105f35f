// Where a request's work is done. A connection's thread begins what looks small, for that is soonest, and the work pool
// begins what looks small on a thread that is kept for it; what turns out to be larger once the request is understood,
// its body decoded or its past read, is begun anew as what it is. What was found decides, and not how a wire spells it:
// a new name of an old parameter, a coding or a reference is no way around.
#pragma once

#include <cstdint>
#include <functional>
#include <string_view>

#include "absl/status/status.h"
#include "server/common/client.h"
#include "server/net/work_pool.h"

namespace batucada {

// What deferred work counts as when turns are dealt (fair_queue.h) where nothing better is known, as if it were reading
// so many bytes.
inline constexpr int64_t kDeferredBytes = 64 << 10;

// While one lives, its thread handles a request as work of so many bytes at most. What would take longer asks Defer
// first, and gives up if told to; who made the attempt then drops what came of it, and has all of it done again. One at
// a time in a thread.
class WorkAttempt {
 public:
  explicit WorkAttempt(int64_t most_bytes);
  ~WorkAttempt();
  WorkAttempt(const WorkAttempt&) = delete;
  WorkAttempt& operator=(const WorkAttempt&) = delete;

  bool deferred() const { return deferred_bytes_ > 0; }
  // What it has to be begun anew as.
  int64_t deferred_bytes() const { return deferred_bytes_; }

  // False: this thread may take the time that reading so many bytes takes. True: it may not, and the attempt is void
  // from here on.
  static bool Defer(int64_t bytes = kDeferredBytes);
  // This thread's attempt is void: nobody is to hear of its outcome.
  static bool Void();

 private:
  const int64_t most_bytes_;
  int64_t deferred_bytes_ = 0;
};

// Posts `run` as work of `bytes`, and again as more where its attempt is deferred: it must not mind to be run several
// times, and keeps to itself what came of an attempt that is void. `refused` hears, on another thread, that there was
// no room the second time, or that the pool ended first (WorkPool::TryPost): perhaps both, and perhaps while `run`
// runs. The first refusal is returned.
[[nodiscard]] absl::Status PostAttempt(WorkPool& workers, const Client& owner, int64_t bytes, std::function<void()> run,
                                       std::function<void(const absl::Status&)> refused);

// What a message that goes to the work pool at once counts as: its bytes, or more where it seems to hold what would
// have been deferred. A guess, of which nothing but the order of work depends.
int64_t WorkBytes(std::string_view message);

}  // namespace batucada

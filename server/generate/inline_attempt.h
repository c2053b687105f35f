// Where a request's work is done. A connection's thread begins what looks small, for that is soonest; what turns out to
// be large once the request is understood is begun anew by the work pool. What was parsed decides, and not how a wire
// spells it: a new name of an old parameter is no way around.
#pragma once

#include <cstdint>
#include <string_view>

namespace batucada {

// While one lives, its thread is a connection's and handles a request that looks small. What would hold up the thread's
// other connections asks Defer first, and gives up if told to; who made the attempt then drops what came of it, and has
// the work pool do all of it again. One at a time in a thread.
class InlineAttempt {
 public:
  InlineAttempt();
  ~InlineAttempt();
  InlineAttempt(const InlineAttempt&) = delete;
  InlineAttempt& operator=(const InlineAttempt&) = delete;

  bool deferred() const { return deferred_; }

  // False: this thread may take its time. True: it may not, and the attempt is void from here on.
  static bool Defer();
  // This thread's attempt is void: nobody is to hear of its outcome.
  static bool Void();

 private:
  bool deferred_ = false;
};

// What deferred work counts as when turns are dealt (fair_queue.h), as if it were reading so many bytes.
inline constexpr int64_t kDeferredBytes = 64 << 10;
// What a message that goes to the work pool at once counts as: its bytes, or more where it seems to hold what would
// have been deferred. A guess, of which nothing but the order of work depends.
int64_t WorkBytes(std::string_view message);

}  // namespace batucada

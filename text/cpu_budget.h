// How much processor time a piece of work may take that cannot be counted in steps, such as that of another library.
//
// It is the thread's own time that counts, so a busy machine refuses nothing that an idle one takes.
#pragma once

#include <cstdint>

namespace batucada {

// Not thread-safe; used by the thread that made it.
class CpuBudget {
 public:
  explicit CpuBudget(int64_t nanoseconds) : allowed_ns_(nanoseconds), last_look_ns_(CoarseNow()) {}

  // Whether the time is spent. Cheap enough to be asked every hundred nanoseconds: it looks at the thread's clock only
  // when some milliseconds have passed on the wall's.
  bool Spent();

 private:
  static int64_t CoarseNow();

  int64_t allowed_ns_;
  int64_t last_look_ns_;
  int64_t began_ns_ = -1;  // on the thread's clock, as of the first look; -1: not looked yet
};

}  // namespace batucada

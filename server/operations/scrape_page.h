// The text of /metrics for those who ask: fresh for as many as a person and some scrapers are, and the last one again
// for more, since a page costs its thread more than asking for it costs anybody.
#pragma once

#include <memory>
#include <mutex>
#include <string>

#include "absl/functional/function_ref.h"
#include "absl/time/time.h"
#include "base/clock.h"

namespace batucada {

// Thread-safe.
class ScrapePage {
 public:
  static constexpr double kBurst = 100, kPerSecond = 100;  // pages made

  // What `make` gives; or what it gave last, where kBurst and kPerSecond are spent or another thread is making a page
  // just now. Nobody waits for another thread but for the first page of all.
  std::shared_ptr<const std::string> Get(absl::FunctionRef<std::string()> make, absl::Time now = ProcessNow());

 private:
  std::shared_ptr<const std::string> Last();

  std::mutex making_;         // one page at a time
  double may_make_ = kBurst;  // guarded by making_
  absl::Time counted_;        // when that was so; likewise
  std::mutex mutex_;          // of last_, held for a moment
  std::shared_ptr<const std::string> last_;
};

}  // namespace batucada

#include "server/operations/scrape_page.h"

#include <algorithm>
#include <utility>

namespace batucada {

std::shared_ptr<const std::string> ScrapePage::Last() {
  const std::lock_guard lock(mutex_);
  return last_;
}

std::shared_ptr<const std::string> ScrapePage::Get(absl::FunctionRef<std::string()> make, absl::Time now) {
  std::unique_lock making(making_, std::try_to_lock);
  if (!making) {
    if (auto last = Last()) return last;
    making.lock();
  }
  if (now > counted_) {
    may_make_ = std::min(kBurst, may_make_ + absl::ToDoubleSeconds(now - counted_) * kPerSecond);
    counted_ = now;
  }
  if (may_make_ < 1) return Last();  // there is one: the first of them was paid for
  may_make_ -= 1;
  auto made = std::make_shared<const std::string>(make());
  const std::lock_guard lock(mutex_);
  last_ = made;
  return made;
}

}  // namespace batucada

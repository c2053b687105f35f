#include "server/generate/work_attempt.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "base/status.h"

namespace batucada {
namespace {

thread_local WorkAttempt* current = nullptr;

// Members of a grammar, or a name that is spelled with escapes.
constexpr std::string_view kGrammarWords[] = {"format", "structured", "guided", "grammar", "tools", "\\u"};
// Of longer ones it makes no difference to the turns.
constexpr size_t kLookedThrough = 16 << 10;

}  // namespace

WorkAttempt::WorkAttempt(int64_t most_bytes) : most_bytes_(most_bytes) {
  BATUCADA_CHECK(current == nullptr);
  current = this;
}

WorkAttempt::~WorkAttempt() { current = nullptr; }

bool WorkAttempt::Defer(int64_t bytes) {
  if (current == nullptr || bytes <= current->most_bytes_) return false;
  current->deferred_bytes_ = std::max(current->deferred_bytes_, bytes);
  return true;
}

bool WorkAttempt::Void() { return current != nullptr && current->deferred(); }

absl::Status PostAttempt(WorkPool& workers, const Client& owner, int64_t bytes, std::function<void()> run,
                         std::function<void(const absl::Status&)> refused) {
  const auto attempt_it = [&workers, owner, bytes, run = std::move(run), refused] {
    int64_t deferred = 0;
    {
      const WorkAttempt attempt(WorkPool::MostOfItsSize(bytes));
      run();
      deferred = attempt.deferred_bytes();
    }
    if (deferred == 0) return;
    const absl::Status posted = PostAttempt(workers, owner, deferred, run, refused);
    if (!posted.ok()) refused(posted);
  };
  return workers.TryPost(owner, bytes, attempt_it, refused);
}

int64_t WorkBytes(std::string_view message) {
  const auto bytes = static_cast<int64_t>(message.size());
  if (message.size() > kLookedThrough) return bytes;
  const bool grammar =
      std::any_of(std::begin(kGrammarWords), std::end(kGrammarWords),
                  [message](std::string_view word) { return message.find(word) != std::string_view::npos; });
  return grammar ? std::max(bytes, kDeferredBytes) : bytes;
}

}  // namespace batucada

#include "server/generate/inline_attempt.h"

#include <algorithm>
#include <iterator>

#include "base/status.h"

namespace batucada {
namespace {

thread_local InlineAttempt* current = nullptr;

// Members of a grammar, or a name that is spelled with escapes.
constexpr std::string_view kGrammarWords[] = {"format", "structured", "guided", "grammar", "tools", "\\u"};
// Of longer ones it makes no difference to the turns.
constexpr size_t kLookedThrough = 16 << 10;

}  // namespace

InlineAttempt::InlineAttempt() {
  BATUCADA_CHECK(current == nullptr);
  current = this;
}

InlineAttempt::~InlineAttempt() { current = nullptr; }

bool InlineAttempt::Defer() {
  if (current != nullptr) current->deferred_ = true;
  return current != nullptr;
}

bool InlineAttempt::Void() { return current != nullptr && current->deferred_; }

int64_t WorkBytes(std::string_view message) {
  const auto bytes = static_cast<int64_t>(message.size());
  if (message.size() > kLookedThrough) return bytes;
  const bool grammar =
      std::any_of(std::begin(kGrammarWords), std::end(kGrammarWords),
                  [message](std::string_view word) { return message.find(word) != std::string_view::npos; });
  return grammar ? std::max(bytes, kDeferredBytes) : bytes;
}

}  // namespace batucada

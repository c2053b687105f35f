// A request that runs, as whoever asked for it sees it.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "base/shared_array.h"
#include "engine/core/request.h"

namespace batucada {

// What became ready since the last look.
struct Update {
  SharedArray<TokenResult> prompt_logprobs;  // of prompt tokens 1, 2, …, in order, if asked for
  std::vector<TokenResult> tokens;           // generated tokens
  std::string text;  // text that is final: whole UTF-8, no part of a stop string. It goes on from that of the prompt
  bool stopped = false;          // a stop string was found in what the last token said: of the answer, none follows
  std::optional<Finish> finish;  // set exactly once, in the last update
};

// Whether there is room for so many more tokens that wait to be taken. Called by the step loop: quick, and calls
// nothing of the engine.
using TokenRoom = std::function<bool(size_t tokens)>;

class Channel;  // between the step loop and one consumer

// One running request, seen by its consumer. Used by one thread at a time; destroying it cancels what still runs, and
// no callback runs after that. May outlive the engine.
class Generation {
 public:
  explicit Generation(std::shared_ptr<Channel> channel);
  ~Generation();
  Generation(Generation&&) noexcept;
  Generation& operator=(Generation&&) noexcept;

  SequenceId id() const;
  // Takes what is ready, some hundreds of tokens at once. False if nothing is; never blocks.
  bool Poll(Update* update);
  // Like Poll, but waits for something until `deadline`.
  bool Wait(Update* update, absl::Time deadline = absl::InfiniteFuture());
  // `ready` is called from the step loop's thread whenever there is something to take after a Poll that took all; at
  // once if there is already. It must be quick and must not call back into the engine.
  void OnReady(std::function<void()> ready);
  // Ends it; the last update says `reason`. Its memory is free within one step.
  void Cancel(FinishReason reason = FinishReason::kCancelled);

 private:
  std::shared_ptr<Channel> channel_;
};

}  // namespace batucada

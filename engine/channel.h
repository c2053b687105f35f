// Between the step loop, which makes tokens, and one consumer, who takes them at its own pace.
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "base/sync.h"
#include "engine/core/request.h"
#include "engine/generation.h"
#include "engine/run/step_loop.h"
#include "text/detokenizer.h"
#include "text/stop_matcher.h"
#include "text/tokenizer.h"

namespace batucada {

// The producer only appends; turning ids into text and looking for stop strings is the consumer's work, done in its
// thread. Bounded: a consumer that falls `capacity` tokens behind, and for whom there is no more room, loses its
// sequence.
class Channel : public SequenceListener {
 public:
  // `stops` was made from the request's stop strings. A channel may outlive the engine, so it shares the tokenizer.
  // `room`: see Engine::SubmitChoices.
  Channel(size_t capacity, std::shared_ptr<const Tokenizer> tokenizer, StopMatcher stops, const Request& request,
          TokenRoom room);

  static constexpr size_t kMostAtOnce = 256;

  // --- producer: the step loop ---
  bool OnEvent(SequenceEvent&& event) override;

  // --- consumer, one thread at a time ---
  void Bind(std::weak_ptr<StepLoop> loop, SequenceId id);  // before anything else
  SequenceId id() const { return id_; }
  // At most kMostAtOnce tokens, and as many scores of the prompt's: where many wait, turning them into text and
  // messages at once would keep the consumer's thread from others. What is left is announced at once.
  bool Poll(Update* update);
  bool Wait(Update* update, absl::Time deadline);
  void OnReady(std::function<void()> ready);
  void Cancel(FinishReason reason);
  // The consumer is gone: no more callbacks, and the sequence ends if it has not.
  void Abandon();

 private:
  struct Pending {
    std::vector<TokenResult> prompt_logprobs;
    std::vector<TokenResult> tokens;
    std::unique_ptr<Finish> finish;
    bool empty() const { return prompt_logprobs.empty() && tokens.empty() && finish == nullptr; }
  };
  void AddText(const std::string& text, Update* update);
  void Digest(Update* update);
  // Says that there is more to take, if there is; or that all is taken.
  void AnnounceRest();

  // Whether one more token may wait. REQUIRES: mutex_ held
  bool HasRoom();

  Mutex mutex_;  // guards what follows
  size_t capacity_;
  TokenRoom room_;  // for more; null: there is none
  Condition filled_;
  Pending pending_;
  size_t left_ = 0;  // tokens that the consumer has taken from it and not yet been told
  std::function<void()> ready_;
  bool notified_ = false;  // the consumer knows that there is something to take
  bool abandoned_ = false;
  bool overran_ = false;  // a token found no room: those after it are dropped too

  // The consumer's own.
  Pending taken_;                      // from pending_, of which so many are told:
  size_t told_ = 0, told_scores_ = 0;  // tokens; of the prompt
  std::weak_ptr<StepLoop> loop_;
  SequenceId id_ = 0;
  const std::shared_ptr<const Tokenizer> tokenizer_;
  Detokenizer detokenizer_;
  StopMatcher stops_;
  const SharedArray<std::string> stop_;
  const bool include_stop_;     // in the text
  const bool held_to_grammar_;  // which may end the text with a token that is part of it
  const int64_t stops_after_;   // tokens before which stop strings do not count
  std::optional<std::string> stop_found_;
  int64_t tokens_taken_ = 0;
  bool finished_ = false;
};

}  // namespace batucada

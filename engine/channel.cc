#include "engine/channel.h"

#include <algorithm>
#include <chrono>
#include <iterator>
#include <utility>

#include "base/clock.h"

namespace batucada {

Channel::Channel(size_t capacity, std::shared_ptr<const Tokenizer> tokenizer, StopMatcher stops, const Request& request)
    : capacity_(capacity), tokenizer_(std::move(tokenizer)), detokenizer_(*tokenizer_, request.skip_special_tokens),
      stops_(std::move(stops)), stop_(request.stop), include_stop_(request.include_stop_in_text),
      held_to_grammar_(request.constraint != nullptr), stops_after_(request.sampling.min_tokens) {
  detokenizer_.Show(request.shown_special_tokens);
  detokenizer_.Follow(request.prompt);
}

bool Channel::OnEvent(SequenceEvent event) {
  const std::lock_guard lock(mutex_);
  if (abandoned_) return true;
  // The last token always has room, as the end that it brings; but none follows one that had not.
  overran_ = overran_ || (event.token && !event.finish && pending_.tokens.size() >= capacity_);
  if (event.token && !overran_) pending_.tokens.push_back(*std::move(event.token));
  std::move(event.prompt_logprobs.begin(), event.prompt_logprobs.end(), std::back_inserter(pending_.prompt_logprobs));
  if (event.finish) {
    pending_.finish = std::move(event.finish);
    if (overran_) pending_.finish->reason = FinishReason::kOverrun;
  }
  filled_.notify_one();
  if (!notified_ && ready_) {
    notified_ = true;
    ready_();  // under the lock, so that none runs after Abandon
  }
  return !overran_ || pending_.finish.has_value();
}

void Channel::Bind(std::weak_ptr<StepLoop> loop, SequenceId id) {
  loop_ = std::move(loop);
  id_ = id;
}

bool Channel::Poll(Update* update) { return Wait(update, absl::InfinitePast()); }

bool Channel::Wait(Update* update, absl::Time deadline) {
  *update = {};
  if (finished_) return false;
  Pending pending;
  {
    std::unique_lock lock(mutex_);
    const auto filled = [this] { return !pending_.empty(); };
    if (deadline == absl::InfiniteFuture()) {
      filled_.wait(lock, filled);
    } else if (const absl::Duration left = deadline - ProcessNow(); left > absl::ZeroDuration()) {
      filled_.wait_for(lock, absl::ToChronoMicroseconds(left), filled);
    }
    notified_ = false;
    pending = std::exchange(pending_, {});
  }
  if (pending.empty()) return false;
  Digest(std::move(pending), update);
  return true;
}

void Channel::OnReady(std::function<void()> ready) {
  const std::lock_guard lock(mutex_);
  ready_ = std::move(ready);
  notified_ = !pending_.empty();
  if (notified_ && ready_) ready_();
}

void Channel::Cancel(FinishReason reason) {
  if (finished_) return;
  if (const std::shared_ptr<StepLoop> loop = loop_.lock()) loop->Cancel(id_, reason);
}

void Channel::Abandon() {
  {
    const std::lock_guard lock(mutex_);
    abandoned_ = true;
    ready_ = nullptr;
    if (pending_.finish) finished_ = true;
    pending_ = {};
  }
  Cancel(FinishReason::kCancelled);
}

void Channel::AddText(const std::string& text, Update* update) {
  if (tokens_taken_ < stops_after_) {
    update->text += text;
    return;
  }
  StopMatcher::Result result = stops_.Push(text);
  update->text += result.text;
  if (result.match) {
    stop_found_ = stop_[result.match->index];
    if (include_stop_) update->text += *stop_found_;
    Cancel(FinishReason::kStop);
  }
}

void Channel::Digest(Pending pending, Update* update) {
  update->prompt_logprobs = std::move(pending.prompt_logprobs);
  // The token that ended the sequence by itself is reported, but is not part of the text.
  const bool by_grammar = held_to_grammar_ && pending.finish && !pending.finish->stop_token &&
                          !pending.tokens.empty() && !tokenizer_->IsSpecial(pending.tokens.back().id);
  const bool last_is_end =
      pending.finish && pending.finish->reason == FinishReason::kStop && !stop_found_ && !by_grammar;
  for (size_t i = 0; i < pending.tokens.size() && !stop_found_; ++i) {
    if (!(last_is_end && i + 1 == pending.tokens.size())) AddText(detokenizer_.Push(pending.tokens[i].id), update);
    update->tokens.push_back(std::move(pending.tokens[i]));
    ++tokens_taken_;
  }
  if (!pending.finish) return;
  if (!stop_found_) AddText(detokenizer_.Flush(), update);
  if (!stop_found_) update->text += stops_.Flush();
  finished_ = true;
  update->finish = std::move(pending.finish);
  if (stop_found_) {
    update->finish->reason = FinishReason::kStop;
    update->finish->stop_string = stop_found_;
    update->finish->stop_token.reset();
  }
  update->finish->generated_tokens = tokens_taken_;
}

}  // namespace batucada

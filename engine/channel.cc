#include "engine/channel.h"

#include <algorithm>
#include <chrono>
#include <iterator>
#include <utility>

#include "base/clock.h"

namespace batucada {

Channel::Channel(size_t capacity, std::shared_ptr<const Tokenizer> tokenizer, StopMatcher stops, const Request& request,
                 TokenRoom room)
    : capacity_(capacity), room_(std::move(room)), tokenizer_(std::move(tokenizer)),
      detokenizer_(*tokenizer_, request.skip_special_tokens), stops_(std::move(stops)), stop_(request.stop),
      include_stop_(request.include_stop_in_text), held_to_grammar_(request.constraint != nullptr),
      stops_after_(request.sampling.min_tokens) {
  detokenizer_.Show(request.shown_special_tokens);
  detokenizer_.Follow(request.prompt);
}

bool Channel::HasRoom() {
  const size_t waiting = left_ + pending_.tokens.size();
  if (waiting >= capacity_ && room_ && room_(kMostAtOnce)) capacity_ += kMostAtOnce;
  return waiting < capacity_;
}

bool Channel::OnEvent(SequenceEvent&& event) {
  const std::lock_guard lock(mutex_);
  if (abandoned_) return true;
  // The last token always has room, as the end that it brings; but none follows one that had not.
  overran_ = overran_ || (event.token && !event.finish && !HasRoom());
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
  return !overran_ || pending_.finish != nullptr;
}

void Channel::Bind(std::weak_ptr<StepLoop> loop, SequenceId id) {
  loop_ = std::move(loop);
  id_ = id;
}

bool Channel::Poll(Update* update) { return Wait(update, absl::InfinitePast()); }

bool Channel::Wait(Update* update, absl::Time deadline) {
  *update = {};
  if (finished_) return false;
  const bool rest = !taken_.empty();
  if (!rest) {
    std::unique_lock lock(mutex_);
    const auto filled = [this] { return !pending_.empty(); };
    if (deadline == absl::InfiniteFuture()) {
      filled_.wait(lock, filled);
    } else if (const absl::Duration left = deadline - ProcessNow(); left > absl::ZeroDuration()) {
      filled_.wait_for(lock, absl::ToChronoMicroseconds(left), filled);
    }
    notified_ = false;
    taken_ = std::exchange(pending_, {});
    left_ = taken_.tokens.size() > kMostAtOnce ? taken_.tokens.size() : 0;
  }
  if (taken_.empty()) return false;
  Digest(update);
  if (rest || !taken_.empty()) AnnounceRest();
  return true;
}

void Channel::AnnounceRest() {
  const std::lock_guard lock(mutex_);
  left_ = taken_.tokens.size() - told_;
  notified_ = !taken_.empty() || !pending_.empty();
  if (notified_ && ready_) ready_();
}

void Channel::OnReady(std::function<void()> ready) {
  const std::lock_guard lock(mutex_);
  ready_ = std::move(ready);
  notified_ = !taken_.empty() || !pending_.empty();
  if (notified_ && ready_) ready_();
}

void Channel::Cancel(FinishReason reason) {
  if (finished_) return;
  if (const std::shared_ptr<StepLoop> loop = loop_.lock()) loop->Cancel(id_, reason);
}

void Channel::Abandon() {
  {
    Pending unwanted;  // freed without the lock, for which the step loop may wait
    TokenRoom room;    // likewise
    const std::lock_guard lock(mutex_);
    abandoned_ = true;
    ready_ = nullptr;
    if (pending_.finish || taken_.finish) finished_ = true;
    unwanted = std::exchange(pending_, {});
    room = std::exchange(room_, nullptr);
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
    update->stopped = true;
    if (include_stop_) update->text += *stop_found_;
    Cancel(FinishReason::kStop);
  }
}

void Channel::Digest(Update* update) {
  std::vector<TokenResult>& scores = taken_.prompt_logprobs;
  if (!scores.empty()) {  // they come before what follows the prompt
    const size_t count = std::min(scores.size() - told_scores_, kMostAtOnce);
    const auto first = std::make_move_iterator(scores.begin() + static_cast<std::ptrdiff_t>(told_scores_));
    update->prompt_logprobs = std::vector<TokenResult>(first, first + static_cast<std::ptrdiff_t>(count));
    told_scores_ += count;
    if (told_scores_ < scores.size()) return;
    scores.clear();
    told_scores_ = 0;
  }
  std::vector<TokenResult>& tokens = taken_.tokens;
  // The token that ended the sequence by itself is reported, but is not part of the text; but a word that a grammar
  // ends with, or that the client has as a stop and wants to see.
  const bool word = taken_.finish && !tokens.empty() && !tokenizer_->IsSpecial(tokens.back().id);
  const bool in_text = word && (taken_.finish->stop_token ? include_stop_ : held_to_grammar_);
  const bool last_is_end = taken_.finish && taken_.finish->reason == FinishReason::kStop && !stop_found_ && !in_text;
  for (const size_t end = std::min(tokens.size(), told_ + kMostAtOnce); told_ < end && !stop_found_; ++told_) {
    if (!(last_is_end && told_ + 1 == tokens.size())) AddText(detokenizer_.Push(tokens[told_].id), update);
    update->tokens.push_back(std::move(tokens[told_]));
    ++tokens_taken_;
  }
  if (told_ < tokens.size() && !stop_found_) return;
  const std::unique_ptr<Finish> finish = std::exchange(taken_, {}).finish;
  told_ = 0;
  if (finish == nullptr) return;
  if (!stop_found_) AddText(detokenizer_.Flush(), update);
  if (!stop_found_) update->text += stops_.Flush();
  finished_ = true;
  update->finish = std::move(*finish);
  if (stop_found_) {
    update->finish->reason = FinishReason::kStop;
    update->finish->stop_string = stop_found_;
    update->finish->stop_token.reset();
  }
  update->finish->generated_tokens = tokens_taken_;
}

}  // namespace batucada

#include "text/stop_matcher.h"
#include "base/strings.h"

#include <algorithm>
#include <utility>

namespace batucada {

absl::StatusOr<StopMatcher> StopMatcher::Create(const std::vector<std::string>& stop_strings) {
  if (stop_strings.size() > kMaxStopStrings) {
    return absl::InvalidArgumentError(
        Concat("at most ", kMaxStopStrings, " stop strings are allowed, got ", stop_strings.size()));
  }
  std::vector<Pattern> patterns;
  patterns.reserve(stop_strings.size());
  for (const std::string& stop : stop_strings) {
    if (stop.empty()) return absl::InvalidArgumentError("a stop string must not be empty");
    if (stop.size() > kMaxStopBytes) {
      return absl::InvalidArgumentError(
          Concat("a stop string may have at most ", kMaxStopBytes, " bytes, got ", stop.size()));
    }
    std::vector<uint16_t> border(stop.size() + 1, 0);
    for (size_t n = 1, k = 0; n < stop.size(); ++n) {
      while (k > 0 && stop[n] != stop[k]) k = border[k];
      if (stop[n] == stop[k]) ++k;
      border[n + 1] = static_cast<uint16_t>(k);
    }
    patterns.push_back({.text = stop, .border = std::move(border)});
  }
  return StopMatcher(std::move(patterns));
}

StopMatcher::Result StopMatcher::Push(std::string_view text) {
  if (stopped_) return {};
  if (patterns_->empty()) {
    released_ += text.size();
    return {.text = std::string(text), .match = std::nullopt};
  }
  const size_t held_before = held_.size();
  for (size_t i = 0; i < text.size(); ++i) {
    const Pattern* found = nullptr;
    for (size_t p = 0; p < patterns_->size(); ++p) {
      const Pattern& pattern = (*patterns_)[p];
      size_t& matched = matched_[p];
      while (matched > 0 && pattern.text[matched] != text[i]) matched = pattern.border[matched];
      if (pattern.text[matched] == text[i]) ++matched;
      if (matched == pattern.text.size() && (found == nullptr || pattern.text.size() > found->text.size())) {
        found = &pattern;
      }
    }
    if (found == nullptr) continue;
    const size_t offset = released_ + held_before + i + 1 - found->text.size();
    held_ += text.substr(0, i + 1);
    held_.resize(offset - released_);
    stopped_ = true;
    return {.text = std::exchange(held_, {}),
            .match = Match{.index = static_cast<size_t>(found - patterns_->data()), .offset = offset}};
  }
  held_ += text;
  size_t keep = 0;
  for (const size_t matched : matched_) keep = std::max(keep, matched);
  Result result{.text = held_.substr(0, held_.size() - keep), .match = std::nullopt};
  held_.erase(0, held_.size() - keep);
  released_ += result.text.size();
  return result;
}

std::string StopMatcher::Flush() {
  std::fill(matched_.begin(), matched_.end(), 0);
  released_ += held_.size();
  return std::exchange(held_, {});
}

}  // namespace batucada

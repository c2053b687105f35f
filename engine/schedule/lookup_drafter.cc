#include "engine/schedule/lookup_drafter.h"

#include <algorithm>

#include "base/splitmix.h"

namespace batucada {
namespace {

constexpr int32_t kMostLength = 64;   // no share has room for more
constexpr int32_t kMostFailures = 6;  // the longest pause is of so many doublings

}  // namespace

void LookupDrafter::Append(Text& text, int32_t id) {
  if (text.ids.size() == 2 * kRemembered) {
    const std::vector<int32_t> newest(text.ids.end() - kRemembered, text.ids.end());
    text.first += kRemembered;
    text.ids.clear();
    std::fill(text.behind.begin(), text.behind.end(), -1);
    for (const int32_t known : newest) Append(text, known);
  }
  text.ids.push_back(id);
  text.match = -1;
  if (text.ids.size() < kGram) return;
  const auto gram_before = [&](size_t end) { return std::span<const int32_t>(text.ids).subspan(end - kGram, kGram); };
  const std::span<const int32_t> gram = gram_before(text.ids.size());
  uint64_t hash = 0;
  for (const int32_t one : gram) hash = SplitMix(hash ^ static_cast<uint64_t>(one));
  int32_t& behind = text.behind[hash % kPlaces];
  if (behind >= 0 && std::ranges::equal(gram_before(static_cast<size_t>(behind)), gram)) text.match = behind;
  behind = static_cast<int32_t>(text.ids.size());
}

void LookupDrafter::OnAdmitted(SequenceId id, const Request& request) {
  // They are never asked for: what one row draws changes what the next may.
  if (request.constraint != nullptr || request.sampling.controls_logits()) return;
  auto text = std::make_unique<Text>();
  const std::vector<int32_t>& prompt = request.prompt.vector();
  const size_t left_out = prompt.size() - std::min<size_t>(prompt.size(), kRemembered);
  text->first = static_cast<int64_t>(left_out);
  for (size_t i = left_out; i < prompt.size(); ++i) Append(*text, prompt[i]);
  texts_[id] = std::move(text);
}

void LookupDrafter::OnDrawn(SequenceId id, std::span<const TokenResult> tokens, int32_t rows) {
  const auto found = texts_.find(id);
  if (found == texts_.end()) return;
  Text& text = *found->second;
  for (const TokenResult& token : tokens) Append(text, token.id);
  const auto kept = static_cast<int32_t>(tokens.size());  // of `rows`; the first always is
  if (rows == 1) {
    text.pause = std::max(text.pause - 1, 0);
  } else if (kept == rows) {
    text.length = std::min(2 * text.length, kMostLength);
    text.failures = 0;
  } else if (kept > 1) {
    text.length = kept;
    text.failures = 0;
  } else {
    text.length = 1;
    text.failures = std::min(text.failures + 1, kMostFailures);
    text.pause = 1 << text.failures;
  }
}

void LookupDrafter::Draft(SequenceId id, int64_t position, int32_t /*undecided*/, int32_t most,
                          std::vector<int32_t>* drafts) {
  const Text& text = *texts_.at(id);
  if (text.match < 0 || text.pause > 0) return;
  const auto known = static_cast<int64_t>(text.ids.size()), distance = known - text.match;
  const int64_t ahead = position - text.first - known;  // of what is known
  for (int32_t i = 0; i < std::min(most, text.length); ++i) {
    // What lies further ahead than the match is taken to repeat itself.
    drafts->push_back(text.ids[static_cast<size_t>(text.match + (ahead + i) % distance)]);
  }
}

}  // namespace batucada

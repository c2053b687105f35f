#include "engine/schedule/lookup_drafter.h"

#include <algorithm>

#include "base/splitmix.h"

namespace batucada {
namespace {

constexpr int32_t kMostLength = 64;     // no share has room for more
constexpr size_t kIndexedAtOnce = 512;  // ids of a long text: some 15 µs, and the plan waits
constexpr int32_t kMostFailures = 6;    // the longest pause is of so many doublings

}  // namespace

void LookupDrafter::Append(Text& text, int32_t id) {
  if (text.ids.size() == 2 * kRemembered) {
    text.ids.erase(text.ids.begin(), text.ids.end() - kRemembered);
    text.first += kRemembered;
    text.indexed = 0;
    std::fill(text.behind.begin(), text.behind.end(), -1);
  }
  text.ids.push_back(id);
}

bool LookupDrafter::Index(Text& text, size_t most) {
  const auto gram_before = [&](size_t end) { return std::span<const int32_t>(text.ids).subspan(end - kGram, kGram); };
  for (; text.indexed < text.ids.size() && most > 0; --most) {
    ++text.indexed;
    text.match = -1;
    if (text.indexed < kGram) continue;
    const std::span<const int32_t> gram = gram_before(text.indexed);
    uint64_t hash = 0;
    for (const int32_t one : gram) hash = SplitMix(hash ^ static_cast<uint64_t>(one));
    int32_t& behind = text.behind[hash % kPlaces];
    if (behind >= 0 && std::ranges::equal(gram_before(static_cast<size_t>(behind)), gram)) text.match = behind;
    behind = static_cast<int32_t>(text.indexed);
  }
  return text.indexed == text.ids.size();
}

void LookupDrafter::OnAdmitted(SequenceId id, const Request& request) {
  // They are never asked for: what one row draws changes what the next may.
  if (request.constraint != nullptr || request.sampling.controls_logits()) return;
  auto text = std::make_unique<Text>();
  const std::vector<int32_t>& prompt = request.prompt.vector();
  const size_t left_out = prompt.size() - std::min<size_t>(prompt.size(), kRemembered);
  text->first = static_cast<int64_t>(left_out);
  text->ids.assign(prompt.begin() + static_cast<std::ptrdiff_t>(left_out), prompt.end());
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
  Text& text = *texts_.at(id);
  if (!Index(text, kIndexedAtOnce) || text.match < 0 || text.pause > 0) return;
  const auto known = static_cast<int64_t>(text.ids.size()), distance = known - text.match;
  const int64_t ahead = position - text.first - known;  // of what is known
  for (int32_t i = 0; i < std::min(most, text.length); ++i) {
    // What lies further ahead than the match is taken to repeat itself.
    drafts->push_back(text.ids[static_cast<size_t>(text.match + (ahead + i) % distance)]);
  }
}

}  // namespace batucada

#include "engine/run/control_row.h"

#include <algorithm>
#include <cmath>
#include <new>

#include "base/status.h"
#include "kernels/token_controls.h"

namespace batucada {
namespace {

void FillPhrases(const Request& request, BannedPhrases& phrases) {
  const SharedArray<std::vector<int32_t>>& words = request.sampling.bad_words;
  BATUCADA_CHECK(words.size() <= kMaxPhrases);
  for (const std::vector<int32_t>& word : words) {
    BATUCADA_CHECK(!word.empty() && word.size() <= kMaxPhraseIds);
    phrases.lengths[phrases.count] = static_cast<int32_t>(word.size());
    std::copy(word.begin(), word.end(), phrases.ids[phrases.count]);
    ++phrases.count;
  }
  std::fill(std::begin(phrases.recent), std::end(phrases.recent), -1);
  const size_t known = std::min(request.prompt.size(), std::size(phrases.recent));
  std::copy_n(request.prompt.rbegin(), known, phrases.recent);
}

}  // namespace

std::vector<char> MakeControlRow(const Request& request, int32_t vocab, std::span<const int32_t> end_tokens) {
  const SamplingParams& s = request.sampling;
  std::vector<char> bytes(static_cast<size_t>(ControlBytes(vocab)));
  const ControlView view{.rows = bytes.data(), .row_bytes = ControlBytes(vocab)};
  auto* const tokens = new (view.TokensOf(0)) TokenControl[static_cast<size_t>(vocab)];
  auto* const phrases = new (view.PhrasesOf(0, vocab)) BannedPhrases;

  if (!s.allowed_token_ids.empty()) {
    for (int32_t id = 0; id < vocab; ++id) tokens[id].bias = -INFINITY;
    for (int32_t id : s.allowed_token_ids) tokens[id].bias = 0;
  }
  for (const LogitBias& b : s.logit_bias) tokens[b.id].bias += b.bias;
  for (int32_t id : request.prompt) tokens[id].marks |= kInPrompt;
  for (int32_t id : request.stop_token_ids) tokens[id].marks |= kEndsText;
  if (!request.ignore_eos) {
    for (int32_t id : end_tokens) tokens[id].marks |= kEndsText;
  }
  FillPhrases(request, *phrases);
  return bytes;
}

}  // namespace batucada

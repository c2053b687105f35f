#include "server/openai/best_of.h"

#include <algorithm>
#include <numeric>

namespace batucada {

void BestOf::Take(size_t text, const Update& update) {
  for (const TokenResult& token : update.tokens) {
    scores_[text].sum += token.logprob;
    ++scores_[text].tokens;
  }
}

std::vector<size_t> BestOf::Best() const {
  std::vector<size_t> best;
  for (size_t first = 0; first < scores_.size(); first += per_prompt_) {
    std::vector<size_t> texts(per_prompt_);
    std::iota(texts.begin(), texts.end(), first);
    std::stable_sort(texts.begin(), texts.end(),
                     [this](size_t a, size_t b) { return scores_[a].mean() > scores_[b].mean(); });
    best.insert(best.end(), texts.begin(), texts.begin() + static_cast<std::ptrdiff_t>(keep_));
  }
  return best;
}

}  // namespace batucada

// best_of: of the texts generated for a prompt, those that the model itself finds likeliest.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "engine/engine.h"

namespace batucada {

// Sums up each text's log-probabilities as they come. Texts of one prompt stand together: see Translation.
class BestOf {
 public:
  // Of every `per_prompt` texts `keep` are wanted.
  BestOf(size_t texts, int32_t per_prompt, int32_t keep)
      : scores_(texts), per_prompt_(static_cast<size_t>(per_prompt)), keep_(static_cast<size_t>(keep)) {}

  // REQUIRES: log-probabilities were asked for.
  void Take(size_t text, const Update& update);
  // Which texts are wanted, prompt by prompt: those of the highest mean log-probability a token, the best first; of
  // equals the one that was asked for first.
  std::vector<size_t> Best() const;

 private:
  struct Score {
    double sum = 0;
    int64_t tokens = 0;
    double mean() const { return tokens == 0 ? 0 : sum / static_cast<double>(tokens); }
  };

  std::vector<Score> scores_;
  const size_t per_prompt_, keep_;
};

}  // namespace batucada

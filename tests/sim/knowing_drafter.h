// Guesses what the fake backend is going to draw, knowing its formula: mostly right, sometimes wrong, sometimes few.
#pragma once

#include <cstdint>
#include <map>
#include <random>
#include <span>
#include <vector>

#include "engine/run/fake_backend.h"
#include "engine/schedule/drafter.h"

namespace batucada::sim {

class KnowingDrafter : public Drafter {
 public:
  // `right`: of the guesses, how many.
  KnowingDrafter(FakeBackendConfig fake, uint64_t seed, double right = 0.8)
      : fake_(std::move(fake)), right_(right), random_(seed) {}

  void OnAdmitted(SequenceId id, const Request& request) override {
    texts_[id] = {.ids = request.prompt.vector(), .sampling = request.sampling};
  }
  void OnDrawn(SequenceId id, std::span<const TokenResult> tokens, int32_t rows) override {
    for (const TokenResult& token : tokens) texts_.at(id).ids.push_back(token.id);
    rejected_ += static_cast<uint64_t>(rows) - tokens.size();
    kept_ += tokens.size() - 1;
  }
  void OnEnded(SequenceId id) override { texts_.erase(id); }

  void Draft(SequenceId id, int64_t position, int32_t /*undecided*/, int32_t most,
             std::vector<int32_t>* drafts) override {
    const auto count = static_cast<int32_t>(random_() % static_cast<uint64_t>(most + 1));
    if (count == 0) return;
    const Text& text = texts_.at(id);
    std::vector<int32_t> ids = text.ids;
    const auto draw = [&] { ids.push_back(FakeBackend::Draw(fake_, ids, text.sampling)); };
    while (static_cast<int64_t>(ids.size()) < position) draw();
    for (int32_t i = 0; i < count; ++i) {
      draw();
      const bool right = std::bernoulli_distribution(right_)(random_);
      drafts->push_back(right ? ids.back() : static_cast<int32_t>(random_() % static_cast<uint64_t>(fake_.vocab_size)));
    }
  }

  uint64_t kept() const { return kept_; }          // rows of drafts
  uint64_t rejected() const { return rejected_; }  // likewise

 private:
  struct Text {
    std::vector<int32_t> ids;
    SamplingParams sampling;
  };

  const FakeBackendConfig fake_;
  const double right_;
  std::mt19937_64 random_;
  std::map<SequenceId, Text> texts_;
  uint64_t kept_ = 0, rejected_ = 0;
};

}  // namespace batucada::sim

#include "engine/grammar_constraint.h"

#include <utility>

namespace batucada {
namespace {

class GrammarTokens : public TokenConstraint {
 public:
  explicit GrammarTokens(std::shared_ptr<const Grammar> grammar) : matcher_(std::move(grammar)) {}
  absl::Status Mask(std::span<uint32_t> words, int64_t* steps) override {
    const int64_t before = *steps;
    failure_ = matcher_.Mask(words, steps);
    mask_cost_ = before - *steps;
    return failure_;
  }
  const absl::Status& failure() const override { return failure_; }
  void Accept(int32_t token, int64_t* steps) override {
    const int64_t before = *steps;
    static_cast<void>(matcher_.Accept(token, steps));
    note_cost_ = before - *steps;
  }
  int64_t cost() const override { return mask_cost_ + note_cost_; }
  bool finished() const override { return matcher_.finished(); }

 private:
  GrammarMatcher matcher_;
  absl::Status failure_;
  int64_t mask_cost_ = 0, note_cost_ = 0;  // steps
};

class GrammarConstraint : public Constraint {
 public:
  explicit GrammarConstraint(std::shared_ptr<const Grammar> grammar) : grammar_(std::move(grammar)) {}
  std::unique_ptr<TokenConstraint> Begin() const override { return std::make_unique<GrammarTokens>(grammar_); }
  int64_t bytes() const override { return static_cast<int64_t>(grammar_->bytes()); }

 private:
  const std::shared_ptr<const Grammar> grammar_;
};

}  // namespace

std::shared_ptr<const Constraint> MakeConstraint(std::shared_ptr<const Grammar> grammar) {
  return std::make_shared<GrammarConstraint>(std::move(grammar));
}

}  // namespace batucada

#include "engine/grammar_constraint.h"

#include <utility>

namespace batucada {
namespace {

class GrammarTokens : public TokenConstraint {
 public:
  explicit GrammarTokens(std::shared_ptr<const Grammar> grammar) : matcher_(std::move(grammar)) {}
  absl::Status Mask(std::span<uint32_t> words, int64_t* steps) override {
    return failure_ = matcher_.Mask(words, steps);
  }
  const absl::Status& failure() const override { return failure_; }
  void Accept(int32_t token) override { static_cast<void>(matcher_.Accept(token)); }
  bool finished() const override { return matcher_.finished(); }

 private:
  GrammarMatcher matcher_;
  absl::Status failure_;
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

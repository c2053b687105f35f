#include "engine/thinking_budget.h"

#include <algorithm>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace batucada {
namespace {

// The ids that spell the mark, byte for byte where the tokenizer can: some put a space before a text.
std::vector<int32_t> Spell(const std::string& mark, const Tokenizer& tokenizer) {
  if (const std::optional<int32_t> id = tokenizer.TokenToId(mark)) return {*id};
  return tokenizer.Encode(mark, {.add_special_tokens = false}).value_or(std::vector<int32_t>());
}

// Whether `text`, the end of one, ends with a beginning of a character (RFC 3629).
bool EndsInsideCharacter(std::string_view text) {
  for (size_t back = 1; back <= std::min<size_t>(3, text.size()); ++back) {
    const auto byte = static_cast<uint8_t>(text[text.size() - back]);
    if ((byte & 0xC0) == 0x80) continue;
    const size_t whole = byte >= 0xF0 ? 4 : byte >= 0xE0 ? 3 : byte >= 0xC0 ? 2 : 1;
    return back < whole;
  }
  return false;
}

class BoundedThinking : public TokenConstraint {
 public:
  // All but `inner` outlive this.
  BoundedThinking(const ThinkingBudget& budget, const std::vector<int32_t>& end, const std::vector<uint32_t>& known,
                  const Tokenizer& tokenizer, std::unique_ptr<TokenConstraint> inner)
      : end_(end), known_(known), tokenizer_(tokenizer), inner_(std::move(inner)),
        splitter_(budget.marks, budget.start), left_(budget.tokens) {}

  absl::Status Mask(std::span<uint32_t> words, int64_t* steps) override {
    if (forced_ < 0 && splitter_.inside() && left_ <= 0 && !end_.empty() && MayEnd()) forced_ = 0;
    if (forced_ >= 0) {
      std::fill(words.begin(), words.end(), 0);
      const auto id = static_cast<size_t>(end_[static_cast<size_t>(forced_)]);
      words[id / 32] |= uint32_t{1} << (id % 32);
      return absl::OkStatus();
    }
    if (inner_ != nullptr) return inner_->Mask(words, steps);
    std::fill(words.begin(), words.end(), 0);
    std::copy_n(known_.begin(), std::min(known_.size(), words.size()), words.begin());
    return absl::OkStatus();
  }

  const absl::Status& failure() const override { return inner_ != nullptr ? inner_->failure() : no_failure_; }

  void Accept(int32_t token, int64_t* steps) override {
    if (inner_ != nullptr) inner_->Accept(token, steps);
    if (forced_ >= 0 && ++forced_ == static_cast<int64_t>(end_.size())) forced_ = -1;
    if (splitter_.over()) return;
    if (splitter_.inside()) --left_;
    AnswerPieces unused;
    const std::string_view bytes = tokenizer_.TokenBytes(token);
    tail_ += bytes;
    tail_.erase(0, tail_.size() - std::min(tail_.size(), kMostPending));
    splitter_.Add(bytes, &unused);
  }

  int64_t cost() const override { return inner_ == nullptr ? 0 : inner_->cost(); }

  bool finished() const override { return inner_ != nullptr && inner_->finished(); }

 private:
  static constexpr size_t kMostPending = 3;  // bytes of a character that is begun

  // Tokens may end inside a character, and a form that holds the text takes whole ones alone: the mark waits for the
  // rest. What nothing holds may never bring it, and is not waited for longer than a character is.
  bool MayEnd() const {
    return !EndsInsideCharacter(tail_) || (inner_ == nullptr && left_ <= -static_cast<int64_t>(kMostPending));
  }

  const std::vector<int32_t>& end_;
  const std::vector<uint32_t>& known_;
  const Tokenizer& tokenizer_;
  const std::unique_ptr<TokenConstraint> inner_;
  const absl::Status no_failure_;
  ThinkingSplitter splitter_;
  int64_t left_;
  std::string tail_;     // of the text
  int64_t forced_ = -1;  // of end_, the next to be drawn; -1: the model draws
};

class BoundedThinkingConstraint : public Constraint {
 public:
  BoundedThinkingConstraint(ThinkingBudget budget, const Tokenizer& tokenizer, std::shared_ptr<const Constraint> inner)
      : budget_(std::move(budget)), end_(Spell(budget_.marks.end, tokenizer)), tokenizer_(tokenizer),
        inner_(std::move(inner)), known_((static_cast<size_t>(tokenizer.vocab_size()) + 31) / 32) {
    for (int32_t id = 0; id < tokenizer.vocab_size(); ++id) {
      if (tokenizer.table().kind(id) == TokenKind::kUndefined) continue;
      known_[static_cast<size_t>(id) / 32] |= uint32_t{1} << (id % 32);
    }
  }

  int64_t bytes() const override {
    return (inner_ == nullptr ? 0 : inner_->bytes()) + static_cast<int64_t>(known_.size() * sizeof(uint32_t));
  }

  std::unique_ptr<TokenConstraint> Begin() const override {
    return std::make_unique<BoundedThinking>(budget_, end_, known_, tokenizer_,
                                             inner_ == nullptr ? nullptr : inner_->Begin());
  }

 private:
  const ThinkingBudget budget_;
  const std::vector<int32_t> end_;
  const Tokenizer& tokenizer_;
  const std::shared_ptr<const Constraint> inner_;
  std::vector<uint32_t> known_;  // bits of the tokens that the tokenizer has
};

}  // namespace

std::shared_ptr<const Constraint> BoundThinking(ThinkingBudget budget, const Tokenizer& tokenizer,
                                                std::shared_ptr<const Constraint> inner) {
  return std::make_shared<BoundedThinkingConstraint>(std::move(budget), tokenizer, std::move(inner));
}

}  // namespace batucada

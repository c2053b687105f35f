#include "engine/thinking_budget.h"

#include <algorithm>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <gtest/gtest.h>

#include "engine/grammar_constraint.h"
#include "text/byte_tokenizer.h"

namespace batucada {
namespace {

constexpr int32_t kBudgetVocab = 300, kBudgetEnd = 299;
constexpr std::string_view kMark = "</think>";

// Every byte is a token.
class ThinkingBudgetTest : public ::testing::Test {
 protected:
  // `regex`: of the whole text; empty: it may be anything.
  std::unique_ptr<TokenConstraint> Begin(int64_t budget, const std::string& regex) {
    std::shared_ptr<const Constraint> inner;
    if (!regex.empty()) {
      auto grammar = compiler_.Compile({.kind = GrammarSpec::Kind::kRegex, .text = regex});
      EXPECT_TRUE(grammar.ok()) << grammar.status();
      inner = MakeConstraint(*std::move(grammar));
    }
    constraint_ = BoundThinking(
        {.marks = {.begin = "<think>", .end = std::string(kMark)}, .start = ThinkingStart::kInside, .tokens = budget},
        *tokenizer_, std::move(inner));
    return constraint_->Begin();
  }
  static std::vector<int32_t> Allowed(TokenConstraint& tokens) {
    std::vector<uint32_t> words((kBudgetVocab + 31) / 32);
    int64_t steps = 1'000'000;
    EXPECT_TRUE(tokens.Mask(words, &steps).ok());
    std::vector<int32_t> ids;
    for (int32_t id = 0; id < kBudgetVocab; ++id) {
      if ((words[static_cast<size_t>(id) / 32] >> (id % 32) & 1U) != 0) ids.push_back(id);
    }
    return ids;
  }
  // Draws the bytes of `text`, each of which must be allowed.
  static void Draw(std::string_view text, TokenConstraint& tokens) {
    for (const char c : text) {
      const std::vector<int32_t> allowed = Allowed(tokens);
      EXPECT_TRUE(std::find(allowed.begin(), allowed.end(), static_cast<uint8_t>(c)) != allowed.end()) << text;
      Accept(c, tokens);
    }
  }
  // Draws the end mark, of which every byte must be the only one that is allowed.
  static void DrawMark(TokenConstraint& tokens) {
    for (const char c : kMark) {
      EXPECT_EQ(Allowed(tokens), std::vector<int32_t>{static_cast<uint8_t>(c)});
      Accept(c, tokens);
    }
  }
  static void Accept(char byte, TokenConstraint& tokens) {
    int64_t steps = 1'000'000;
    tokens.Accept(static_cast<uint8_t>(byte), &steps);
  }

  std::unique_ptr<Tokenizer> tokenizer_ = MakeByteTokenizer(kBudgetEnd);
  GrammarCompiler compiler_{*tokenizer_, kBudgetVocab, {kBudgetEnd}};
  std::shared_ptr<const Constraint> constraint_;
};

TEST_F(ThinkingBudgetTest, TheMarkIsDrawnBehindTheLastToken) {
  for (const std::string regex : {"", "[a-z]*</think>yes"}) {
    const auto tokens = Begin(3, regex);
    Draw("abc", *tokens);
    DrawMark(*tokens);
    EXPECT_GT(Allowed(*tokens).size(), regex.empty() ? 255u : 0u);
    Draw("yes", *tokens);
  }
}

TEST_F(ThinkingBudgetTest, ACharacterThatIsBegunIsEndedFirst) {
  for (const std::string regex : {"", ".*</think>yes"}) {
    for (const std::string character : {"é", "日", "😀"}) {
      for (size_t budget = 1; budget <= character.size(); ++budget) {
        const auto tokens = Begin(static_cast<int64_t>(budget), regex);
        for (const char byte : character) {
          EXPECT_GT(Allowed(*tokens).size(), 1u) << character << " is cut after " << budget;
          Draw({&byte, 1}, *tokens);
        }
        DrawMark(*tokens);
      }
    }
  }
}

// Bytes that never make a character, which a text that nothing holds may have, are no way around the budget.
TEST_F(ThinkingBudgetTest, ACharacterIsNotWaitedForLongerThanItIs) {
  const auto tokens = Begin(1, "");
  Draw("\xF0\xF0\xF0\xF0", *tokens);
  DrawMark(*tokens);
}

TEST_F(ThinkingBudgetTest, AnAnswerThatIsWholeBehindThinkingEnds) {
  const auto tokens = Begin(1, "[a-z]*</think>yes");
  Draw("a", *tokens);
  DrawMark(*tokens);
  Draw("ye", *tokens);
  EXPECT_FALSE(tokens->finished());
  Draw("s", *tokens);
  EXPECT_TRUE(tokens->finished());
}

}  // namespace
}  // namespace batucada

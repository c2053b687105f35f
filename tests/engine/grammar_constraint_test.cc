#include "engine/grammar_constraint.h"

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <gtest/gtest.h>

#include "text/byte_tokenizer.h"

namespace batucada {
namespace {

constexpr int32_t kVocab = 300, kEnd = 299;

class GrammarConstraintTest : public ::testing::Test {
 protected:
  std::unique_ptr<TokenConstraint> Begin(std::vector<std::string> choices) {
    auto grammar = compiler_.Compile({.kind = GrammarSpec::Kind::kChoice, .choices = std::move(choices)});
    EXPECT_TRUE(grammar.ok()) << grammar.status();
    constraint_ = MakeConstraint(*std::move(grammar));
    return constraint_->Begin();
  }
  // Draws the bytes of `text`, each of which must be allowed.
  static void Draw(std::string_view text, TokenConstraint& tokens) {
    for (const char c : text) {
      std::vector<uint32_t> words((kVocab + 31) / 32);
      int64_t steps = 1'000'000;
      EXPECT_TRUE(tokens.Mask(words, &steps).ok());
      EXPECT_NE(words[static_cast<uint8_t>(c) / 32] >> (static_cast<uint8_t>(c) % 32) & 1U, 0U) << c << " of " << text;
      tokens.Accept(static_cast<uint8_t>(c), &steps);
    }
  }

  std::unique_ptr<Tokenizer> tokenizer_ = MakeByteTokenizer(kEnd);
  GrammarCompiler compiler_{*tokenizer_, kVocab, {kEnd}};
  std::shared_ptr<const Constraint> constraint_;
};

TEST_F(GrammarConstraintTest, ATextIsWholeWhereNothingCanFollow) {
  const auto tokens = Begin({"red", "green"});
  EXPECT_FALSE(tokens->finished());
  Draw("re", *tokens);
  EXPECT_FALSE(tokens->finished());
  Draw("d", *tokens);
  EXPECT_TRUE(tokens->finished());
}

TEST_F(GrammarConstraintTest, ATextThatMayGoOnIsNotWhole) {
  const auto tokens = Begin({"red", "redder"});
  Draw("red", *tokens);
  EXPECT_FALSE(tokens->finished());
  Draw("der", *tokens);
  EXPECT_TRUE(tokens->finished());
}

}  // namespace
}  // namespace batucada

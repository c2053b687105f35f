// Grammars with more ways than are followed, and what following them takes.
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "text/byte_tokenizer.h"
#include "text/grammar.h"

namespace batucada {
namespace {

constexpr int32_t kWideVocab = 300, kWideEnd = 299;

class WideGrammarTest : public ::testing::Test {
 protected:
  std::shared_ptr<const Grammar> Make(std::string regex) {
    auto made = compiler_.Compile({.kind = GrammarSpec::Kind::kRegex, .text = std::move(regex)});
    EXPECT_TRUE(made.ok()) << made.status();
    return made.ok() ? *made : nullptr;
  }

  std::unique_ptr<Tokenizer> tokenizer_ = MakeByteTokenizer(kWideEnd);
  GrammarCompiler compiler_{*tokenizer_, kWideVocab, {kWideEnd}};
};

TEST_F(WideGrammarTest, AMaskTakesItsWorkFromWhatThereIs) {
  const auto grammar = Make("([ab]*a[ab][ab][ab][ab]c|[ab]*d)");
  GrammarMatcher matcher(grammar);
  std::vector<uint32_t> mask((kWideVocab + 31) / 32);
  ASSERT_TRUE(matcher.Accept('a') && matcher.Accept('b'));
  int64_t steps = 10'000;
  ASSERT_TRUE(matcher.Mask(mask, &steps).ok());
  const int64_t left = steps;
  EXPECT_LT(left, 10'000) << "a new place costs something";
  ASSERT_TRUE(matcher.Mask(mask, &steps).ok());
  EXPECT_EQ(steps, left) << "a known one nothing";
  ASSERT_TRUE(matcher.Accept('b', &steps) && matcher.Accept('a', &steps));
  EXPECT_LT(steps, left) << "nor is a note of a token for nothing";
}

TEST_F(WideGrammarTest, WhoeverHasNoStepsLeftGoesOnWithAPartOfTheGrammar) {
  // Each mask and each note is a new place, of more ways with every letter; many masks are too large.
  for (const char* wide : {".*[a-m].{200}x", "([ -~]*a[ -~]{12}b|[ -~]*c)*", "(.{1,90}b?){0,90}"}) {
    const auto grammar = Make(wide);
    std::vector<uint32_t> mask((kWideVocab + 31) / 32);
    std::vector<GrammarMatcher> texts(8, GrammarMatcher(grammar));
    uint32_t random = 1;
    int64_t steps = 1'000'000;
    for (int taken = 0; taken < 400; ++taken) {
      for (GrammarMatcher& text : texts) {
        if (text.finished()) continue;
        const int64_t before = steps;
        const absl::Status made = text.Mask(mask, &steps);
        ASSERT_TRUE(made.ok()) << wide << " after " << taken << ": " << made;
        random = random * 1664525 + 1013904223;
        auto id = static_cast<int32_t>('a' + (random >> 24) % 26);
        const auto may = [&](int32_t one) { return (mask[static_cast<size_t>(one) / 32] >> (one % 32) & 1U) != 0; };
        for (int32_t other = 0; other < kWideVocab && !may(id); ++other) id = other;
        ASSERT_TRUE(may(id)) << wide << " after " << taken;
        ASSERT_TRUE(text.Accept(id, &steps)) << wide << " after " << taken;
        // Forgetting what is too much comes now and then.
        if (before <= 0) {
          ASSERT_LT(before - steps, 600'000) << wide << " after " << taken;
        }
      }
    }
    // Now and then all of it is forgotten, which takes many.
    EXPECT_GT(steps, 1'000'000 - 8 * 400 * 30'000) << wide;
  }
}

TEST_F(WideGrammarTest, TextsOfOneGrammarHaveTheFateOfOne) {
  // However many there are, with the steps that all of them share.
  for (const int count : {1, 4, 16}) {
    const auto grammar = Make(".*[a-m].{200}x");
    std::vector<uint32_t> mask((kWideVocab + 31) / 32);
    std::vector<GrammarMatcher> texts(static_cast<size_t>(count), GrammarMatcher(grammar));
    uint32_t random = 1;
    for (int taken = 0; taken < 300; ++taken) {
      int64_t steps = 1'000'000;
      for (GrammarMatcher& text : texts) {
        if (text.finished()) continue;
        ASSERT_TRUE(text.Mask(mask, &steps).ok()) << count << " texts, after " << taken;
        random = random * 1664525 + 1013904223;
        auto id = static_cast<int32_t>('a' + (random >> 24) % 26);
        const auto may = [&](int32_t one) { return (mask[static_cast<size_t>(one) / 32] >> (one % 32) & 1U) != 0; };
        for (int32_t other = 0; other < kWideVocab && !may(id); ++other) id = other;
        ASSERT_TRUE(text.Accept(id, &steps)) << count << " texts, after " << taken;
      }
    }
  }
}

TEST_F(WideGrammarTest, WhatIsWiderThanCanBeFollowedGoesOn) {
  // Each has more ways than a machine follows, after some hundred characters.
  for (const char* wide :
       {".{0,700}.{0,700}.{0,700}.{0,700}", ".{0,300}.{0,300}.{0,300}.{0,300}.{0,300}.{0,300}.{0,300}.{0,300}",
        "(.{1,90}b?){0,90}", "([ -~]*a[ -~]{12}b|[ -~]*c)*"}) {
    const auto grammar = Make(wide);
    ASSERT_NE(grammar, nullptr) << wide;
    GrammarMatcher matcher(grammar);
    std::vector<uint32_t> mask((kWideVocab + 31) / 32);
    int taken = 0;
    for (uint32_t random = 1; taken < 1500 && !matcher.finished(); ++taken) {
      const absl::Status made = matcher.Mask(mask);
      ASSERT_TRUE(made.ok()) << wide << " after " << taken << ": " << made;
      random = random * 1664525 + 1013904223;
      auto id = static_cast<int32_t>('a' + (random >> 24) % 3);
      const auto may = [&](int32_t one) { return (mask[static_cast<size_t>(one) / 32] >> (one % 32) & 1U) != 0; };
      for (int other = 0; other < 256 && !may(id); ++other) id = other;
      if (!may(id)) break;  // only the end
      ASSERT_TRUE(matcher.Accept(id)) << wide << " after " << taken;
    }
    EXPECT_GT(taken, 700) << wide;
  }
}

}  // namespace
}  // namespace batucada

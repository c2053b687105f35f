// Grammars over bytes, and which texts they take.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "text/byte_tokenizer.h"
#include "text/grammar.h"

namespace batucada {

inline constexpr int32_t kVocab = 300, kEnd = 299;

class GrammarTest : public ::testing::Test {
 protected:
  std::shared_ptr<const Grammar> Make(GrammarSpec::Kind kind, std::string text, std::vector<std::string> choices = {}) {
    auto made = compiler_.Compile({.kind = kind, .text = std::move(text), .choices = std::move(choices)});
    EXPECT_TRUE(made.ok()) << made.status();
    return made.ok() ? *made : nullptr;
  }
  std::string Refusal(GrammarSpec::Kind kind, std::string text) {
    const auto made = compiler_.Compile({.kind = kind, .text = std::move(text)});
    return made.ok() ? "" : std::string(made.status().message());
  }
  // Whether the bytes of `text` are allowed one after the other, by mask and by Accept, and then the end.
  static bool Takes(const std::shared_ptr<const Grammar>& grammar, std::string_view text) {
    GrammarMatcher matcher(grammar);
    for (const char c : text) {
      const auto byte = static_cast<uint8_t>(c);
      const bool allowed = Allows(matcher, byte);
      EXPECT_EQ(matcher.Accept(byte), allowed);
      if (!allowed) return false;
    }
    return matcher.finished() || Allows(matcher, kEnd);
  }
  static bool Allows(GrammarMatcher& matcher, int32_t id) {
    std::vector<uint32_t> mask((kVocab + 31) / 32);
    EXPECT_TRUE(matcher.Mask(mask).ok());
    return (mask[static_cast<size_t>(id) / 32] >> (id % 32) & 1U) != 0;
  }

  std::unique_ptr<Tokenizer> tokenizer_ = MakeByteTokenizer(kEnd);
  GrammarCompiler compiler_{*tokenizer_, kVocab, {kEnd}};
};

// What schemas take of JSON texts, and what not.
class SchemaTest : public GrammarTest {
 protected:
  struct Case {
    std::string schema;
    std::vector<std::string> taken, refused;
  };
  void Check(const std::vector<Case>& cases) {
    for (const Case& one : cases) {
      const auto grammar = Make(GrammarSpec::Kind::kJsonSchema, one.schema);
      ASSERT_NE(grammar, nullptr) << one.schema;
      for (const std::string& text : one.taken) EXPECT_TRUE(Takes(grammar, text)) << one.schema << " " << text;
      for (const std::string& text : one.refused) EXPECT_FALSE(Takes(grammar, text)) << one.schema << " " << text;
    }
  }
  std::string RefusalOf(std::string schema) { return Refusal(GrammarSpec::Kind::kJsonSchema, std::move(schema)); }
};

}  // namespace batucada

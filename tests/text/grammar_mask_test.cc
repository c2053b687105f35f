// A mask against its meaning: a token may come if its bytes can be accepted, one after the other. At random places of
// random texts of many grammars, with a vocabulary that holds what real ones do: pieces of words, of several characters
// and of half a one, the same bytes twice, special tokens.
#include <cstdint>
#include <memory>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include <gtest/gtest.h>

#include "text/grammar.h"
#include "text/tokenizer.h"

namespace batucada {
namespace {

class PiecesTokenizer : public Tokenizer {
 public:
  explicit PiecesTokenizer(TokenTable table) : Tokenizer(std::move(table)) {}
  absl::StatusOr<std::vector<int32_t>> Encode(std::string_view, const EncodeOptions&) const override {
    return absl::UnimplementedError("nothing is encoded here");
  }
};

constexpr int32_t kIds = 4000, kSpecial = kIds - 2, kMaskEnd = kIds - 1;

TokenTable MakeTable() {
  const std::vector<std::string> letters = {
      "a", "b", "c",  "n",  "A",    "B",        "0",    "1",        "7",        " ",  "_",    ".",
      "-", "@", "/",  "\"", "\\",   "\\n",      "{",    "}",        "[",        "]",  ":",    ",",
      "ü", "é", "日", "😀",  "\xC3", "\xE6\x97", "\xA5", "\xF0\x9F", "\xED\xA0", "\n", "true", "null"};
  std::mt19937_64 random(7);
  std::vector<TokenTable::Entry> entries(kIds);
  for (size_t id = 0; id < kIds; ++id) {
    std::string bytes(1, static_cast<char>(id));
    for (size_t i = 0, n = 2 + random() % 5; id >= 256 && i < n; ++i) {
      if (i == 0) bytes.clear();
      // Often the same again, as in words and numbers.
      bytes += letters[random() % (random() % 2 == 0 ? 10 : letters.size())];
    }
    if (id >= 3000 && id < 3020) bytes = std::string(20 * (id - 2999), "ab1 "[id % 4]);
    if (id == 255) bytes = "ab";  // no text holds that byte
    entries[id] = {.content = "t" + std::to_string(id),
                   .bytes = bytes,
                   .start_bytes = bytes,
                   .kind = id < 256 ? TokenKind::kBytes : TokenKind::kText};
  }
  entries[kSpecial].special = true;
  entries[kSpecial].content = "<call>";
  return TokenTable(std::move(entries), StreamRules{});
}

class GrammarMaskTest : public ::testing::TestWithParam<GrammarSpec> {};

TEST_P(GrammarMaskTest, IsWhatCanBeAccepted) {
  const PiecesTokenizer tokenizer(MakeTable());
  GrammarCompiler compiler(tokenizer, kIds, {kMaskEnd});
  const auto grammar = compiler.Compile(GetParam());
  ASSERT_TRUE(grammar.ok()) << grammar.status();
  std::mt19937_64 random(3);
  std::vector<uint32_t> mask((kIds + 31) / 32);
  int masks = 0;
  for (int text = 0; text < 8; ++text) {
    GrammarMatcher matcher(*grammar);
    std::string so_far;
    for (int t = 0; t < 30 && !matcher.finished(); ++t) {
      ASSERT_TRUE(matcher.Mask(mask).ok());
      ++masks;
      std::vector<int32_t> allowed;
      for (int32_t id = 0; id < kIds; ++id) {
        const bool may = (mask[static_cast<size_t>(id) / 32] >> (id % 32) & 1U) != 0;
        GrammarMatcher other = matcher;
        ASSERT_EQ(other.Accept(id), may) << "token " << id << " '" << tokenizer.TokenBytes(id) << "' behind '" << so_far
                                         << "'";
        if (may) allowed.push_back(id);
      }
      ASSERT_FALSE(allowed.empty());
      // Short ones more often, so that counts come near their bounds.
      int32_t id = allowed[random() % allowed.size()];
      if (random() % 3 == 0) id = allowed[random() % std::min<size_t>(allowed.size(), 20)];
      if (id == kMaskEnd && allowed.size() > 1 && random() % 2 == 0) id = allowed[0];
      ASSERT_TRUE(matcher.Accept(id));
      so_far += tokenizer.TokenBytes(id);
    }
  }
  EXPECT_GE(masks, 8);
}

GrammarSpec Schema(std::string text) { return {.kind = GrammarSpec::Kind::kJsonSchema, .text = std::move(text)}; }
GrammarSpec RegexSpec(std::string text) { return {.kind = GrammarSpec::Kind::kRegex, .text = std::move(text)}; }

INSTANTIATE_TEST_SUITE_P(
    Schemas, GrammarMaskTest,
    ::testing::Values(
        Schema("{}"), Schema(R"({"type":"object"})"), Schema(R"({"type":"string","maxLength":9})"),
        Schema(R"({"type":"string","minLength":3,"maxLength":70})"),
        Schema(R"({"type":"array","items":{"type":"number"}})"),
        Schema(R"({"type":"integer","minimum":-7,"maximum":100000})"),
        Schema(
            R"({"type":"object","properties":{"ab":{"type":"integer"},"a":{"type":"string"}},"additionalProperties":{"type":"string"}})"),
        Schema(R"({"anyOf":[{"enum":["aab","ab\"","é","日a"]},{"type":"string","minLength":2},{"type":"null"}]})"),
        Schema(R"({"type":"string","format":"uri","maxLength":40})"), Schema(R"({"type":"string","format":"email"})"),
        Schema(R"({"type":"string","pattern":"^[A-Z][a-z]*[0-9]{0,12}$"})"),
        Schema(R"({"type":"string","pattern":"a.b","minLength":3,"maxLength":30})"),
        Schema(R"({"type":"string","not":{"enum":["a","ab","é"]}})")));
INSTANTIATE_TEST_SUITE_P(Regexes, GrammarMaskTest,
                         ::testing::Values(RegexSpec("[a-z0-9 ]{0,30}"), RegexSpec("[a-z]{5,}[0-9]*"), RegexSpec(".*"),
                                           RegexSpec(".{3,8}"), RegexSpec(R"([^é]*!)"),
                                           RegexSpec("([a-z]{1,3}-){2,4}x"), RegexSpec("(ab1 )*|a*b"),
                                           RegexSpec("[a-cA-C]+([0-9]+[a-c]+)*"), RegexSpec(R"(\S+@\w+)"),
                                           RegexSpec("(a|b|c|n|0|1|7|A|B){4,6}(é|ü)*"), RegexSpec("é?.{0,5}日*")));
INSTANTIATE_TEST_SUITE_P(
    Others, GrammarMaskTest,
    ::testing::Values(
        GrammarSpec{.kind = GrammarSpec::Kind::kChoice, .choices = {"a", "ab", "日日", "ab1 "}},
        GrammarSpec{.kind = GrammarSpec::Kind::kGbnf, .text = "root ::= [a-z0-9 ]* (\"[\" root \"]\" [a-c]*)?"},
        GrammarSpec{
            .kind = GrammarSpec::Kind::kStructuralTag,
            .text = R"({"type":"structural_tag","format":{"type":"triggered_tags","triggers":["<call>","aab"],"tags":[)"
                    R"({"begin":"<call>","content":{"type":"json_schema","json_schema":{"type":"integer"}},"end":"!"},)"
                    R"({"begin":"aab7","content":{"type":"any_text"},"end":"0"}]}})"}));

// An ordinary token's name is text like any other, and may be drawn in any pieces.
TEST(GrammarMaskOfALiteralTest, SpecialTokensThatItNamesAreTokensAndNoOthers) {
  const PiecesTokenizer tokenizer(MakeTable());
  GrammarCompiler compiler(tokenizer, kIds, {kMaskEnd});
  const auto grammar = compiler.Compile(
      {.kind = GrammarSpec::Kind::kStructuralTag,
       .text = R"({"type": "structural_tag", "format": {"type": "const_string", "value": "t300<call>"}})"});
  ASSERT_TRUE(grammar.ok()) << grammar.status();
  GrammarMatcher matcher(*grammar);
  for (const char c : std::string("t300")) ASSERT_TRUE(matcher.Accept(static_cast<uint8_t>(c))) << c;
  EXPECT_TRUE(matcher.Accept(kSpecial));
  EXPECT_TRUE(matcher.Accept(kMaskEnd));
}

}  // namespace
}  // namespace batucada

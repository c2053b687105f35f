#include "text/pre_tokenizer.h"

#include <algorithm>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <boost/json.hpp>

namespace batucada {
namespace {

struct SplitCase {
  std::string name;
  std::string json;
  std::string unit;                 // of a text that repeats it
  std::vector<std::string> pieces;  // of each unit
};

std::string Split(const std::string& pattern, const std::string& behavior, const std::string& invert = "false") {
  return R"({"type":"Split","pattern":{"Regex":")" + pattern + R"("},"behavior":")" + behavior + R"(","invert":)" +
         invert + "}";
}
std::string Sequence(const std::string& first, const std::string& second) {
  return R"({"type":"Sequence","pretokenizers":[)" + first + "," + second + "]}";
}
const std::string kMarked = R"({"type":"Metaspace","replacement":"_","prepend_scheme":"first"})";
const std::string kSpelled = R"({"type":"ByteLevel","add_prefix_space":false,"use_regex":false})";

const std::string kSpelledSpace = "\xC4\xA0";

const SplitCase kCases[] = {
    {"isolated", Split("x", "Isolated"), "abx", {"ab", "x"}},
    {"removed", Split("x", "Removed"), "abx", {"ab"}},
    {"contiguous", Split("x", "Contiguous"), "abxxx", {"ab", "xxx"}},
    {"merged with previous", Split("x", "MergedWithPrevious"), "abx", {"abx"}},
    {"merged with next", Split("x", "MergedWithNext"), "xab", {"xab"}},
    {"two merged with next", Split("x", "MergedWithNext"), "xxab", {"x", "xab"}},
    {"inverted", Split("[ab]+", "Removed", "true"), "abx", {"ab"}},
    {"a piece a byte", Split("[0-9]", "Isolated"), "0123456789", {"0", "1", "2", "3", "4", "5", "6", "7", "8", "9"}},
    {"cut twice", Sequence(Split("x", "MergedWithNext"), Split("b", "MergedWithPrevious")), "xab c", {"xab", " c"}},
    {"cut and marked", Sequence(Split("x", "MergedWithNext"), kMarked), "x b", {"x", "_b"}},
    {"marked and cut", Sequence(kMarked, Split("x", "Isolated")), "x b", {"x", "_b"}},
    {"cut and spelled", Sequence(Split("x", "Isolated"), kSpelled), "x b", {"x", kSpelledSpace + "b"}},
};

std::string NameOf(const ::testing::TestParamInfo<SplitCase>& info) {
  std::string name = info.param.name;
  std::replace(name.begin(), name.end(), ' ', '_');
  return name;
}

class PreTokenizerTest : public ::testing::TestWithParam<SplitCase> {
 protected:
  std::vector<std::string> Pieces(const std::string& text) {
    std::vector<std::string> pieces;
    scratch_.regex.Begin(text.size());
    const absl::Status status = pre_tokenizer_.Run(text, /*at_start=*/false, &scratch_,
                                                   [&](const auto& piece) { pieces.emplace_back(piece.text); });
    EXPECT_TRUE(status.ok()) << status;
    return pieces;
  }
  void SetUp() override {
    absl::Status error;
    const boost::json::value json = boost::json::parse(GetParam().json);
    pre_tokenizer_ = PreTokenizer::Parse(JsonCursor(json, "test", &error));
    ASSERT_TRUE(error.ok()) << error;
  }

  PreTokenizer pre_tokenizer_;
  PreTokenizer::Scratch scratch_;
};

TEST_P(PreTokenizerTest, CutsLongTextsAsShortOnesAndHoldsNoListOfAllTheirPieces) {
  const auto& [name, json, unit, of_unit] = GetParam();
  constexpr size_t kUnits = 50'000;
  std::string text;
  std::vector<std::string> want;
  for (size_t i = 0; i < kUnits; ++i) {
    text += unit;
    want.insert(want.end(), of_unit.begin(), of_unit.end());
  }
  EXPECT_EQ(Pieces(unit), of_unit);
  EXPECT_TRUE(Pieces(text) == want);  // not printed
  for (const PreTokenizer::Stage& stage : scratch_.stages) {
    EXPECT_LT(stage.pieces.capacity(), 20'000U);
    EXPECT_LT(stage.matches.capacity(), 20'000U);
    EXPECT_LT(stage.ends.capacity(), 20'000U);
  }
}

INSTANTIATE_TEST_SUITE_P(Steps, PreTokenizerTest, ::testing::ValuesIn(kCases), NameOf);

}  // namespace
}  // namespace batucada

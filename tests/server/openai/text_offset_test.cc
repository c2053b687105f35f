// text_offset of an echoed prompt is where tokenizers says that its tokens begin (tests/text/make_offsets.py).
#include <map>
#include <memory>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <boost/json.hpp>

#include "base/read_file.h"
#include "server/openai/logprobs_json.h"

namespace batucada {
namespace {

namespace bj = boost::json;

bj::value OffsetsOf(const Tokenizer& tokenizer, const std::vector<int32_t>& ids, const std::string& text) {
  LogprobsJson logprobs(tokenizer, ids, Specials::kHidden, text);
  logprobs.AddFirstOfPrompt(ids.front(), Specials::kShown);
  std::vector<TokenResult> scores;
  for (size_t i = 1; i < ids.size(); ++i) scores.push_back({.id = ids[i], .top = {}});
  logprobs.AddPrompt(std::move(scores), [] { return Specials::kShown; });
  std::string out;
  JsonWriter json(&out);
  logprobs.Write(json).Finish();
  return bj::parse(out).at("text_offset");
}

TEST(TextOffsetTest, IsWhereTheReferenceHasTheToken) {
  const std::string fixtures = BATUCADA_SOURCE_DIR "/tests/text/fixtures/";
  const auto file = ReadWholeFile(fixtures + "offsets.json", 1 << 20);
  ASSERT_TRUE(file.ok()) << file.status();
  const bj::value golden = bj::parse(*file);
  std::map<std::string, std::unique_ptr<const Tokenizer>> tokenizers;
  for (const bj::value& item : golden.at("cases").as_array()) {
    const auto name = bj::value_to<std::string>(item.at("fixture"));
    if (!tokenizers.contains(name)) {
      auto loaded = Tokenizer::Load(fixtures + name);
      ASSERT_TRUE(loaded.ok()) << loaded.status();
      tokenizers[name] = *std::move(loaded);
    }
    const auto ids = bj::value_to<std::vector<int32_t>>(item.at("ids"));
    EXPECT_EQ(OffsetsOf(*tokenizers[name], ids, bj::value_to<std::string>(item.at("text"))), item.at("begins"))
        << bj::serialize(item);
  }
  EXPECT_GE(tokenizers.size(), 10U);
}

}  // namespace
}  // namespace batucada

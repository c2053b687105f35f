// Parts of small tokenizers, as Hugging Face's library has them where it takes them.
#include <gtest/gtest.h>

#include <boost/json.hpp>
#include <memory>
#include <string>
#include <vector>

#include "tests/text/test_util.h"
#include "text/json_tokenizer.h"

namespace batucada {
namespace {

namespace json = boost::json;

absl::StatusOr<std::unique_ptr<Tokenizer>> Small(std::string_view part, json::value value) {
  json::object document{
      {"model",
       {{"type", "BPE"},
        {"vocab",
         {{"a", 0}, {"<0x41>", 1}, {"<0x41]", 2}, {"<s>", 3}, {"<t>", 4}, {"</s>", 5}, {"</t>", 6}, {"<0x4G>", 7}}},
        {"merges", json::array()}}}};
  document[part] = std::move(value);
  return JsonTokenizer::Parse(json::serialize(document), "tokenizer.json");
}

TEST(TokenizerPartsTest, ATokenThatOnlyBeginsLikeAByteIsText) {
  const auto tokenizer = Small("decoder", json::parse(R"({"type": "Sequence", "decoders": [{"type": "ByteFallback"},
                                                                                            {"type": "Fuse"}]})"));
  ASSERT_TRUE(tokenizer.ok()) << tokenizer.status();
  EXPECT_EQ((*tokenizer)->Decode(std::vector<int32_t>{1, 2, 0}, false), "A<0x41]a");
  EXPECT_EQ((*tokenizer)->Decode(std::vector<int32_t>{7, 1}, false), "<0x4G>A");
}

json::value Wrapping(const std::string& before, int before_id, const std::string& after, int after_id) {
  return {{"type", "TemplateProcessing"},
          {"single",
           {{{"SpecialToken", {{"id", before}, {"type_id", 0}}}},
            {{"Sequence", {{"id", "A"}, {"type_id", 0}}}},
            {{"SpecialToken", {{"id", after}, {"type_id", 0}}}}}},
          {"special_tokens",
           {{before, {{"id", before}, {"ids", json::array{before_id}}, {"tokens", json::array{before}}}},
            {after, {{"id", after}, {"ids", json::array{after_id}}, {"tokens", json::array{after}}}}}}};
}

// The reference gives up on two that both add tokens; what the first has made is the second's text.
TEST(TokenizerPartsTest, ALaterTemplateWrapsWhatAnEarlierMade) {
  const auto tokenizer = Small(
      "post_processor", {{"type", "Sequence"},
                         {"processors", json::array{Wrapping("<s>", 3, "</s>", 5), Wrapping("<t>", 4, "</t>", 6)}}});
  ASSERT_TRUE(tokenizer.ok()) << tokenizer.status();
  EXPECT_EQ((*tokenizer)->Encode("a", {}).value(), std::vector<int32_t>({4, 3, 0, 5, 6}));
}

// The reference repeats the text, which no model asks for.
TEST(TokenizerPartsTest, ATemplateHasItsTextOnce) {
  json::value twice = Wrapping("<s>", 3, "</s>", 5);
  EXPECT_TRUE(Small("post_processor", twice).ok());
  twice.at("single").as_array().push_back(twice.at("single").at(1));
  EXPECT_EQ(
      Small("post_processor", twice).status().message(),
      "tokenizer.json: $.post_processor.single[3].Sequence: a template for one text must have exactly the text A");
}

}  // namespace
}  // namespace batucada

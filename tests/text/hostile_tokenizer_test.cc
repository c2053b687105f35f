// A tokenizer.json is not trusted: whatever is wrong with it, loading ends in one sentence that names the place, and
// whatever still loads works without a crash.
#include <gtest/gtest.h>

#include <boost/json.hpp>
#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "tests/text/test_util.h"
#include "text/json_tokenizer.h"

namespace batucada {
namespace {

namespace json = boost::json;

json::value Fixture(const std::string& name) {
  return json::parse(ReadFileOrDie("tests/text/fixtures/" + name + "/tokenizer.json"));
}

// The same without most of its vocabulary, which takes most of the time and none of the interest.
json::value SmallFixture(const std::string& name) {
  json::value document = Fixture(name);
  json::object& model = document.at("model").as_object();
  json::object vocabulary;
  for (const auto& [token, id] : model["vocab"].as_object()) {
    if (id.as_int64() < 300) vocabulary[token] = id;
  }
  json::array merges;
  for (const json::value& merge : model["merges"].as_array()) {
    const json::string& left = merge.at(0).as_string();
    const json::string& right = merge.at(1).as_string();
    json::string joined = left;
    joined += right;
    if (vocabulary.contains(left) && vocabulary.contains(right) && vocabulary.contains(joined)) merges.push_back(merge);
  }
  model["vocab"] = std::move(vocabulary);
  model["merges"] = std::move(merges);
  return document;
}

absl::Status LoadAndUse(std::string_view source) {
  const auto tokenizer = JsonTokenizer::Parse(source, "tokenizer.json");
  if (!tokenizer.ok()) {
    EXPECT_TRUE(absl::IsInvalidArgument(tokenizer.status()) || absl::IsUnimplemented(tokenizer.status()))
        << tokenizer.status();
    EXPECT_TRUE(std::string(tokenizer.status().message()).starts_with("tokenizer.json: ")) << tokenizer.status();
    EXPECT_LT(tokenizer.status().message().size(), 1000) << tokenizer.status();
    return tokenizer.status();
  }
  for (const char* text : {"", "Hello <s> wörld 123!\n\n  x", "<|eot_id|>▁é😀"}) {
    const auto ids = (*tokenizer)->Encode(text, {});
    if (!ids.ok()) continue;
    for (const int32_t id : *ids) {
      EXPECT_GE(id, 0);
      EXPECT_LT(id, (*tokenizer)->vocab_size());
    }
    EXPECT_FALSE(FindInvalidUtf8((*tokenizer)->Decode(*ids, false)).has_value());
  }
  return absl::OkStatus();
}

// The error of `fixture` with `change` made to it.
std::string ErrorOf(const std::string& fixture, const std::function<void(json::object&)>& change) {
  json::value document = Fixture(fixture);
  change(document.as_object());
  return std::string(LoadAndUse(json::serialize(document)).message());
}

json::object& Model(json::object& root) { return root["model"].as_object(); }

TEST(HostileTokenizerTest, NamesThePlaceAndTheExpectation) {
  using testing::HasSubstr;
  EXPECT_EQ(ErrorOf("llama3", [](json::object& root) { root.erase("model"); }),
            "tokenizer.json: $.model.vocab: expected an object, found nothing");
  EXPECT_THAT(ErrorOf("llama3", [](json::object& root) { Model(root)["merges"].as_array()[7] = 3; }),
              HasSubstr("$.model.merges[7]: expected a merge"));
  EXPECT_THAT(ErrorOf("llama3",
                      [](json::object& root) {
                        Model(root)["merges"].as_array()[7] = {"e", "no such"};
                      }),
              HasSubstr("$.model.merges[7]: merges \"e\" and \"no such\", but \"no such\" is not in the vocabulary"));
  EXPECT_THAT(ErrorOf("llama3", [](json::object& root) { Model(root)["vocab"].as_object()["e"] = -1; }),
              HasSubstr("$.model.vocab: token \"e\": its id must be a whole number"));
  EXPECT_THAT(ErrorOf("llama3", [](json::object& root) { Model(root)["vocab"].as_object()["e"] = int64_t{1} << 40; }),
              HasSubstr("$.model.vocab: token \"e\": its id must be a whole number"));
  EXPECT_THAT(ErrorOf("llama3", [](json::object& root) { Model(root)["vocab"].as_object()["e"] = 5; }),
              HasSubstr("have the same id 5"));
  EXPECT_THAT(ErrorOf("llama2", [](json::object& root) { Model(root)["unk_token"] = "[UNK]"; }),
              HasSubstr("$.model.unk_token: \"[UNK]\" is not in the vocabulary"));
  EXPECT_THAT(ErrorOf("llama2", [](json::object& root) { Model(root)["byte_fallback"] = "yes"; }),
              HasSubstr("$.model.byte_fallback: expected true or false, found a string"));
  EXPECT_THAT(
      ErrorOf("llama2", [](json::object& root) { root["added_tokens"].as_array()[1].as_object()["id"] = 1e300; }),
      HasSubstr("$.added_tokens[1].id: expected a whole number"));
  EXPECT_THAT(ErrorOf("llama2", [](json::object& root) { root["added_tokens"].as_array()[1].as_object()["id"] = 40; }),
              HasSubstr("$.added_tokens[1].id: 40, but the vocabulary has \"<s>\" as 1"));
  EXPECT_THAT(ErrorOf("llama3", [](json::object& root) { root["added_tokens"].as_array()[0].as_object()["id"] = 3; }),
              HasSubstr("$.added_tokens[0].id: 3 is already the id of"));
  EXPECT_THAT(
      ErrorOf("llama2",
              [](json::object& root) { root["post_processor"].as_object()["special_tokens"].as_object().clear(); }),
      HasSubstr("special_tokens does not list \"<s>\""));
  EXPECT_THAT(ErrorOf("llama2",
                      [](json::object& root) {
                        auto& start = root["post_processor"].as_object()["special_tokens"].as_object()["<s>"];
                        start.as_object()["ids"] = {1 << 20};
                      }),
              HasSubstr(".ids[0]: expected a whole number from 0 to"));
}

TEST(HostileTokenizerTest, NamesWhatItDoesNotSupport) {
  const auto unsupported = [](const char* fixture, const char* part, json::value value) {
    return ErrorOf(fixture, [&](json::object& root) { root[part] = std::move(value); });
  };
  const auto typed = [](const char* type) { return json::value(json::object{{"type", type}}); };
  EXPECT_EQ(unsupported("llama3", "normalizer", typed("Precompiled")),
            "tokenizer.json: $.normalizer: normalizer \"Precompiled\" is not supported");
  EXPECT_EQ(unsupported("llama3", "pre_tokenizer", typed("BertPreTokenizer")),
            "tokenizer.json: $.pre_tokenizer: pre-tokenizer \"BertPreTokenizer\" is not supported");
  EXPECT_EQ(unsupported("llama3", "post_processor", typed("RobertaProcessing")),
            "tokenizer.json: $.post_processor: post-processor \"RobertaProcessing\" is not supported");
  EXPECT_EQ(unsupported("llama3", "decoder", typed("WordPiece")),
            "tokenizer.json: $.decoder: decoder \"WordPiece\" is not supported");
  EXPECT_EQ(ErrorOf("llama3", [](json::object& root) { Model(root)["type"] = "Unigram"; }),
            "tokenizer.json: $.model.type: model \"Unigram\" is not supported");
  EXPECT_EQ(ErrorOf("llama3", [](json::object& root) { Model(root)["dropout"] = 0.1; }),
            "tokenizer.json: $.model.dropout: dropout is not supported");
  EXPECT_EQ(ErrorOf("llama3", [](json::object& root) { Model(root)["end_of_word_suffix"] = "</w>"; }),
            "tokenizer.json: $.model.end_of_word_suffix: end_of_word_suffix \"</w>\" is not supported");
}

TEST(HostileTokenizerTest, TruncatedAnywhere) {
  for (const char* name : {"llama3", "lowercase"}) {
    const std::string source = json::serialize(SmallFixture(name));
    for (size_t size = 0; size < source.size(); size += 97) EXPECT_FALSE(LoadAndUse(source.substr(0, size)).ok());
  }
}

TEST(HostileTokenizerTest, DeepAndHuge) {
  std::string deep;
  for (int i = 0; i < 100000; ++i) deep += "[";
  EXPECT_FALSE(LoadAndUse(deep).ok());
  EXPECT_FALSE(LoadAndUse("{\"model\":" + deep).ok());
  std::string nested = "{\"type\":\"NFC\"}";
  for (int i = 0; i < 200; ++i) nested = "{\"type\":\"Sequence\",\"normalizers\":[" + nested + "]}";
  EXPECT_FALSE(LoadAndUse("{\"normalizer\":" + nested + "}").ok());
  EXPECT_FALSE(LoadAndUse("{\"model\":{\"vocab\":{\"a\":1e999},\"merges\":[]}}").ok());
  EXPECT_FALSE(LoadAndUse("{\"model\":{\"vocab\":{\"a\":99999999999999999999999},\"merges\":[]}}").ok());
  EXPECT_FALSE(LoadAndUse("{\"model\":{\"vocab\":{\"a\\ud800\":1},\"merges\":[]}}").ok());
  EXPECT_FALSE(LoadAndUse("{\"model\":{\"vocab\":{\"\xFF\":1},\"merges\":[]}}").ok());
  EXPECT_FALSE(LoadAndUse("{\"model\":{\"vocab\":{},\"merges\":[]}}").ok());
  EXPECT_TRUE(LoadAndUse("{\"model\":{\"vocab\":{\"a\":2097151},\"merges\":[]}}").ok());
  EXPECT_FALSE(LoadAndUse("{\"model\":{\"vocab\":{\"a\":2097152},\"merges\":[]}}").ok());
}

TEST(HostileTokenizerTest, GrowthIsBounded) {
  const std::string grow = ErrorOf("llama2", [](json::object& root) {
    json::object replace{{"type", "Replace"}, {"pattern", {{"String", "e"}}}, {"content", std::string(1000, 'e')}};
    json::array steps(8, replace);
    root["decoder"] = {{"type", "Sequence"}, {"decoders", steps}};
  });
  EXPECT_THAT(grow, testing::HasSubstr("$.decoder: token"));
  json::value document = Fixture("llama2");
  json::object replace{{"type", "Replace"}, {"pattern", {{"String", "e"}}}, {"content", std::string(1000, 'e')}};
  document.as_object()["normalizer"] = {{"type", "Sequence"}, {"normalizers", json::array(8, replace)}};
  const auto tokenizer = JsonTokenizer::Parse(json::serialize(document), "tokenizer.json");
  ASSERT_TRUE(tokenizer.ok()) << tokenizer.status();
  EXPECT_TRUE(absl::IsResourceExhausted((*tokenizer)->Encode("e", {}).status()));
}

TEST(HostileTokenizerTest, CatastrophicPatternsGiveUp) {
  json::value document = Fixture("llama3");
  document.at("pre_tokenizer").at("pretokenizers").at(0).at("pattern").as_object()["Regex"] = "(?:a|aa)+(?!.)";
  const auto tokenizer = JsonTokenizer::Parse(json::serialize(document), "tokenizer.json");
  ASSERT_TRUE(tokenizer.ok()) << tokenizer.status();
  const auto begin = std::chrono::steady_clock::now();
  const auto ids = (*tokenizer)->Encode(std::string(200, 'a') + "Y", {});
  EXPECT_TRUE(absl::IsResourceExhausted(ids.status())) << ids.status();
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(60));
}

// Every value of a document but the two big tables, which are sampled.
void CollectPointers(const json::value& value, const std::string& path, std::vector<std::string>* pointers) {
  pointers->push_back(path);
  if (const auto* array = value.if_array()) {
    const size_t step = array->size() > 50 ? array->size() / 4 : 1;
    for (size_t i = 0; i < array->size(); i += step)
      CollectPointers((*array)[i], path + "/" + std::to_string(i), pointers);
  } else if (const auto* object = value.if_object()) {
    const size_t step = object->size() > 50 ? object->size() / 4 : 1;
    size_t i = 0;
    for (const auto& member : *object) {
      const std::string key(member.key());
      if (i++ % step == 0 && key.find_first_of("~/") == std::string::npos) {
        CollectPointers(member.value(), path + "/" + key, pointers);
      }
    }
  }
}

TEST(HostileTokenizerTest, EveryWrongTypeIsASentenceOrHarmless) {
  const json::value wrong[] = {
      nullptr, true, -7, 1e308, "", "[[a", json::array{1, "a"}, json::object{{"type", "Sequence"}}};
  int refused = 0;
  for (const char* name : {"llama3", "lowercase"}) {
    const json::value original = SmallFixture(name);
    std::vector<std::string> pointers;
    CollectPointers(original, "", &pointers);
    ASSERT_GT(pointers.size(), 40);
    for (const std::string& pointer : pointers) {
      for (const json::value& replacement : wrong) {
        json::value document = original;
        document.at_pointer(pointer) = replacement;
        refused += LoadAndUse(json::serialize(document)).ok() ? 0 : 1;
      }
    }
  }
  EXPECT_GT(refused, 500);
}

TEST(HostileTokenizerTest, RandomDamage) {
  std::mt19937 random(13);
  for (const char* name : {"llama3", "lowercase", "metaspace"}) {
    const std::string original = json::serialize(SmallFixture(name));
    for (int round = 0; round < 100; ++round) {
      std::string source = original;
      for (int i = Below(4, &random); i >= 0; --i) {
        const auto at = static_cast<size_t>(Below(static_cast<int>(source.size()), &random));
        // Half of the damage strikes outside the vocabulary, where the structure is.
        const size_t place = Below(2, &random) == 0 ? at : at % 1200;
        static constexpr char kTelling[] = "0123456789\"{}[],:\\-eE.truefalsn\x80\xFF ";
        source[place] = kTelling[Below(sizeof(kTelling) - 1, &random)];
      }
      LoadAndUse(source).IgnoreError();
    }
  }
}

}  // namespace
}  // namespace batucada

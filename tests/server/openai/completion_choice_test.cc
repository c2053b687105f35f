#include "server/openai/completion_choice.h"

#include <algorithm>
#include <memory>

#include <gtest/gtest.h>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

#include "server/http/sse.h"

namespace batucada {
namespace {

namespace bj = boost::json;

class CompletionChoiceTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    auto loaded = Tokenizer::Load(BATUCADA_SOURCE_DIR "/models/samba-classics-18m");
    ASSERT_TRUE(loaded.ok()) << loaded.status();
    tokenizer_ = loaded->release();
  }
  static void TearDownTestSuite() { delete tokenizer_; }

  static bj::object Written(CompletionChoice& choice) {
    std::string out;
    JsonWriter json(&out);
    choice.Write(json).Finish();
    return bj::parse(out).as_object();
  }
  // A token that is one byte of "é".
  static int32_t BrokenToken() {
    for (int32_t id = 0; id < tokenizer_->vocab_size(); ++id) {
      if (tokenizer_->TokenBytes(id) == "\xC3") return id;
    }
    return -1;
  }
  static Update TokenUpdate(std::vector<int32_t> ids, std::string text) {
    Update update;
    for (const int32_t id : ids) update.tokens.push_back({.id = id, .logprob = -0.5F, .rank = 1, .top = {}});
    update.text = std::move(text);
    return update;
  }

  static const Tokenizer* tokenizer_;
};
const Tokenizer* CompletionChoiceTest::tokenizer_ = nullptr;

TEST_F(CompletionChoiceTest, WritesWhatIsNewOnce) {
  CompletionChoice choice(3, {}, *tokenizer_, {}, nullptr);
  EXPECT_FALSE(choice.HasNews());
  Update update = TokenUpdate({10}, "ab");
  choice.Take(update);
  EXPECT_TRUE(choice.HasNews());
  EXPECT_EQ(bj::serialize(Written(choice)),
            R"({"index":3,"text":"ab","logprobs":null,"finish_reason":null,"stop_reason":null})");
  EXPECT_FALSE(choice.HasNews());
}

TEST_F(CompletionChoiceTest, TokensWithoutTextAreNoNewsUnlessAskedFor) {
  CompletionChoice choice(0, {}, *tokenizer_, {}, nullptr);
  Update update = TokenUpdate({10}, "");
  choice.Take(update);
  EXPECT_FALSE(choice.HasNews());
  const std::vector<int32_t> prompt = {7, 8};
  CompletionChoice with_ids(0, {.return_token_ids = true}, *tokenizer_, prompt, nullptr);
  with_ids.Take(update);
  ASSERT_TRUE(with_ids.HasNews());
  const bj::object first = Written(with_ids);
  EXPECT_EQ(bj::serialize(first.at("token_ids")), "[10]");
  EXPECT_EQ(bj::serialize(first.at("prompt_token_ids")), "[7,8]");
  EXPECT_FALSE(with_ids.HasNews());
}

TEST_F(CompletionChoiceTest, SaysWhatStoppedIt) {
  CompletionChoice choice(0, {}, *tokenizer_, {}, nullptr);
  Update update;
  update.finish = Finish{.reason = FinishReason::kStop, .stop_string = "END", .stop_token = {}, .message = ""};
  choice.Take(update);
  const bj::object written = Written(choice);
  EXPECT_EQ(written.at("finish_reason"), "stop");
  EXPECT_EQ(written.at("stop_reason"), "END");
}

TEST_F(CompletionChoiceTest, LogprobsLineUpAndOffsetsCountCharacters) {
  const int32_t broken = BrokenToken();
  ASSERT_GE(broken, 0);
  const std::vector<int32_t> prompt = tokenizer_->Encode("Hi", {}).value();
  CompletionChoice choice(0, {.logprobs = true, .echo = true}, *tokenizer_, prompt,
                          std::make_shared<const std::string>("Hi"));
  Update update = TokenUpdate({broken}, "");
  std::vector<TokenResult> scores;
  for (size_t i = 1; i < prompt.size(); ++i) {
    scores.push_back({.id = prompt[i], .logprob = -1, .rank = 2, .top = {{.id = 9, .logprob = -0.25F}}});
  }
  update.prompt_logprobs = std::move(scores);
  choice.Take(update);
  const bj::object logprobs = Written(choice).at("logprobs").as_object();
  const size_t count = prompt.size() + 1;
  for (const char* name : {"tokens", "token_logprobs", "top_logprobs", "text_offset"}) {
    EXPECT_EQ(logprobs.at(name).as_array().size(), count) << name;
  }
  EXPECT_TRUE(logprobs.at("token_logprobs").as_array().front().is_null());
  EXPECT_TRUE(logprobs.at("top_logprobs").as_array().front().is_null());
  EXPECT_EQ(logprobs.at("tokens").as_array().back(), "bytes:\\xc3");
  EXPECT_EQ(logprobs.at("text_offset").as_array().front(), 0);
  EXPECT_EQ(logprobs.at("text_offset").as_array()[1], 0) << "the start token has no text";
  EXPECT_EQ(logprobs.at("text_offset").as_array().back(), 2);
  const bj::object& top = logprobs.at("top_logprobs").as_array()[1].as_object();
  EXPECT_EQ(top.size(), 2) << "the alternative, and the token itself";

  Update more = TokenUpdate({broken}, "");
  choice.Take(more);
  EXPECT_EQ(Written(choice).at("logprobs").at("text_offset").as_array().front(), 3)
      << "the first byte can no longer become a character";
}

TEST_F(CompletionChoiceTest, OffsetsCountTheSpecialTokensThatShow) {
  const auto offsets = [](const ChoiceOptions& options, const std::string& text, const std::vector<int32_t>& prompt) {
    CompletionChoice choice(0, options, *tokenizer_, prompt, std::make_shared<const std::string>(text));
    Update update = TokenUpdate({0}, "");
    std::vector<TokenResult> scores;
    for (size_t i = 1; i < prompt.size(); ++i) scores.push_back({.id = prompt[i], .top = {}});
    update.prompt_logprobs = std::move(scores);
    choice.Take(update);
    return bj::serialize(Written(choice).at("logprobs").at("text_offset"));
  };
  const std::string start(tokenizer_->TokenBytes(0));
  ASSERT_EQ(start.size(), 13);
  ASSERT_TRUE(tokenizer_->IsSpecial(0));
  const ChoiceOptions hidden = {.logprobs = true, .echo = true};
  const ChoiceOptions shown = {.logprobs = true, .echo = true, .special_tokens = true};
  const ChoiceOptions as_text = {.logprobs = true, .echo = true, .echoes_text = true, .added_before = 1};
  const ChoiceOptions ended = {
      .logprobs = true, .echo = true, .echoes_text = true, .added_before = 1, .added_after = 1};
  const ChoiceOptions ended_twice = {
      .logprobs = true, .echo = true, .echoes_text = true, .added_before = 1, .added_after = 2};
  // The tokenizer put one before the text; those that the text has itself show whatever is asked for.
  EXPECT_EQ(offsets(as_text, "H" + start, {0, 41, 0}), "[0,0,1,14]");
  EXPECT_EQ(offsets(as_text, start + "H", {0, 0, 41}), "[0,0,13,14]");
  EXPECT_EQ(offsets(ended, "H" + start, {0, 41, 0, 0}), "[0,0,1,14,14]");
  // Also behind a text of which the tokenizer left out the end.
  EXPECT_EQ(offsets(ended_twice, "H" + start + "left out", {0, 41, 0, 0, 0}), "[0,0,1,14,14,22]");
  EXPECT_EQ(offsets(hidden, "H", {0, 41, 0}), "[0,0,1,1]");
  EXPECT_EQ(offsets(shown, start + "H" + start, {0, 41, 0}), "[0,13,14,27]");
}

TEST(SseTest, NobodyOnTheWayKeepsWhatStreams) {
  const Headers headers = EventStreamHead().headers;
  for (const auto& [name, value] : {std::pair("cache-control", "no-cache"), std::pair("x-accel-buffering", "no")}) {
    const auto is = [&](const auto& header) { return header.first == name && header.second == value; };
    EXPECT_EQ(std::count_if(headers.begin(), headers.end(), is), 1) << name;
  }
}

TEST(SseTest, OneEventIsOneLineAndAnEmptyOne) {
  std::string out;
  AppendEvent("{}", &out);
  AppendDone(&out);
  EXPECT_EQ(out, "data: {}\n\ndata: [DONE]\n\n");
}

}  // namespace
}  // namespace batucada

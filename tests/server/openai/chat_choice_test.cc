#include "server/openai/chat_choice.h"

#include <memory>

#include <gtest/gtest.h>

namespace batucada {
namespace {

class ChatChoiceTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    auto loaded = Tokenizer::Load(BATUCADA_SOURCE_DIR "/models/samba-classics-18m");
    ASSERT_TRUE(loaded.ok()) << loaded.status();
    tokenizer_ = loaded->release();
  }
  static void TearDownTestSuite() { delete tokenizer_; }

  static std::string Written(ChatChoice& choice) {
    std::string out;
    JsonWriter json(&out);
    choice.Write(json).Finish();
    return out;
  }
  static void Take(ChatChoice& choice, std::string text, std::optional<Finish> finish = {}) {
    Update update;
    update.tokens.push_back({.id = 70, .logprob = -0.5F, .rank = 2, .top = {{.id = 71, .logprob = -0.25F}}});
    update.text = std::move(text);
    update.finish = std::move(finish);
    choice.Take(update);
  }
  static Finish Length() {
    Finish finish;
    finish.reason = FinishReason::kLength;
    return finish;
  }

  static const Tokenizer* tokenizer_;
};
const Tokenizer* ChatChoiceTest::tokenizer_ = nullptr;

TEST_F(ChatChoiceTest, StreamsRoleThenTextThenTheEnd) {
  ChatChoice choice(2, ChatChoice::Form::kStreamed, {}, *tokenizer_, {});
  EXPECT_FALSE(choice.HasNews());
  Take(choice, "ab", Length());
  EXPECT_EQ(Written(choice), R"({"index":2,"delta":{"role":"assistant","content":"","refusal":null},"logprobs":null,)"
                             R"("finish_reason":null,"stop_reason":null})");
  ASSERT_TRUE(choice.HasNews());
  EXPECT_EQ(Written(choice),
            R"({"index":2,"delta":{"content":"ab"},"logprobs":null,"finish_reason":null,"stop_reason":null})");
  ASSERT_TRUE(choice.HasNews());
  EXPECT_EQ(Written(choice), R"({"index":2,"delta":{},"logprobs":null,"finish_reason":"length","stop_reason":null})");
  EXPECT_FALSE(choice.HasNews());
}

TEST_F(ChatChoiceTest, AnEmptyTextStillHasARoleAndAnEnd) {
  ChatChoice choice(0, ChatChoice::Form::kStreamed, {}, *tokenizer_, {});
  Take(choice, "", Length());
  EXPECT_NE(Written(choice).find("assistant"), std::string::npos);
  ASSERT_TRUE(choice.HasNews());
  EXPECT_NE(Written(choice).find(R"("delta":{},)"), std::string::npos);
  EXPECT_FALSE(choice.HasNews());
}

TEST_F(ChatChoiceTest, WholeIsOneMessage) {
  ChatChoice choice(0, ChatChoice::Form::kWhole, {}, *tokenizer_, {});
  Take(choice, "a");
  Take(choice, "b", Length());
  EXPECT_EQ(Written(choice), R"({"index":0,"message":{"role":"assistant","content":"ab","refusal":null},)"
                             R"("logprobs":null,"finish_reason":"length","stop_reason":null})");
}

TEST_F(ChatChoiceTest, CallsAndThinkingHaveDeltasOfTheirOwn) {
  const auto form = std::make_shared<AnswerForm>(AnswerForm{.calls = CallFormat::kHermes,
                                                            .tool_names = {"time"},
                                                            .thinking = MarksOf(ThinkingFormat::kQwen3),
                                                            .thinking_start = ThinkingStart::kInside});
  const std::string text = "Hm.</think>\n<tool_call>{\"name\": \"time\", \"arguments\": {\"a\": 1}}</tool_call>";
  Finish stop;
  ChatChoice whole(0, ChatChoice::Form::kWhole, {}, *tokenizer_, {}, "", form);
  Take(whole, text, stop);
  const std::string message = Written(whole);
  EXPECT_NE(
      message.find(
          R"("content":null,"refusal":null,"reasoning_content":"Hm.","reasoning":"Hm.","tool_calls":[{"id":"call_)"),
      std::string::npos)
      << message;
  EXPECT_NE(message.find(R"("type":"function","function":{"name":"time","arguments":"{\"a\": 1}"}}])"),
            std::string::npos);
  EXPECT_NE(message.find(R"("finish_reason":"tool_calls")"), std::string::npos);

  ChatChoice streamed(0, ChatChoice::Form::kStreamed, {}, *tokenizer_, {}, "", form);
  for (const char c : text) Take(streamed, std::string(1, c));
  Take(streamed, "", stop);
  std::string deltas;
  while (streamed.HasNews()) deltas += Written(streamed) + "\n";
  EXPECT_NE(deltas.find(R"("delta":{"reasoning_content":"Hm.","reasoning":"Hm."})"), std::string::npos) << deltas;
  EXPECT_NE(deltas.find(R"("delta":{"tool_calls":[{"index":0,"id":"call_)"), std::string::npos);
  EXPECT_NE(deltas.find(R"("type":"function","function":{"name":"time","arguments":""}}]})"), std::string::npos);
  EXPECT_NE(deltas.find(R"("delta":{"tool_calls":[{"index":0,"function":{"arguments":"{\"a\": 1}"}}]})"),
            std::string::npos);
  EXPECT_NE(deltas.find(R"("delta":{},"logprobs":null,"finish_reason":"tool_calls")"), std::string::npos);
}

TEST_F(ChatChoiceTest, TheFirstTellsOfThePromptOnceAndBeside) {
  const auto beside = [](ChatChoice& choice) {
    std::string out;
    JsonWriter json(&out);
    json.BeginObject();
    choice.WriteBeside(json).Finish();
    json.EndObject();
    return out;
  };
  ChatChoice first(0, ChatChoice::Form::kWhole, {.return_token_ids = true}, *tokenizer_, {5});
  EXPECT_EQ(beside(first), R"({"prompt_token_ids":[5]})");
  EXPECT_EQ(beside(first), "{}");
  ChatChoice second(1, ChatChoice::Form::kWhole, {.return_token_ids = true}, *tokenizer_, {});
  EXPECT_EQ(beside(second), "{}");
}

TEST_F(ChatChoiceTest, AnEchoIsNewsByItself) {
  ChatChoice choice(0, ChatChoice::Form::kStreamed, {}, *tokenizer_, {}, "Once");
  ASSERT_TRUE(choice.HasNews());
  EXPECT_NE(Written(choice).find("assistant"), std::string::npos);
  EXPECT_NE(Written(choice).find(R"("delta":{"content":"Once"})"), std::string::npos);
}

TEST_F(ChatChoiceTest, LogprobsCarryBytes) {
  ChatChoice choice(0, ChatChoice::Form::kWhole, {.logprobs = true, .return_token_ids = true}, *tokenizer_, {5});
  Take(choice, "x", Length());
  const std::string written = Written(choice);
  const auto bytes = [](int32_t id) {
    std::string list;
    for (const char byte : tokenizer_->TokenBytes(id)) {
      list += (list.empty() ? "" : ",") + std::to_string(static_cast<unsigned char>(byte));
    }
    return "\"bytes\":[" + list + "]";
  };
  EXPECT_NE(written.find("\"logprob\":-0.5," + bytes(70) + ",\"top_logprobs\":[{"), std::string::npos) << written;
  EXPECT_NE(written.find("\"logprob\":-0.25," + bytes(71) + "}]"), std::string::npos) << written;
  EXPECT_NE(written.find(R"("token_ids":[70]})"), std::string::npos) << written;
}

}  // namespace
}  // namespace batucada

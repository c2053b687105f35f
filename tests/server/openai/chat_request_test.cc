#include "server/openai/chat_request.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "server/common/error.h"

namespace batucada {
namespace {

using ::testing::HasSubstr;

TEST(ChatRequestTest, ReadsEverything) {
  const auto params = ParseChatRequest(
      R"({"model":"m","messages":[{"role":"user","content":"hi","name":"me"}],"max_completion_tokens":7,"n":2,
          "logprobs":true,"top_logprobs":3,"continue_final_message":true,"chat_template_kwargs":{"a":1},"stop":"x",
          "include_stop_str_in_output":true,"truncate_prompt_tokens":5,"stream":true,
          "stream_options":{"include_usage":true,"include_obfuscation":false},"user":"u","max_tokens":null})");
  ASSERT_TRUE(params.ok()) << params.status();
  ASSERT_TRUE(params->conversation.has_value());
  EXPECT_EQ(params->conversation->messages.size(), 1);
  EXPECT_EQ(params->conversation->ending, ChatEnding::kContinueFinalMessage);
  EXPECT_TRUE(params->conversation->variables.contains("a"));
  EXPECT_EQ(params->max_tokens, 7);
  EXPECT_EQ(params->names.max_tokens, "max_completion_tokens");
  EXPECT_EQ(params->logprobs, 3);
  EXPECT_EQ(params->truncate_prompt_tokens, 5);
  EXPECT_TRUE(params->include_stop && params->stream && params->include_usage);
}

TEST(ChatRequestTest, TheGenerationPromptIsTheDefault) {
  const auto ending = [](const std::string& more) {
    return ParseChatRequest(R"({"messages":[{"role":"user","content":"a"}])" + more + "}")->conversation->ending;
  };
  EXPECT_EQ(ending(""), ChatEnding::kGenerationPrompt);
  EXPECT_EQ(ending(R"(,"add_generation_prompt":false)"), ChatEnding::kClosed);
  EXPECT_EQ(ending(R"(,"add_generation_prompt":false,"continue_final_message":true)"),
            ChatEnding::kContinueFinalMessage);
}

TEST(ChatRequestTest, APrefixIsGoneOnWith) {  // DeepSeek's and Mistral's
  const auto ending = [](const std::string& last) {
    return ParseChatRequest(R"({"messages":[{"role":"user","content":"a"},)" + last + "]}")->conversation->ending;
  };
  EXPECT_EQ(ending(R"({"role":"assistant","content":"b","prefix":true})"), ChatEnding::kContinueFinalMessage);
  EXPECT_EQ(ending(R"({"role":"assistant","content":"b","prefix":false})"), ChatEnding::kGenerationPrompt);
  EXPECT_EQ(ending(R"({"role":"user","content":"b","prefix":true})"), ChatEnding::kGenerationPrompt);
}

TEST(ChatRequestTest, LogprobsAreAFlagAndANumber) {
  const auto logprobs = [](const std::string& more) {
    return ParseChatRequest(R"({"messages":[{"role":"user","content":"a"}])" + more + "}")->logprobs;
  };
  EXPECT_EQ(logprobs(""), std::nullopt);
  EXPECT_EQ(logprobs(R"(,"logprobs":false,"top_logprobs":0)"), std::nullopt);
  EXPECT_EQ(logprobs(R"(,"logprobs":true)"), 0);
  EXPECT_EQ(logprobs(R"(,"logprobs":true,"top_logprobs":20)"), 20);
}

TEST(ChatRequestTest, PastToolCallsNeedNoContent) {
  EXPECT_TRUE(ParseChatRequest(
                  R"({"messages":[{"role":"assistant","content":null,"tool_calls":[{"id":"x","function":{"name":"f"}}]},
                                               {"role":"tool","tool_call_id":"x","content":"7"}]})")
                  .ok());
}

boost::json::array MessagesOf(const std::string& messages) {
  const auto params = ParseChatRequest("{\"messages\":" + messages + "}");
  EXPECT_TRUE(params.ok()) << params.status();
  return params.ok() ? params->conversation->messages : boost::json::array();
}

// message.model_dump() of OpenAI's client, and what other programs add.
TEST(ChatRequestTest, ReplayedMessagesAreTakenAsTheyCame) {
  EXPECT_EQ(MessagesOf(R"([{"role":"assistant","content":"hi","refusal":null,"annotations":[],"audio":null,
                            "function_call":null,"tool_calls":null,"id":"msg_1","reasoning_details":[{"a":1}],
                            "something_of_a_program":{"b":2},"unknown":null}])"),
            boost::json::parse(R"([{"role":"assistant","content":"hi","annotations":[],"id":"msg_1",
                                    "reasoning_details":[{"a":1}],"something_of_a_program":{"b":2}}])"));
  EXPECT_EQ(MessagesOf(R"([{"role":"user","content":"hi","id":"msg_2","name":null,"tool_calls":null,"unknown":null}])"),
            boost::json::parse(R"([{"role":"user","content":"hi","id":"msg_2"}])"));
}

TEST(ChatRequestTest, AnAssistantMaySayNothing) {
  EXPECT_EQ(
      MessagesOf(R"([{"role":"assistant","content":null,"tool_calls":[{"id":"x","function":{"name":"f"}}]}])"),
      boost::json::parse(R"([{"role":"assistant","content":null,"tool_calls":[{"id":"x","function":{"name":"f"}}]}])"));
  EXPECT_EQ(MessagesOf(R"([{"role":"assistant","tool_calls":[{"id":"x","function":{"name":"f"}}]}])"),
            boost::json::parse(R"([{"role":"assistant","tool_calls":[{"id":"x","function":{"name":"f"}}]}])"));
  EXPECT_EQ(MessagesOf(R"([{"role":"assistant","content":null,"refusal":"No."}])"),
            boost::json::parse(R"([{"role":"assistant","content":null,"refusal":"No."}])"));
}

TEST(ChatRequestTest, PartsOfTextByAnyName) {
  EXPECT_EQ(MessagesOf(R"([{"role":"user","content":[{"type":"text","text":"a","cache_control":{"type":"ephemeral"}},
                            {"type":"input_text","text":"b"},"c",{"type":"text","text":"d","annotations":null}]},
                           {"role":"assistant","content":[{"type":"output_text","text":"e","annotations":[]},
                            {"type":"refusal","refusal":"f"}]}])"),
            boost::json::parse(R"([{"role":"user","content":[
                                     {"type":"text","text":"a","cache_control":{"type":"ephemeral"}},
                                     {"type":"text","text":"b"},{"type":"text","text":"c"},
                                     {"type":"text","text":"d"}]},
                                   {"role":"assistant","content":[{"type":"text","text":"e","annotations":[]},
                                     {"type":"text","text":"f"}]}])"));
}

struct BadInput {
  const char* messages;
  const char* param;
  const char* message;
};

class BadMessagesTest : public ::testing::TestWithParam<BadInput> {};

TEST_P(BadMessagesTest, AreRefusedByPlace) {
  const auto params = ParseChatRequest("{\"messages\":" + std::string(GetParam().messages) + "}");
  ASSERT_EQ(params.status().code(), absl::StatusCode::kInvalidArgument) << GetParam().messages;
  EXPECT_EQ(ErrorParameter(params.status()), GetParam().param) << params.status();
  EXPECT_THAT(std::string(params.status().message()), HasSubstr(GetParam().message));
}

INSTANTIATE_TEST_SUITE_P(
    Table, BadMessagesTest,
    ::testing::Values(
        BadInput{"null", "messages", "missing"}, BadInput{"{}", "messages", "list of messages"},
        BadInput{"[]", "messages", "empty"}, BadInput{"[[]]", "messages[0]", "an object"},
        BadInput{R"([{"role":7}])", "messages[0].role", "a string"},
        BadInput{R"([{"role":"user","content":"a"},{"role":"x"}])", "messages[1].role", "one of system"},
        BadInput{R"([{"role":"user","content":{}}])", "messages[0].content", "list of text parts"},
        BadInput{R"([{"role":"user","content":[{"type":"input_audio","input_audio":{}}]}])",
                 "messages[0].content[0].type", "no images, audio"},
        BadInput{R"([{"role":"user","content":[{"text":"a"}]}])", "messages[0].content[0].type", "text"},
        BadInput{R"([{"role":"user","content":[{"type":"text","text":7}]}])", "messages[0].content[0].text",
                 "not the number 7"},
        BadInput{R"([{"role":"user","content":"a","name":{}}])", "messages[0].name", "a string"},
        BadInput{R"([{"role":"assistant","tool_calls":7}])", "messages[0].tool_calls", "a list"},
        BadInput{R"([{"role":"assistant","tool_calls":null}])", "messages[0].content", "missing"},
        BadInput{
            R"([{"role":"user","content":"a","tool_calls":[{"id":"c","type":"function","function":{"name":"f","arguments":"{}"}}]}])",
            "messages[0].tool_calls", "are the assistant's"},
        BadInput{
            R"([{"role":"tool","tool_call_id":"c","content":"a","tool_calls":[{"id":"c","type":"function","function":{"name":"f","arguments":"{}"}}]}])",
            "messages[0].tool_calls", "are the assistant's"},
        BadInput{R"([{"role":"user","content":"a","tool_call_id":"c"}])", "messages[0].tool_call_id",
                 "only a message of the role tool"},
        BadInput{R"([{"role":"user","content":"a","audio":{}}])", "messages[0].audio", "not supported"},
        BadInput{R"([{"role":"user","content":null}])", "messages[0].content", "is null"},
        BadInput{R"([{"role":"assistant","content":"a","function_call":{}}])", "messages[0].function_call",
                 "not supported"},
        BadInput{R"([{"role":"user","content":[{"type":"refusal","text":"a"}]}])", "messages[0].content[0].refusal",
                 "a string"},
        BadInput{R"([{"role":"user","content":"a","x":1}])", "messages[0].x", "not a parameter"}));

absl::Status StatusOfTool(const std::string& parameters, const std::string& choice) {
  return ParseChatRequest(R"({"messages":[{"role":"user","content":"a"}],"tool_choice":")" + choice +
                          R"(","tools":[{"type":"function","function":{"name":"f","parameters":)" + parameters + "}}]}")
      .status();
}

TEST(ChatRequestTest, ToolsTakeAnObject) {
  for (const char* parameters :
       {"null", "{}", R"({"type":"object"})", R"({"type":["null","object"]})", R"({"type":null})",
        R"({"properties":{"a":{"type":"string"}}})", R"({"anyOf":[{"type":"object"},{"type":"object"}]})",
        R"({"anyOf":[{"type":"string"},{"required":["a"]}]})", R"({"allOf":[{"type":"object"},{}]})",
        R"({"enum":[1,{}]})", R"({"const":{"a":1}})", R"({"$ref":"#/$defs/a","$defs":{"a":{"type":"object"}}})",
        R"({"$ref":"#"})",
        R"({"$ref":"#/$defs/a","$defs":{"a":{"anyOf":[{"$ref":"#/$defs/a"},{"$ref":"#/$defs/a"}]}}})",
        R"({"$ref":"https://example.com/elsewhere"})", R"({"$ref":"#/nowhere"})"}) {
    EXPECT_TRUE(StatusOfTool(parameters, "auto").ok()) << StatusOfTool(parameters, "auto") << parameters;
  }
  const std::pair<const char*, const char*> kNone[] = {
      {R"({"type":"string"})", "$.type"},
      {R"({"type":"array"})", "$.type"},
      {R"({"type":["integer","null"]})", "$.type"},
      {R"({"type":"string","properties":{}})", "$.type"},
      {R"({"enum":["a"]})", "$.enum"},
      {R"({"enum":[]})", "$.enum"},
      {R"({"const":null})", "$.const"},
      {R"({"anyOf":[{"type":"string"},false]})", "$.anyOf"},
      {R"({"type":"object","oneOf":[{"enum":[1]},{"const":[]}]})", "$.oneOf"},
      {R"({"allOf":[{"type":"object"},{"type":"null"}]})", "$.allOf[1].type"},
      {R"({"$ref":"#/$defs/a","$defs":{"a":{"type":"string"}}})", "$.$ref.type"},
      {R"({"anyOf":[{"$ref":"#/$defs/a"},{"$ref":"#/$defs/a"}],"$defs":{"a":{"type":"string"}}})", "$.anyOf"},
  };
  for (const auto& [parameters, place] : kNone) {
    for (const char* choice : {"auto", "none", "required"}) {
      const absl::Status status = StatusOfTool(parameters, choice);
      EXPECT_EQ(ErrorParameter(status), "tools[0].function.parameters") << parameters;
      EXPECT_THAT(std::string(status.message()), HasSubstr(std::string(place) + " leaves no object")) << parameters;
    }
  }
}

// References that double at every level are followed once each, and none without end.
TEST(ChatRequestTest, LookingForAnObjectTakesTimeByTheSchemasLength) {
  std::string definitions = R"("a0":{"type":"string"})";
  for (int i = 1; i <= 900; ++i) {
    const std::string one = fmt::format(R"({{"$ref":"#/$defs/a{}"}})", i - 1);
    definitions += fmt::format(R"(,"a{}":{{"anyOf":[{},{}]}})", i, one, one);
  }
  const auto status_of = [&](int level) {
    return StatusOfTool(fmt::format(R"({{"$ref":"#/$defs/a{}","$defs":{{{}}}}})", level, definitions), "auto");
  };
  EXPECT_THAT(std::string(status_of(40).message()), HasSubstr("leaves no object"));
  EXPECT_TRUE(status_of(900).ok()) << "so deep nobody is held to it";
}

TEST(ChatRequestTest, TemplatesKeepWhatIsTheirs) {
  for (const char* name : {"messages", "add_generation_prompt", "tools", "namespace", "range", "strftime_now"}) {
    const auto status = ParseChatRequest(R"({"messages":[{"role":"user","content":"a"}],"chat_template_kwargs":{")" +
                                         std::string(name) + R"(":1}})")
                            .status();
    EXPECT_EQ(ErrorParameter(status), std::string("chat_template_kwargs.") + name);
  }
}

TEST(ChatRequestTest, TheSchemaHoldsEveryMember) {
  const boost::json::object schema = ChatParameters().Schema();
  EXPECT_EQ(schema.at("required"), boost::json::array({"messages"}));
  for (const char* name : {"messages", "max_completion_tokens", "top_logprobs", "stream_options", "tools", "user"}) {
    EXPECT_TRUE(schema.at("properties").as_object().contains(name)) << name;
  }
}

}  // namespace
}  // namespace batucada

// The published templates of many model families against Hugging Face's apply_chat_template, byte for byte.
#include <gtest/gtest.h>

#include <map>

#include "tests/text/jinja/goldens.h"
#include "text/chat_template.h"

namespace batucada {
namespace {

const std::map<std::string, ChatEnding, std::less<>> kEndings = {
    {"closed", ChatEnding::kClosed},
    {"generation_prompt", ChatEnding::kGenerationPrompt},
    {"continue_final_message", ChatEnding::kContinueFinalMessage},
};

TEST(ChatTemplateGoldenTest, ConversationsRenderAsWithHuggingFace) {
  const boost::json::object& goldens = JinjaGoldens();
  std::map<std::string, std::unique_ptr<const ChatTemplate>> templates;
  for (const auto& member : goldens.at("special_tokens").as_object()) {
    const std::string name(member.key());
    auto parsed =
        ChatTemplate::Parse(ReadFileOrDie("tests/text/jinja/templates/" + name + ".jinja"), member.value().as_object());
    ASSERT_TRUE(parsed.ok()) << name << ": " << parsed.status();
    templates[name] = *std::move(parsed);
  }
  EXPECT_GE(templates.size(), 20);

  int rendered = 0;
  int refused = 0;
  for (const boost::json::value& golden : goldens.at("chats").as_array()) {
    const std::string name(golden.at("template").as_string());
    const boost::json::object& chat = goldens.at("conversations").at(golden.at("conversation").as_string()).as_object();
    SCOPED_TRACE(boost::json::serialize(golden));
    ChatInput input = {.messages = chat.at("messages").as_array(),
                       .ending = kEndings.at(std::string(golden.at("ending").as_string())),
                       .now = GoldenNow()};
    if (const boost::json::value* variables = chat.if_contains("variables")) input.variables = variables->as_object();
    const absl::StatusOr<std::string> text = templates.at(name)->Render(input);
    if (const std::optional<std::string> expected = GoldenText(golden)) {
      EXPECT_TRUE(text.ok()) << text.status();
      if (text.ok()) {
        EXPECT_EQ(*text, *expected);
      }
      ++rendered;
    } else {
      EXPECT_FALSE(text.ok()) << "here it renders: " << text.value_or("");
      EXPECT_EQ(text.status().code(), absl::StatusCode::kInvalidArgument);
      ++refused;
    }
  }
  EXPECT_GT(rendered, 1500);
  EXPECT_GT(refused, 200);
}

}  // namespace
}  // namespace batucada

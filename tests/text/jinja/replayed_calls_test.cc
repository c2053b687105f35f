// Conversations with past calls of tools as clients send them back, against what jinja2 makes of them in the form that
// a chat server hands to templates: replay_goldens.json, written by make_replay_goldens.py.
#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <string>

#include "tests/text/jinja/goldens.h"
#include "text/chat_template.h"

namespace batucada {
namespace {

const boost::json::object& Goldens() {
  static const auto& kGoldens =
      *new boost::json::value(boost::json::parse(ReadFileOrDie("tests/text/jinja/replay_goldens.json")));
  return kGoldens.get_object();
}

TEST(ReplayedCallsTest, ConversationsRenderAsWithJinja2) {
  std::map<std::string, std::unique_ptr<const ChatTemplate>> templates;
  int rendered = 0, refused = 0, told = 0;
  for (const boost::json::value& golden : Goldens().at("cases").as_array()) {
    SCOPED_TRACE(boost::json::serialize(golden));
    const std::string name(golden.at("template").as_string());
    std::unique_ptr<const ChatTemplate>& chat = templates[name];
    if (chat == nullptr) {
      auto parsed = ChatTemplate::Parse(ReadFileOrDie("tests/text/jinja/templates/" + name + ".jinja"),
                                        JinjaGoldens().at("special_tokens").at(name).as_object());
      ASSERT_TRUE(parsed.ok()) << parsed.status();
      chat = *std::move(parsed);
    }
    // As the server's reader leaves them: what is null, but for an assistant's content, is gone.
    boost::json::array messages = Goldens().at("conversations").at(golden.at("conversation").as_string()).as_array();
    for (boost::json::value& message : messages) {
      boost::json::object kept;
      for (const auto& member : message.as_object()) {
        if (!member.value().is_null() || member.key() == "content") kept[member.key()] = member.value();
      }
      message = std::move(kept);
    }
    const auto text = chat->RenderReplayed(
        {.messages = std::move(messages), .ending = ChatEnding::kGenerationPrompt, .now = GoldenNow()});
    const std::optional<std::string> expected = GoldenText(golden);
    // A template that passes calls over, or refuses them, gets them as texts: the model is told what it did.
    const std::string conversation =
        boost::json::serialize(Goldens().at("conversations").at(golden.at("conversation").as_string()));
    const bool knows_calls = expected.has_value() && expected->find("get_weather") != std::string::npos;
    if (text.ok() && !knows_calls && conversation.find("\"get_weather\"") != std::string::npos) {
      EXPECT_NE(text->find("get_weather"), std::string::npos);
      ++told;
      continue;
    }
    EXPECT_EQ(text.ok(), expected.has_value()) << text.status();
    if (expected.has_value()) {
      EXPECT_EQ(text.value_or("an error"), *expected);
    }
    ++(expected.has_value() ? rendered : refused);
  }
  EXPECT_GT(told, 0);
  EXPECT_GT(rendered, 100);
  EXPECT_GT(refused, 10);
}

TEST(ReplayedCallsTest, ACallMayBeToldByItsIdAlone) {
  // As Kimi's templates have it, whose ids are functions.NAME:INDEX.
  const auto parsed = ChatTemplate::Parse(
      "{% for m in messages %}<{{ m.role }}>{% for c in m.tool_calls or [] %}[{{ c.id }}|{{ c.function.arguments | "
      "tojson }}]{% endfor %}{{ m.content }}{% endfor %}",
      {});
  ASSERT_TRUE(parsed.ok()) << parsed.status();
  const boost::json::value call = boost::json::parse(
      R"({"id":"functions.look:0","type":"function","function":{"name":"look","arguments":"{\"a\":1}"}})");
  const boost::json::array messages = {
      {{"role", "user"}, {"content", "hi"}},
      {{"role", "assistant"}, {"content", nullptr}, {"tool_calls", boost::json::array{call}}},
      {{"role", "tool"}, {"tool_call_id", "functions.look:0"}, {"content", "42"}}};
  EXPECT_EQ((*parsed)->RenderReplayed({.messages = messages}).value(),
            "<user>hi<assistant>[functions.look:0|{\"a\": 1}]<tool>42");
}

TEST(ReplayedCallsTest, ArgumentsAreWhatTheirTextStandsFor) {
  const auto parsed = ChatTemplate::Parse(
      "{% for m in messages %}{% for c in m.tool_calls or [] %}{{ c.function.name }}{{ c.function.arguments | tojson "
      "}};"
      "{% endfor %}{{ m.content }}|{% endfor %}",
      {});
  ASSERT_TRUE(parsed.ok());
  const auto render = [&](const std::string& messages) {
    return (*parsed)->RenderReplayed({.messages = boost::json::parse(messages).as_array()}).value_or("an error");
  };
  const auto call = [&](const std::string& arguments) {
    return render(R"([{"role": "assistant", "content": null, "tool_calls": [{"function": {"name": "f", "arguments": )" +
                  arguments + "}}]}]");
  };
  EXPECT_EQ(call(R"("{\"a\": [1.0, null, \"é\"]}")"), "f{\"a\": [1.0, null, \"é\"]};|");
  EXPECT_EQ(call(R"({"b": 2})"), "f{\"b\": 2};|");
  EXPECT_EQ(call(R"("")"), "f{};|");
  EXPECT_EQ(call("null"), "f{};|");
  EXPECT_EQ(call(R"("3")"), "f3;|");
  EXPECT_EQ(call(R"("{broken")"), "f\"{broken\";|");
  EXPECT_EQ(render(R"([{"role": "assistant", "tool_calls": []}])"), "|") << "an empty list of calls is none";
  EXPECT_EQ(render(R"([{"role": "assistant", "content": null}])"), "|");
  EXPECT_EQ(render(R"([{"role": "user", "content": null}])"), "None|") << "only an assistant says nothing";
}

}  // namespace
}  // namespace batucada

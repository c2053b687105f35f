// Finding a model's template, and what surrounds its rendering.
#include "text/chat_template.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tests/text/test_util.h"

namespace batucada {
namespace {

using ::testing::HasSubstr;

constexpr char kPlain[] = "{% for m in messages %}<{{ m.role }}>{{ m.content }}{% endfor %}";

// A model directory for one test.
class ModelDirectory {
 public:
  ModelDirectory() : path_(std::filesystem::path(testing::TempDir()) / Name()) {
    std::filesystem::create_directories(path_);
  }
  ~ModelDirectory() { std::filesystem::remove_all(path_); }

  void Write(const std::string& name, const std::string& content) const {
    std::filesystem::create_directories((path_ / name).parent_path());
    std::ofstream(path_ / name, std::ios::binary) << content;
  }
  std::string path() const { return path_.string(); }

 private:
  static std::string Name() {
    const testing::TestInfo* test = testing::UnitTest::GetInstance()->current_test_info();
    return std::string("chat_template_") + test->name() + std::to_string(getpid());
  }

  const std::filesystem::path path_;
};

boost::json::array Messages(const std::string& json) { return boost::json::parse(json).as_array(); }

absl::StatusOr<std::string> Render(const std::string& source, const ChatInput& input,
                                   const boost::json::object& special_tokens = {}) {
  const auto parsed = ChatTemplate::Parse(source, special_tokens);
  if (!parsed.ok()) return parsed.status();
  return (*parsed)->Render(input);
}

TEST(ChatTemplateTest, EmbeddedModel) {
  const auto loaded = ChatTemplate::Load(SourcePath("models/samba-classics-18m"));
  ASSERT_TRUE(loaded.ok()) << loaded.status();
  ChatInput input = {.messages = Messages(R"([{"role": "user", "content": "Hi {{ bos_token }}"}])"),
                     .ending = ChatEnding::kGenerationPrompt};
  EXPECT_EQ((*loaded)->Render(input).value(),
            "<|endoftext|><|im_start|>user\nHi {{ bos_token }}<|im_end|>\n<|im_start|>assistant\n");
  input.messages.push_back({{"role", "assistant"}, {"content", "Once upon "}});
  input.ending = ChatEnding::kContinueFinalMessage;
  EXPECT_EQ((*loaded)->Render(input).value(),
            "<|endoftext|><|im_start|>user\nHi {{ bos_token }}<|im_end|>\n<|im_start|>assistant\nOnce upon ");
}

TEST(ChatTemplateTest, NoTemplateIsNotFound) {
  const ModelDirectory model;
  EXPECT_EQ(ChatTemplate::Load(model.path()).status().code(), absl::StatusCode::kNotFound);
  model.Write("tokenizer_config.json", R"({"bos_token": "<s>", "chat_template": null})");
  EXPECT_EQ(ChatTemplate::Load(model.path()).status().code(), absl::StatusCode::kNotFound);
}

TEST(ChatTemplateTest, TokensAreStringsOrObjectsOfEitherFile) {
  const ModelDirectory model;
  model.Write("tokenizer_config.json",
              R"({"bos_token": {"content": "<s>", "lstrip": false}, "eos_token": "</s>", "pad_token": null,
                  "chat_template": "{{ bos_token }}|{{ eos_token }}|{{ unk_token }}|{{ pad_token is defined }}"})");
  model.Write("special_tokens_map.json", R"({"bos_token": "other", "unk_token": {"content": "<unk>"}})");
  const auto loaded = ChatTemplate::Load(model.path());
  ASSERT_TRUE(loaded.ok()) << loaded.status();
  EXPECT_EQ((*loaded)->Render({}).value(), "<s>|</s>|<unk>|False");
}

// Hugging Face leaves it out of what a template sees.
TEST(ChatTemplateTest, AnEmptyTokenIsNone) {
  const ModelDirectory model;
  model.Write("tokenizer_config.json",
              R"({"bos_token": "", "eos_token": {"content": ""}, "pad_token": "<p>", "chat_template":
                  "{{ bos_token is defined }}|{{ eos_token is defined }}|{{ pad_token is defined }}"})");
  EXPECT_EQ(ChatTemplate::Load(model.path()).value()->Render({}).value(), "False|False|True");
}

// Which of several is taken with tools and without, as transformers has it (make_named_templates.py).
TEST(ChatTemplateTest, TakesTheTemplateThatTheReferenceTakes) {
  const boost::json::value golden = boost::json::parse(ReadFileOrDie("tests/text/fixtures/named_templates.json"));
  for (const boost::json::value& item : golden.at("cases").as_array()) {
    const ModelDirectory model;
    for (const auto& [name, content] : item.at("files").as_object()) {
      model.Write(std::string(name), std::string(content.as_string()));
    }
    const auto loaded = ChatTemplate::Load(model.path());
    ASSERT_TRUE(loaded.ok()) << loaded.status();
    ChatInput input = {.messages = Messages(R"([{"role": "user", "content": "Hi"}])"),
                       .ending = ChatEnding::kGenerationPrompt};
    if (!item.at("tools").as_array().empty()) input.variables["tools"] = item.at("tools");
    EXPECT_EQ((*loaded)->Render(input).value(), std::string(item.at("text").as_string()))
        << boost::json::serialize(item);
  }
}

TEST(ChatTemplateTest, AWrongTemplateForToolsIsNamed) {
  const ModelDirectory model;
  model.Write("chat_template.jinja", kPlain);
  model.Write("additional_chat_templates/tool_use.jinja", "{% if %}");
  EXPECT_THAT(std::string(ChatTemplate::Load(model.path()).status().message()), HasSubstr("tool_use.jinja: "));
}

TEST(ChatTemplateTest, OfSeveralTemplatesTheDefaultIsTaken) {
  const ModelDirectory model;
  model.Write("tokenizer_config.json", R"({"chat_template": [{"name": "tool_use", "template": "tools"},
                                                              {"name": "default", "template": "this one"}]})");
  EXPECT_EQ((*ChatTemplate::Load(model.path()).value()).Render({}).value(), "this one");
  model.Write("tokenizer_config.json", R"({"chat_template": [{"name": "tool_use", "template": "tools"}]})");
  EXPECT_THAT(std::string(ChatTemplate::Load(model.path()).status().message()),
              HasSubstr("tokenizer_config.json: $.chat_template: none of the templates is named \"default\""));
}

TEST(ChatTemplateTest, TemplatesOfOtherUsesAreNotTaken) {
  const ModelDirectory model;
  model.Write("tokenizer_config.json", R"({"chat_template": [{"name": "default", "template": "this one"},
                                                              {"name": "rag", "template": "documents"}]})");
  ChatInput input;
  input.variables["tools"] = boost::json::array{boost::json::object{{"type", "function"}}};
  EXPECT_EQ(ChatTemplate::Load(model.path()).value()->Render(input).value(), "this one");
}

TEST(ChatTemplateTest, OwnFileGoesFirst) {
  const ModelDirectory model;
  model.Write("tokenizer_config.json", R"({"bos_token": "<s>", "chat_template": "{{ bos_token }} config"})");
  model.Write("chat_template.jinja", "{{ bos_token }} file\n");
  EXPECT_EQ((*ChatTemplate::Load(model.path()).value()).Render({}).value(), "<s> file");
}

TEST(ChatTemplateTest, WrongFilesAreNamed) {
  const ModelDirectory model;
  const auto error = [&] { return std::string(ChatTemplate::Load(model.path()).status().message()); };
  model.Write("tokenizer_config.json", R"({"chat_template": "a\n{% include 'x' %}"})");
  EXPECT_THAT(error(), HasSubstr("tokenizer_config.json: $.chat_template: line 2, column 4: the tag 'include' is not "
                                 "supported"));
  model.Write("chat_template.jinja", "{% if %}");
  EXPECT_THAT(error(), HasSubstr("chat_template.jinja: line 1, column 7: expected an expression"));
  model.Write("chat_template.jinja", std::string((1 << 20) + 1, 'x'));
  EXPECT_THAT(error(), HasSubstr("chat_template.jinja has 1048577 bytes, at most 1048576"));
  model.Write("tokenizer_config.json", R"({"chat_template": 1})");
  EXPECT_THAT(error(), HasSubstr("$.chat_template: expected a string"));
  model.Write("tokenizer_config.json", R"({"bos_token": 1, "chat_template": ""})");
  EXPECT_THAT(error(), HasSubstr("$.bos_token"));
  model.Write("tokenizer_config.json", "{");
  EXPECT_THAT(error(), HasSubstr("tokenizer_config.json: not valid JSON"));
}

TEST(ChatTemplateTest, VariablesGoBeforeSpecialTokens) {
  const boost::json::object tokens = {{"bos_token", "<s>"}};
  EXPECT_EQ(Render("{{ bos_token }}{{ tools }}{{ documents }}", {}, tokens).value(), "<s>NoneNone");
  EXPECT_EQ(Render("{{ bos_token }}{{ tools }}", {.variables = {{"bos_token", "!"}, {"tools", {1}}}}, tokens).value(),
            "![1]");
  EXPECT_EQ(Render("{{ a }}{{ b }}", {.variables = {{"a", 1}}, .thinking = {{"a", 2}, {"b", 3}}}).value(), "13");
  for (const char* name : {"messages", "add_generation_prompt", "namespace", "range", "dict", "joiner",
                           "raise_exception", "strftime_now"}) {
    const auto text = Render("x", {.variables = {{name, true}}});
    EXPECT_EQ(text.status().code(), absl::StatusCode::kInvalidArgument);
    EXPECT_THAT(std::string(text.status().message()), HasSubstr(name));
  }
}

TEST(ChatTemplateTest, AnErrorIsOfThePartThatItComesFrom) {
  const auto parsed = ChatTemplate::Parse(
      "{% if depth == 'low' %}{{ raise_exception('too shallow') }}{% endif %}"
      "{% for tool in tools or [] %}{{ tool.function.name }}{{ tool.function.parameters.type }}{% endfor %}"
      "{{ (least or 0) + 1 }}{% for m in messages %}{{ m.content + '' }}{% endfor %}",
      {});
  ASSERT_TRUE(parsed.ok()) << parsed.status();
  const boost::json::object bad_variables = {{"least", "x"}}, variables = {{"least", 1}};
  const boost::json::object bad_thinking = {{"depth", "low"}}, thinking = {{"depth", "high"}};
  const boost::json::array bad_messages = Messages(R"([{"role": "user", "content": 1}])");
  const boost::json::array messages = Messages(R"([{"role": "user", "content": "a"}])");
  const boost::json::array bad_tools = Messages(R"([{"type": "function", "function": {"name": "f"}}])");
  const boost::json::array tools =
      Messages(R"([{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}])");
  const auto part_of = [&](const ChatInput& input) {
    ChatPart part = ChatPart::kMessages;
    EXPECT_FALSE((*parsed)->RenderReplayed(input, &part).ok());
    return part;
  };
  using Input = ChatInput;
  ASSERT_EQ((*parsed)
                ->RenderReplayed({.messages = messages, .tools = tools, .variables = variables, .thinking = thinking})
                .value(),
            "fobject2a");
  EXPECT_EQ(part_of({.messages = messages, .variables = bad_variables}), ChatPart::kVariables);
  EXPECT_EQ(part_of({.messages = messages, .thinking = bad_thinking}), ChatPart::kThinking);
  EXPECT_EQ(part_of({.messages = messages, .tools = bad_tools}), ChatPart::kTools);
  EXPECT_EQ(part_of({.messages = bad_messages}), ChatPart::kMessages);
  // Beside others that are as they must be.
  const Input whole = {.messages = messages, .tools = tools, .variables = variables, .thinking = thinking};
  Input one = whole;
  one.variables = bad_variables;
  EXPECT_EQ(part_of(one), ChatPart::kVariables);
  one = whole;
  one.thinking = bad_thinking;
  EXPECT_EQ(part_of(one), ChatPart::kThinking);
  one = whole;
  one.tools = bad_tools;
  EXPECT_EQ(part_of(one), ChatPart::kTools);
  one = whole;
  one.messages = bad_messages;
  EXPECT_EQ(part_of(one), ChatPart::kMessages);
  // Of two, the one whose error it is.
  EXPECT_EQ(part_of({.messages = messages, .tools = bad_tools, .variables = bad_variables}), ChatPart::kTools);
  EXPECT_EQ(part_of({.messages = messages, .tools = bad_tools, .thinking = bad_thinking}), ChatPart::kThinking);
}

TEST(ChatTemplateTest, ATemplateForToolsAloneBlamesThem) {
  const auto parsed = ChatTemplate::Parse(
      "{% for tool in tools %}{{ tool.function.name ~ tool.function.parameters.type }}{% endfor %}", {});
  ASSERT_TRUE(parsed.ok()) << parsed.status();
  ChatPart part = ChatPart::kMessages;
  const boost::json::array tools = Messages(R"([{"type": "function", "function": {"name": "f"}}])");
  const boost::json::array messages = Messages(R"([{"role": "user", "content": "a"}])");
  EXPECT_FALSE((*parsed)->RenderReplayed({.messages = messages, .tools = tools}, &part).ok());
  EXPECT_EQ(part, ChatPart::kTools);
}

// Whose fault it is, is found within the work of one rendering.
TEST(ChatTemplateTest, LookingForAFaultIsBounded) {
  const auto parsed = ChatTemplate::Parse(
      "{% for i in range(messages[0].content | length) %}{% for j in range(1000) %}{% endfor %}{% endfor %}"
      "{{ 1 + (wrong or 0) }}",
      {});
  ASSERT_TRUE(parsed.ok()) << parsed.status();
  const auto part_of = [&](size_t length) {
    const boost::json::array messages = {{{"role", "user"}, {"content", std::string(length, 'a')}}};
    ChatPart part = ChatPart::kTools;
    const auto text = (*parsed)->RenderReplayed({.messages = messages, .variables = {{"wrong", "x"}}}, &part);
    EXPECT_THAT(std::string(text.status().message()), HasSubstr("unsupported operand"));
    return part;
  };
  EXPECT_EQ(part_of(10), ChatPart::kVariables);
  EXPECT_EQ(part_of(1500), ChatPart::kMessages) << "a second rendering would go beyond the bound";
}

TEST(ChatTemplateTest, MessagesMustBeObjects) {
  EXPECT_THAT(std::string(Render(kPlain, {.messages = {"x"}}).status().message()),
              HasSubstr("messages[0] must be an object"));
}

// Members of all calls count together.
TEST(ChatTemplateTest, PastCallsOfTooLargeObjectsStayTexts) {
  const std::string forms =
      "{% for m in messages %}{% for c in m.tool_calls or [] %}{% set a = c.function.arguments %}"
      "{{ c.function.name }}{{ a.value }}:{{ 'text' if a is string else a | length }} {% endfor %}{% endfor %}";
  const auto object = [](int members) {
    std::string text = "{";
    for (int i = 0; i < members; ++i) absl::StrAppend(&text, i == 0 ? "" : ",", "\"key", i, "\":1");
    return text + "}";
  };
  const auto rendered = [&](const std::vector<std::string>& calls) {
    std::string told;
    for (const std::string& call : calls) {
      absl::StrAppend(&told, told.empty() ? "" : ",", R"({"function": {"name": "f", "arguments": )",
                      boost::json::serialize(boost::json::string(call)), "}}");
    }
    const boost::json::array messages = Messages(R"([{"role": "assistant", "tool_calls": [)" + told + "]}]");
    const auto parsed = ChatTemplate::Parse(forms, {});
    return (*parsed)->RenderReplayed({.messages = messages}).value();
  };
  EXPECT_EQ(rendered({object(3), object(4000)}), "f:3 f:4000 ");
  EXPECT_EQ(rendered({object(128 + 4097)}), "f:text ");
  EXPECT_EQ(rendered({object(3000), object(3000), object(128)}), "f:3000 f:text f:128 ");
  EXPECT_EQ(rendered({R"({"a": 1, "a": 2})", "{", ""}), "f:1 f:text f:0 ");
}

TEST(ChatTemplateTest, ContentTakesTheTemplatesForm) {
  const std::string parts = "{% for m in messages %}{% for p in m.content %}[{{ p.text }}]{% endfor %}{% endfor %}";
  const std::string either =
      "{% for m in messages %}{% if m.content is string %}{{ m.content }}{% else %}"
      "{% for p in m.content %}{{ p.text }}{% endfor %}{% endif %}{% endfor %}";
  using Form = ChatTemplate::ContentForm;
  EXPECT_EQ((*ChatTemplate::Parse(kPlain, {}))->content_form(), Form::kText);
  EXPECT_EQ((*ChatTemplate::Parse(parts, {}))->content_form(), Form::kParts);
  EXPECT_EQ((*ChatTemplate::Parse(either, {}))->content_form(), Form::kEither);
  EXPECT_EQ((*ChatTemplate::Parse("{{ raise_exception('never') }}", {}))->content_form(), Form::kText);

  const ChatInput text = {.messages = Messages(R"([{"role": "user", "content": "a"}])")};
  const ChatInput two = {.messages = Messages(R"([{"role": "user", "content": [{"type": "text", "text": "a"},
                                                                             {"type": "text", "text": "b"}]}])")};
  EXPECT_EQ(Render(kPlain, text).value(), "<user>a");
  EXPECT_EQ(Render(kPlain, two).value(), "<user>a\nb");
  EXPECT_EQ(Render(parts, text).value(), "[a]");
  EXPECT_EQ(Render(parts, two).value(), "[a][b]");
  EXPECT_EQ(Render(either, two).value(), "ab");

  const ChatInput image = {.messages = Messages(R"([{"role": "user", "content": [{"type": "image_url"}]}])")};
  EXPECT_THAT(std::string(Render(kPlain, image).status().message()),
              HasSubstr("messages[0].content[0]: this model takes only parts of type \"text\""));
}

TEST(ChatTemplateTest, ContinuesTheFinalMessage) {
  const auto continued = [](const std::string& source, const std::string& content) {
    return Render(source, {.messages = {{{"role", "assistant"}, {"content", content}}},
                           .ending = ChatEnding::kContinueFinalMessage});
  };
  EXPECT_EQ(continued("{{ messages[0].content }}<end>", " a \n").value(), " a \n");
  EXPECT_EQ(continued("{{ messages[0].content | trim }}<end>", " a \n").value(), "a");
  EXPECT_EQ(continued("a{{ messages[0].content }}a", "a").value(), "aa");
  EXPECT_EQ(continued("x{{ messages[0].content }}y", "").value(), "x");
  EXPECT_EQ(continued("x", "a").status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(continued("{{ messages[0].content | upper }}", "a").status().code(), absl::StatusCode::kInvalidArgument);

  const ChatEnding ending = ChatEnding::kContinueFinalMessage;
  EXPECT_FALSE(Render(kPlain, {.ending = ending}).ok());
  EXPECT_FALSE(Render(kPlain, {.messages = Messages(R"([{"role": "user"}])"), .ending = ending}).ok());
  EXPECT_FALSE(Render(kPlain, {.messages = Messages(R"([{"content": null}])"), .ending = ending}).ok());
  EXPECT_FALSE(Render(kPlain, {.messages = Messages(R"([{"content": 1}])"), .ending = ending}).ok());
}

TEST(ChatTemplateTest, RendersFromManyThreads) {
  const auto loaded = ChatTemplate::Load(SourcePath("models/samba-classics-18m"));
  ASSERT_TRUE(loaded.ok());
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&template_ = **loaded, i] {
      for (int k = 0; k < 50; ++k) {
        const std::string content = std::to_string(i) + "." + std::to_string(k);
        const ChatInput input = {.messages = {{{"role", "user"}, {"content", content}}}};
        EXPECT_EQ(template_.Render(input).value(), "<|endoftext|><|im_start|>user\n" + content + "<|im_end|>\n");
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
}

TEST(ChatTemplateTest, ReasoningIsThatOfTheNameThatHasSome) {
  EXPECT_EQ(Render("{% for m in messages %}{{ m.reasoning_content }}|{{ m.thinking }}{% endfor %}",
                   {.messages = Messages(R"([{"role": "assistant", "content": "a", "reasoning_content": null,
                                              "reasoning": "Hm."}])")})
                .value(),
            "Hm.|Hm.");
}

}  // namespace
}  // namespace batucada

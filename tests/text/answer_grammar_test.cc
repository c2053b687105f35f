#include "text/answer/answer_grammar.h"

#include <algorithm>
#include <random>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <boost/json.hpp>

#include "text/byte_tokenizer.h"

namespace batucada {
namespace {

using ::testing::HasSubstr;
using Use = OfferedTools::Use;

constexpr int32_t kAnswerVocab = 300, kAnswerEnd = 299;
constexpr CallFormat kFormats[] = {CallFormat::kHermes,   CallFormat::kLlamaJson, CallFormat::kMistral,
                                   CallFormat::kPhi4Mini, CallFormat::kJamba,     CallFormat::kPythonic};

boost::json::value Tool(const char* name, bool strict, const char* schema) {
  return {{"type", "function"},
          {"function", {{"name", name}, {"strict", strict}, {"parameters", boost::json::parse(schema)}}}};
}

class AnswerGrammarTest : public ::testing::Test {
 protected:
  static OfferedTools Offer(Use use, bool strict = false) {
    return {.tools = {Tool("city", strict, R"({"type": "object", "properties": {"name": {"enum": ["Rio", "Lima"]}},
                                               "required": ["name"], "additionalProperties": false})"),
                      Tool("time", false, R"({"type": "object"})")},
            .use = use,
            .names = {"city", "time"}};
  }
  static std::string Call(CallFormat format, std::string_view name, std::string_view arguments) {
    const CallFrame& frame = FamilyOf(format).frame;
    return frame.before_name + "\"" + std::string(name) + "\"" + frame.before_arguments + std::string(arguments) +
           frame.behind;
  }
  std::shared_ptr<const Grammar> Compile(const std::optional<GrammarSpec>& spec) {
    EXPECT_TRUE(spec.has_value());
    if (!spec) return nullptr;
    const auto made = compiler_.Compile(*spec);
    EXPECT_TRUE(made.ok()) << made.status() << spec->text;
    return made.ok() ? *made : nullptr;
  }
  static bool Takes(const std::shared_ptr<const Grammar>& grammar, std::string_view text) {
    GrammarMatcher matcher(grammar);
    for (const char c : text) {
      if (!matcher.Accept(static_cast<uint8_t>(c))) return false;
    }
    return matcher.Accept(kAnswerEnd);
  }

  std::unique_ptr<Tokenizer> tokenizer_ = MakeByteTokenizer(kAnswerEnd);
  GrammarCompiler compiler_{*tokenizer_, kAnswerVocab, {kAnswerEnd}};
};

TEST_F(AnswerGrammarTest, WhatMustBeCallsIsCallsByTheSchema) {
  for (const CallFormat format : kFormats) {
    SCOPED_TRACE(FamilyOf(format).name);
    const CallFrame& frame = FamilyOf(format).frame;
    OfferedTools tools = Offer(Use::kMust);
    const auto grammar = Compile(AnswerGrammar(&tools, {.calls = format}, std::nullopt));
    const std::string good = Call(format, "city", R"({"name": "Rio"})"), time = Call(format, "time", "{}");
    EXPECT_TRUE(Takes(grammar, frame.open + good + frame.close));
    EXPECT_EQ(Takes(grammar, frame.open + good + frame.separator + time + frame.close), frame.several);
    EXPECT_FALSE(Takes(grammar, frame.open + Call(format, "city", R"({"name": "Oslo"})") + frame.close));
    EXPECT_FALSE(Takes(grammar, frame.open + Call(format, "other", "{}") + frame.close));
    EXPECT_FALSE(Takes(grammar, "Well"));
    EXPECT_FALSE(Takes(grammar, ""));
    tools.parallel = false;
    tools.names = {"time"};
    const auto one = Compile(AnswerGrammar(&tools, {.calls = format}, std::nullopt));
    EXPECT_TRUE(Takes(one, frame.open + time + frame.close));
    EXPECT_FALSE(Takes(one, frame.open + time + frame.separator + time + frame.close));
    EXPECT_FALSE(Takes(one, frame.open + good + frame.close));
  }
}

// Its template says so itself: "This model only supports single tool-calls at once!"
TEST_F(AnswerGrammarTest, LlamaWritesOneCallAlone) {
  for (const Use use : {Use::kMust, Use::kMay}) {
    OfferedTools tools = Offer(use, /*strict=*/true);
    const auto grammar = Compile(AnswerGrammar(&tools, {.calls = CallFormat::kLlamaJson}, std::nullopt));
    const std::string call = R"({"name": "city", "parameters": {"name": "Rio"}})";
    EXPECT_TRUE(Takes(grammar, call));
    EXPECT_FALSE(Takes(grammar, call + call));
  }
}

TEST_F(AnswerGrammarTest, AToolWithoutParametersTakesNone) {
  OfferedTools tools = {
      .tools = {{{"type", "function"}, {"function", {{"name", "now"}}}}}, .use = Use::kMust, .names = {"now"}};
  for (const CallFormat format : kFormats) {
    SCOPED_TRACE(FamilyOf(format).name);
    const CallFrame& frame = FamilyOf(format).frame;
    const auto grammar = Compile(AnswerGrammar(&tools, {.calls = format}, std::nullopt));
    EXPECT_TRUE(Takes(grammar, frame.open + Call(format, "now", "{}") + frame.close));
    EXPECT_FALSE(Takes(grammar, frame.open + Call(format, "now", R"({"zone": 1})") + frame.close));
  }
}

TEST_F(AnswerGrammarTest, WhereTheModelMayCallStrictToolsAreHeld) {
  for (const CallFormat format : kFormats) {
    SCOPED_TRACE(FamilyOf(format).name);
    const CallFrame& frame = FamilyOf(format).frame;
    OfferedTools tools = Offer(Use::kMay);
    EXPECT_FALSE(AnswerGrammar(&tools, {.calls = format}, std::nullopt).has_value()) << "nothing is to be held";
    tools = Offer(Use::kMay, /*strict=*/true);
    const auto grammar = Compile(AnswerGrammar(&tools, {.calls = format}, std::nullopt));
    const std::string good = frame.open + Call(format, "city", R"({"name": "Rio"})") + frame.close;
    EXPECT_TRUE(Takes(grammar, "Well, it rains."));
    EXPECT_TRUE(Takes(grammar, ""));
    EXPECT_TRUE(Takes(grammar, good));
    EXPECT_TRUE(Takes(grammar, "So: " + good)) << "a call, or where calls have no mark, text";
    EXPECT_TRUE(Takes(grammar, frame.open + Call(format, "time", R"({"zone": [1]})") + frame.close)) << "not strict";
    EXPECT_FALSE(Takes(grammar, frame.open + Call(format, "city", R"({"name": "Oslo"})") + frame.close));
    tools = Offer(Use::kMay);
    tools.parallel = false;
    const auto one = Compile(AnswerGrammar(&tools, {.calls = format}, std::nullopt));
    EXPECT_TRUE(Takes(one, good));
    EXPECT_TRUE(Takes(one, "Well."));
    EXPECT_FALSE(Takes(one, good + good));
  }
}

TEST_F(AnswerGrammarTest, ThinkingIsFreeAndFirst) {
  const GrammarSpec own = {.kind = GrammarSpec::Kind::kChoice, .choices = {"Yes.", "No."}, .name = "choice"};
  AnswerForm form = {.thinking = MarksOf(ThinkingFormat::kQwen3), .thinking_start = ThinkingStart::kInside};
  const auto inside = Compile(AnswerGrammar(nullptr, form, own));
  EXPECT_TRUE(Takes(inside, "\nHm. <think>\n</think>\n\nYes."));
  EXPECT_TRUE(Takes(inside, "</think>No."));
  EXPECT_FALSE(Takes(inside, "Yes."));
  EXPECT_FALSE(Takes(inside, "Hm.</think>Maybe."));
  EXPECT_TRUE(Takes(inside, std::string(50'000, 'a') + "</think>Yes.")) << "free text leaves nothing on the stack";
  form.thinking_start = ThinkingStart::kOpen;
  const auto open = Compile(AnswerGrammar(nullptr, form, own));
  EXPECT_TRUE(Takes(open, "<think>Hm.</think>\nYes."));
  EXPECT_TRUE(Takes(open, "Yes."));
  EXPECT_FALSE(Takes(open, "Hm.</think>Yes."));
  form.thinking_start = ThinkingStart::kOver;
  EXPECT_EQ(AnswerGrammar(nullptr, form, own)->kind, GrammarSpec::Kind::kChoice) << "there is none";
}

TEST_F(AnswerGrammarTest, AFormOfTheTextStandsBesideCalls) {
  const OfferedTools tools = Offer(Use::kMay);
  const GrammarSpec own = {.kind = GrammarSpec::Kind::kJsonSchema, .text = R"({"enum": [7]})", .or_calls = true};
  const auto grammar = Compile(AnswerGrammar(&tools, {.calls = CallFormat::kHermes}, own));
  const CallFrame& frame = HermesCalls().frame;
  EXPECT_TRUE(Takes(grammar, "7"));
  EXPECT_TRUE(Takes(grammar, frame.open + Call(CallFormat::kHermes, "time", "{}") + frame.close));
  EXPECT_FALSE(Takes(grammar, "8"));
}

TEST_F(AnswerGrammarTest, WhatAFormRefusesIsRefusedBehindThinkingAndBesideCalls) {
  const OfferedTools tools = Offer(Use::kMay);
  const AnswerForm thinks = {.thinking = MarksOf(ThinkingFormat::kQwen3), .thinking_start = ThinkingStart::kInside};
  for (const char* text : {R"({"const":1e400})", R"({"const":1,"const":2})"}) {
    const GrammarSpec own = {.kind = GrammarSpec::Kind::kJsonSchema, .text = text, .or_calls = true};
    EXPECT_FALSE(compiler_.Compile(*AnswerGrammar(nullptr, thinks, own)).ok()) << text;
    EXPECT_FALSE(compiler_.Compile(*AnswerGrammar(&tools, {.calls = CallFormat::kHermes}, own)).ok()) << text;
  }
  const GrammarSpec named = {.kind = GrammarSpec::Kind::kJsonSchema,
                             .text = R"({"uniqueItems": true})",
                             .name = "response_format",
                             .or_calls = true};
  EXPECT_EQ(AnswerGrammar(&tools, {.calls = CallFormat::kHermes}, named)->name, "response_format")
      << "what is refused is what the client sent";
}

TEST_F(AnswerGrammarTest, ASchemaThatIsNotServedIsNamedByItsTool) {
  OfferedTools tools = Offer(Use::kMust);
  constexpr const char* kOdd = R"({"properties": {"a": {"uniqueItems": true}}})";
  tools.tools.push_back(Tool("odd", true, kOdd));
  tools.names = {"time", "odd"};
  const auto made = compiler_.Compile(*AnswerGrammar(&tools, {.calls = CallFormat::kJamba}, std::nullopt));
  ASSERT_FALSE(made.ok());
  EXPECT_THAT(std::string(made.status().message()), HasSubstr("json_schema: $.properties.a.uniqueItems"));
  EXPECT_EQ(ToolAtPlace(tools, std::string(made.status().message())), 2);
  // Of a tool that is not strict as much is held to as can be.
  tools.tools.back() = Tool("odd", false, kOdd);
  const auto grammar = Compile(AnswerGrammar(&tools, {.calls = CallFormat::kJamba}, std::nullopt));
  const CallFrame& frame = FamilyOf(CallFormat::kJamba).frame;
  EXPECT_TRUE(Takes(grammar, frame.open + Call(CallFormat::kJamba, "odd", R"({"a": [1, 1]})") + frame.close));
  EXPECT_FALSE(Takes(grammar, frame.open + Call(CallFormat::kJamba, "odd", R"({"b": 1})") + frame.close));
}

// What the grammar of a family lets through its parser reads: calls of the tools, with arguments that are JSON objects.
TEST_F(AnswerGrammarTest, ParsersReadWhatGrammarsWrite) {
  std::mt19937 random(3);
  for (const CallFormat format : kFormats) {
    SCOPED_TRACE(FamilyOf(format).name);
    const OfferedTools tools = Offer(Use::kMust);
    const auto form = std::make_shared<AnswerForm>(AnswerForm{.calls = format, .tool_names = tools.names});
    const auto grammar = Compile(AnswerGrammar(&tools, *form, std::nullopt));
    for (int draw = 0; draw < 20; ++draw) {
      GrammarMatcher matcher(grammar);
      std::vector<uint32_t> mask((kAnswerVocab + 31) / 32);
      AnswerParser parser(form);
      AnswerPieces out;
      while (!matcher.finished()) {
        ASSERT_TRUE(matcher.Mask(mask).ok());
        std::vector<int32_t> allowed;
        for (int32_t id = 0; id < kAnswerVocab; ++id) {
          if ((mask[static_cast<size_t>(id) / 32] >> (id % 32) & 1U) != 0) allowed.push_back(id);
        }
        ASSERT_FALSE(allowed.empty());
        const bool may_end = allowed.back() == kAnswerEnd;
        const int32_t id = may_end ? kAnswerEnd : allowed[random() % allowed.size()];
        ASSERT_TRUE(matcher.Accept(id));
        if (id != kAnswerEnd) parser.Add(tokenizer_->TokenBytes(id), &out);
      }
      parser.Finish(&out);
      std::vector<std::string> arguments;
      for (const AnswerPiece& piece : out.Take()) {
        ASSERT_TRUE(piece.kind == AnswerPiece::Kind::kCall || piece.kind == AnswerPiece::Kind::kArguments)
            << piece.text;
        if (piece.kind == AnswerPiece::Kind::kCall) {
          EXPECT_THAT(tools.names, ::testing::Contains(piece.text));
          arguments.emplace_back();
        } else {
          arguments.back() += piece.text;
        }
      }
      ASSERT_FALSE(arguments.empty());
      for (const std::string& one : arguments) EXPECT_TRUE(boost::json::parse(one).is_object()) << one;
    }
  }
}

}  // namespace
}  // namespace batucada

#include "text/answer/answer_parser.h"

#include "text/answer/cut_answer.h"

#include <random>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace batucada {
namespace {

// "text", "thinking:…", "NAME(arguments)", each in its place.
std::vector<std::string> Told(std::vector<AnswerPiece> pieces) {
  std::vector<std::string> told;
  std::string open;
  AnswerPiece::Kind last = AnswerPiece::Kind::kCall;
  for (AnswerPiece& piece : pieces) {
    const bool goes_on = !told.empty() && piece.kind == last && piece.kind != AnswerPiece::Kind::kCall;
    switch (piece.kind) {
      case AnswerPiece::Kind::kText: goes_on ? void(told.back() += piece.text) : told.push_back(piece.text); break;
      case AnswerPiece::Kind::kThinking:
        goes_on ? void(told.back() += piece.text) : told.push_back("thinking:" + piece.text);
        break;
      case AnswerPiece::Kind::kCall: told.push_back(piece.text + " "); break;
      case AnswerPiece::Kind::kArguments: told.back() += piece.text; break;
    }
    last = piece.kind;
  }
  return told;
}

enum class End : uint8_t { kWhole, kCut };

std::vector<std::string> Parse(const std::shared_ptr<const AnswerForm>& form, const std::vector<std::string>& parts,
                               End end) {
  AnswerParser parser(form);
  std::vector<AnswerPiece> all;
  AnswerPieces out;
  const auto take = [&] {
    for (AnswerPiece& piece : out.Take()) all.push_back(std::move(piece));
  };
  for (const std::string& part : parts) {
    parser.Add(part, &out);
    take();
  }
  end == End::kCut ? FinishCut(parser, *form, &out) : parser.Finish(&out);
  take();
  return Told(std::move(all));
}

// The same however the text is cut.
std::vector<std::string> ParseAnyhow(const std::shared_ptr<const AnswerForm>& form, const std::string& text,
                                     End end = End::kWhole) {
  const std::vector<std::string> whole = Parse(form, {text}, end);
  std::vector<std::string> bytes;
  for (const char c : text) bytes.emplace_back(1, c);
  EXPECT_EQ(Parse(form, bytes, end), whole) << text;
  std::mt19937 random(5);
  for (int round = 0; round < 20; ++round) {
    std::vector<std::string> parts;
    for (size_t at = 0; at < text.size();) {
      const size_t size = 1 + random() % 9;
      parts.push_back(text.substr(at, size));
      at += size;
    }
    EXPECT_EQ(Parse(form, parts, end), whole) << text;
  }
  return whole;
}

std::shared_ptr<const AnswerForm> Calls(CallFormat format) {
  return std::make_shared<AnswerForm>(AnswerForm{.calls = format, .tool_names = {"weather", "time"}});
}

std::shared_ptr<const AnswerForm> Thinking(ThinkingStart start, CallFormat calls = CallFormat::kNone) {
  return std::make_shared<AnswerForm>(AnswerForm{.calls = calls,
                                                 .tool_names = {"weather", "time"},
                                                 .thinking = MarksOf(ThinkingFormat::kQwen3),
                                                 .thinking_start = start});
}

struct Case {
  CallFormat format;
  std::string text;
  std::vector<std::string> told;
};

const std::string kRio = R"({"city": "Rio"})";

std::vector<Case> Cases() {
  return {
      {CallFormat::kHermes,
       "Let me see.\n<tool_call>\n{\"name\": \"weather\", \"arguments\": " + kRio +
           "}\n</tool_call>\n<tool_call>\n{\"arguments\": {}, \"name\": \"time\"}\n</tool_call>\n",
       {"Let me see.", "weather " + kRio, "time {}"}},
      {CallFormat::kHermes,
       "<tool_call>{\"name\":\"weather\",\"arguments\":\"{\\\"city\\\":\\\"R\\u00edo\\\"}\"}</tool_call> ok",
       {"weather {\"city\":\"Río\"}", " ok"}},
      {CallFormat::kHermes, R"(<tool_call>{"name": "u\/n\"k\\n", "arguments": {}}</tool_call>)", {R"(u/n"k\n {})"}},
      {CallFormat::kHermes,
       "<tool_call>[{\"name\": \"time\"}, {\"name\": \"unknown\", \"parameters\": [1]}]</tool_call>",
       {"time {}", "unknown [1]"}},
      {CallFormat::kHermes,
       "<tool_call>\n{\"name\": \"weather\", \"arguments\": {\"a\": \"</tool_call>}\"}}\n</tool_call>",
       {"weather {\"a\": \"</tool_call>}\"}"}},
      {CallFormat::kHermes,
       "<tool_call>\n{\"name\": \"weather\", \"arguments\": {\"city\": \"R",
       {"weather {\"city\": \"R"}},
      {CallFormat::kLlamaJson, "{\"name\": \"weather\", \"parameters\": " + kRio + "}", {"weather " + kRio}},
      {CallFormat::kLlamaJson,
       "<|python_tag|>{\"type\": \"function\", \"name\": \"time\", \"parameters\": {}}; "
       "{\"name\": \"weather\", \"parameters\": {\"a\": {}}}",
       {"time {}", "weather {\"a\": {}}"}},
      {CallFormat::kMistral,
       "[TOOL_CALLS] [{\"name\": \"weather\", \"arguments\": " + kRio +
           "}, {\"name\": \"time\", \"arguments\": {}, \"id\": \"a\"}]",
       {"weather " + kRio, "time {}"}},
      {CallFormat::kMistral, "[TOOL_CALLS] [{\"name\": \"time\", \"arguments\": {}}]] ok", {"time {}", "] ok"}},
      {CallFormat::kMistral, "[TOOL_CALLS] [{\"name\": \"time\", \"arguments\": {}}]]", {"time {}", "]"}},
      {CallFormat::kMistral,
       "So:[TOOL_CALLS]weather[ARGS]" + kRio + "[TOOL_CALLS]time{}",
       {"So:", "weather " + kRio, "time {}"}},
      {CallFormat::kMistral, "[TOOL_CALLS]weather[CALL_ID]123456789[ARGS]" + kRio, {"weather " + kRio}},
      {CallFormat::kPhi4Mini,
       "<|tool_call|>[{\"type\": \"function\", \"function\": {\"name\": \"weather\", "
       "\"arguments\": " +
           kRio + "}}]<|/tool_call|>",
       {"weather " + kRio}},
      {CallFormat::kPhi4Mini, "functools[{\"name\": \"time\", \"arguments\": {}}]", {"time {}"}},
      {CallFormat::kJamba,
       "<tool_calls>[\n{\"name\": \"weather\", \"arguments\": " + kRio +
           "},\n{\"name\": \"time\", \"arguments\": {}}\n]</tool_calls>",
       {"weather " + kRio, "time {}"}},
      {CallFormat::kPythonic,
       "[weather(city='Rio', days=2), time()]",
       {"weather {\"city\": \"Rio\", \"days\": 2}", "time {}"}},
      {CallFormat::kPythonic,
       "[weather(a=[1, (2.5, None)], b={'x': True, \"y\": 'it\\'s \"so\"'}, c=-1,)]",
       {"weather {\"a\": [1, [2.5, null]], \"b\": {\"x\": true, \"y\": \"it's \\\"so\\\"\"}, \"c\": -1}"}},
      {CallFormat::kPythonic, "[{\"name\": \"weather\", \"arguments\": " + kRio + "}]", {"weather " + kRio}},
  };
}

TEST(AnswerParserTest, FindsTheCallsOfEveryFamily) {
  for (const Case& one : Cases()) EXPECT_EQ(ParseAnyhow(Calls(one.format), one.text), one.told) << one.text;
}

TEST(AnswerParserTest, WhatIsNoCallIsTextByteForByte) {
  const std::vector<std::string> texts = {
      "plain",
      "  \n blanks \n\n",
      "<tool_call",
      "<tool_call>",
      "<tool_call>\n{\"name\": 3}",
      "a <tool_call> b </tool_call> c",
      "<tool_call>{\"arguments\": {\"x\": 1}}</tool_call>",
      "<tool_call>[]</tool_call>",
      "<tool_call>{\"name\": \"time\",}</tool_call>",
      "<<tool_call<tool_call>x",
      "import functools\nfunctools.reduce",
      "functools [1, 2]",
      "[TOOL_CALLS] none",
      "[TOOL_CALLS]a name without arguments",
      "{\"name\": \"Bob\", \"parameters\": {}}",
      "[1, 2]",
      "[weather]",
      "[weather(",  // a call, see below
      "<tool_calls>{",
  };
  for (const CallFormat format : {CallFormat::kHermes, CallFormat::kLlamaJson, CallFormat::kMistral,
                                  CallFormat::kPhi4Mini, CallFormat::kJamba, CallFormat::kPythonic}) {
    for (const std::string& text : texts) {
      if (format == CallFormat::kPythonic && text == "[weather(") continue;
      EXPECT_THAT(ParseAnyhow(Calls(format), text), ::testing::ElementsAre(text)) << FamilyOf(format).name;
    }
  }
  EXPECT_EQ(ParseAnyhow(Calls(CallFormat::kPythonic), "[weather("), std::vector<std::string>{"weather {"});
}

// What Python writes and JSON does not becomes JSON: numbers, strings, keys. Values as CPython 3.11 reads them.
TEST(AnswerParserTest, PythonsValuesBecomeJson) {
  const auto arguments = [](std::string_view value) {
    const std::vector<std::string> told =
        ParseAnyhow(Calls(CallFormat::kPythonic), "[weather(a=" + std::string(value) + ")]");
    return told.size() == 1 ? told[0] : "";
  };
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"1_000", "1000"},
      {".5", "0.5"},
      {"12.", "12.0"},
      {"1.e5", "1.0e5"},
      {"0x1F", "31"},
      {"-0b101", "-5"},
      {"0o17", "15"},
      {"+1", "1"},
      {"-inf", "\"-inf\""},
      {"'a\tb\rc'", "\"a\\u0009b\\u000dc\""},
      {"'\\x41\\u00e9\\U0001F600'", "\"\\u0041\\u00e9\\ud83d\\ude00\""},
      {"'\\xZ'", "\"\\\\xZ\""},
      {"'\\d'", "\"\\\\d\""},
      {"'a' 'b'", "\"ab\""},
      {"'''b'''", "\"b\""},
      {"r'a'", "\"a\""},
      {"{1: 2, True: 'x', None: [3, {4: 5}]}", "{\"1\": 2, \"true\": \"x\", \"null\": [3, {\"4\": 5}]}"},
  };
  for (const auto& [python, json] : cases) EXPECT_EQ(arguments(python), "weather {\"a\": " + json + "}") << python;
  // Values without a name are no arguments: such an answer stays a text.
  for (const std::string text : {"[weather(1, 2)]", "[weather('Rio')]", "[weather(**{'a': 1})]"}) {
    EXPECT_THAT(ParseAnyhow(Calls(CallFormat::kPythonic), text), ::testing::ElementsAre(text));
  }
}

// Of every beginning of every family's calls: what a cut tells ends in no third of a mark, nor in two of a word.
TEST(AnswerParserTest, NoCutLeavesHalfAMark) {
  for (const Case& one : Cases()) {
    for (size_t size = 0; size < one.text.size(); ++size) {
      const std::string beginning = one.text.substr(0, size);
      for (const std::string& told : ParseAnyhow(Calls(one.format), beginning, End::kCut)) {
        const bool call = told.starts_with("weather ") || told.starts_with("time ") || told.starts_with("unknown ");
        if (call) continue;  // arguments may say anything
        for (const std::string& mark : FamilyOf(one.format).marks) {
          const size_t thirds = mark[0] == 'f' ? 2 : 1;
          for (size_t part = (thirds * mark.size() + 2) / 3; part <= mark.size(); ++part) {
            EXPECT_FALSE(told.ends_with(mark.substr(0, part))) << beginning << " told " << told;
          }
        }
      }
    }
  }
}

TEST(AnswerParserTest, WhereACallMustBeNothingElseIsTold) {
  AnswerForm form = *Calls(CallFormat::kHermes);
  form.must_call = true;
  for (const char* text : {"<", "<t", "<tool_c", "\n<"}) {
    EXPECT_THAT(ParseAnyhow(std::make_shared<AnswerForm>(form), text, End::kCut), ::testing::IsEmpty()) << text;
  }
}

TEST(AnswerParserTest, WhatMayBeTextIsTextBeforeACut) {
  struct Cut {
    CallFormat format;
    std::string text, told;
  };
  const std::vector<Cut> cuts = {
      {CallFormat::kHermes, "So:\n<tool_c", "So:"},
      {CallFormat::kHermes, "So:\n<tool_call>\n{\"na", "So:"},
      {CallFormat::kHermes, "So:\n<tool_call>\n{\"name\": \"wea", "So:"},
      {CallFormat::kHermes, "if a <", "if a <"},
      {CallFormat::kHermes, "So:\n\n", "So:\n\n"},
      {CallFormat::kHermes, "<tool_call>[]", "<tool_call>[]"},
      {CallFormat::kMistral, "So: [TOOL_", "So:"},
      {CallFormat::kMistral, "So: [TOOL_CALLS]weath", "So:"},
      {CallFormat::kMistral, "a[", "a["},
      {CallFormat::kPhi4Mini, "So:<|tool_c", "So:"},
      {CallFormat::kPhi4Mini, "a leaf", "a leaf"},
      {CallFormat::kPhi4Mini, "some fun", "some fun"},
      {CallFormat::kPhi4Mini, "functools[{\"name\"", ""},
      {CallFormat::kJamba, "<tool_calls>[\n", ""},
      {CallFormat::kLlamaJson, "<|python", ""},
      {CallFormat::kLlamaJson, "{\"name\": \"Bo", "{\"name\": \"Bo"},  // may be the answer
      {CallFormat::kLlamaJson, "{\"name\": \"wea", ""},
      {CallFormat::kLlamaJson, "{\"name\": \"time\", ", ""},
      {CallFormat::kPythonic, "[weath", ""},
      {CallFormat::kPythonic, "[{\"name\": \"wea", ""},
      {CallFormat::kPythonic, "[1, 2", "[1, 2"},
  };
  for (const Cut& one : cuts) {
    const std::vector<std::string> told = ParseAnyhow(Calls(one.format), one.text, End::kCut);
    EXPECT_EQ(told, one.told.empty() ? std::vector<std::string>() : std::vector<std::string>{one.told}) << one.text;
    EXPECT_EQ(ParseAnyhow(Calls(one.format), one.text), std::vector<std::string>{one.text}) << "a model that ends so";
  }
  EXPECT_EQ(ParseAnyhow(Thinking(ThinkingStart::kInside), "Hm. </thi", End::kCut),
            std::vector<std::string>{"thinking:Hm."});
  EXPECT_EQ(ParseAnyhow(Thinking(ThinkingStart::kInside), "1 <", End::kCut), std::vector<std::string>{"thinking:1 <"});
  EXPECT_THAT(ParseAnyhow(Thinking(ThinkingStart::kOpen), "\n<thi", End::kCut), ::testing::IsEmpty());
  EXPECT_EQ(ParseAnyhow(Thinking(ThinkingStart::kOpen), " <", End::kCut), std::vector<std::string>{" <"});
}

TEST(AnswerParserTest, TextBetweenCallsStaysText) {
  const std::string call = "<tool_call>{\"name\": \"time\", \"arguments\": {}}</tool_call>";
  EXPECT_EQ(ParseAnyhow(Calls(CallFormat::kHermes), "a\n" + call + " b " + call),
            (std::vector<std::string>{"a", "time {}", " b", "time {}"}));
}

TEST(AnswerParserTest, ThinkingIsToldApart) {
  EXPECT_EQ(ParseAnyhow(Thinking(ThinkingStart::kInside), "\nHm, <b>.\n</think>\n\nYes.\n"),
            (std::vector<std::string>{"thinking:Hm, <b>.", "Yes.\n"}));
  EXPECT_EQ(ParseAnyhow(Thinking(ThinkingStart::kOpen), "\n<think>\nHm.</think>Yes."),
            (std::vector<std::string>{"thinking:Hm.", "Yes."}));
  EXPECT_EQ(ParseAnyhow(Thinking(ThinkingStart::kOpen), " Yes, <think>."), std::vector<std::string>{" Yes, <think>."});
  EXPECT_EQ(ParseAnyhow(Thinking(ThinkingStart::kOpen), " <thi"), std::vector<std::string>{" <thi"});
  EXPECT_EQ(ParseAnyhow(Thinking(ThinkingStart::kOver), "Yes</think>."), std::vector<std::string>{"Yes</think>."});
  EXPECT_EQ(ParseAnyhow(Thinking(ThinkingStart::kInside), "Hm, 1 </ 2 and </think"),
            std::vector<std::string>{"thinking:Hm, 1 </ 2 and </think"});
  EXPECT_EQ(ParseAnyhow(Thinking(ThinkingStart::kInside, CallFormat::kHermes),
                        "<tool_call></think>\n<tool_call>{\"name\": \"time\"}</tool_call>"),
            (std::vector<std::string>{"thinking:<tool_call>", "time {}"}));
  auto silent = *Thinking(ThinkingStart::kInside);
  silent.tells_thinking = false;
  EXPECT_EQ(ParseAnyhow(std::make_shared<AnswerForm>(silent), "Hm.</think>Yes."), std::vector<std::string>{"Yes."});
}

TEST(AnswerParserTest, ThePromptSaysWhereThinkingStands) {
  const ThinkingMarks& marks = MarksOf(ThinkingFormat::kDeepSeekR1);
  EXPECT_EQ(FindThinkingStart(marks, "user <think> assistant\n<think>\n", ""), ThinkingStart::kInside);
  EXPECT_EQ(FindThinkingStart(marks, "assistant\n<think>\n\n</think>\n\n", ""), ThinkingStart::kOver);
  EXPECT_EQ(FindThinkingStart(marks, "user: <think> or not\nassistant\n", ""), ThinkingStart::kOpen);
  EXPECT_EQ(FindThinkingStart(marks, "assistant\n<think>I", "<think>I"), ThinkingStart::kInside);
  EXPECT_EQ(FindThinkingStart(marks, "assistant\nYes", "Yes"), ThinkingStart::kOver);
  const std::string again = "<think>I</think>So<think>No";
  EXPECT_EQ(FindThinkingStart(marks, "assistant\n" + again, again), ThinkingStart::kInside);
}

TEST(AnswerParserTest, FormatsAreFoundInTemplates) {
  EXPECT_EQ(FindCallFormat("… <tool_call>\n{\"name\" …"), CallFormat::kHermes);
  EXPECT_EQ(FindCallFormat("… <tool_call>\n<function=…"), CallFormat::kNone);
  EXPECT_EQ(FindCallFormat("'<|python_tag|>' … '\"parameters\": '"), CallFormat::kLlamaJson);
  EXPECT_EQ(FindCallFormat("[TOOL_CALLS]"), CallFormat::kMistral);
  EXPECT_EQ(FindCallFormat("'<|tool|>' + tools"), CallFormat::kPhi4Mini);
  EXPECT_EQ(FindCallFormat("… '<|tool_call|>' + calls"), CallFormat::kPhi4Mini);
  EXPECT_EQ(FindCallFormat("answer with functools[{\"name\": …}]"), CallFormat::kPhi4Mini);
  EXPECT_EQ(FindCallFormat("import functools"), CallFormat::kNone);
  EXPECT_EQ(FindCallFormat("<tool_calls>["), CallFormat::kJamba);
  EXPECT_EQ(FindCallFormat("[func_name1(params_name1=…)]"), CallFormat::kPythonic);
  EXPECT_EQ(FindThinkingFormat("split('</think>')"), ThinkingFormat::kDeepSeekR1);
  EXPECT_EQ(FindThinkingFormat("nothing"), ThinkingFormat::kNone);
}

}  // namespace
}  // namespace batucada

#include "text/grammar.h"

#include <algorithm>
#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/text/grammar_fixture.h"
#include "text/utf8.h"

namespace batucada {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

TEST_F(GrammarTest, ChoicesAreOfTheWholeText) {
  const auto grammar = Make(GrammarSpec::Kind::kChoice, "", {"red", "redder", "blue"});
  EXPECT_TRUE(Takes(grammar, "red"));
  EXPECT_TRUE(Takes(grammar, "redder"));
  EXPECT_FALSE(Takes(grammar, "redd"));
  EXPECT_FALSE(Takes(grammar, "green"));
  GrammarMatcher matcher(grammar);
  for (const char c : std::string("blue")) EXPECT_TRUE(matcher.Accept(static_cast<uint8_t>(c)));
  EXPECT_TRUE(matcher.finished()) << "nothing can follow";
}

TEST_F(GrammarTest, CountsAreExactHoweverLarge) {
  const auto grammar = Make(GrammarSpec::Kind::kRegex, "a{300,1000}");
  EXPECT_FALSE(Takes(grammar, std::string(299, 'a')));
  EXPECT_TRUE(Takes(grammar, std::string(300, 'a')));
  EXPECT_TRUE(Takes(grammar, std::string(1000, 'a')));
  EXPECT_FALSE(Takes(grammar, std::string(1001, 'a')));
}

TEST_F(GrammarTest, FormsOfGrammarsAreReadToTheirEnds) {
  const auto dash = Make(GrammarSpec::Kind::kGbnf, "root ::= [a-]");
  EXPECT_TRUE(Takes(dash, "a") && Takes(dash, "-"));
  EXPECT_FALSE(Takes(dash, "b"));
  const auto least = Make(GrammarSpec::Kind::kGbnf, "root ::= \"a\"{2,}");
  for (size_t length = 0; length < 9; ++length)
    EXPECT_EQ(Takes(least, std::string(length, 'a')), length >= 2) << length;
  for (const char* regex : {"a$b", "(a$)b", "(a$|b)c"})
    EXPECT_NE(Refusal(GrammarSpec::Kind::kRegex, regex), "") << regex;
  EXPECT_TRUE(Takes(Make(GrammarSpec::Kind::kRegex, "^ab$"), "ab"));
}

TEST_F(GrammarTest, ACountOfNothingIsNoText) {
  for (const char* regex : {"{2}", "^{2}", "^{3,1}", "{2,}", "{2,3}x", "({2})", "(?:{2})", "a|{2}", "*", "(+)"}) {
    EXPECT_THAT(Refusal(GrammarSpec::Kind::kRegex, regex), HasSubstr("a quantifier of nothing")) << regex;
  }
  EXPECT_THAT(Refusal(GrammarSpec::Kind::kJsonSchema, R"({"type":"string","pattern":"^{2}$"})"),
              HasSubstr("$.pattern has a quantifier of nothing"));
  // What begins no count is text.
  for (const std::string text : {"{", "{}", "{x}", "{,2}", "{2", "{2,x}", "{2,3,4}", "{ 2}"})
    EXPECT_TRUE(Takes(Make(GrammarSpec::Kind::kRegex, text), text)) << text;
  EXPECT_TRUE(Takes(Make(GrammarSpec::Kind::kRegex, "[{]{2}"), "{{"));
}

TEST_F(GrammarTest, NumbersAreWithinTheirBounds) {
  for (const auto& [least, most] : {std::pair{10, 35}, {0, 0}, {-12, 7}, {3, 100}, {-130, -8}, {5, 5}}) {
    const auto grammar =
        Make(GrammarSpec::Kind::kJsonSchema,
             R"({"type":"integer","minimum":)" + std::to_string(least) + R"(,"maximum":)" + std::to_string(most) + "}");
    for (int number = -150; number <= 150; ++number) {
      EXPECT_EQ(Takes(grammar, std::to_string(number)), number >= least && number <= most)
          << number << " of " << least << " to " << most;
    }
    EXPECT_FALSE(Takes(grammar, "-0")) << "a number has one spelling";
  }
  const auto values = Make(GrammarSpec::Kind::kJsonSchema, R"({"type":"number","maximum":5,"enum":[1,2.5,"x",9]})");
  EXPECT_TRUE(Takes(values, "1") && Takes(values, "2.5"));
  EXPECT_FALSE(Takes(values, "9") || Takes(values, "\"x\""));
}

TEST_F(GrammarTest, WhatAllAskForIsAskedForTogether) {
  const auto schema = [&](const char* text) { return Make(GrammarSpec::Kind::kJsonSchema, text); };
  const auto whole = schema(R"({"allOf":[{"type":"number"},{"type":"integer"}]})");
  EXPECT_TRUE(Takes(whole, "3"));
  EXPECT_FALSE(Takes(whole, "2.5"));
  const auto dozens =
      schema(R"({"type":"integer","minimum":0,"maximum":60,"allOf":[{"multipleOf":4},{"multipleOf":6}]})");
  for (int number = 0; number <= 72; ++number) {
    EXPECT_EQ(Takes(dozens, std::to_string(number)), number % 12 == 0 && number <= 60) << number;
  }
  const auto map =
      schema(R"({"type":"object","additionalProperties":{"type":"integer"},"minProperties":1,"maxProperties":2})");
  EXPECT_TRUE(Takes(map, R"({"a": 1})") && Takes(map, R"({"a": 1, "b": 2})"));
  EXPECT_FALSE(Takes(map, "{}") || Takes(map, R"({"a": 1, "b": 2, "c": 3})"));
}

TEST_F(GrammarTest, WhatIsRequiredIsAskedForWithoutASchemaToo) {
  const auto grammar = Make(GrammarSpec::Kind::kJsonSchema,
                            R"({"type":"object","properties":{"a":{"type":"integer"}},"required":["a","b"]})");
  EXPECT_TRUE(Takes(grammar, R"({"a": 1, "b": [2]})"));
  EXPECT_FALSE(Takes(grammar, R"({"a": 1})"));
}

TEST_F(GrammarTest, RulesCallThemselves) {
  const auto grammar = Make(GrammarSpec::Kind::kGbnf, "root ::= \"(\" root \")\" | \"x\"");
  EXPECT_TRUE(Takes(grammar, "((x))"));
  EXPECT_FALSE(Takes(grammar, "((x)"));
  EXPECT_FALSE(Takes(grammar, "((x)))"));
  // Deeper than any stack of ours.
  EXPECT_TRUE(Takes(grammar, std::string(3000, '(') + "x" + std::string(3000, ')')));
}

TEST_F(GrammarTest, SchemasTakeValidValuesInOrder) {
  const auto grammar =
      Make(GrammarSpec::Kind::kJsonSchema,
           R"({"type":"object","properties":{"a":{"type":"integer"},"b":{"type":"string"}},"required":["b"]})");
  EXPECT_TRUE(Takes(grammar, R"({"a": 1, "b": "x\n"})"));
  EXPECT_TRUE(Takes(grammar, "{\n  \"b\": \"\"\n}"));
  EXPECT_FALSE(Takes(grammar, R"({"a": 1})"));
  EXPECT_FALSE(Takes(grammar, R"({"b": "x", "a": 1})"));
  EXPECT_FALSE(Takes(grammar, R"({"b": "x", "c": 1})"));
  EXPECT_FALSE(Takes(grammar, R"({"b": "\ud800"})")) << "half a character";
}

TEST_F(GrammarTest, LengthsNarrowPatterns) {
  const auto made = [&](const std::string& schema) {
    return Make(GrammarSpec::Kind::kJsonSchema, R"({"type":"string",)" + schema + "}");
  };
  // One repetition: all texts of these lengths, and no others.
  const auto one = made(R"("pattern":"^[a-z]+$","minLength":2,"maxLength":4)");
  const auto pairs = made(R"("pattern":"^x(ab)*$","minLength":4,"maxLength":8)");
  for (size_t length = 0; length < 12; ++length) {
    std::string text(length, 'q');
    EXPECT_EQ(Takes(one, '"' + text + '"'), length >= 2 && length <= 4) << length;
    text = "x";
    for (size_t i = 0; i < length; ++i) text += "ab";
    EXPECT_EQ(Takes(pairs, '"' + text + '"'), length == 2 || length == 3) << length;
  }
  // A character counts once, whatever it takes to write it.
  const auto any = made(R"("pattern":"^.*$","maxLength":2)");
  EXPECT_TRUE(Takes(any, "\"ü\\\"\""));
  EXPECT_FALSE(Takes(any, "\"abc\""));
  // Several: what is taken is within the bounds.
  const auto some = made(R"("pattern":"^[a-z]*-([0-9]+;)*$","minLength":3,"maxLength":12)");
  EXPECT_TRUE(Takes(some, "\"abc-1;\""));
  EXPECT_FALSE(Takes(some, "\"-\""));
  EXPECT_FALSE(Takes(some, "\"abcdefghijklm-\""));
  EXPECT_FALSE(Takes(some, "\"-123456789012;\""));
  EXPECT_THAT(Refusal(GrammarSpec::Kind::kJsonSchema, R"({"type":"string","pattern":"^a{5}$","maxLength":3})"),
              HasSubstr("no text"));
}

TEST_F(GrammarTest, AFormatAndAPatternAreHeldToTogetherOrRefused) {
  const auto made = [&](const std::string& schema) {
    return Make(GrammarSpec::Kind::kJsonSchema, R"({"type":"string",)" + schema + "}");
  };
  const auto both = made(R"("format":"date","pattern":"^2024")");
  EXPECT_TRUE(Takes(both, "\"2024-01-01\""));
  EXPECT_FALSE(Takes(both, "\"2023-01-01\""));
  EXPECT_FALSE(Takes(both, "\"2024\""));
  EXPECT_TRUE(Takes(made(R"("format":"password","minLength":1)"), "\"any\"")) << "an annotation";
  const auto schema = GrammarSpec::Kind::kJsonSchema;
  EXPECT_THAT(Refusal(schema, R"({"type":"string","format":"no-such"})"), HasSubstr("$.format is no-such"));
  EXPECT_THAT(Refusal(schema, R"({"type":"string","format":"no-such","pattern":"a"})"),
              HasSubstr("$.format is no-such"));
  EXPECT_THAT(Refusal(schema, R"({"type":"string","format":"date","pattern":"^[0-9]{2}$"})"), HasSubstr("no text"));
  EXPECT_THAT(Refusal(schema, R"({"type":"string","format":"date","pattern":"^(?!x)y$"})"), HasSubstr("$.pattern"));
  EXPECT_THAT(Refusal(schema, R"json({"type":"string","format":"password","pattern":"(?=a)"})json"),
              HasSubstr("$.pattern"));
}

// What each takes of JSON texts, and what not.
TEST_F(GrammarTest, ConditionsAreAlternatives) {
  struct Case {
    std::string schema;
    std::vector<std::string> taken, refused;
  };
  const std::vector<Case> cases = {
      {R"({"not":{"type":["string","null"]}})", {"7", "[]", "true"}, {"\"a\"", "null"}},
      {R"({"type":"string","not":{"enum":["a","ab"]}})",
       {"\"\"", "\"b\"", "\"abc\""},
       {"\"a\"", "\"ab\"", "\"\\u0061\""}},
      {R"({"type":"integer","not":{"const":0}})", {"1", "-1", "10"}, {"0", "-0"}},
      {R"({"enum":[1,2],"not":{"const":2.0}})", {"1"}, {"2"}},
      {R"({"type":"object","properties":{"a":{"enum":[1,2]},"b":{"type":"null"}},"required":["a"],
           "if":{"properties":{"a":{"const":1}}},"then":{"required":["b"]}})",
       {R"({"a":1,"b":null})", R"({"a":2})", R"({"a":2,"b":null})"},
       {R"({"a":1})"}},
      {R"({"properties":{"a":{},"b":{}},"dependentRequired":{"a":["b"]}})",
       {"{}", R"({"b":1})", R"({"a":1,"b":1})"},
       {R"({"a":1})"}},
      {R"({"items":{"type":"integer"},"contains":{"const":5},"minContains":2,"maxContains":3})",
       {"[5,5]", "[1,5,2,5,3]", "[5,5,5]"},
       {"[]", "[5]", "[5,5,5,5]", "[1,5,2]"}},
      {R"({"oneOf":[{"type":"integer","minimum":0},{"type":"integer","maximum":5}]})", {"-1", "6"}, {"0", "3", "5"}},
      {R"({"properties":{"a":{"type":"integer"}},"allOf":[{"properties":{"b":{}}}],"unevaluatedProperties":false})",
       {"{}", R"({"a":1,"b":2})"},
       {R"({"c":1})"}},
      {R"({"properties":{"a":{}},"unevaluatedProperties":false,"not":{"not":{"properties":{"b":{}}}}})",
       {"{}", R"({"a":1})"},
       {R"({"b":1})"}},
      {R"({"properties":{"a":{}},"anyOf":[{"properties":{"b":{"const":1}},"required":["b"]},true],
           "unevaluatedProperties":{"type":"null"}})",
       {R"({"a":1})", R"({"b":1})", R"({"b":null})", R"({"a":1,"x":null})"},
       {R"({"b":2})", R"({"x":1})"}},
      {R"({"allOf":[{"prefixItems":[{"type":"integer"}]},{"prefixItems":[{},{"type":"string"}]}],"unevaluatedItems":false})",
       {"[1,\"a\"]"},
       {"[\"a\",\"a\"]", "[1,2]", "[1,\"a\",1]"}},
      {R"({"$id":"https://example.com/b","$ref":"c#d","$defs":{"x":{"$id":"/c","$defs":{"y":{"$anchor":"d","const":1}}}}})",
       {"1"},
       {"2"}},
      {R"({"$id":"https://example.com/a/b/","$ref":"../c","$defs":{"x":{"$id":"https://example.com/a/c","const":1}}})",
       {"1"},
       {"2"}},
      {R"({"enum":["\u00e9\u00e9","abc"],"maxLength":2})", {"\"éé\""}, {"\"abc\""}},
      {R"({"type":"integer","minimum":5,"exclusiveMinimum":5,"maximum":7,"exclusiveMaximum":7})", {"6"}, {"5", "7"}},
      {R"({"type":"number","multipleOf":1.5})", {"3", "-6"}, {"2"}},
      {R"({"type":"number","multipleOf":0.25,"minimum":0,"maximum":1})", {"0.25", "1", "0"}, {"0.2", "1.25", "-0.25"}},
      // 0.07 / 0.01 is no whole number in double precision.
      {R"({"type":"number","multipleOf":0.01,"minimum":0,"maximum":1})", {"0.05", "0.5"}, {"0.07", "0.005"}},
      {R"({"type":"integer","multipleOf":30000})", {"0", "30000", "-600000"}, {"3000", "-0", "45000"}},
      {R"({"type":"string","not":{"pattern":"a.c"}})",
       {"\"\"", "\"ac\"", "\"abb\""},
       {"\"abc\"", "\"xa\\tcx\"", "\"a\u2028c\""}},
      {R"({"allOf":[{"type":"string","pattern":"^[a-c]*$"},{"pattern":"ab"}]})", {"\"cab\""}, {"\"ca\"", "\"dab\""}},
      {R"({"oneOf":[{"type":"string","pattern":"a"},{"type":"string","pattern":"b"}]})",
       {"\"xa\"", "\"xb\""},
       {"\"ab\"", "\"x\""}},
      {R"({"properties":{"foo":{"type":"integer"}},"patternProperties":{"^f":{"minimum":5},"o$":{"maximum":9}},
           "additionalProperties":{"type":"null"}})",
       {R"({"foo":7})", R"({"fa":5,"bo":9,"x":null})", "{}"},
       {R"({"foo":4})", R"({"foo":10})", R"({"fa":4})", R"({"bo":10})", R"({"x":1})"}},
      {R"({"properties":{"a":{},"b":{},"c":{}},"minProperties":2,"maxProperties":2})",
       {R"({"a":1,"c":2})", R"({"b":1,"c":2})"},
       {R"({"a":1})", R"({"a":1,"b":1,"c":1})", "{}"}},
      {R"({"properties":{"ab":{"type":"integer"},"abc":{}},"propertyNames":{"maxLength":2},"additionalProperties":true})",
       {R"({"ab":1,"x":2})"},
       {R"({"abc":1})", R"({"xyz":1})"}},
      {R"({"type":"array","prefixItems":[{"type":"null"}],"contains":{"const":5},"maxItems":3})",
       {"[null,5]", "[null,1,5]"},
       {"[null]", "[5]", "[null,1,2]", "[null,1,2,5]"}},
      {R"({"type":"array","prefixItems":[true],"contains":{"type":"string"},"unevaluatedItems":false})",
       {"[1,\"a\"]", "[\"a\",\"b\"]", "[\"a\"]"},
       {"[1,2]", "[1]", "[\"a\",1]"}},
      {R"({"type":"array","items":{"enum":["a","b",1]},"uniqueItems":true,"minItems":2})",
       {"[\"b\",\"a\"]", "[1,\"a\",\"b\"]"},
       {"[\"a\"]", "[\"a\",\"a\"]", "[1,\"b\",1]"}},
      {R"({"prefixItems":[{"enum":["a",1]}],"items":{"enum":[1,2]},"type":"array","uniqueItems":true,"minItems":1})",
       {"[\"a\"]", "[\"a\",2]", "[\"a\",2,1]", "[1,2]"},
       {"[]", "[1,1]", "[1,2,1]", "[2]", "[\"a\",2,2]"}},
      {R"({"type":"array","prefixItems":[{"type":"boolean"},{"const":1}],"uniqueItems":true})",
       {"[true,1]", "[]", "[false]"},
       {"[true,1,2]", "[1]"}},
      {R"({"type":"array","prefixItems":[{"type":"boolean"},{"enum":[true,1]}],"items":{"type":"integer"},"minItems":2,
           "maxItems":2,"uniqueItems":true})",
       {"[true,1]", "[false,true]"},
       {"[true]", "[true,true]", "[true,1,2]"}},
      {R"({"oneOf":[{"type":"string","pattern":"a"},{"type":"string","minLength":9,"maxLength":2}]})",
       {"\"a\"", "\"xa\""},
       {"\"b\"", "\"bcdefghij\""}},
      {R"({"propertyNames":{"minLength":9,"maxLength":2},"additionalProperties":true,"type":"object"})",
       {"{}"},
       {R"({"abc":1})"}},
      {R"({"contains":false})", {"{}", "1"}, {"[]", "[1]"}},
      {R"({"$id":"https://example.com/t","$ref":"n","$defs":{"n":{"$id":"n","$defs":{"x":{"$dynamicAnchor":"v"}},"properties":
           {"a":{"$dynamicRef":"#v"}}},"y":{"$dynamicAnchor":"v","type":"integer"}}})",
       {R"({"a":1})"},
       {R"({"a":"b"})"}},
  };
  for (const Case& one : cases) {
    const auto grammar = Make(GrammarSpec::Kind::kJsonSchema, one.schema);
    for (const std::string& text : one.taken) EXPECT_TRUE(Takes(grammar, text)) << one.schema << " " << text;
    for (const std::string& text : one.refused) EXPECT_FALSE(Takes(grammar, text)) << one.schema << " " << text;
  }
}

TEST_F(GrammarTest, WhatIsNotHeldToIsRefusedWithItsPlace) {
  const auto schema = GrammarSpec::Kind::kJsonSchema;
  EXPECT_THAT(Refusal(schema, R"({"properties":{"a":{"not":{"multipleOf":3}}}})"),
              HasSubstr("$.properties.a.not.multipleOf"));
  EXPECT_THAT(Refusal(schema, R"({"type":"array","uniqueItems":true})"), HasSubstr("$.uniqueItems"));
  for (const std::string behind :
       {R"("items":{"type":"integer"},"minItems":2)", R"("items":{"type":"integer"})", R"("minItems":2)"}) {
    EXPECT_THAT(
        Refusal(schema, R"({"type":"array","prefixItems":[{"type":"boolean"}],"uniqueItems":true,)" + behind + "}"),
        HasSubstr("$.uniqueItems is not supported beside prefixItems and others behind them"))
        << behind;
  }
  EXPECT_THAT(
      Refusal(
          schema,
          R"({"type":"array","prefixItems":[true],"uniqueItems":true,"items":{"enum":[1,2,3,4,5,6]},"minItems":7})"),
      HasSubstr("$.uniqueItems is not supported beside prefixItems of more"));
  EXPECT_THAT(
      Refusal(
          schema,
          R"({"type":"array","prefixItems":[{"const":0}],"uniqueItems":true,"items":{"enum":[1,2,3,4,5,6,7,8,9]}})"),
      HasSubstr("$.uniqueItems is not supported beside so many values"));
  EXPECT_THAT(Refusal(schema, R"({"contains":{},"minContains":900})"), HasSubstr("$.contains"));
  EXPECT_THAT(Refusal(schema, R"({"pattern":"(a|b)*a(a|b){20}$","not":{"pattern":"c"}})"), HasSubstr("too complex"));
  EXPECT_THAT(Refusal(schema, R"({"allOf":[{"pattern":"a"},{"pattern":"b"}],"maxLength":20000})"),
              HasSubstr("$.maxLength is too complex"));
  EXPECT_THAT(Refusal(schema, R"({"type":"integer","multipleOf":9999999999999})"),
              HasSubstr("give minimum and maximum"));
  EXPECT_THAT(
      Refusal(schema, R"({"prefixItems":[{}],"allOf":[{"anyOf":[{"prefixItems":[{}]},{}],"unevaluatedItems":false}]})"),
      HasSubstr("$.allOf[0].unevaluatedItems"));
  EXPECT_THAT(Refusal(schema, R"({"$dynamicRef":"#a"})"), HasSubstr("$.$dynamicRef"));
  EXPECT_THAT(Refusal(schema, R"({"not":{"$ref":"#"}})"), HasSubstr("nested too deeply"));
  for (const char* nothing :
       {R"({"enum":[]})", R"({"type":"string","pattern":"a","format":"date","minLength":9,"maxLength":2})"})
    EXPECT_THAT(Refusal(schema, nothing), HasSubstr("no text"));
  EXPECT_THAT(Refusal(schema, R"({"oneOf":[{"oneOf":[{"format":"hostname"}]},{"allOf":[{"maxLength":8}]},
                                           {"anyOf":[{"minLength":3},{"not":{"enum":[]}}]}]})"),
              HasSubstr("$.oneOf has alternatives 0 and 1"));
  EXPECT_THAT(Refusal(schema, R"({"type":"integer","multipleOf":1e30})"), HasSubstr("15 digits"));
  EXPECT_THAT(Refusal(schema, R"({"$ref":"#"})"), HasSubstr("itself"));
  EXPECT_THAT(Refusal(schema, "{"), HasSubstr("JSON"));
  EXPECT_THAT(Refusal(GrammarSpec::Kind::kRegex, "a(?=b)"), HasSubstr("lookahead"));
  EXPECT_THAT(Refusal(GrammarSpec::Kind::kGbnf, "root ::= root \"a\" | \"b\""), HasSubstr("left-recursive"));
}

TEST_F(GrammarTest, TextsThatHoldJsonAreReadAsBodiesAre) {
  EXPECT_THAT(Refusal(GrammarSpec::Kind::kJsonSchema, "{"), HasSubstr("is not valid JSON"));
  EXPECT_THAT(Refusal(GrammarSpec::Kind::kJsonSchema, R"({"const":1e400})"), HasSubstr("too large"));
  EXPECT_THAT(Refusal(GrammarSpec::Kind::kJsonSchema, R"({"type":"string","type":"integer"})"), HasSubstr("twice"));
  EXPECT_THAT(Refusal(GrammarSpec::Kind::kStructuralTag, R"({"format":{"type":"x","type":"const_string"}})"),
              HasSubstr("twice"));
  std::string deep = "true";
  for (int level = 0; level < 32; ++level) deep = R"({"items":)" + deep + "}";
  EXPECT_THAT(Refusal(GrammarSpec::Kind::kJsonSchema, deep), Not(HasSubstr("levels")));
  EXPECT_THAT(Refusal(GrammarSpec::Kind::kJsonSchema, R"({"items":)" + deep + "}"), HasSubstr("32 levels"));
}

TEST_F(GrammarTest, BombsAreRefused) {
  const auto regex = GrammarSpec::Kind::kRegex;
  EXPECT_NE(Refusal(regex, std::string(300, '(') + std::string(300, ')')), "");
  EXPECT_NE(Refusal(regex, "((a?){9999}){9999}"), "");
  std::string deep = R"({"type":"integer"})";
  for (int i = 0; i < 200; ++i) deep = R"({"type":"array","items":)" + deep + "}";
  EXPECT_NE(Refusal(GrammarSpec::Kind::kJsonSchema, deep), "");
  std::string forks = "root ::= a0\n";
  for (int i = 0; i < 30; ++i)
    forks += "a" + std::to_string(i) + " ::= a" + std::to_string(i + 1) + " a" + std::to_string(i + 1) + "\n";
  // Doubling rules are no bomb here: they are calls.
  EXPECT_EQ(Refusal(GrammarSpec::Kind::kGbnf, forks + "a30 ::= \"x\""), "");
}

TEST_F(GrammarTest, GrammarsAreKept) {
  const auto first = Make(GrammarSpec::Kind::kRegex, "[a-z]+"), second = Make(GrammarSpec::Kind::kRegex, "[a-z]+");
  EXPECT_EQ(first, second);
}

TEST_F(GrammarTest, WhatNobodyUsesIsForgotten) {
  const GrammarSpec old{.kind = GrammarSpec::Kind::kRegex, .text = "[a-z]+[0-9]+"},
      used{.kind = GrammarSpec::Kind::kRegex, .text = "[0-9]+[a-z]+"};
  const std::weak_ptr<const Grammar> forgotten = *compiler_.Compile(old), kept = *compiler_.Compile(used);
  const auto between = std::chrono::steady_clock::now();
  const auto again = *compiler_.Compile(used);
  EXPECT_EQ(again, kept.lock());
  compiler_.ForgetUnused(between);
  EXPECT_TRUE(forgotten.expired());
  EXPECT_FALSE(kept.expired());
  EXPECT_EQ(*compiler_.Compile(used), again);
  // What somebody still has works on, and is made again for others, also without the sets of tokens it has met.
  compiler_.ForgetUnused(std::chrono::steady_clock::now() + std::chrono::hours(1));
  const auto anew = *compiler_.Compile(used);
  EXPECT_NE(anew, again);
  for (const auto& grammar : {again, anew}) {
    GrammarMatcher matcher(grammar);
    std::vector<uint32_t> mask((kVocab + 31) / 32);
    ASSERT_TRUE(matcher.Mask(mask).ok());
    EXPECT_TRUE(std::any_of(mask.begin(), mask.end(), [](uint32_t word) { return word != 0; }));
  }
}

TEST_F(GrammarTest, ScopesShareNothing) {
  const auto mine = compiler_.Compile({.kind = GrammarSpec::Kind::kRegex, .text = "[a-z]+", .scope = "a"});
  const auto theirs = compiler_.Compile({.kind = GrammarSpec::Kind::kRegex, .text = "[a-z]+", .scope = "b"});
  EXPECT_NE(*mine, *theirs);
}

TEST_F(GrammarTest, AStackHasABottom) {
  // Every byte opens a rule that is never closed.
  const auto grammar = Make(GrammarSpec::Kind::kGbnf, R"(root ::= "a" root "b" | "x")");
  GrammarMatcher matcher(grammar);
  int taken = 0;
  while (taken < 100'000 && matcher.Accept('a')) ++taken;
  EXPECT_GT(taken, 1000);
  EXPECT_LT(taken, 10'000);
  EXPECT_LT(grammar->bytes(), size_t{8} << 20);
}

TEST_F(GrammarTest, WhatIsKeptIsBoundedWhateverIsFollowed) {
  GrammarSpec spec{.kind = GrammarSpec::Kind::kRegex, .text = "([ -~]*a[ -~]{12}b|[ -~]*c)*"};
  const auto network = *compiler_.Compile(spec);
  GrammarMatcher matcher(network);
  std::vector<uint32_t> mask((kVocab + 31) / 32);
  uint32_t random = 1;
  for (int i = 0; i < 3000; ++i) {
    random = random * 1664525 + 1013904223;
    if (!matcher.Mask(mask).ok() || !matcher.Accept(static_cast<int32_t>('a' + (random >> 24) % 3))) break;
    ASSERT_LT(network->bytes(), size_t{64} << 20);
  }
}

TEST_F(GrammarTest, ErrorsAreCutBetweenCharacters) {
  std::string many;
  for (int i = 0; i < 60; ++i) many += "é";
  for (const auto& [kind, text] : {std::pair(GrammarSpec::Kind::kRegex, "x" + many + "(?=a)"),
                                   std::pair(GrammarSpec::Kind::kGbnf, std::string("root ::= é"))}) {
    const std::string refusal = Refusal(kind, text);
    EXPECT_NE(refusal, "");
    EXPECT_FALSE(FindInvalidUtf8(refusal).has_value()) << refusal;
  }
}

TEST_F(GrammarTest, LeftRecursionIsSoughtInTimeOfItsSize) {
  // A chain of rules that each may be empty and go back to its middle: a way back is not walked again for each.
  std::string chain = "root ::= r0 \"x\"\n";
  for (int i = 0; i < 12'000; ++i) {
    chain += "r" + std::to_string(i) + " ::= (" + (i == 11'999 ? "\"y\"" : "r" + std::to_string(i + 1)) + ")?\n";
  }
  static_cast<void>(Refusal(GrammarSpec::Kind::kGbnf, chain));
}

TEST_F(GrammarTest, FactorsBeyondAnIntegerAreNoFailure) {
  EXPECT_NE(Refusal(GrammarSpec::Kind::kJsonSchema,
                    R"({"allOf":[{"type":"integer","multipleOf":18446744073709551615},{"multipleOf":3}]})"),
            "");
}

TEST_F(GrammarTest, FreeTextEndsAtAWord) {
  const auto tag = [](std::string_view format) {
    return R"({"type": "structural_tag", "format": )" + std::string(format) + "}";
  };
  const auto thinking = Make(GrammarSpec::Kind::kStructuralTag, tag(R"({"type": "sequence", "elements": [
      {"type": "any_text", "excludes": ["</think>"]}, {"type": "const_string", "value": "</think>"},
      {"type": "json_schema", "json_schema": {"enum": [1, 2]}}]})"));
  EXPECT_TRUE(Takes(thinking, "</think>1"));
  EXPECT_TRUE(Takes(thinking, "a <b> </thin </</think>2"));
  EXPECT_FALSE(Takes(thinking, "a</think>b</think>1"));
  EXPECT_FALSE(Takes(thinking, "a"));
  EXPECT_FALSE(Takes(thinking, "1"));

  const auto calls = Make(GrammarSpec::Kind::kStructuralTag, tag(R"({"type": "triggered_tags", "triggers": ["<f="],
      "tags": [{"begin": "<f=a>", "content": {"type": "regex", "pattern": "x+"}, "end": "</f>"},
               {"begin": "<f=ab>", "content": {"type": "json_schema", "json_schema": {"type": "boolean"}}, "end": "</f>"}]})"));
  EXPECT_TRUE(Takes(calls, ""));
  EXPECT_TRUE(Takes(calls, "ü <f <<f=a>xx</f> and <f=ab>true</f><f"));
  EXPECT_FALSE(Takes(calls, "<f=b>"));
  EXPECT_FALSE(Takes(calls, "<f=a>true</f>"));
  EXPECT_FALSE(Takes(calls, "<f=ab>true"));

  const auto one = Make(GrammarSpec::Kind::kStructuralTag, tag(R"({"type": "triggered_tags", "triggers": ["<<"],
      "tags": [{"begin": "<<", "content": {"type": "any_text"}, "end": [">>", ">."]}], "at_least_one": true,
      "stop_after_first": true})"));
  EXPECT_TRUE(Takes(one, "a<b <<c>d>>"));
  EXPECT_TRUE(Takes(one, "<<>."));
  EXPECT_FALSE(Takes(one, "a"));
  EXPECT_FALSE(Takes(one, "<<a>>b"));

  const auto list = Make(GrammarSpec::Kind::kStructuralTag, tag(R"({"type": "tags_with_separator", "separator": ", ",
      "tags": [{"begin": "<", "content": {"type": "grammar", "grammar": "root ::= [a-c]*"}, "end": ">"}],
      "at_least_one": true})"));
  EXPECT_TRUE(Takes(list, "<a>, <>, <cb>"));
  EXPECT_FALSE(Takes(list, ""));
  EXPECT_FALSE(Takes(list, "<a>,<b>"));

  // Words within words: the longer comes where the shorter does not.
  const auto nested =
      Make(GrammarSpec::Kind::kStructuralTag, tag(R"({"type": "any_text", "excludes": ["abcd", "bc", "ababx"]})"));
  EXPECT_TRUE(Takes(nested, "ababab"));
  EXPECT_FALSE(Takes(nested, "abc"));
  EXPECT_FALSE(Takes(nested, "aababx"));
}

TEST_F(GrammarTest, StructuralTagsAreRefusedByPlace) {
  const auto refusal = [this](std::string_view format) {
    return Refusal(GrammarSpec::Kind::kStructuralTag,
                   R"({"type": "structural_tag", "format": )" + std::string(format) + "}");
  };
  EXPECT_THAT(refusal(R"({"type": "other"})"), HasSubstr("$.format.type must be one of"));
  EXPECT_THAT(refusal(R"({"type": "sequence", "elements": [{"type": "regex", "pattern": "("}]})"),
              HasSubstr("$.format.elements[0].pattern"));
  EXPECT_THAT(refusal(R"({"type": "triggered_tags", "triggers": ["<"], "tags": [{"begin": "a", "end": "",
                          "content": {"type": "any_text"}}]})"),
              HasSubstr("$.format.tags[0].begin"));
  EXPECT_THAT(refusal(R"({"type": "json_schema", "json_schema": {"uniqueItems": true}})"),
              HasSubstr("$.format.json_schema: $.uniqueItems"));
  EXPECT_THAT(refusal(R"({"type": "any_text", "excludes": [""]})"), HasSubstr("empty"));
  std::string deep = R"({"type": "any_text"})";
  for (int i = 0; i < 60; ++i) deep = R"({"type": "optional", "content": )" + deep + "}";
  EXPECT_THAT(refusal(deep), HasSubstr("levels"));
  EXPECT_THAT(Refusal(GrammarSpec::Kind::kStructuralTag, "{}"), HasSubstr("format"));
  EXPECT_THAT(Refusal(GrammarSpec::Kind::kStructuralTag, "x"), HasSubstr("JSON"));
}

}  // namespace
}  // namespace batucada

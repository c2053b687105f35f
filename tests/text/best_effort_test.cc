// Schemas that are held to as far as an answer can be, and no further.
#include <string>
#include <vector>

#include <gmock/gmock.h>

#include "tests/text/grammar_fixture.h"

namespace batucada {
namespace {

using ::testing::HasSubstr;

class BestEffortTest : public GrammarTest {
 protected:
  static std::string Tag(const std::string& schema, bool best_effort) {
    return R"({"type": "structural_tag", "format": {"type": "json_schema", "json_schema": )" + schema +
           R"(, "best_effort": )" + (best_effort ? "true" : "false") + "}}";
  }
};

TEST_F(BestEffortTest, OnlyWhatCannotBeHeldToIsLeftOut) {
  struct Case {
    std::string schema;
    std::vector<std::string> taken, refused;
  };
  // Each schema cannot be held to as a whole.
  const std::vector<Case> cases = {
      // A list of different texts remains a list of texts, and its neighbour what it was.
      {R"({"type":"object","properties":{"tags":{"type":"array","items":{"type":"string"},"uniqueItems":true},
                                         "unit":{"enum":["C","F"]}},"required":["tags","unit"]})",
       {R"({"tags": ["a", "a"], "unit": "C"})", R"({"tags": [], "unit": "F"})"},
       {R"({"tags": [1], "unit": "C"})", R"({"tags": "a", "unit": "C"})", R"({"tags": [], "unit": "K"})", "{}"}},
      {R"({"type":"object","properties":{"when":{"type":"string","format":"stardate"}},"required":["when"]})",
       {R"({"when": "4523.3"})"},
       {R"({"when": 4523.3})", "{}"}},
      // Alternatives that do not exclude each other are alternatives.
      {R"({"type":"object","properties":{"a":{"oneOf":[
           {"type":"object","properties":{"b":{}},"required":["id"]},
           {"type":"object","properties":{"c":{}},"required":["id"],"additionalProperties":{"type":"integer"}}]}}})",
       {R"({"a": {"b": "t", "id": 1}})", R"({"a": {"c": "t", "id": 1}})", "{}"},
       {R"({"a": 1})", R"({"a": {"b": "t"}})"}},
      // A reference to nowhere may be anything, and so may what is behind it; of the other members nothing changes.
      {R"({"type":"object","properties":{"a":{"$ref":"#/$defs/none"},"b":{"type":"integer"}},"required":["a","b"]})",
       {R"({"a": [1, {"x": null}], "b": 2})", R"({"a": "t", "b": 2})"},
       {R"({"a": 1, "b": "2"})", R"({"a": 1})"}},
      // Through references, too, and at every turn of what refers to itself.
      {R"({"type":"object","properties":{"root":{"$ref":"#/$defs/node"}},"$defs":{"node":{"type":"object",
           "properties":{"ids":{"type":"array","items":{"type":"integer"},"uniqueItems":true},
                         "next":{"$ref":"#/$defs/node"}},"required":["ids"]}}})",
       {R"({"root": {"ids": [1, 1], "next": {"ids": [2]}}})"},
       {R"({"root": {"ids": [1], "next": {"ids": ["x"]}}})", R"({"root": {"next": {"ids": []}}})"}},
      // What allows names, or items, and goes, leaves them open.
      {R"({"type":"object","properties":{"id":{"type":"integer"}},"patternProperties":{"^(?!_)n":{"type":"integer"}},
           "additionalProperties":{"type":"string"},"required":["id","nn"]})",
       {R"({"id": 1, "nn": 2})", R"({"id": 1, "nn": 2, "other": "t"})"},
       {R"({"id": "1", "nn": 2})", R"({"id": 1})"}},
      {R"({"type":"object","patternProperties":{"^(?!_)x":{"type":"integer"}},"additionalProperties":false,
           "required":["xy"]})",
       {R"({"xy": 1})"},
       {"{}"}},
      {R"({"type":"array","prefixItems":[{"type":"string"}],"minItems":2,"uniqueItems":true})",
       {R"(["a", 1])", R"(["a", "b", null])"},
       {"[1, 2]"}},
      {R"({"type":"object","properties":{"a":{"type":"array","uniqueItems":true}},"if":{"required":["a"]},
           "then":{"required":["c"]}})",
       {R"({"a": [1, 1], "c": 1})", "{}"},
       {R"({"a": 1, "c": 1})"}},
      // Types are known behind references and of alternatives, too.
      {R"({"type":"object","properties":{"a":{"$ref":"#/$defs/set"}},
           "$defs":{"set":{"type":"array","items":{"type":"string"},"uniqueItems":true}}})",
       {R"({"a": ["b", "b"]})"},
       {R"({"a": "b"})", R"({"a": [1]})", R"({"a": null})"}},
      {R"({"type":"object","properties":{"a":{"anyOf":[{"type":"array","items":{"type":"string"},"uniqueItems":true},
                                                       {"type":"null"}]}}})",
       {R"({"a": ["b", "b"]})", R"({"a": null})"},
       {R"({"a": "b"})", R"({"a": [1]})"}},
      // What is no type says nothing.
      {R"({"type":"object","properties":{"a":{"type":"dict"},"b":{"type":"integer"}},"required":["a","b"]})",
       {R"({"a": {"c": 1}, "b": 1})", R"({"a": "t", "b": 1})"},
       {R"({"b": 1})", R"({"a": "t", "b": "1"})"}},
      // Nothing of the whole but that it is an object.
      {R"({"type":"object","minProperties":3,"maxProperties":5,"patternProperties":{"a":{"type":"string"}},
           "propertyNames":{"format":"stardate"}})",
       {R"({"x": 1, "y": [2]})", "{}"},
       {"[]", "1"}},
  };
  for (const Case& one : cases) {
    SCOPED_TRACE(one.schema);
    EXPECT_NE(Refusal(GrammarSpec::Kind::kStructuralTag, Tag(one.schema, false)), "");
    const auto grammar = Make(GrammarSpec::Kind::kStructuralTag, Tag(one.schema, true));
    ASSERT_NE(grammar, nullptr);
    for (const std::string& text : one.taken) EXPECT_TRUE(Takes(grammar, text)) << text;
    for (const std::string& text : one.refused) EXPECT_FALSE(Takes(grammar, text)) << text;
  }
}

TEST_F(BestEffortTest, WhatCanBeHeldToIsHeldTo) {
  const auto grammar =
      Make(GrammarSpec::Kind::kStructuralTag, Tag(R"({"type":"object","properties":{"n":{"type":"integer","minimum":3}},
                                    "required":["n"],"additionalProperties":false})",
                                                  true));
  ASSERT_NE(grammar, nullptr);
  EXPECT_TRUE(Takes(grammar, R"({"n": 3})"));
  EXPECT_FALSE(Takes(grammar, R"({"n": 2})"));
  EXPECT_FALSE(Takes(grammar, R"({"n": 3, "m": 1})"));
}

TEST_F(BestEffortTest, WhatIsTooMuchWorkIsRefused) {
  std::string schema = R"({"type":"string","uniqueItems":true})";
  for (int i = 0; i < 12; ++i) {
    const std::string one = schema, count = std::to_string(i);
    schema = R"({"anyOf":[)";
    schema.append(one).append(",").append(one).append(R"(],"oneOf":[{"minLength":)").append(count);
    schema.append(R"(},{"maxLength":)").append(count).append("}]}");
  }
  EXPECT_THAT(Refusal(GrammarSpec::Kind::kStructuralTag, Tag(schema, true)), HasSubstr("too complex"));
}

}  // namespace
}  // namespace batucada

// A oneOf whose alternatives a value might satisfy two of, what a schema excludes, and keywords that are this program's
// own.
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/text/grammar_fixture.h"

namespace batucada {
namespace {

using ::testing::HasSubstr;

class SchemaApartTest : public SchemaTest {};

// A member that is asked for comes, whether or not a property has its name.
TEST_F(SchemaApartTest, WhatIsAskedForIsThere) {
  Check({
      {R"({"oneOf":[{"type":"object","properties":{"email":{"type":"string"}},"required":["id"]},
                    {"type":"object","properties":{"phone":{"type":"string"}},"required":["id"]}]})",
       {R"({"email":7,"id":1})", R"({"phone":7,"id":1})"},
       {R"({"id":1})", R"({"email":"a","id":1})", R"({"phone":"a","id":1})"}},
      // Of closed ones each has a member that the other has not.
      {R"({"oneOf":[{"type":"object","properties":{"a":{}},"required":["a"],"additionalProperties":false},
                    {"type":"object","properties":{"a":{},"b":{}},"required":["a","b"],"additionalProperties":false}]})",
       {R"({"a":1})", R"({"a":1,"b":2})"},
       {R"({"b":1})", "{}"}},
  });
  EXPECT_THAT(RefusalOf(R"({"oneOf":[{"type":"object","properties":{"a":{}},"required":["id"]},
                                     {"type":"object","properties":{"b":{}},"required":["id"],
                                      "additionalProperties":{"type":"integer"}}]})"),
              HasSubstr("$.oneOf has alternatives 0 and 1"));
}

// A keyword of texts says nothing of numbers: an alternative may be satisfied by types that it does not speak of.
TEST_F(SchemaApartTest, OtherTypesAreValidToo) {
  Check({
      {R"({"oneOf":[{"type":"object","properties":{"a":{"minLength":9,"maxLength":2}},"required":["a"]},
                    {"type":"object","properties":{"a":{"type":"integer"}},"required":["a"]}]})",
       {R"({"a":null})", R"({"a":1.5})"},
       {R"({"a":1})", R"({"a":"abc"})"}},
      {R"({"oneOf":[{"minLength":3},{"type":"integer"},{"pattern":"b"}]})",
       {R"("xyz")", R"("b")"},
       {"1", R"("xbz")", R"("a")", "null"}},
      {R"({"oneOf":[{"minLength":3},{"minimum":5}]})", {R"("ab")", "4"}, {R"("abc")", "5", "null"}},
      {R"({"oneOf":[{"minimum":3,"maximum":1},{"const":"b"}]})", {"null", R"("a")"}, {R"("b")", "2"}},
      {R"({"oneOf":[{"minLength":3},{"type":"integer"}]})", {R"("abc")"}, {"1", R"("ab")"}},
      {R"({"oneOf":[{"not":{"not":{"anyOf":[{"minLength":3},{"minimum":5}]}}},{"type":"integer"},{"pattern":"b"}]})",
       {R"("xyz")"},
       {"7", "4", R"("b")", R"("xbz")", "null"}},
      {R"({"oneOf":[{"const":"b"},{"oneOf":[{"type":"object"},{"properties":{"b":{"type":"integer"}},"required":["b"]}]}]})",
       {R"({"b":"x"})"},
       {R"("b")", R"({"b":1})"}},
  });
}

// What an alternative must have in order not to satisfy a second one may satisfy a third.
TEST_F(SchemaApartTest, WhatIsHeldApartStaysSo) {
  Check({
      {R"({"oneOf":[{"type":"object","properties":{"a":{"type":"integer"}},"required":["a"]},
                    {"type":"object","properties":{"b":{"type":"string"}},"required":["b"]},
                    {"type":"object","properties":{"a":{"type":"integer"},"b":{"type":"integer"}},"required":["a"]}]})",
       {R"({"b":"x"})", R"({"a":1,"b":null})"},
       {R"({"a":1,"b":"x"})", R"({"a":1})", R"({"a":1,"b":2})"}},
      // Members come of alternatives within them, too.
      {R"({"oneOf":[{"type":"object","properties":{"x":{"type":"integer"}},"allOf":[
                      {"anyOf":[{"properties":{"y":{"type":"integer"}},"required":["y"]}]},
                      {"anyOf":[{"properties":{"z":{"type":"integer"}}}]}]},
                    {"type":"object","properties":{"y":{"type":"integer"}},"required":["y"]}]})",
       {R"({"y":1,"z":"a"})", R"({"y":1,"x":"a"})"},
       {R"({"y":1})", R"({"x":1,"y":1})"}},
      // The opposite of a oneOf leaves out what satisfies two of it, which satisfies this one.
      {R"({"oneOf":[{"type":"integer"},{"not":{"oneOf":[{"type":"integer"},{"minimum":5}]}}]})",
       {"3", "4.5"},
       {"5", "7"}},
  });
  EXPECT_THAT(RefusalOf(R"({"oneOf":[{}, {"not":{"oneOf":[{},{}]}}]})"), HasSubstr("no text"));
  EXPECT_THAT(RefusalOf(R"({"oneOf":[{"type":"object","properties":{"x":{}},"unevaluatedProperties":false,
                                      "anyOf":[{"properties":{"y":{"type":"integer"}},"required":["y"]}]},
                                     {"type":"object","properties":{"y":{"type":"integer"}},"required":["y"]}]})"),
              HasSubstr("$.oneOf has alternatives 0 and 1"));
}

TEST_F(SchemaApartTest, ADiscriminatorTellsManyApart) {
  const auto alternatives = [](int count, const auto& one) {
    std::string schema = R"({"oneOf":[)";
    for (int i = 0; i < count; ++i) schema += (i == 0 ? "" : ",") + one(std::to_string(i));
    return schema + "]}";
  };
  Check({
      {alternatives(400,
                    [](const std::string& i) {
                      return R"({"type":"object","properties":{"kind":{"const":"k)" + i +
                             R"("},"x":{"type":"integer"}},"required":["kind"]})";
                    }),
       {R"({"kind":"k0","x":1})", R"({"kind":"k399"})"},
       {R"({"kind":"k400"})", R"({"x":1})"}},
      // One of several kinds each, and two that are of the same.
      {R"({"oneOf":[{"type":"object","properties":{"kind":{"enum":["a","b"]},"x":{"type":"integer"}},"required":["kind","x"]},
                    {"type":"object","properties":{"kind":{"enum":["b",1]},"x":{"type":"null"}},"required":["kind","x"]},
                    {"type":"object","properties":{"kind":{"const":1},"x":{"type":"null"}},"required":["kind"]},
                    {"type":["object","null"],"properties":{"kind":{"const":2}},"required":["kind"]},
                    {"type":"integer"}]})",
       {R"({"kind":"a","x":1})", R"({"kind":"b","x":1})", R"({"kind":"b","x":null})", R"({"kind":1})", R"({"kind":2})",
        "null", "7"},
       {R"({"kind":1,"x":null})", R"({"kind":"a","x":null})"}},
      // Not one that must be there in each.
      {R"({"oneOf":[{"type":"object","properties":{"kind":{"const":"a"}},"required":["kind"]},
                    {"type":"object","properties":{"kind":{"const":"b"}}}]})",
       {R"({"kind":"a"})", R"({"kind":"b"})", "{}"},
       {R"({"kind":"c"})"}},
  });
  EXPECT_THAT(RefusalOf(alternatives(400,
                                     [](const std::string& i) {
                                       return R"({"type":"object","properties":{"a)" + i + R"(":{}},"required":["a)" +
                                              i + R"("]})";
                                     })),
              HasSubstr("$.oneOf has too many alternatives"));
}

// Nothing of the types that it speaks of is left, but others are.
TEST_F(SchemaApartTest, WhatIsExcludedLeavesOtherTypes) {
  Check({
      {R"({"not":{"const":"a"},"minLength":9,"maxLength":2})", {"5", "null", "[]"}, {R"("a")", R"("bcdefghij")"}},
      {R"({"not":{"enum":[5,null]},"minimum":9,"maximum":2})", {R"("a")", "true"}, {"null", "5", "3"}},
  });
  EXPECT_THAT(RefusalOf(R"({"type":"string","not":{"const":"a"},"minLength":9,"maxLength":2})"), HasSubstr("no text"));
}

// Keywords that no draft has say nothing, whatever this program calls its own.
TEST_F(SchemaApartTest, UnknownKeywordsSayNothing) {
  for (const char* name : {"quietly", "except", "notPatterns", "notWhole", "narrowed", "anyOf", "oneOf", "never",
                           "noOtherTypes", "unevaluatedProperties", "contains", "unclaimed", "objects"}) {
    for (const std::string mark : {"#", "", "\u00ff#", "\\u00ff#"}) {
      if (mark.empty() && std::string(R"(anyOf oneOf contains unevaluatedProperties)").find(name) != std::string::npos)
        continue;
      Check({{R"({"enum":["a",1],")" + mark + name + R"(":["a"],"not":{")" + mark + name + R"(":["a"],"const":7}})",
              {R"("a")", "1"},
              {"7"}},
             {R"({"type":"string","$ref":"#/x/y","x":{"y":{")" + mark + name + R"(":[{"type":"integer"}]}}})",
              {R"("a")"},
              {"1"}}});
    }
    const std::string mark = "\xff#";
    EXPECT_NE(RefusalOf(R"({")" + mark + name + R"(":["a"]})"), "") << "no UTF-8";
    EXPECT_NE(RefusalOf(R"({"\udcff#)" + std::string(name) + R"(":["a"]})"), "") << "half of a pair";
  }
}

}  // namespace
}  // namespace batucada

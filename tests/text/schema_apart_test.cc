// A oneOf whose alternatives a value might satisfy two of, what a schema excludes, and keywords that are this program's
// own.
#include <string>

#include <gtest/gtest.h>

#include "tests/text/grammar_fixture.h"

namespace batucada {
namespace {

class SchemaApartTest : public SchemaTest {};

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

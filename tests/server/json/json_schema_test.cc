#include "server/json/json_schema.h"

#include <gtest/gtest.h>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

namespace batucada {
namespace {

namespace bj = boost::json;

bj::value Parsed(const char* text) { return bj::parse(text); }

TEST(JsonSchemaTest, BoundsAreStatedAsTheyAre) {
  EXPECT_EQ(IntegerSchema("n", {.min = 1, .max = 8, .fallback = 2}),
            Parsed(R"({"type":"integer","description":"n","minimum":1,"maximum":8,"default":2})"));
  EXPECT_EQ(NumberSchema("p", {.min = 0, .max = 1}),
            Parsed(R"({"type":"number","description":"p","minimum":0.0,"maximum":1.0})"));
  EXPECT_EQ(NumberSchema("p", {.min = 0, .max = 1, .lower = NumberBounds::Lower::kOpen}),
            Parsed(R"({"type":"number","description":"p","exclusiveMinimum":0.0,"maximum":1.0})"));
}

TEST(JsonSchemaTest, NullIsOneMoreValue) {
  EXPECT_EQ(Nullable({{"type", "string"}, {"enum", bj::array{"a"}}}),
            Parsed(R"({"type":["string","null"],"enum":["a",null]})"));
  EXPECT_EQ(Nullable({{"type", "string"}, {"enum", bj::array{nullptr, "a"}}}),
            Parsed(R"({"type":["string","null"],"enum":[null,"a"]})"));
  EXPECT_EQ(Nullable(AnyOfSchema("", {bj::object{{"type", "string"}}})),
            Parsed(R"({"anyOf":[{"type":"string"},{"type":"null"}]})"));
}

}  // namespace
}  // namespace batucada

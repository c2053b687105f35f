// Numbers of schemas are held to as they were written, however large.
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/text/grammar_fixture.h"

namespace batucada {
namespace {

using ::testing::HasSubstr;

class SchemaNumbersTest : public SchemaTest {};

// 2^53 + 1 is no double, and neither is 10^18 - 65.
TEST_F(SchemaNumbersTest, BoundsAreNotRounded) {
  Check({
      {R"({"type":"integer","minimum":9007199254740993,"maximum":9007199254740993})",
       {"9007199254740993"},
       {"9007199254740992", "9007199254740994"}},
      {R"({"type":"integer","minimum":999999999999999935,"maximum":999999999999999936})",
       {"999999999999999935", "999999999999999936"},
       {"999999999999999934", "999999999999999937", "999999999999999990"}},
      {R"({"type":"integer","exclusiveMinimum":9007199254740992,"maximum":9007199254740993})",
       {"9007199254740993"},
       {"9007199254740992", "9007199254740994"}},
      {R"({"type":"integer","minimum":-9007199254740993,"exclusiveMaximum":-9007199254740992})",
       {"-9007199254740993"},
       {"-9007199254740992", "-9007199254740994"}},
      {R"({"allOf":[{"type":"integer","maximum":9007199254740993},{"maximum":9007199254740992}]})",
       {"9007199254740992"},
       {"9007199254740993"}},
      {R"({"allOf":[{"type":"integer","minimum":9007199254740992},{"minimum":9007199254740993}]})",
       {"9007199254740993"},
       {"9007199254740992"}},
      {R"({"type":"integer","minimum":9007199254740991.5,"maximum":9007199254740993})",
       {"9007199254740992", "9007199254740993"},
       {"9007199254740991", "9007199254740994"}},
      {R"({"type":"integer","minimum":-9223372036854775808,"maximum":18446744073709551615})",
       {"999999999999999999", "-999999999999999999"},
       {"1000000000000000000"}},
      {R"({"type":"integer","multipleOf":2,"minimum":9007199254740993,"maximum":9007199254740997})",
       {"9007199254740994", "9007199254740996"},
       {"9007199254740992", "9007199254740998"}},
  });
}

TEST_F(SchemaNumbersTest, ValuesAreNotRounded) {
  Check({
      {R"({"enum":[9007199254740993,7],"maximum":9007199254740992})", {"7"}, {"9007199254740993"}},
      {R"({"enum":[9007199254740993,7],"exclusiveMinimum":9007199254740992})", {"9007199254740993"}, {"7"}},
      {R"({"enum":[9007199254740993,9007199254740992],"not":{"const":9007199254740992}})",
       {"9007199254740993"},
       {"9007199254740992"}},
      {R"({"type":"integer","not":{"enum":[9007199254740993,9007199254740995]}})",
       {"9007199254740992", "9007199254740994", "9007199254740996"},
       {"9007199254740993", "9007199254740995"}},
      {R"({"enum":[18446744073709551615,18446744073709551614],"maximum":18446744073709551614})",
       {"18446744073709551614"},
       {"18446744073709551615"}},
      {R"({"type":"array","items":{"enum":[9007199254740993,9007199254740992]},"uniqueItems":true})",
       {"[9007199254740993,9007199254740992]"},
       {"[9007199254740993,9007199254740993]"}},
      {R"({"const":-9223372036854775808})", {"-9223372036854775808"}, {"-9223372036854775807"}},
  });
}

TEST_F(SchemaNumbersTest, AWholeNumberIsAnIntegerHoweverItIsWritten) {
  Check({
      {R"({"type":"integer","const":1.0})", {"1"}, {"1.0", "2"}},
      {R"({"type":"integer","const":-0.0})", {"0"}, {"-0"}},
      {R"({"type":"integer","enum":[1.0,2.5]})", {"1"}, {"2.5", "2"}},
      {R"({"type":"integer","enum":[1.0,2]})", {"1", "2"}, {"3"}},
      {R"({"type":["integer","null"],"const":1e2})", {"100"}, {"1", "null"}},
      {R"({"allOf":[{"enum":[1.0]},{"enum":[1]}]})", {"1"}, {"2"}},
      {R"({"allOf":[{"enum":[{"a":[1e0]},2]},{"enum":[{"a":[1]},2.5]}]})", {R"({"a":[1]})"}, {"2", "2.5"}},
      {R"({"const":1,"enum":[1.0]})", {"1"}, {"2"}},
      {R"({"oneOf":[{"enum":[1.0,2.0]},{"enum":[2,3]}]})", {"1", "3"}, {"2"}},
      {R"({"type":"number","enum":[1e15,0.5]})", {"1000000000000000", "0.5"}, {"1"}},
      {R"({"allOf":[{"type":"integer","multipleOf":4.0},{"multipleOf":6.0}],"minimum":1.0,"maximum":30})",
       {"12", "24"},
       {"4", "6", "36"}},
  });
  EXPECT_THAT(RefusalOf(R"({"type":"integer","const":1.5})"), HasSubstr("no text"));
}

TEST_F(SchemaNumbersTest, IntegersThatAreKnownRoundedAreRefused) {
  EXPECT_THAT(RefusalOf(R"({"const":-9223372036854775809})"), HasSubstr("$.const has an integer beyond 64 bits"));
  EXPECT_THAT(RefusalOf(R"({"const":123456789012345678901234567890})"), HasSubstr("beyond 64 bits"));
  EXPECT_THAT(RefusalOf(R"({"properties":{"a":{"enum":[1,{"b":[18446744073709551616]}]}}})"),
              HasSubstr("$.properties.a.enum has an integer beyond 64 bits"));
  EXPECT_THAT(RefusalOf(R"({"type":"number","minimum":9007199254740993})"), HasSubstr("bound 9007199254740993:"));
  EXPECT_THAT(RefusalOf(R"({"type":"number","maximum":0.1234567890123456})"), HasSubstr("bound 0.1234567890123456:"));
  EXPECT_THAT(RefusalOf(R"({"type":"number","minimum":-1e300})"), HasSubstr("bound -1e+300:"));
  EXPECT_EQ(RefusalOf(R"({"properties":{"const":{"type":"integer","maximum":1e30,"default":1e30}}})"), "");
}

}  // namespace
}  // namespace batucada

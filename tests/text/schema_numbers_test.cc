// Numbers of schemas are held to as they were written, however large.
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
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

// As libraries write them that mean any number, or any that a type of theirs has.
TEST_F(SchemaNumbersTest, BoundsBeyondAllNumbersKeepNoneBack) {
  for (const char* both : {R"("minimum":-9007199254740991,"maximum":9007199254740991)",
                           R"("minimum":-3.4028234663852886e38,"maximum":3.4028234663852886e38)", R"("minimum":-1e14)",
                           R"("maximum":1e300)"}) {
    SCOPED_TRACE(both);
    Check({{absl::StrCat(R"({"type":"number",)", both, "}"),
            {"0", "-1.5", "99999999999999", "-99999999999999.9", "0.00000000000001"},
            {"1e5", "100000000000000", "-"}},
           {absl::StrCat(R"({"type":"number","exclusiveMaximum":0,)", both, "}"),
            {"-1.5", "-99999999999999"},
            {"0", "1", "-1e5"}}});
  }
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
  EXPECT_THAT(RefusalOf(R"({"type":"number","minimum":1e300})"), HasSubstr("bound 1e+300:"));
  EXPECT_THAT(RefusalOf(R"({"type":"number","maximum":-1e14})"), HasSubstr("bound -1e+14:"));
  EXPECT_EQ(RefusalOf(R"({"properties":{"const":{"type":"integer","maximum":1e30,"default":1e30}}})"), "");
}

TEST_F(SchemaNumbersTest, NumbersThatAreNotWholeAreNoIntegers) {
  Check({
      {R"({"type":"number","not":{"type":"integer"}})",
       {"0.5", "-1.25", "99999999999999.9", "10.01"},
       {"1", "1.0", "0", "-0.0", "1e3", "1.5e0", "123456789012345678.5"}},
      {R"({"not":{"type":"integer"}})", {"1.5", R"("a")", "null"}, {"1", "2.0"}},
      {R"({"oneOf":[{"type":"integer"},{"type":"number"}]})", {"1.5"}, {"1", "1.0", R"("a")"}},
      {R"({"oneOf":[{"type":"integer","minimum":3},{"type":"number","maximum":5}]})",
       {"6", "2", "2.5", "-7", "4.5"},
       {"3", "5", "5.5"}},
      {R"({"type":"number","not":{"type":"integer"},"minimum":1,"maximum":2})",
       {"1.5", "1.01", "1.99"},
       {"1", "2", "1.0", "2.0", "2.5", "0.5"}},
      {R"({"type":"number","not":{"type":"integer"},"exclusiveMinimum":-0.25,"maximum":0.25})",
       {"-0.2", "0.25", "0.05"},
       {"-0.25", "0", "0.0", "0.3"}},
      {R"({"type":"number","not":{"type":"integer"},"minimum":9.5,"maximum":10.5})", {"9.5", "10.5"}, {"10", "10.0"}},
      {R"({"type":"number","multipleOf":0.25,"not":{"type":"integer"}})", {"0.25", "-7.5"}, {"1", "1.00", "0.3", "0"}},
      {R"({"type":"number","multipleOf":0.1,"minimum":0,"maximum":2,"not":{"type":"integer"}})",
       {"0.5"},
       {"1", "0.05"}},
      {R"({"enum":[1,1.5,2.0,"a"],"not":{"type":"integer"}})", {"1.5", R"("a")"}, {"1", "2"}},
      {R"({"type":"number","if":{"type":"integer"},"then":{"minimum":5},"else":{"maximum":1}})",
       {"5", "0.5"},
       {"4", "1.5", "5.5"}},
  });
  EXPECT_THAT(RefusalOf(R"({"type":"integer","not":{"type":"integer"}})"), HasSubstr("no text"));
  EXPECT_THAT(RefusalOf(R"({"type":"number","multipleOf":2,"not":{"type":"integer"}})"), HasSubstr("no text"));
  EXPECT_THAT(RefusalOf(R"({"type":"number","multipleOf":0.01,"not":{"type":"integer"}})"),
              HasSubstr("$.anyOf[1].multipleOf is a fraction of which not more than 2000 multiples"));
}

TEST_F(SchemaNumbersTest, MultiplesBetweenAnyBounds) {
  Check({
      {R"({"type":"integer","multipleOf":10,"minimum":10})", {"10", "20", "1000000"}, {"0", "5", "15", "-10", "010"}},
      {R"({"type":"integer","multipleOf":10,"minimum":-30})", {"-30", "-10", "0", "50"}, {"-40", "-0", "5"}},
      {R"({"type":"integer","multipleOf":100,"maximum":-250})", {"-300", "-12300"}, {"-200", "0", "300", "-350"}},
      {R"({"type":"integer","multipleOf":7,"minimum":10,"maximum":1000000})",
       {"14", "994", "999999"},
       {"7", "13", "1000006", "15"}},
      {R"({"type":"integer","multipleOf":25000,"exclusiveMinimum":175000})",
       {"200000", "1000000"},
       {"175000", "210000"}},
      {R"({"type":"integer","multipleOf":10,"minimum":1000000000000000000e-1,"maximum":100000000000000100})",
       {"100000000000000000", "100000000000000100"},
       {"99999999999999990", "100000000000000001", "100000000000000110"}},
      {R"({"type":"number","multipleOf":0.5})", {"0", "0.5", "-1.5", "2", "2.0"}, {"0.25", "-0", "1.05", "00.5"}},
      {R"({"type":"number","multipleOf":0.25,"minimum":0.3,"maximum":100000})",
       {"0.5", "0.75", "0.50", "100000", "99999.75"},
       {"0.25", "0.3", "100000.25", "0", "7.1", "7.2", "8.7"}},
      {R"({"type":"number","multipleOf":2.5,"exclusiveMinimum":2.5})", {"5", "7.5", "10.0"}, {"2.5", "0", "6", "-5"}},
      {R"({"type":"number","multipleOf":0.125,"exclusiveMaximum":-0.125})",
       {"-0.25", "-1", "-12345.625"},
       {"-0.125", "0", "1"}},
      // 0.01 and others that no double holds: of more multiples than are written out whole numbers, where a bound is
      // missing.
      {R"({"type":"number","multipleOf":0.01,"minimum":0})", {"0", "7"}, {"0.5", "-1"}},
      {R"({"type":"number","multipleOf":0.01,"minimum":0,"maximum":19.99})", {"19.98", "0.5"}, {"0.07", "19.99", "20"}},
  });
  EXPECT_THAT(RefusalOf(R"({"properties":{"a":{"type":"number","multipleOf":0.01,"minimum":0,"maximum":20.01}}})"),
              HasSubstr("$.properties.a.multipleOf is a fraction of which not more than 2000 multiples are held to"));
  EXPECT_THAT(RefusalOf(R"({"type":"integer","multipleOf":9973,"minimum":10,"maximum":1000000000})"),
              HasSubstr("$.multipleOf is not supported beside bounds that more than 2000 of its multiples keep"));
  EXPECT_THAT(RefusalOf(R"({"type":"integer","multipleOf":4096,"minimum":1,"maximum":4095})"), HasSubstr("no text"));
}

// Each may be made of thousands of parts: they share what a schema may cost.
TEST_F(SchemaNumbersTest, ManyMultiplesAreTooComplex) {
  for (const std::string number : {R"("multipleOf":97,"minimum":)", R"("maximum":999,"multipleOf":0.7,"minimum":-)"}) {
    std::string schema = R"({"prefixItems":[)";
    for (int i = 0; i < 1500; ++i)
      schema += (i == 0 ? "{" : ",{") + number + std::to_string(10 + i / 4) + "." + std::to_string(i % 4) + "1}";
    EXPECT_THAT(RefusalOf(schema + "]}"), HasSubstr("too complex")) << number;
  }
}

}  // namespace
}  // namespace batucada

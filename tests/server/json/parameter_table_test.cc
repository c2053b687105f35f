#include "server/json/parameter_table.h"

#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace batucada {
namespace {

using ::testing::ElementsAre;

// Which readers were asked, in order.
struct Asked {
  std::vector<std::string> names;
};

ParameterTable<Asked> MakeTable() {
  const auto read = [](std::string name) {
    return [name](RequestReader& reader, Asked& asked) {
      for (const char* one : {"present", "beside", "always"}) reader.Take(one);
      asked.names.push_back(name);
    };
  };
  ParameterTable<Asked> table;
  table.AddReadPresent("present", StringSchema(""), read("present"));
  table.AddRead("always", StringSchema(""), read("always"));
  table.AddBeside("beside", StringSchema(""), "present");
  return table;
}

TEST(ParameterTableTest, ReadersAreAskedOnceWhereOneOfTheirMembersIsThere) {
  const ParameterTable<Asked> table = MakeTable();
  EXPECT_THAT(table.Parse("{}")->names, ElementsAre("always"));
  EXPECT_THAT(table.Parse(R"({"always": 1})")->names, ElementsAre("always"));
  EXPECT_THAT(table.Parse(R"({"always": 1, "present": 1})")->names, ElementsAre("present", "always"));
  EXPECT_THAT(table.Parse(R"({"beside": null})")->names, ElementsAre("present", "always"));
  EXPECT_THAT(table.Parse(R"({"beside": 1, "present": 1})")->names, ElementsAre("present", "always"));
  EXPECT_THAT(table.Parse("\xEF\xBB\xBF{\"always\": 1}")->names, ElementsAre("always"))
      << "as some editors begin files";
  EXPECT_FALSE(table.Parse(R"({"other": 1})").ok());
}

TEST(ParameterTableTest, ANameIsThereOnce) {
  ParameterTable<Asked> table = MakeTable();
  for (const char* name : {"present", "always", "beside"}) {
    EXPECT_TRUE(table.Has(name));
    EXPECT_DEATH(table.AddAny(name, ""), std::string(name) + " is in a table twice");
  }
}

}  // namespace
}  // namespace batucada

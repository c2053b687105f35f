// Measured figures, for people and for programs.
#include "bench/figure.h"

#include <gtest/gtest.h>

namespace batucada {
namespace {

const std::vector<Figure> kFigures = {{.name = "decode/b1", .value = 2.5, .unit = "ms", .floor = 2, .share = 0.8},
                                      {.name = "load", .value = 3, .unit = "s"}};

TEST(FigureTest, AListThatProgramsRead) {
  EXPECT_EQ(FigureJson(kFigures, "abc", "bench \"x\""),
            "[\n"
            "  {\"name\": \"decode/b1\", \"value\": 2.5, \"unit\": \"ms\", \"floor\": 2, \"share_of_floor\": 0.8000, "
            "\"commit\": \"abc\", \"command\": \"bench \\\"x\\\"\"},\n"
            "  {\"name\": \"load\", \"value\": 3, \"unit\": \"s\", \"floor\": 0, \"share_of_floor\": 0.0000, "
            "\"commit\": \"abc\", \"command\": \"bench \\\"x\\\"\"}\n"
            "]\n");
  EXPECT_EQ(FigureJson({}, "abc", "bench"), "[\n]\n");
}

TEST(FigureTest, ATableThatPeopleRead) {
  const std::string table = FigureTable(kFigures);
  EXPECT_NE(table.find(" 2.5 ms                    2   80.0%\n"), table.npos) << table;
  EXPECT_NE(table.find(" 3 s                     -       -\n"), table.npos) << table;
}

}  // namespace
}  // namespace batucada

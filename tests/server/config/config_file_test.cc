#include "server/config/config_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace batucada {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

std::string Error(std::string_view text) {
  const auto settings = ParseConfigFile(text);
  EXPECT_EQ(settings.status().code(), absl::StatusCode::kInvalidArgument) << text;
  return std::string(settings.status().message());
}

TEST(ConfigFileTest, ReadsWhatItSaysItReads) {
  const auto settings = ParseConfigFile(
      "# a comment\n; another\n[default]\nport = 8000\r\n  max_sequences=64 # why\n\"host\" = '0.0.0.0'\n"
      "name = [\"a\", 'b' , c,\n  # within\n  d,]\nkey = \"a \\\"b\\\" \\\\ # ; , [\"\nraw = 'a\\b'\nempty = "
      "\"\"\nnone = []");
  ASSERT_TRUE(settings.ok()) << settings.status();
  std::vector<std::string> names;
  for (const Setting& setting : *settings) names.push_back(setting.name);
  EXPECT_THAT(names, ElementsAre("port", "max-sequences", "host", "name", "key", "raw", "empty", "none"));
  EXPECT_THAT((*settings)[0].values, ElementsAre("8000"));
  EXPECT_EQ((*settings)[0].line, 4);
  EXPECT_THAT((*settings)[1].values, ElementsAre("64"));
  EXPECT_THAT((*settings)[2].values, ElementsAre("0.0.0.0"));
  EXPECT_THAT((*settings)[3].values, ElementsAre("a", "b", "c", "d"));
  EXPECT_THAT((*settings)[4].values, ElementsAre("a \"b\" \\ # ; , ["));
  EXPECT_THAT((*settings)[5].values, ElementsAre("a\\b"));
  EXPECT_THAT((*settings)[6].values, ElementsAre(""));
  EXPECT_TRUE((*settings)[7].values.empty());
  EXPECT_EQ((*settings)[7].line, 13);
}

TEST(ConfigFileTest, AnEmptyFileSetsNothing) {
  for (const char* text : {"", "\n", "# nothing", "\r\n \t\n;", "[default]"}) {
    const auto settings = ParseConfigFile(text);
    ASSERT_TRUE(settings.ok()) << text << settings.status();
    EXPECT_TRUE(settings->empty());
  }
}

TEST(ConfigFileTest, WhatCouldMeanTwoThingsIsRefused) {
  for (const char* text :
       {"port",         "port 8000",       "port: 8000",       "port =",      "port = \nhost = a", "= 8000",
        "po rt = 1",    "p\xc3\xb6rt = 1", "a.b = 1",          "a = b c",     "a = b, c",          "a = \"b",
        "a = \"b\nc\"", "a = 'b",          "a = \"b\" c",      "a = [b",      "a = [b c]",         "a = [b,,c]",
        "a = ]",        "a = b]",          "a = b\"c\"",       "a = \"\\n\"", "[section]",         "a = b#c",
        "a = b;c",      "a = [b#c]",       "[section]\na = b", "[[default]]", "[default] a = b",   "\"a = b",
        "-- = ,"}) {
    EXPECT_THAT(Error(text), HasSubstr("line ")) << text;
  }
  EXPECT_THAT(Error("port = 1\nhost = a\n\nPort\n"), HasSubstr("line 4: "));
  EXPECT_THAT(Error(std::string_view("a = \0", 5)), HasSubstr("NUL"));
}

TEST(ConfigFileTest, ANameMayStandOnce) {
  EXPECT_THAT(Error("api-key = a\nport = 1\napi_key = b\n"), HasSubstr("line 3: 'api-key' is set twice"));
  EXPECT_THAT(Error("api-key = a\napi-key = b\n"), HasSubstr("[\"a\", \"b\"]"));
}

TEST(ConfigFileTest, ErrorsShowNoValue) {
  for (const char* text : {"hush", "api-key hush", "api-key = hush admin", "api-key = \"hush",
                           "api-key = a\napi-key = hush", "api-key = [hush hush]"}) {
    EXPECT_THAT(Error(text), Not(HasSubstr("hush"))) << text;
  }
}

}  // namespace
}  // namespace batucada

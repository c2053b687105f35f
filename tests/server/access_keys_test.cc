#include "server/access_keys.h"

#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace batucada {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

std::string FileOf(const std::string& text) {
  std::string path = ::testing::TempDir() + "/access_keys_test";
  std::ofstream(path) << text;
  return path;
}

TEST(AccessKeysTest, WithoutKeysEverythingIsAccepted) {
  const AccessKeys keys = *AccessKeys::Load({}, "");
  EXPECT_FALSE(keys.required());
  EXPECT_TRUE(keys.Accept(""));
  EXPECT_TRUE(keys.AcceptAuthorization(""));
}

TEST(AccessKeysTest, AcceptsEachKeyAndNothingElse) {
  const AccessKeys keys = *AccessKeys::Load({"first", "second"}, FileOf("# of others\n\n third \r\nfourth"));
  EXPECT_TRUE(keys.required());
  for (const char* key : {"first", "second", "third", "fourth"}) EXPECT_TRUE(keys.Accept(key)) << key;
  for (const char* key : {"", "firs", "first ", "firstx", "FIRST", "# of others", "fifth"}) {
    EXPECT_FALSE(keys.Accept(key)) << key;
  }
  EXPECT_TRUE(keys.AcceptAuthorization("Bearer first"));
  EXPECT_TRUE(keys.AcceptAuthorization("bearer second"));
  for (const char* header : {"", "first", "Bearer", "Bearer ", "Bearer  first", "Basic first", "Bearer first "}) {
    EXPECT_FALSE(keys.AcceptAuthorization(header)) << header;
  }
}

TEST(AccessKeysTest, MistakesAreToldWithoutTheKey) {
  const auto message = [](const std::vector<std::string>& keys, const std::string& file) {
    return std::string(AccessKeys::Load(keys, file).status().message());
  };
  EXPECT_THAT(message({"sec ret"}, ""), AllOf(HasSubstr("--api-key"), Not(HasSubstr("sec ret"))));
  EXPECT_THAT(message({""}, ""), HasSubstr("not empty"));
  EXPECT_THAT(message({}, FileOf("a\n\xc3\xa9\n")), AllOf(HasSubstr("line 2"), HasSubstr("--api-key-file")));
  EXPECT_THAT(message({}, FileOf("# nothing\n")), HasSubstr("holds no key"));
  EXPECT_THAT(message({}, "/does/not/exist"), HasSubstr("/does/not/exist"));
}

}  // namespace
}  // namespace batucada

#include "server/common/access_keys.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/temp_dir.h"

namespace batucada {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

std::string FileOf(const std::string& text) {
  static const TempDir folder;
  folder.Write("keys", text);
  return folder.path() / "keys";
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

TEST(AccessKeysTest, KeysSayWhatTheyAllow) {
  const AccessKeys keys = *AccessKeys::Load({"plain", "boss priority=-10 admin"},
                                            FileOf("file\tadmin\n late priority=5"), {.most_urgent = -1});
  const auto rights = [&](const char* key) { return keys.Find(key)->rights; };
  EXPECT_EQ(rights("plain").most_urgent, -1);
  EXPECT_FALSE(rights("plain").admin);
  EXPECT_EQ(rights("boss").most_urgent, -10);
  EXPECT_TRUE(rights("boss").admin);
  EXPECT_EQ(rights("file").most_urgent, -1);
  EXPECT_TRUE(rights("file").admin);
  EXPECT_EQ(rights("late").most_urgent, 5);
  EXPECT_FALSE(rights("late").admin);
  EXPECT_FALSE(keys.Find("admin").has_value());
  EXPECT_TRUE(keys.any_admin());
  EXPECT_FALSE(AccessKeys::Load({"a", "b priority=1"}, "")->any_admin());
}

TEST(AccessKeysTest, AKeyHasOneNameAndAnotherKeyAnother) {
  const AccessKeys keys = *AccessKeys::Load({"a", "b"}, ""), again = *AccessKeys::Load({"b", "a admin"}, "");
  EXPECT_NE(keys.Find("a")->key, keys.Find("b")->key);
  EXPECT_EQ(keys.Find("a")->key, again.Find("a")->key);
  EXPECT_NE(keys.Find("a")->key, 0);
  EXPECT_EQ(AccessKeys().Find("a")->key, 0) << "none is needed";
}

TEST(AccessKeysTest, MistakesAreToldWithoutTheKey) {
  const auto message = [](const std::vector<std::string>& keys, const std::string& file) {
    return std::string(AccessKeys::Load(keys, file).status().message());
  };
  EXPECT_THAT(message({"sec ret"}, ""), AllOf(HasSubstr("--api-key"), Not(HasSubstr("sec ret"))));
  EXPECT_THAT(message({""}, ""), HasSubstr("not empty"));
  for (const char* right : {"a priority=", "a priority=-1001", "a priority=urgent", "a admin priority=1x", "a Admin"}) {
    EXPECT_THAT(message({}, FileOf(right)), HasSubstr("line 1")) << right;
  }
  EXPECT_THAT(message({}, FileOf("a\n\xc3\xa9\n")), AllOf(HasSubstr("line 2"), HasSubstr("--api-key-file")));
  EXPECT_THAT(message({}, FileOf("# nothing\n")), HasSubstr("holds no key"));
  EXPECT_THAT(message({}, "/does/not/exist"), HasSubstr("/does/not/exist"));
}

TEST(AccessKeysTest, AKeyHasItsRightsOnce) {
  const auto message = [](const std::vector<std::string>& keys, const std::string& file) {
    return std::string(AccessKeys::Load(keys, file).status().message());
  };
  EXPECT_THAT(message({"secret", "secret admin"}, ""),
              AllOf(HasSubstr("--api-key: this key has other rights than in --api-key"), Not(HasSubstr("secret"))));
  EXPECT_THAT(message({"secret admin", "other", "secret"}, ""), HasSubstr("other rights"));
  EXPECT_THAT(message({"secret priority=-5"}, FileOf("secret priority=5\n")),
              AllOf(HasSubstr("line 1: this key has other rights than in --api-key"), Not(HasSubstr("secret"))));
  EXPECT_THAT(message({}, FileOf("secret\nother\nsecret priority=-5")),
              AllOf(HasSubstr("line 3"), HasSubstr("line 1")));
  for (const char* twice : {"a priority=5 priority=-5", "a priority=5 admin priority=5", "a admin admin"}) {
    EXPECT_THAT(message({twice}, ""), HasSubstr("is there twice")) << twice;
  }
  const auto same = AccessKeys::Load({"a admin priority=0", "a admin"}, FileOf("b\na priority=0 admin\n"));
  ASSERT_TRUE(same.ok()) << same.status();
  EXPECT_TRUE(same->Find("a")->rights.admin);
}

}  // namespace
}  // namespace batucada

#include "hub/settings.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <fstream>
#include <map>

namespace batucada {
namespace {

using testing::HasSubstr;
namespace fs = std::filesystem;

absl::StatusOr<HubSettings> From(const std::map<std::string, std::string>& variables) {
  return HubSettingsFrom([&](const char* name) -> const char* {
    const auto found = variables.find(name);
    return found == variables.end() ? nullptr : found->second.c_str();
  });
}

// A folder of its own, gone afterwards.
class Folder {
 public:
  Folder() : path_(fs::temp_directory_path() / ("batucada-settings-" + std::to_string(getpid()))) {
    fs::create_directories(path_);
  }
  ~Folder() { fs::remove_all(path_); }
  const fs::path& path() const { return path_; }

 private:
  const fs::path path_;
};

TEST(HubSettingsTest, NothingSaid) {
  const auto settings = From({{"HOME", "/h/a"}});
  ASSERT_TRUE(settings.ok()) << settings.status();
  EXPECT_EQ(settings->endpoint, "https://huggingface.co");
  EXPECT_EQ(settings->cache, "/h/a/.cache/huggingface/hub");
  EXPECT_EQ(settings->token, "");
  EXPECT_FALSE(settings->offline);
}

TEST(HubSettingsTest, TheCacheLiesWhereTheNearestVariableSays) {
  std::map<std::string, std::string> variables = {{"HOME", "/h/a"}, {"XDG_CACHE_HOME", "/x"}};
  EXPECT_EQ(From(variables)->cache, "/x/huggingface/hub");
  variables["HF_HOME"] = "~/hf";
  EXPECT_EQ(From(variables)->cache, "/h/a/hf/hub");
  variables["HUGGINGFACE_HUB_CACHE"] = "/old";
  EXPECT_EQ(From(variables)->cache, "/old");
  variables["HF_HUB_CACHE"] = "/cache";
  EXPECT_EQ(From(variables)->cache, "/cache");
}

TEST(HubSettingsTest, TokensAreOfTheEnvironmentOrAFile) {
  const Folder folder;
  std::ofstream(folder.path() / "token") << " hf_file\n";
  std::map<std::string, std::string> variables = {{"HOME", "/h/a"}, {"HF_HOME", folder.path().string()}};
  EXPECT_EQ(From(variables)->token, "hf_file");
  std::ofstream(folder.path() / "other") << "hf_other";
  variables["HF_TOKEN_PATH"] = (folder.path() / "other").string();
  EXPECT_EQ(From(variables)->token, "hf_other");
  variables["HF_TOKEN"] = "hf_said";
  EXPECT_EQ(From(variables)->token, "hf_said");
  variables["HF_TOKEN"] = "hf\r\nX-Evil: 1";
  EXPECT_THAT(From(variables).status().message(), HasSubstr("HF_TOKEN holds characters"));
  EXPECT_EQ(From(variables).status().message().find("Evil"), std::string::npos) << "a token is not told";
}

TEST(HubSettingsTest, OfflineInEveryWayOfSayingYes) {
  for (const char* yes : {"1", "on", "YES", "True"}) {
    EXPECT_TRUE(From({{"HF_HUB_OFFLINE", yes}})->offline) << yes;
    EXPECT_TRUE(From({{"TRANSFORMERS_OFFLINE", yes}})->offline) << yes;
  }
  for (const char* no : {"", "0", "no", "off"}) EXPECT_FALSE(From({{"HF_HUB_OFFLINE", no}})->offline) << no;
}

TEST(HubSettingsTest, EndpointsAreAddresses) {
  EXPECT_EQ(From({{"HF_ENDPOINT", "http://127.0.0.1:8080/"}})->endpoint, "http://127.0.0.1:8080");
  EXPECT_THAT(From({{"HF_ENDPOINT", "mirror.example"}}).status().message(), HasSubstr("HF_ENDPOINT is mirror.example"));
  EXPECT_THAT(From({{"HF_ENDPOINT", "file:///etc"}}).status().message(), HasSubstr("begins with https://"));
}

}  // namespace
}  // namespace batucada

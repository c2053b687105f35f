#include "hub/cache.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <fstream>

#include "hub/cache_list.h"

namespace batucada {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
namespace fs = std::filesystem;

const std::string kCommit(40, 'c');
const std::string kOther(40, 'd');

class CacheTest : public testing::Test {
 protected:
  CacheTest() : root_(fs::temp_directory_path() / ("batucada-cache-" + std::to_string(getpid()))) {
    fs::remove_all(root_);
  }
  ~CacheTest() override { fs::remove_all(root_); }

  // A file of a snapshot, as fetching leaves it.
  void Put(const HubCache& cache, const std::string& commit, const std::string& file, const std::string& digest,
           const std::string& text) {
    ASSERT_TRUE(cache.Prepare(commit).ok());
    std::ofstream(cache.Blob(digest)) << text;
    ASSERT_TRUE(cache.Link(commit, file, digest).ok());
  }

  const fs::path root_;
};

TEST_F(CacheTest, LaidOutAsHuggingFacesLibrariesDo) {
  const HubCache cache(root_, "org/name");
  Put(cache, kCommit, "config.json", "d1", "{}");
  ASSERT_TRUE(cache.SetRevision("main", kCommit).ok());
  ASSERT_TRUE(cache.SetRevision("refs/pr/1", kCommit).ok());
  ASSERT_TRUE(cache.SetRevision(kCommit, kCommit).ok());
  const fs::path folder = root_ / "models--org--name";
  EXPECT_EQ(fs::read_symlink(folder / "snapshots" / kCommit / "config.json"), "../../blobs/d1");
  Put(cache, kCommit, "templates/tool_use.jinja", "d2", "{{ tools }}");
  EXPECT_EQ(fs::read_symlink(folder / "snapshots" / kCommit / "templates" / "tool_use.jinja"), "../../../blobs/d2");
  EXPECT_TRUE(fs::is_regular_file(folder / "refs" / "main"));
  EXPECT_TRUE(fs::is_regular_file(folder / "refs" / "refs" / "pr" / "1"));
  EXPECT_FALSE(fs::exists(folder / "refs" / kCommit));
  EXPECT_EQ(cache.Lock("d1"), root_ / ".locks" / "models--org--name" / "d1.lock");
  EXPECT_EQ(*cache.Commit("refs/pr/1"), kCommit);
  EXPECT_EQ(*cache.Commit(kOther), kOther);
  EXPECT_TRUE(absl::IsNotFound(cache.Commit("v2").status()));
  std::ofstream(folder / "refs" / "v3") << "../../elsewhere";
  EXPECT_FALSE(cache.Commit("v3").ok()) << "what is no commit names no folder";
}

TEST_F(CacheTest, FindsWhatIsWholeAndNamesWhatLacks) {
  const HubCache cache(root_, "org/name");
  EXPECT_THAT(cache.Find("main", HubPart::kConfig).status().message(), HasSubstr("has no org/name at main"));
  Put(cache, kCommit, "config.json", "d1", "{}");
  ASSERT_TRUE(cache.SetRevision("main", kCommit).ok());
  EXPECT_EQ(*cache.Find("main", HubPart::kConfig), cache.Snapshot(kCommit));
  EXPECT_THAT(cache.Find("main", HubPart::kModel).status().message(), HasSubstr("lacks model.safetensors"));
  Put(cache, kCommit, "model.safetensors.index.json", "d2",
      R"({"weight_map": {"a": "m1.safetensors", "b": "m2.safetensors"}})");
  EXPECT_THAT(cache.Find("main", HubPart::kModel).status().message(), HasSubstr("lacks m1.safetensors and 1 more"));
  Put(cache, kCommit, "m1.safetensors", "d3", "x");
  Put(cache, kCommit, "m2.safetensors", "d4", "y");
  EXPECT_TRUE(cache.Find("main", HubPart::kModel).ok());
  // A link to a blob that is gone is no file.
  fs::remove(cache.Blob("d4"));
  EXPECT_THAT(cache.Find("main", HubPart::kModel).status().message(), HasSubstr("lacks m2.safetensors"));
}

TEST_F(CacheTest, LinksFollowTheirContent) {
  const HubCache cache(root_, "org/name");
  Put(cache, kCommit, "config.json", "d1", "old");
  Put(cache, kCommit, "config.json", "d2", "new");
  EXPECT_EQ(fs::read_symlink(cache.Snapshot(kCommit) / "config.json"), "../../blobs/d2");
}

TEST_F(CacheTest, ListsSnapshotsWithTheirRevisions) {
  EXPECT_TRUE(ListCache(root_).empty());
  const HubCache b(root_, "org/b"), a(root_, "org/a");
  Put(b, kCommit, "config.json", "d1", "{}");
  Put(b, kCommit, "model.safetensors", "d2", "12345678");
  Put(b, kCommit, "templates/tool_use.jinja", "d3", "{{ tools }}");
  ASSERT_TRUE(b.SetRevision("main", kCommit).ok());
  ASSERT_TRUE(b.SetRevision("v1", kCommit).ok());
  Put(a, kOther, "config.json", "d1", "{}");
  fs::create_directories(root_ / "datasets--org--a" / "snapshots" / kCommit);
  fs::create_directories(root_ / "models--bert" / "snapshots" / kCommit);
  fs::create_directories(root_ / "models--org--b" / "snapshots" / "tmp");
  const std::vector<CachedModel> models = ListCache(root_);
  ASSERT_EQ(models.size(), 2u);
  EXPECT_EQ(models[0].repository, "org/a");
  EXPECT_THAT(models[0].revisions, ElementsAre());
  EXPECT_THAT(models[0].missing, ElementsAre("model.safetensors"));
  EXPECT_EQ(models[1].repository, "org/b");
  EXPECT_THAT(models[1].revisions, ElementsAre("main", "v1"));
  EXPECT_EQ(models[1].commit, kCommit);
  EXPECT_EQ(models[1].bytes, 21);
  EXPECT_THAT(models[1].missing, ElementsAre());
}

}  // namespace
}  // namespace batucada

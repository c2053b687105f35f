#include "hub/hub_model.h"

#include <gtest/gtest.h>

namespace batucada {
namespace {

TEST(HubModelTest, NamesInPairs) {
  const std::optional<HubModel> model = ParseHubModel("tiiuae/falcon-mamba-7b");
  ASSERT_TRUE(model);
  EXPECT_EQ(model->repository, "tiiuae/falcon-mamba-7b");
  EXPECT_EQ(model->revision, "main");
  EXPECT_EQ(model->Name(), "tiiuae/falcon-mamba-7b");
}

TEST(HubModelTest, RevisionsAreBranchesTagsAndCommits) {
  for (const char* revision : {"v1.0", "refs/pr/12", "0123456789abcdef0123456789abcdef01234567", "a_b-c"}) {
    const std::optional<HubModel> model = ParseHubModel(std::string("o/n@") + revision);
    ASSERT_TRUE(model) << revision;
    EXPECT_EQ(model->revision, revision);
    EXPECT_EQ(model->Name(), std::string("o/n@") + revision);
  }
  EXPECT_TRUE(IsCommit("0123456789abcdef0123456789abcdef01234567"));
  EXPECT_FALSE(IsCommit("0123456789abcdef0123456789abcdef0123456"));
  EXPECT_FALSE(IsCommit("0123456789ABCDEF0123456789abcdef01234567"));
}

// Whatever is no name must not become part of a path or an address.
TEST(HubModelTest, WhatIsNoNameIsNone) {
  for (const char* text :
       {"",         "/",          "name",   "/tmp/model", "./model/x", "../x",   "a/../b", "a/b/c",  "a//b",
        "a/",       "/b",         "a/.b",   "a/b.",       "-a/b",      "a/b-",   "a--b/c", "a/b..c", "a/b.git",
        "a b/c",    "a/b?c",      "a/b#c",  "a/b%2e",     "a/b\n",     "a/b@",   "a/b@/x", "a/b@x/", "a/b@x//y",
        "a/b@../x", "a/b@x/../y", "a/b@.x", "a/b@x y",    "a/b@x@y",   "a/b@x?y"}) {
    EXPECT_FALSE(ParseHubModel(text)) << text;
  }
  EXPECT_TRUE(ParseHubModel(std::string(96, 'a') + "/b"));
  EXPECT_FALSE(ParseHubModel(std::string(97, 'a') + "/b"));
}

}  // namespace
}  // namespace batucada

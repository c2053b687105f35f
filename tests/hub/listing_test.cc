#include "hub/listing.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace batucada {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

const std::string kSha1(40, 'a');
const std::string kSha256(64, 'b');

std::string Answer(const std::string& siblings) {
  return R"({"id": "o/n", "sha": ")" + kSha1 + R"(", "gated": false, "siblings": [)" + siblings + "]}";
}

std::string Small(const std::string& name) {
  return R"({"rfilename": ")" + name + R"(", "size": 12, "blobId": ")" + kSha1 + R"("})";
}

std::string Large(const std::string& name) {
  return R"({"rfilename": ")" + name + R"(", "size": 34, "blobId": ")" + kSha1 + R"(", "lfs": {"sha256": ")" + kSha256 +
         R"(", "size": 34, "pointerSize": 130}})";
}

std::vector<std::string> Names(const HubListing& listing) {
  std::vector<std::string> names;
  for (const HubFile& file : listing.files) names.push_back(file.name);
  return names;
}

TEST(ListingTest, OnlyWhatServingNeeds) {
  const auto listing = ParseListing(
      Answer(Small(".gitattributes") + "," + Small("README.md") + "," + Small("config.json") + "," +
             Large("model.safetensors") + "," + Large("pytorch_model.bin") + "," + Large("consolidated.00.pth") + "," +
             Large("onnx/model.safetensors") + "," + Small("modeling_phi4flash.py") + "," +
             Small("chat_template.jinja") + "," + Large("tokenizer.json") + "," +
             Small("additional_chat_templates/rag.jinja") + "," + Small("additional_chat_templates/tool_use.jinja")));
  ASSERT_TRUE(listing.ok()) << listing.status();
  EXPECT_EQ(listing->commit, kSha1);
  EXPECT_THAT(Names(*listing), ElementsAre("config.json", "model.safetensors", "chat_template.jinja", "tokenizer.json",
                                           "additional_chat_templates/tool_use.jinja"));
  EXPECT_THAT(listing->pickles, ElementsAre("pytorch_model.bin", "consolidated.00.pth"));
  EXPECT_EQ(FindFile(*listing, "config.json")->digest, kSha1);
  EXPECT_EQ(FindFile(*listing, "model.safetensors")->digest, kSha256);
  EXPECT_EQ(FindFile(*listing, "model.safetensors")->size, 34);
  EXPECT_EQ(FindFile(*listing, "README.md"), nullptr);
}

// Names become paths, digests too.
TEST(ListingTest, NamesThatLeaveTheirFolderAreNone) {
  for (const char* name : {"../x.safetensors", "/x.safetensors", "a/../../x.safetensors", ".x.safetensors",
                           "x\\u0000.safetensors", "x\\u001b.safetensors", "x y.safetensors"}) {
    const auto listing = ParseListing(Answer(Large(name)));
    ASSERT_TRUE(listing.ok()) << listing.status();
    EXPECT_THAT(Names(*listing), ElementsAre()) << name;
  }
}

TEST(ListingTest, WhatIsNoListingIsSaidSo) {
  EXPECT_THAT(ParseListing("<html>").status().message(), HasSubstr("the Hub's answer"));
  EXPECT_THAT(ParseListing("{}").status().message(), HasSubstr("sha is missing"));
  EXPECT_THAT(ParseListing(R"({"sha": "../../x", "siblings": []})").status().message(), HasSubstr("sha is no commit"));
  EXPECT_THAT(
      ParseListing(Answer(R"({"rfilename": "config.json", "size": 1, "blobId": "../../evil"})")).status().message(),
      HasSubstr("siblings[0].blobId is neither"));
  EXPECT_THAT(ParseListing(Answer(R"({"rfilename": "config.json", "blobId": "x"})")).status().message(),
              HasSubstr("siblings[0].size is missing"));
  EXPECT_FALSE(ParseListing(Answer(R"({"rfilename": "config.json", "size": -1, "blobId": ")" + kSha1 + "\"}")).ok());
}

TEST(ListingTest, ShardsOfAnIndex) {
  const auto shards =
      ShardsOf(R"({"metadata": {}, "weight_map": {"a": "model-2.safetensors", "b": "model-1.safetensors",
                                   "c": "model-2.safetensors"}})");
  ASSERT_TRUE(shards.ok()) << shards.status();
  EXPECT_THAT(*shards, ElementsAre("model-1.safetensors", "model-2.safetensors"));
  EXPECT_THAT(ShardsOf(R"({"weight_map": {"a": "../x.safetensors"}})").status().message(),
              HasSubstr("does not name a file"));
  EXPECT_THAT(ShardsOf(R"({"weight_map": {"a": "pytorch_model.bin"}})").status().message(),
              HasSubstr("does not name a file of safetensors"));
}

}  // namespace
}  // namespace batucada

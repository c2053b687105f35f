#include "engine/model/safetensors.h"

#include <sys/stat.h>

#include <cstring>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/model/test_files.h"

namespace batucada {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;

std::string ErrorOf(const std::string& file) {
  const auto tensors = ParseSafetensors(AsBytes(file), "x.safetensors");
  return tensors.ok() ? "no error" : std::string(tensors.status().message());
}

std::vector<Entry> TwoTensors() {
  return {{.name = "a", .shape = {2, 3}, .begin = 0, .end = 24}, {.name = "b", .shape = {4}, .begin = 24, .end = 40}};
}

TEST(SafetensorsTest, ReadsTensorsInOrderOfOffset) {
  std::vector<Entry> entries = TwoTensors();
  std::swap(entries[0], entries[1]);
  const std::string file = FileBytes(HeaderJson(entries), 40);
  const auto tensors = ParseSafetensors(AsBytes(file), "x");
  ASSERT_TRUE(tensors.ok()) << tensors.status();
  ASSERT_EQ(tensors->size(), 2u);
  EXPECT_EQ((*tensors)[0].name, "a");
  EXPECT_THAT((*tensors)[0].shape, ElementsAre(2, 3));
  EXPECT_EQ((*tensors)[0].dtype, "F32");
  EXPECT_EQ((*tensors)[1].name, "b");
  EXPECT_EQ((*tensors)[1].data.size(), 16u);
  EXPECT_EQ((*tensors)[1].data[0], std::byte{24});
}

TEST(SafetensorsTest, ReadsScalarsEmptyTensorsAndPaddedHeaders) {
  const std::vector<Entry> entries = {{.name = "empty", .shape = {0, 5}, .begin = 0, .end = 0},
                                      {.name = "scalar", .dtype = "I64", .shape = {}, .begin = 0, .end = 8}};
  const auto file = FileBytes(HeaderJson(entries) + "     ", 8);
  const auto tensors = ParseSafetensors(AsBytes(file), "x");
  ASSERT_TRUE(tensors.ok()) << tensors.status();
  EXPECT_EQ((*tensors)[0].name, "empty");
  EXPECT_EQ((*tensors)[1].name, "scalar");
}

TEST(SafetensorsTest, RefusesAFileTooShortForItsLength) {
  EXPECT_THAT(ErrorOf(std::string("\x08\0\0", 3)), AllOf(HasSubstr("x.safetensors"), HasSubstr("3 bytes")));
  EXPECT_THAT(ErrorOf(""), HasSubstr("0 bytes"));
}

TEST(SafetensorsTest, RefusesHeadersThatClaimTooMuch) {
  const std::string header = HeaderJson(TwoTensors());
  EXPECT_THAT(ErrorOf(FileBytes(header, 40, uint64_t{1} << 63)), HasSubstr("9223372036854775808 bytes, at most"));
  EXPECT_THAT(ErrorOf(FileBytes(header, 40, UINT64_MAX)), HasSubstr("18446744073709551615 bytes, at most"));
  EXPECT_THAT(ErrorOf(FileBytes(header, 40, 100'000'001)), HasSubstr("at most 100000000"));
  EXPECT_THAT(ErrorOf(FileBytes(header, 40, header.size() + 41)), HasSubstr("is the file complete?"));
}

TEST(SafetensorsTest, EveryTruncationIsAnError) {
  const std::string file = FileBytes(TwoTensors());
  ASSERT_EQ(ErrorOf(file), "no error");
  for (size_t size = 0; size < file.size(); ++size) {
    EXPECT_NE(ErrorOf(file.substr(0, size)), "no error") << size;
  }
  EXPECT_THAT(ErrorOf(file.substr(0, file.size() - 1)), AllOf(HasSubstr("tensor b"), HasSubstr("is it complete?")));
}

TEST(SafetensorsTest, NoByteOfTheHeaderCanCrashIt) {
  const std::string file = FileBytes(TwoTensors());
  for (size_t at = 0; at + 40 < file.size(); ++at) {
    for (const char c : {'\0', '\xff', '"', '{', '9', '-', ','}) {
      std::string mutated = file;
      mutated[at] = c;
      (void)ParseSafetensors(AsBytes(mutated), "x");
    }
  }
}

TEST(SafetensorsTest, RefusesOverlaps) {
  std::vector<Entry> entries = TwoTensors();
  entries[1].begin = 20;
  entries[1].end = 36;
  EXPECT_THAT(ErrorOf(FileBytes(HeaderJson(entries), 36)), HasSubstr("tensor a and tensor b overlap at byte 20"));
}

TEST(SafetensorsTest, RefusesGaps) {
  std::vector<Entry> entries = TwoTensors();
  entries[1].begin += 8;
  entries[1].end += 8;
  EXPECT_THAT(ErrorOf(FileBytes(entries)), AllOf(HasSubstr("bytes 24 to 32"), HasSubstr("before tensor b")));
  EXPECT_THAT(ErrorOf(FileBytes(HeaderJson(TwoTensors()), 47)), HasSubstr("the last 7 bytes"));
  EXPECT_THAT(ErrorOf(FileBytes("{}", 1)), HasSubstr("the last 1 bytes"));
}

TEST(SafetensorsTest, RefusesOffsetsOutsideTheFile) {
  std::vector<Entry> entries = TwoTensors();
  entries[1] = {.name = "b", .shape = {1000}, .begin = 24, .end = 4024};
  EXPECT_THAT(ErrorOf(FileBytes(HeaderJson(entries), 40)), HasSubstr("tensor b ends at byte 4024"));
  entries[1] = {.name = "b", .shape = {4}, .begin = INT64_MAX - 16, .end = INT64_MAX};
  EXPECT_THAT(ErrorOf(FileBytes(HeaderJson(entries), 40)), HasSubstr("tensor b ends at byte"));
  entries[1] = {.name = "b", .shape = {4}, .begin = 40, .end = 24};
  EXPECT_THAT(ErrorOf(FileBytes(HeaderJson(entries), 40)), HasSubstr("tensor b has data_offsets [40, 24]"));
  entries[1] = {.name = "b", .shape = {4}, .begin = -16, .end = 0};
  EXPECT_THAT(ErrorOf(FileBytes(HeaderJson(entries), 40)), HasSubstr("b.data_offsets[0] is -16, expected an integer"));
}

TEST(SafetensorsTest, RefusesShapesThatDoNotMatchTheirBytes) {
  std::vector<Entry> entries = TwoTensors();
  entries[1].shape = {5};
  EXPECT_THAT(ErrorOf(FileBytes(entries)), HasSubstr("tensor b takes 16 bytes, but F32 [5] needs 20"));
  entries[1] = {.name = "b", .dtype = "BF16", .shape = {4}, .begin = 24, .end = 40};
  EXPECT_THAT(ErrorOf(FileBytes(entries)), HasSubstr("tensor b takes 16 bytes, but BF16 [4] needs 8"));
}

TEST(SafetensorsTest, RefusesShapesWhoseProductOverflows) {
  std::vector<Entry> entries = TwoTensors();
  // 2^32 · 2^32 · 4 is 0 modulo 2^64: a product that wraps would fit anywhere.
  entries[1].shape = {int64_t{1} << 32, int64_t{1} << 32};
  EXPECT_THAT(ErrorOf(FileBytes(entries)), AllOf(HasSubstr("tensor b"), HasSubstr("2^63")));
  entries[1].shape = {INT64_MAX};
  EXPECT_THAT(ErrorOf(FileBytes(entries)), AllOf(HasSubstr("tensor b"), HasSubstr("2^63")));
  entries[1].shape = {1, 1, 1, 1, 1, 1, 1, 1, 4};
  EXPECT_THAT(ErrorOf(FileBytes(entries)), HasSubstr("tensor b has 9 dimensions"));
  entries[1].shape = {-4};
  EXPECT_THAT(ErrorOf(FileBytes(entries)), HasSubstr("b.shape[0] is -4, expected an integer of at least 0"));
}

TEST(SafetensorsTest, RefusesUnknownDTypes) {
  std::vector<Entry> entries = TwoTensors();
  entries[1].dtype = "F4";
  EXPECT_THAT(ErrorOf(FileBytes(entries)), HasSubstr("tensor b has the unknown dtype \"F4\""));
}

TEST(SafetensorsTest, RefusesDuplicateNames) {
  std::vector<Entry> entries = TwoTensors();
  entries[1].name = "a";
  EXPECT_THAT(ErrorOf(FileBytes(entries)), AllOf(HasSubstr("\"a\" twice"), HasSubstr("x.safetensors")));
  // The same name spelt with an escape.
  entries[1].name = "\\u0061";
  EXPECT_THAT(ErrorOf(FileBytes(entries)), HasSubstr("\"a\" twice"));
}

TEST(SafetensorsTest, RefusesMalformedHeaders) {
  EXPECT_THAT(ErrorOf(FileBytes("[]", 0)), HasSubstr("not a JSON object"));
  EXPECT_THAT(ErrorOf(FileBytes("{\"a\":", 0)), HasSubstr("not valid JSON"));
  EXPECT_THAT(ErrorOf(FileBytes("{} x", 0)), HasSubstr("after its JSON document"));
  EXPECT_THAT(ErrorOf(FileBytes("{\"a\":" + std::string(100'000, '['), 0)), HasSubstr("deeper than 32"));
  EXPECT_THAT(ErrorOf(FileBytes("{\"a\":\"\xff\xfe\"}", 0)), HasSubstr("not valid JSON"));
  EXPECT_THAT(ErrorOf(FileBytes("{\"a\":3}", 0)), HasSubstr("a is 3, expected an object"));
  EXPECT_THAT(ErrorOf(FileBytes("{\"a\":{\"dtype\":7}}", 0)), HasSubstr("a.dtype is 7, expected a string"));
  EXPECT_THAT(ErrorOf(FileBytes("{\"a\":{\"dtype\":\"F32\",\"data_offsets\":[0,0]}}", 0)),
              HasSubstr("a.shape is missing"));
  EXPECT_THAT(ErrorOf(FileBytes("{\"a\":{\"dtype\":\"F32\",\"shape\":[0]}}", 0)),
              HasSubstr("a.data_offsets is missing"));
  EXPECT_THAT(ErrorOf(FileBytes("{\"a\":{\"dtype\":\"F32\",\"shape\":[0.5],\"data_offsets\":[0,0]}}", 0)),
              HasSubstr("a.shape[0] is 5E-1, expected an integer"));
  EXPECT_THAT(ErrorOf(FileBytes("{\"__metadata__\":{\"k\":1}}", 0)), HasSubstr("__metadata__.k is not a string"));
}

TEST(SafetensorsTest, NamesFromTheFileAreEscapedAndShortenedInMessages) {
  std::vector<Entry> entries = TwoTensors();
  entries[1].name = "\\u001b[31m" + std::string(10'000, 'n');
  entries[1].dtype = "?";
  EXPECT_THAT(ErrorOf(FileBytes(entries)), AllOf(HasSubstr("\\x1b[31mnnn"), testing::SizeIs(testing::Lt(400u))));
}

class SafetensorsModelTest : public testing::Test {
 protected:
  std::string Error() {
    const auto model = SafetensorsModel::Open(dir_.path());
    return model.ok() ? "no error" : std::string(model.status().message());
  }
  void WriteShards() {
    dir_.Write("one.safetensors", FileBytes({{.name = "a", .shape = {2}, .begin = 0, .end = 8}}));
    dir_.Write("two.safetensors", FileBytes({{.name = "b", .shape = {3}, .begin = 0, .end = 12}}));
  }
  void WriteIndex(const std::string& weight_map) {
    dir_.Write("model.safetensors.index.json", "{\"metadata\":{\"total_size\":20},\"weight_map\":" + weight_map + "}");
  }
  TempDir dir_;
};

TEST_F(SafetensorsModelTest, OpensOneFile) {
  dir_.Write("model.safetensors", FileBytes(TwoTensors()));
  const auto model = SafetensorsModel::Open(dir_.path());
  ASSERT_TRUE(model.ok()) << model.status();
  EXPECT_EQ(model->tensors().size(), 2u);
}

TEST_F(SafetensorsModelTest, OpensShards) {
  WriteShards();
  WriteIndex(R"({"a":"one.safetensors","b":"two.safetensors"})");
  const auto model = SafetensorsModel::Open(dir_.path());
  ASSERT_TRUE(model.ok()) << model.status();
  ASSERT_EQ(model->tensors().size(), 2u);
  EXPECT_EQ(model->tensors()[0].name, "a");
  EXPECT_EQ(model->tensors()[1].name, "b");
}

TEST_F(SafetensorsModelTest, ShardNamesStayInTheDirectory) {
  WriteShards();
  for (const char* name : {"../two.safetensors", "/etc/passwd", "..", ".", "", "sub/two.safetensors"}) {
    WriteIndex(absl::StrCat(R"({"a":"one.safetensors","b":")", name, "\"}"));
    EXPECT_THAT(Error(), HasSubstr("is not the name of a file in the model directory")) << name;
  }
  WriteIndex(R"({"a":"one.safetensors","b":"two.safetensors\u0000.txt"})");
  EXPECT_THAT(Error(), HasSubstr("is not the name of a file"));
}

// A tied head stands in many an index without having been saved.
TEST_F(SafetensorsModelTest, WhatIsInTheShardsCounts) {
  WriteShards();
  WriteIndex(R"({"a":"one.safetensors","b":"two.safetensors","c":"two.safetensors"})");
  const auto model = SafetensorsModel::Open(dir_.path());
  ASSERT_TRUE(model.ok()) << model.status();
  EXPECT_EQ(model->tensors().size(), 2u);
  EXPECT_THAT(model->absent(), testing::ElementsAre(testing::Pair("c", "two.safetensors")));
  WriteIndex(R"({"c":"one.safetensors","b":"two.safetensors"})");
  const auto unlisted = SafetensorsModel::Open(dir_.path());
  ASSERT_TRUE(unlisted.ok()) << unlisted.status();
  EXPECT_EQ(unlisted->tensors()[0].name, "a");
}

TEST_F(SafetensorsModelTest, IndexesNameFilesThatAreThere) {
  WriteShards();
  WriteIndex(R"({"a":"one.safetensors","b":"three.safetensors"})");
  EXPECT_THAT(Error(), HasSubstr("three.safetensors cannot be opened"));
  WriteIndex("{}");
  EXPECT_THAT(Error(), HasSubstr("names no tensors"));
  WriteIndex("[]");
  EXPECT_THAT(Error(), HasSubstr("weight_map is a list of 0, expected an object"));
  WriteIndex(R"({"a":1})");
  EXPECT_THAT(Error(), HasSubstr("weight_map.a is 1, expected a string"));
}

TEST_F(SafetensorsModelTest, ADirectoryWithoutWeightsSaysWhatToDo) {
  const auto model = SafetensorsModel::Open(dir_.path());
  EXPECT_TRUE(absl::IsNotFound(model.status()));
  EXPECT_THAT(Error(), AllOf(HasSubstr(dir_.path().string()), HasSubstr("--load-format dummy")));
}

TEST_F(SafetensorsModelTest, RefusesWhatIsNotAFile) {
  dir_.Write("model.safetensors", "");
  EXPECT_THAT(Error(), HasSubstr("is empty"));
  std::filesystem::remove(dir_.path() / "model.safetensors");
  std::filesystem::create_directory(dir_.path() / "model.safetensors");
  EXPECT_THAT(Error(), HasSubstr("is not a regular file"));
  std::filesystem::remove(dir_.path() / "model.safetensors");
  ASSERT_EQ(mkfifo((dir_.path() / "model.safetensors").c_str(), 0600), 0);
  EXPECT_THAT(Error(), HasSubstr("is not a regular file"));
}

}  // namespace
}  // namespace batucada

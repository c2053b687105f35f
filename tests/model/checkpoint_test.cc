#include "engine/model/checkpoint.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstring>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/model/test_files.h"

namespace batucada {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

TEST(CheckpointTest, TheEmbeddedModelLoads) {
  const auto checkpoint = OpenCheckpoint(BATUCADA_SOURCE_DIR "/models/samba-classics-18m");
  ASSERT_TRUE(checkpoint.ok()) << checkpoint.status();
  EXPECT_THAT(checkpoint->generation.eos_token_ids, ElementsAre(0, 2));
  EXPECT_EQ(checkpoint->generation.sampling.temperature, 0.8);
  int64_t elements = 0;
  for (const ExpectedTensor& want : ExpectedTensors(checkpoint->config)) {
    const auto tensor = checkpoint->tensors->Get(want.name, want.rows, want.cols);
    ASSERT_TRUE(tensor.ok()) << tensor.status();
    EXPECT_EQ(tensor->rows, want.rows);
    EXPECT_EQ(tensor->cols, want.cols);
    const bool matrix = IsMatrix(want.role) || want.role == TensorRole::kConv;
    EXPECT_EQ(tensor->dtype, matrix ? DType::kBf16 : DType::kF32) << want.name;
    elements += want.elements();
  }
  EXPECT_TRUE(checkpoint->tensors->CheckComplete().ok());
  EXPECT_NEAR(static_cast<double>(elements), 18.0e6, 0.1e6);
  // Spot check of the bytes: D starts near 1 in every trained Mamba.
  const auto d = checkpoint->tensors->Get("backbone.layers.0.mixer.D", 1, 768);
  float first = 0;
  std::memcpy(&first, d->data, sizeof(first));
  EXPECT_GT(first, 0.1F);
  EXPECT_LT(first, 10.0F);
}

class CheckpointFileTest : public testing::Test {
 protected:
  CheckpointFileTest() : config_(*ParseModelConfig(kTinyConfig)), entries_(EntriesFor(ExpectedTensors(config_))) {}

  Entry& Named(const std::string& name) {
    return *std::find_if(entries_.begin(), entries_.end(), [&](const Entry& e) { return e.name == name; });
  }
  void Remove(const std::string& name) {
    std::erase_if(entries_, [&](const Entry& e) { return e.name == name; });
  }
  absl::StatusOr<Checkpoint> Open() {
    Repack(&entries_);
    dir_.Write("config.json", kTinyConfig);
    dir_.Write("model.safetensors", FileBytes(entries_));
    return OpenCheckpoint(dir_.path());
  }
  std::string Error() {
    const auto checkpoint = Open();
    return checkpoint.ok() ? "no error" : std::string(checkpoint.status().message());
  }

  TempDir dir_;
  const ModelConfig config_;
  std::vector<Entry> entries_;
};

TEST_F(CheckpointFileTest, OpensAndHandsOutTheRightBytes) {
  const auto checkpoint = Open();
  ASSERT_TRUE(checkpoint.ok()) << checkpoint.status();
  for (const ExpectedTensor& want : ExpectedTensors(config_)) {
    const auto tensor = checkpoint->tensors->Get(want.name, want.rows, want.cols);
    ASSERT_TRUE(tensor.ok()) << tensor.status();
    EXPECT_EQ(*static_cast<const unsigned char*>(tensor->data), Named(want.name).begin % 251) << want.name;
  }
  EXPECT_TRUE(checkpoint->tensors->CheckComplete().ok());
}

TEST_F(CheckpointFileTest, NamesMissingTensors) {
  Remove("backbone.layers.1.mixer.k_proj.weight");
  EXPECT_THAT(Error(), AllOf(HasSubstr("model.safetensors does not fit config.json"),
                             HasSubstr("missing tensor backbone.layers.1.mixer.k_proj.weight [64, 64]"),
                             Not(HasSubstr("tie_word_embeddings"))));
}

TEST_F(CheckpointFileTest, NamesAFewOfManyMissingTensorsAndCountsTheRest) {
  entries_.resize(3);  // of 25
  const size_t missing = ExpectedTensors(config_).size() - 3;
  EXPECT_THAT(Error(), HasSubstr(absl::StrCat("and ", missing - 5, " more")));
}

// As transformers does: layers beyond those that config.json counts, and heads of other tasks.
TEST_F(CheckpointFileTest, WhatConfigJsonKnowsNothingOfIsDropped) {
  entries_.push_back({.name = "backbone.layers.2.mixer_norm.weight", .shape = {64}});
  entries_.push_back({.name = "score.weight", .dtype = "I16", .shape = {2, 64}});
  const auto checkpoint = Open();
  ASSERT_TRUE(checkpoint.ok()) << checkpoint.status();
  EXPECT_THAT(checkpoint->dropped, ElementsAre("backbone.layers.2.mixer_norm.weight", "score.weight"));
  for (const ExpectedTensor& want : ExpectedTensors(config_)) {
    ASSERT_TRUE(checkpoint->tensors->Get(want.name, want.rows, want.cols).ok()) << want.name;
  }
  EXPECT_TRUE(checkpoint->tensors->CheckComplete().ok());
}

// Without them the others would mean something else.
TEST_F(CheckpointFileTest, WhatSaysHowOthersAreMeantIsRefused) {
  const std::pair<const char*, const char*> refused[] = {
      {"backbone.layers.1.mixer.k_proj.bias", "is a bias"},
      {"backbone.layers.1.mixer.k_proj.weight_scale", "is of a quantised weight"},
      {"backbone.layers.1.mixer.k_proj.weight_scale_inv", "is of a quantised weight"},
      {"backbone.layers.1.mixer.k_proj.qweight", "is of a quantised weight"},
      {"backbone.layers.1.mixer.k_proj.lora_A.weight", "is of an adapter"},
      {"backbone.layers.1.mixer.k_proj.lora_B.default.weight", "is of an adapter"},
  };
  for (const auto& [name, reason] : refused) {
    entries_.push_back({.name = name, .shape = {64}});
    EXPECT_THAT(Error(), HasSubstr(absl::StrCat("tensor ", name, " ", reason)));
    Remove(name);
  }
  // A bias of what is not used says nothing.
  entries_.push_back({.name = "backbone.layers.7.mixer.k_proj.bias", .shape = {64}});
  EXPECT_TRUE(Open().ok());
}

TEST_F(CheckpointFileTest, AnIndexMayNameATiedHeadThatWasNotSaved) {
  Repack(&entries_);
  dir_.Write("config.json", kTinyConfig);
  dir_.Write("only.safetensors", FileBytes(entries_));
  std::string map;
  for (const Entry& entry : entries_) absl::StrAppend(&map, "\"", entry.name, "\":\"only.safetensors\",");
  dir_.Write("model.safetensors.index.json",
             absl::StrCat(R"({"weight_map":{)", map, R"("lm_head.weight":"only.safetensors"}})"));
  const auto checkpoint = OpenCheckpoint(dir_.path());
  ASSERT_TRUE(checkpoint.ok()) << checkpoint.status();
  EXPECT_TRUE(checkpoint->config.tie_embeddings);
  // Of a tensor that is needed the message says where it should have been.
  dir_.Write("model.safetensors.index.json",
             absl::StrCat(R"({"weight_map":{)", map, R"("lm_head.weight":"only.safetensors"}})"));
  Remove("backbone.norm_f.weight");
  Repack(&entries_);
  dir_.Write("only.safetensors", FileBytes(entries_));
  EXPECT_THAT(std::string(OpenCheckpoint(dir_.path()).status().message()),
              HasSubstr("missing tensor backbone.norm_f.weight [64] (in only.safetensors, says the index"));
}

TEST_F(CheckpointFileTest, NamesMisshapenTensorsWithBothShapes) {
  Named("backbone.layers.0.mixer.in_proj.weight").shape = {256, 60};
  EXPECT_THAT(Error(),
              HasSubstr("tensor backbone.layers.0.mixer.in_proj.weight has shape [256, 60], expected [256, 64]"));
}

TEST_F(CheckpointFileTest, TransposedTensorsAreMisshapen) {
  Named("backbone.layers.0.mixer.conv1d.weight").shape = {4, 1, 128};
  EXPECT_THAT(Error(), HasSubstr("conv1d.weight has shape [4, 1, 128], expected [128, 4]"));
}

TEST_F(CheckpointFileTest, SeveralProblemsAreToldAtOnce) {
  Remove("backbone.norm_f.weight");
  Named("backbone.layers.0.mixer.D").shape = {127};
  EXPECT_THAT(Error(), AllOf(HasSubstr("missing tensor backbone.norm_f.weight [64]"),
                             HasSubstr("backbone.layers.0.mixer.D has shape [127], expected [128]")));
}

TEST_F(CheckpointFileTest, DTypesThatCannotRunAreNamed) {
  Named("backbone.layers.0.mixer.out_proj.weight").dtype = "I16";
  EXPECT_THAT(Error(), HasSubstr("backbone.layers.0.mixer.out_proj.weight has dtype I16, supported are BF16, F16"));
}

TEST_F(CheckpointFileTest, AnyMixOfFloatingTypesLoads) {
  Named("backbone.layers.0.mixer.out_proj.weight").dtype = "F16";
  Named("backbone.layers.0.mixer.in_proj.weight").dtype = "F32";
  Named("backbone.layers.0.mixer.A_log").dtype = "BF16";
  const auto checkpoint = Open();
  ASSERT_TRUE(checkpoint.ok()) << checkpoint.status();
  EXPECT_EQ(checkpoint->tensors->Get("backbone.layers.0.mixer.out_proj.weight", 64, 128)->dtype, DType::kF16);
  EXPECT_EQ(checkpoint->tensors->Get("backbone.layers.0.mixer.in_proj.weight", 256, 64)->dtype, DType::kF32);
  EXPECT_EQ(checkpoint->tensors->Get("backbone.layers.0.mixer.A_log", 128, 16)->dtype, DType::kBf16);
}

TEST_F(CheckpointFileTest, TheMlpIsAsWideAsItsTensors) {
  for (const std::string layer : {"0", "1"}) {
    Named("backbone.layers." + layer + ".mlp.gate_proj.weight").shape = {52, 64};
    Named("backbone.layers." + layer + ".mlp.up_proj.weight").shape = {52, 64};
    Named("backbone.layers." + layer + ".mlp.down_proj.weight").shape = {64, 52};
  }
  const auto checkpoint = Open();
  ASSERT_TRUE(checkpoint.ok()) << checkpoint.status();
  EXPECT_EQ(checkpoint->config.layers[1].mlp.width, 52);
  Named("backbone.layers.1.mlp.up_proj.weight").shape = {40, 64};
  EXPECT_THAT(Error(), HasSubstr("layers.1.mlp.up_proj.weight has shape [40, 64], expected [52, 64]"));
}

// As transformers does: whatever the head of a tied model holds, the embeddings are it.
TEST_F(CheckpointFileTest, TheHeadOfATiedModelIsLeftAlone) {
  entries_.push_back({.name = "lm_head.weight", .dtype = "I16", .shape = {3, 5}});
  const auto checkpoint = Open();
  ASSERT_TRUE(checkpoint.ok()) << checkpoint.status();
  EXPECT_THAT(checkpoint->dropped, ElementsAre("lm_head.weight"));
}

TEST_F(CheckpointFileTest, ComputedBuffersAreDropped) {
  const std::vector<std::string> names = {"backbone.layers.1.mixer.rotary.inv_freq",
                                          "model.layers.1.mixer.rotary_emb.inv_freq",
                                          "backbone.layers.1.mixer.masked_bias", "x.num_batches_tracked"};
  for (const std::string& name : names) entries_.push_back({.name = name, .dtype = "I16", .shape = {7}});
  const auto checkpoint = Open();
  ASSERT_TRUE(checkpoint.ok()) << checkpoint.status();
  EXPECT_THAT(checkpoint->dropped, testing::UnorderedElementsAreArray(names));
  for (const ExpectedTensor& want : ExpectedTensors(config_)) {
    ASSERT_TRUE(checkpoint->tensors->Get(want.name, want.rows, want.cols).ok()) << want.name;
  }
  EXPECT_TRUE(checkpoint->tensors->CheckComplete().ok());
}

TEST_F(CheckpointFileTest, OtherSpellingsOfTheSameNamesLoad) {
  for (Entry& entry : entries_) {
    if (entry.name.starts_with("backbone.")) entry.name = "model." + entry.name.substr(std::strlen("backbone."));
    const size_t norm = entry.name.find(".mixer_norm.");
    if (norm != std::string::npos) entry.name.replace(norm, std::strlen(".mixer_norm."), ".norm.");
  }
  const auto checkpoint = Open();
  ASSERT_TRUE(checkpoint.ok()) << checkpoint.status();
  EXPECT_TRUE(checkpoint->tensors->Get("backbone.layers.0.mixer_norm.weight", 1, 64).ok());
}

TEST_F(CheckpointFileTest, TwoSpellingsOfOneTensorAreRefused) {
  entries_.push_back({.name = "model.norm_f.weight", .shape = {64}});
  EXPECT_THAT(Error(), AllOf(HasSubstr("backbone.norm_f.weight"), HasSubstr("model.norm_f.weight"),
                             HasSubstr("two names for the same weights")));
}

TEST_F(CheckpointFileTest, GetChecksNameAndShape) {
  const auto checkpoint = Open();
  ASSERT_TRUE(checkpoint.ok()) << checkpoint.status();
  EXPECT_THAT(std::string(checkpoint->tensors->Get("backbone.nothing", 1, 2).status().message()),
              HasSubstr("missing tensor backbone.nothing [2]"));
  EXPECT_THAT(std::string(checkpoint->tensors->Get("backbone.norm_f.weight", 1, 65).status().message()),
              HasSubstr("backbone.norm_f.weight has shape [64], expected [65]"));
}

TEST_F(CheckpointFileTest, WeightsThatNobodyAskedForAreNamed) {
  const auto checkpoint = Open();
  ASSERT_TRUE(checkpoint.ok()) << checkpoint.status();
  for (const ExpectedTensor& want : ExpectedTensors(config_)) {
    if (want.role == TensorRole::kALog) continue;
    ASSERT_TRUE(checkpoint->tensors->Get(want.name, want.rows, want.cols).ok());
  }
  EXPECT_THAT(std::string(checkpoint->tensors->CheckComplete().message()),
              HasSubstr("the model does not use tensor backbone.layers.0.mixer.A_log"));
}

TEST_F(CheckpointFileTest, WeightsThatChangeWhileTheyAreReadAreRefused) {
  const auto checkpoint = Open();
  ASSERT_TRUE(checkpoint.ok()) << checkpoint.status();
  for (const ExpectedTensor& want : ExpectedTensors(config_)) {
    ASSERT_TRUE(checkpoint->tensors->Get(want.name, want.rows, want.cols).ok());
  }
  const auto file = dir_.path() / "model.safetensors";
  std::filesystem::rename(file, dir_.path() / "old");  // replaced in order: what is mapped stays as it is
  dir_.Write("model.safetensors", "another");
  EXPECT_TRUE(checkpoint->tensors->CheckComplete().ok());
  const auto written = std::filesystem::last_write_time(dir_.path() / "old");
  std::filesystem::last_write_time(dir_.path() / "old", written + std::chrono::seconds(1));  // and stays as long
  EXPECT_THAT(std::string(checkpoint->tensors->CheckComplete().message()), HasSubstr("was changed while it was read"));
  std::filesystem::last_write_time(dir_.path() / "old", written);
  ASSERT_TRUE(checkpoint->tensors->CheckComplete().ok());
  std::filesystem::resize_file(dir_.path() / "old", std::filesystem::file_size(dir_.path() / "old") - 1);
  EXPECT_THAT(std::string(checkpoint->tensors->CheckComplete().message()), HasSubstr("was changed while it was read"));
}

TEST_F(CheckpointFileTest, AnUnreadableFileIsNamedBeforeItsTensors) {
  ASSERT_TRUE(Open().ok());
  const auto file = dir_.path() / "model.safetensors";
  std::filesystem::resize_file(file, std::filesystem::file_size(file) - 1);
  const auto checkpoint = OpenCheckpoint(dir_.path());
  EXPECT_THAT(std::string(checkpoint.status().message()),
              AllOf(HasSubstr("model.safetensors"), HasSubstr("complete"), Not(HasSubstr("does not fit"))));
}

TEST_F(CheckpointFileTest, ShardsLoadLikeOneFile) {
  Repack(&entries_);
  const size_t half = entries_.size() / 2;
  std::vector<Entry> first(entries_.begin(), entries_.begin() + static_cast<std::ptrdiff_t>(half));
  std::vector<Entry> second(entries_.begin() + static_cast<std::ptrdiff_t>(half), entries_.end());
  std::vector<std::string> map;
  for (const Entry& e : first) map.push_back(absl::StrCat("\"", e.name, "\":\"model-1.safetensors\""));
  for (const Entry& e : second) map.push_back(absl::StrCat("\"", e.name, "\":\"model-2.safetensors\""));
  Repack(&first);
  Repack(&second);
  dir_.Write("config.json", kTinyConfig);
  dir_.Write("model-1.safetensors", FileBytes(first));
  dir_.Write("model-2.safetensors", FileBytes(second));
  dir_.Write("model.safetensors.index.json", absl::StrCat("{\"weight_map\":{", absl::StrJoin(map, ","), "}}"));
  const auto checkpoint = OpenCheckpoint(dir_.path());
  ASSERT_TRUE(checkpoint.ok()) << checkpoint.status();
  for (const ExpectedTensor& want : ExpectedTensors(config_)) {
    EXPECT_TRUE(checkpoint->tensors->Get(want.name, want.rows, want.cols).ok()) << want.name;
  }
}

TEST(ToFloatsTest, IsExactInEveryDType) {
  // The odd address is on purpose: nothing in a file is aligned.
  const auto floats = [](DType dtype, std::vector<uint32_t> bits) {
    std::string bytes = "?";
    for (const uint32_t b : bits) bytes.append(reinterpret_cast<const char*>(&b), SizeOf(dtype));
    return ToFloats({.data = bytes.data() + 1, .dtype = dtype, .rows = 1, .cols = static_cast<int64_t>(bits.size())});
  };
  EXPECT_THAT(floats(DType::kF32, {0x3f800000, 0xc0490fdb}), ElementsAre(1.0F, -3.14159274F));
  EXPECT_THAT(floats(DType::kBf16, {0x3f80, 0xc049, 0x8000}), ElementsAre(1.0F, -3.140625F, 0.0F));
  // 1, -2, the largest, the smallest normal, the smallest subnormal, and infinity.
  EXPECT_THAT(floats(DType::kF16, {0x3c00, 0xc000, 0x7bff, 0x0400, 0x0001, 0xfc00}),
              ElementsAre(1.0F, -2.0F, 65504.0F, 0x1p-14F, 0x1p-24F, -HUGE_VALF));
  EXPECT_TRUE(std::isnan(floats(DType::kF16, {0x7e00})[0]));
}

}  // namespace
}  // namespace batucada

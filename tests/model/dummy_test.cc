#include "engine/model/dummy.h"

#include <algorithm>
#include <cmath>
#include <set>
#include <span>
#include <vector>

#include "engine/model/checkpoint.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/model/test_files.h"

namespace batucada {
namespace {

using testing::HasSubstr;

double Mean(std::span<const float> values) {
  double sum = 0;
  for (const float v : values) sum += v;
  return sum / static_cast<double>(values.size());
}

double Deviation(std::span<const float> values) {
  const double mean = Mean(values);
  double sum = 0;
  for (const float v : values) sum += (v - mean) * (v - mean);
  return std::sqrt(sum / static_cast<double>(values.size()));
}

class DummyTest : public testing::Test {
 protected:
  std::vector<float> Get(TensorSource& source, const std::string& name) {
    for (const ExpectedTensor& want : ExpectedTensors(config_)) {
      if (want.name != name) continue;
      const auto tensor = source.Get(name, want.rows, want.cols);
      EXPECT_TRUE(tensor.ok()) << tensor.status();
      return ToFloats(*tensor);
    }
    ADD_FAILURE() << name;
    return {};
  }

  const ModelConfig config_ = *LoadModelConfig(BATUCADA_SOURCE_DIR "/models/samba-classics-18m");
};

TEST_F(DummyTest, GivesEveryTensorWithFiniteValuesOfItsDType) {
  const auto source = MakeDummySource(config_, 1);
  EXPECT_THAT(std::string(source->CheckComplete().message()), HasSubstr("the model does not use tensor"));
  for (const ExpectedTensor& want : ExpectedTensors(config_)) {
    const auto tensor = source->Get(want.name, want.rows, want.cols);
    ASSERT_TRUE(tensor.ok()) << tensor.status();
    EXPECT_EQ(tensor->dtype, IsMatrix(want.role) ? DType::kBf16 : DType::kF32);
    for (const float v : ToFloats(*tensor)) ASSERT_TRUE(std::isfinite(v)) << want.name;
  }
  EXPECT_TRUE(source->CheckComplete().ok());
}

TEST_F(DummyTest, MatricesAreNormalWithDeviationOneFiftieth) {
  const auto source = MakeDummySource(config_, 1);
  for (const char* name : {"backbone.embeddings.weight", "backbone.layers.2.mixer.in_proj.weight"}) {
    const std::vector<float> values = Get(*source, name);
    EXPECT_NEAR(Mean(values), 0, 2e-4) << name;
    EXPECT_NEAR(Deviation(values), 0.02, 2e-4) << name;
    EXPECT_GT(*std::max_element(values.begin(), values.end()), 0.07F) << "has no tail";
  }
}

TEST_F(DummyTest, RowsOfAMatrixDiffer) {
  const auto source = MakeDummySource(config_, 1);
  const std::vector<float> values = Get(*source, "backbone.embeddings.weight");
  std::set<std::vector<float>> rows;
  for (size_t row = 0; row < 8192; ++row) {
    rows.emplace(values.begin() + static_cast<std::ptrdiff_t>(row * 384),
                 values.begin() + static_cast<std::ptrdiff_t>(row * 384 + 16));
  }
  EXPECT_EQ(rows.size(), 8192u);
}

TEST_F(DummyTest, VectorsAreAsMambaInitialisesThem) {
  const auto source = MakeDummySource(config_, 1);
  EXPECT_THAT(Get(*source, "backbone.norm_f.weight"), testing::Each(1.0F));
  EXPECT_THAT(Get(*source, "backbone.layers.0.mixer.D"), testing::Each(1.0F));
  const std::vector<float> a_log = Get(*source, "backbone.layers.0.mixer.A_log");
  for (size_t i = 0; i < 48; ++i) EXPECT_FLOAT_EQ(std::exp(a_log[i]), static_cast<float>(i % 16 + 1));
  std::vector<float> steps;
  for (const float bias : Get(*source, "backbone.layers.0.mixer.dt_proj.bias")) {
    steps.push_back(std::log1p(std::exp(bias)));
  }
  const auto [low, high] = std::minmax_element(steps.begin(), steps.end());
  EXPECT_GE(*low, 0.00099F);
  EXPECT_LE(*high, 0.1001F);
  EXPECT_LT(*low, 0.002F) << "spread over the whole range";
  EXPECT_GT(*high, 0.05F);
}

TEST_F(DummyTest, DependsOnSeedAndNameAlone) {
  const auto one = MakeDummySource(config_, 7);
  const auto same = MakeDummySource(config_, 7);
  const auto other = MakeDummySource(config_, 8);
  const std::string bias = "backbone.layers.0.mixer.dt_proj.bias";
  const std::string matrix = "backbone.layers.0.mixer.out_proj.weight";
  const std::vector<float> expected_matrix = Get(*one, matrix);
  const std::vector<float> expected_bias = Get(*one, bias);
  EXPECT_EQ(Get(*same, bias), expected_bias) << "in another order";
  EXPECT_EQ(Get(*same, matrix), expected_matrix);
  EXPECT_NE(Get(*other, matrix), expected_matrix);
  EXPECT_NE(Get(*other, bias), expected_bias);
  EXPECT_NE(Get(*one, "backbone.layers.2.mixer.out_proj.weight"), expected_matrix);
}

TEST_F(DummyTest, WhatItHandedOutStays) {
  const auto source = MakeDummySource(config_, 1);
  const auto first = source->Get("backbone.layers.0.mixer.dt_proj.bias", 1, 768);
  ASSERT_TRUE(first.ok());
  const std::vector<float> before = ToFloats(*first);
  for (const ExpectedTensor& want : ExpectedTensors(config_)) {
    ASSERT_TRUE(source->Get(want.name, want.rows, want.cols).ok());
  }
  EXPECT_EQ(ToFloats(*first), before);
}

TEST_F(DummyTest, ChecksNameAndShape) {
  const auto source = MakeDummySource(config_, 1);
  EXPECT_THAT(std::string(source->Get("nothing", 1, 1).status().message()), HasSubstr("has no tensor nothing"));
  EXPECT_THAT(std::string(source->Get("backbone.norm_f.weight", 1, 3).status().message()),
              HasSubstr("expected [1, 3]"));
}

TEST(DummyCheckpointTest, NeedsOnlyAConfig) {
  const TempDir dir;
  EXPECT_TRUE(absl::IsNotFound(OpenDummyCheckpoint(dir.path(), 0).status()));
  dir.Write("config.json", kTinyConfig);
  const auto checkpoint = OpenDummyCheckpoint(dir.path(), 0);
  ASSERT_TRUE(checkpoint.ok()) << checkpoint.status();
  EXPECT_EQ(checkpoint->config.layers[1].mlp.width, 40);
  EXPECT_TRUE(checkpoint->tensors->Get("backbone.embeddings.weight", 32, 64).ok());
}

}  // namespace
}  // namespace batucada

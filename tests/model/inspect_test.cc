#include "engine/model/inspect.h"

#include <cstdio>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace batucada {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

constexpr double kMiB = 1 << 20;

struct Shipped {
  const char* name;
  double parameters;  // what the name says
  double tolerance;   // relative
  double state_mib;   // SSM fp32 and convolution bf16 per sequence
  double kv_mib;      // window K/V bf16 per sequence
};

void PrintTo(const Shipped& s, std::ostream* out) { *out << s.name; }

class ShippedConfigTest : public testing::TestWithParam<Shipped> {};

TEST_P(ShippedConfigTest, IsAsLargeAsItsNameSays) {
  const Shipped& expected = GetParam();
  const auto config = LoadModelConfig(std::string(BATUCADA_SOURCE_DIR "/configs/") + expected.name);
  ASSERT_TRUE(config.ok()) << config.status();
  const ModelSizes sizes = MeasureModel(*config, {});
  std::printf("%s: %.1f M parameters, %.1f M of them multiply each token\n", expected.name, sizes.parameters / 1e6,
              sizes.matmul_parameters / 1e6);
  EXPECT_NEAR(static_cast<double>(sizes.parameters) / expected.parameters, 1, expected.tolerance);
  EXPECT_NEAR(static_cast<double>(sizes.sequence.ssm + sizes.sequence.conv) / kMiB, expected.state_mib, 0.05);
  EXPECT_NEAR(static_cast<double>(sizes.sequence.kv) / kMiB, expected.kv_mib, 0.05);
}

INSTANTIATE_TEST_SUITE_P(
    All, ShippedConfigTest,
    testing::Values(Shipped{"samba-421m", 421e6, 0.005, 1.23, 72}, Shipped{"samba-1.3b", 1.3e9, 0.03, 2.77, 162},
                    Shipped{"samba-1.7b", 1.7e9, 0.03, 3.28, 24}, Shipped{"samba-3.8b", 3.8e9, 0.03, 6.02, 32},
                    Shipped{"llama-1.6b", 1.6e9, 0.03, 0, 96}, Shipped{"mistral-1.6b", 1.6e9, 0.03, 0, 48},
                    Shipped{"mamba-1.8b", 1.8e9, 0.03, 17.5, 0}));

// As published, to the last weight.
TEST(InspectTest, PublishedModelsHaveTheirExactNumberOfParameters) {
  const auto parameters = [](const std::string& name) {
    const auto config = LoadModelConfig(std::string(BATUCADA_SOURCE_DIR "/configs/") + name);
    EXPECT_TRUE(config.ok()) << config.status();
    return config.ok() ? ParameterCount(*config) : 0;
  };
  EXPECT_EQ(parameters("falcon-mamba-7b"), 7'272'665'088);
  EXPECT_EQ(parameters("jamba-reasoning-3b"), 3'029'337'472);
  EXPECT_EQ(parameters("phi-4-mini-flash"), 3'852'562'944);
}

ModelConfig Embedded() { return *LoadModelConfig(BATUCADA_SOURCE_DIR "/models/samba-classics-18m"); }

TEST(InspectTest, CountsEveryByteOfTheEmbeddedModel) {
  const ModelSizes sizes = MeasureModel(Embedded(), {.activation_dtype = DType::kF32});
  // 18,017,664 by hand: embeddings 8192·384; per Mamba layer 1536·384 + 768·(4 + 1) + 56·768 + 768·24 + 768 + 768·16 +
  // 768 + 384·768; per attention layer 384·384·2 + 2·128·384; per layer MLP 3·1024·384 and two norms of 384; one norm.
  const int64_t mamba = 1536 * 384 + 768 * 5 + 56 * 768 + 768 * 24 + 768 + 768 * 16 + 768 + 384 * 768;
  const int64_t attention = 2 * 384 * 384 + 2 * 128 * 384;
  EXPECT_EQ(sizes.parameters, 8192 * 384 + 4 * (mamba + attention) + 8 * (3 * 1024 * 384 + 2 * 384) + 384);
  EXPECT_EQ(sizes.sequence.ssm, 4 * 768 * 16 * 4);
  EXPECT_EQ(sizes.sequence.conv, 4 * 768 * 3 * 4);
  EXPECT_EQ(sizes.sequence.kv, int64_t{4} * 2 * 2 * 64 * 512 * 4);
  const int64_t vectors = 4 * (768 * 5 + 768 + 768 * 16 + 768) + 8 * 2 * 384 + 384;
  EXPECT_EQ(sizes.weight_bytes, 2 * (sizes.parameters - vectors) + 4 * vectors);
  EXPECT_EQ(sizes.matmul_parameters, sizes.parameters - vectors);
}

TEST(InspectTest, UntiedEmbeddingsAreLookedUpAndNotMultiplied) {
  ModelConfig config = Embedded();
  const int64_t tied = ParameterCount(config);
  const int64_t tied_matmul = MatMulParameters(config);
  config.tie_embeddings = false;
  EXPECT_EQ(ParameterCount(config), tied + 8192 * 384);
  EXPECT_EQ(MatMulParameters(config), tied_matmul);
}

TEST(InspectTest, SequencesFitBesideTheWeights) {
  const ModelConfig config = Embedded();
  ModelSizes sizes = MeasureModel(config, {});
  const int64_t sequence = sizes.sequence.total();
  EXPECT_EQ(MeasureModel(config, {.memory_bytes = sizes.weight_bytes + 10 * sequence}).sequences_that_fit, 10);
  EXPECT_EQ(MeasureModel(config, {.memory_bytes = sizes.weight_bytes + 10 * sequence - 1}).sequences_that_fit, 9);
  EXPECT_EQ(MeasureModel(config, {.memory_bytes = sizes.weight_bytes - 1}).sequences_that_fit, 0);
}

TEST(InspectTest, ContextBoundsTheKeptTokens) {
  ModelConfig config = Embedded();
  EXPECT_EQ(MeasureModel(config, {}).kv_tokens, 512);
  EXPECT_EQ(MeasureModel(config, {.context_tokens = 100}).kv_tokens, 100);
  EXPECT_EQ(MeasureModel(config, {.context_tokens = 1'000'000}).kv_tokens, 512);
  for (CacheSpec& cache : config.caches) cache.window = kNoWindow;
  EXPECT_EQ(MeasureModel(config, {}).kv_tokens, 2048);
  EXPECT_EQ(MeasureModel(config, {.context_tokens = 1'000'000}).kv_tokens, 1'000'000);
}

TEST(InspectTest, DescribesWhatThereIs) {
  const std::string text = DescribeModel(Embedded(), {.memory_bytes = int64_t{1} << 30}, "classics");
  EXPECT_THAT(text, AllOf(HasSubstr("classics\n"), HasSubstr("4 × (Mamba, attention)"), HasSubstr("18.0 M"),
                          HasSubstr("window 512 tokens"), HasSubstr("embeddings tied"), HasSubstr("at most 821")));
  EXPECT_THAT(DescribeModel(Embedded(), {}, "x"), Not(HasSubstr("at most")));
  EXPECT_THAT(DescribeModel(Embedded(), {.memory_bytes = 1000}, "x"), HasSubstr("the weights alone are larger"));
}

}  // namespace
}  // namespace batucada

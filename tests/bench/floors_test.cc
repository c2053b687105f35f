// What floors count, beside sums by hand over published shapes.
#include "bench/floors.h"

#include <gtest/gtest.h>

#include <string>

namespace batucada {
namespace {

ModelConfig Load(const std::string& name) {
  const auto config = LoadModelConfig(std::string(BATUCADA_SOURCE_DIR "/configs/") + name);
  EXPECT_TRUE(config.ok()) << config.status();
  return config.value_or(ModelConfig{});
}

// K and V of 20 heads of 64 in bf16: 5,120 bytes a token. Eight layers read their windows, one its own text, seven its.
TEST(FloorsTest, KeysAndValuesCountForEveryLayerThatReadsThem) {
  const ModelConfig phi = Load("phi-4-mini-flash");
  EXPECT_DOUBLE_EQ(KvBytesRead(phi, DType::kBf16, 100), 5120.0 * 16 * 100);
  EXPECT_DOUBLE_EQ(KvBytesRead(phi, DType::kBf16, 32768), 5120.0 * (8 * 512 + 8 * 32768));
  EXPECT_DOUBLE_EQ(KvBytesRead(phi, DType::kF32, 32768), 2 * 5120.0 * (8 * 512 + 8 * 32768));
  EXPECT_DOUBLE_EQ(KvBytesRead(Load("jamba-reasoning-3b"), DType::kBf16, 32768), 2.0 * 512 * 32768);
  EXPECT_DOUBLE_EQ(KvBytesRead(Load("falcon-mamba-7b"), DType::kBf16, 32768), 0);
}

TEST(FloorsTest, DecodeReadsWeightsOnceAndStateTwice) {
  const ModelConfig falcon = Load("falcon-mamba-7b");
  const Ceilings ceilings{.bytes_per_s = 1e12, .flops_per_s = 1e15};
  const double state = 64.0 * 8192 * (16 * 4 + 3 * 2), weights = 2.0 * static_cast<double>(MatMulParameters(falcon));
  EXPECT_DOUBLE_EQ(DecodeFloor(falcon, ceilings, DType::kBf16, 1, 2048), (weights + 2 * state) / 1e12);
  EXPECT_DOUBLE_EQ(DecodeFloor(falcon, ceilings, DType::kBf16, 64, 1 << 20), (weights + 64 * 2 * state) / 1e12);
  // Of so many rows that arithmetic takes longer than reading the weights.
  EXPECT_DOUBLE_EQ(DecodeFloor(falcon, ceilings, DType::kBf16, 2000, 1),
                   2000 * weights / 1e15 + 2000 * 2 * state / 1e12);
}

// Layers 0 to 16 and K and V of layer 17, and attention over windows alone: 6 operations an element of Q and visible
// key.
TEST(FloorsTest, PromptsStopWhereLayersServeTheirOwnLogitsAlone) {
  const double d = 2560, e = 5120, mlp = 10240, rank = 160, state = 16, q = 2560, kv = 1280;
  const double mamba = d * 2 * e + e * (rank + 2 * state) + rank * e + e * d, attention = d * (q + 2 * kv) + q * d;
  const double parameters = 9 * mamba + 8 * attention + 17 * 3 * d * mlp + 2 * d * kv;
  const double visible = (512.0 * 513 / 2 + (32768 - 512) * 512.0) / 32768;
  EXPECT_NEAR(PromptTokenFlops(Load("phi-4-mini-flash"), 32768), 2 * parameters + 8 * 6 * q * visible, 1);
}

TEST(FloorsTest, OtherPromptsGoThroughAllLayers) {
  const ModelConfig llama = Load("llama-1.6b");
  const double parameters =
      static_cast<double>(MatMulParameters(llama)) - static_cast<double>(llama.embedding_rows) * llama.d_model;
  const double query = 24.0 * static_cast<double>(llama.FirstAttention()->query_width());
  EXPECT_NEAR(PromptTokenFlops(llama, 512), 2 * parameters + 4 * query * 513 / 2, 1);
}

}  // namespace
}  // namespace batucada

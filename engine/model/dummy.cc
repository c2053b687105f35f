#include "engine/model/dummy.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <deque>
#include <numbers>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "base/float16.h"
#include "base/fnv.h"
#include "base/splitmix.h"
#include "base/strings.h"

namespace batucada {
namespace {

// Prime, so that rows of a matrix, whatever its width, start at different places of the period.
constexpr int64_t kPeriod = 1'048'573;
constexpr float kMatrixDeviation = 0.02F;

class Random {
 public:
  explicit Random(uint64_t seed) : bits_(seed) {}

  // In (0, 1].
  float Uniform() { return static_cast<float>((bits_() >> 40) + 1) * 0x1p-24F; }
  // Two independent N(0, 1) by Box and Muller.
  std::pair<float, float> Normals() {
    const float radius = std::sqrt(-2 * std::log(Uniform()));
    const float angle = 2 * std::numbers::pi_v<float> * Uniform();
    return {radius * std::cos(angle), radius * std::sin(angle)};
  }

 private:
  SplitMixRandom bits_;
};

uint64_t HashName(std::string_view name, uint64_t seed) { return Fnv1a(name, kFnvBasis ^ seed); }

class DummySource final : public TensorSource {
 public:
  DummySource(const ModelConfig& config, uint64_t seed)
      : seed_(seed), conv_width_(config.FirstMamba() == nullptr ? 1 : config.FirstMamba()->conv_width) {
    int64_t largest = 0;
    for (ExpectedTensor& tensor : ExpectedTensors(config)) {
      if (IsMatrix(tensor.role)) largest = std::max(largest, tensor.elements());
      std::string name = tensor.name;
      tensors_.try_emplace(std::move(name), Entry{std::move(tensor)});
    }
    FillTable(kPeriod + largest);
  }

  absl::StatusOr<HostTensor> Get(std::string_view name, int64_t rows, int64_t cols) override {
    const auto found = tensors_.find(std::string(name));
    if (found == tensors_.end()) return absl::InvalidArgumentError(Concat("the model has no tensor ", name));
    const ExpectedTensor& tensor = found->second.tensor;
    if (tensor.rows != rows || tensor.cols != cols) {
      return absl::InvalidArgumentError(Concat("tensor ", name, " has shape [", tensor.rows, ", ", tensor.cols,
                                               "], expected [", rows, ", ", cols, "]"));
    }
    found->second.used = true;
    const uint64_t seed = HashName(name, seed_);
    if (!IsMatrix(tensor.role)) {
      return HostTensor{.data = Floats(tensor, seed), .dtype = DType::kF32, .rows = rows, .cols = cols};
    }
    const uint16_t* data = table_.get() + SplitMixRandom(seed)() % kPeriod;
    return HostTensor{.data = data, .dtype = DType::kBf16, .rows = rows, .cols = cols};
  }

  absl::Status CheckComplete() const override {
    for (const auto& [name, entry] : tensors_) {
      if (!entry.used) return absl::InvalidArgumentError(Concat("the model does not use tensor ", name));
    }
    return absl::OkStatus();
  }

 private:
  struct Entry {
    ExpectedTensor tensor;
    bool used = false;
  };

  void FillTable(int64_t elements) {
    table_ = std::make_unique_for_overwrite<uint16_t[]>(static_cast<size_t>(elements));
    Random random(seed_);
    for (int64_t i = 0; i < kPeriod; i += 2) {
      const auto [a, b] = random.Normals();
      table_[i] = Bf16FromFloat(kMatrixDeviation * a);
      if (i + 1 < kPeriod) table_[i + 1] = Bf16FromFloat(kMatrixDeviation * b);
    }
    for (int64_t filled = kPeriod; filled < elements;) {  // doubling keeps the period: `filled` is a multiple of it
      const int64_t count = std::min(filled, elements - filled);
      std::memcpy(table_.get() + filled, table_.get(), static_cast<size_t>(count) * sizeof(uint16_t));
      filled += count;
    }
  }

  const float* Floats(const ExpectedTensor& tensor, uint64_t seed) {
    Random random(seed);
    std::vector<float>& values = floats_.emplace_back(static_cast<size_t>(tensor.elements()));
    switch (tensor.role) {
      case TensorRole::kNorm:
      case TensorRole::kSkip: std::fill(values.begin(), values.end(), 1.0F); break;
      case TensorRole::kALog:  // A = -1 … -N in every channel
        for (size_t i = 0; i < values.size(); ++i) {
          values[i] = std::log(static_cast<float>(i % static_cast<size_t>(tensor.cols) + 1));
        }
        break;
      case TensorRole::kTimeStepBias:  // softplus(bias) log-uniform in [0.001, 0.1]
        for (float& value : values) {
          const float dt = std::exp(std::log(0.001F) + random.Uniform() * std::log(100.0F));
          value = dt + std::log(-std::expm1(-dt));
        }
        break;
      case TensorRole::kBias: break;  // zeros
      case TensorRole::kLambda:       // as differential attention initialises them: N(0, 0.1²)
        for (float& value : values) value = 0.1F * random.Normals().first;
        break;
      case TensorRole::kConv:
      case TensorRole::kConvBias: {  // uniform within one over the square root of the taps
        const float bound = 1 / std::sqrt(static_cast<float>(conv_width_));
        for (float& value : values) value = (2 * random.Uniform() - 1) * bound;
        break;
      }
      case TensorRole::kEmbedding:
      case TensorRole::kMatrix: break;  // not here
    }
    return values.data();
  }

  const uint64_t seed_;
  const int32_t conv_width_;
  absl::flat_hash_map<std::string, Entry> tensors_;
  std::unique_ptr<uint16_t[]> table_;      // bf16, kPeriod numbers repeated
  std::deque<std::vector<float>> floats_;  // handed out; a deque never moves its elements
};

}  // namespace

std::unique_ptr<TensorSource> MakeDummySource(const ModelConfig& config, uint64_t seed) {
  return std::make_unique<DummySource>(config, seed);
}

}  // namespace batucada

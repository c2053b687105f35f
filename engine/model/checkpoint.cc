#include "engine/model/checkpoint.h"

#include <algorithm>
#include <iterator>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/str_join.h"
#include "base/json.h"
#include "base/status.h"
#include "base/strings.h"
#include "engine/model/architecture.h"
#include "engine/model/architectures/config_readers.h"
#include "engine/model/dummy.h"
#include "engine/model/safetensors.h"

namespace batucada {
namespace {

constexpr size_t kNamesInMessage = 5;

std::string ShapeText(const std::vector<int64_t>& shape) { return Concat("[", absl::StrJoin(shape, ", "), "]"); }

std::string ShapeText(int64_t rows, int64_t cols) {
  return rows == 1 ? Concat("[", cols, "]") : Concat("[", rows, ", ", cols, "]");
}

std::optional<DType> UsableDType(std::string_view dtype) {
  if (dtype == "F32") return DType::kF32;
  if (dtype == "BF16") return DType::kBf16;
  if (dtype == "F16") return DType::kF16;
  return std::nullopt;
}

// Whether a stored shape is [rows, cols]. Dimensions of 1 say nothing about layout, so [E, 1, 4] is [E, 4].
bool SameShape(const std::vector<int64_t>& stored, int64_t rows, int64_t cols) {
  const auto without_ones = [](std::vector<int64_t> shape) {
    std::erase(shape, 1);
    return shape;
  };
  return without_ones(stored) == without_ones({rows, cols});
}

// Buffers that modules compute for themselves: older checkpoints hold them, and nobody reads them back.
bool IsComputed(std::string_view name) {
  static constexpr std::string_view kEndings[] = {".inv_freq",           ".cos_cached",   ".sin_cached",
                                                  ".masked_bias",        ".position_ids", "._extra_state",
                                                  ".num_batches_tracked"};
  return std::any_of(std::begin(kEndings), std::end(kEndings),
                     [&](std::string_view ending) { return name.ends_with(ending); });
}

// What a surplus tensor says of a weight that is used; empty if nothing. `is_used` tells of names.
template <typename IsUsed>
std::string_view WhyNotDropped(std::string_view name, const IsUsed& is_used) {
  static constexpr std::string_view kScales[] = {"_scale",         "_scale_inv", ".scales",  ".qweight",
                                                 ".qzeros",        ".g_idx",     ".absmax",  ".quant_map",
                                                 ".weight_packed", ".SCB",       "_scale_2", ".weight_shape"};
  if (name.find(".lora_") != name.npos) return "is of an adapter: merge it into the weights first";
  if (std::any_of(std::begin(kScales), std::end(kScales), [&](std::string_view end) { return name.ends_with(end); })) {
    return "is of a quantised weight, which is not supported";
  }
  constexpr std::string_view kBias = ".bias";
  if (name.ends_with(kBias) && is_used(Concat(name.substr(0, name.size() - kBias.size()), ".weight"))) {
    return "is a bias that config.json says nothing of, or that is not supported here";
  }
  return "";
}

// "missing a, b and c", "missing a, b, c, d, e and 12 more", or nothing.
void AppendNames(std::string_view label, const std::vector<std::string>& names, std::vector<std::string>* parts) {
  if (names.empty()) return;
  const size_t shown = std::min(names.size(), kNamesInMessage);
  const std::string list = absl::StrJoin(names.begin(), names.begin() + static_cast<std::ptrdiff_t>(shown), ", ");
  const std::string rest = names.size() > shown ? Concat(" and ", names.size() - shown, " more") : "";
  parts->push_back(Concat(label, names.size() == 1 ? " tensor " : " tensors ", list, rest));
}

class CheckpointSource final : public TensorSource {
 public:
  static absl::StatusOr<std::unique_ptr<CheckpointSource>> Open(const std::filesystem::path& dir,
                                                                const ModelConfig& config) {
    BATUCADA_ASSIGN_OR_RETURN(SafetensorsModel model, SafetensorsModel::Open(dir));
    std::unique_ptr<CheckpointSource> source(new CheckpointSource(std::move(model), *config.architecture));
    for (const StoredTensor& tensor : source->model_.tensors()) {
      const std::string name = config.architecture->CanonicalName(tensor.name);
      const bool is_tied_head = config.tie_embeddings && name == config.architecture->NameOf(Part::kHead);
      if (is_tied_head || IsComputed(tensor.name)) {
        source->dropped_.push_back(Printable(tensor.name));
        continue;
      }
      const auto [entry, inserted] = source->by_name_.try_emplace(name, Entry{&tensor});
      if (inserted) continue;
      return absl::InvalidArgumentError(Concat(source->model_.what(), ": tensors ",
                                               Printable(entry->second.tensor->name), " and ", Printable(tensor.name),
                                               " are two names for the same weights"));
    }
    return source;
  }

  // Makes every MLP as wide as the first one's gate in the file is, if that can be.
  void TakeMlpWidth(ModelConfig* config) const {
    for (const ExpectedTensor& want : ExpectedTensors(*config)) {
      if (want.parts.front().part != Part::kGate) continue;
      const auto found = by_name_.find(want.name);
      if (found == by_name_.end() || found->second.tensor->shape.size() != 2) return;
      const int64_t width = found->second.tensor->shape[0];
      if (width < 1 || width > kMaxMlpWidth) return;
      for (LayerSpec& layer : config->layers) {
        if (layer.has_mlp()) layer.mlp.width = static_cast<int32_t>(width);
      }
      return;
    }
  }

  // The whole file against the whole model, so that one message tells all that is wrong. Drops what nobody reads.
  absl::Status FitTo(const ModelConfig& config) {
    std::vector<std::string> missing;
    std::vector<std::string> wrong;
    absl::flat_hash_map<std::string, bool> expected;
    for (const ExpectedTensor& want : ExpectedTensors(config)) {
      expected[want.name] = true;
      const auto found = by_name_.find(want.name);
      if (found == by_name_.end()) {
        missing.push_back(Concat(want.name, " ", ShapeText(want.rows, want.cols), WhereItShouldBe(want.name)));
      } else if (absl::Status status = Check(*found->second.tensor, want.rows, want.cols); !status.ok()) {
        wrong.emplace_back(status.message());
      }
    }
    for (const StoredTensor& tensor : model_.tensors()) {
      const std::string name = architecture_.CanonicalName(tensor.name);
      if (!by_name_.contains(name) || expected.contains(name)) continue;
      const auto is_used = [&](const std::string& other) { return expected.contains(other); };
      if (const std::string_view why = WhyNotDropped(name, is_used); !why.empty()) {
        wrong.push_back(Concat("tensor ", Printable(tensor.name), " ", why));
      }
      by_name_.erase(name);
      dropped_.push_back(Printable(tensor.name));
    }
    std::vector<std::string> problems;
    AppendNames("missing", missing, &problems);
    if (!wrong.empty()) {
      const size_t shown = std::min(wrong.size(), kNamesInMessage);
      problems.push_back(absl::StrJoin(wrong.begin(), wrong.begin() + static_cast<std::ptrdiff_t>(shown), "; "));
      if (wrong.size() > shown) problems.push_back(Concat(wrong.size() - shown, " more like these"));
    }
    if (problems.empty()) return absl::OkStatus();
    return absl::InvalidArgumentError(
        Concat(model_.what(), " does not fit config.json: ", absl::StrJoin(problems, "; "), TyingHint(config)));
  }

  absl::StatusOr<HostTensor> Get(std::string_view name, int64_t rows, int64_t cols) override {
    const auto found = by_name_.find(std::string(name));
    if (found == by_name_.end()) {
      return absl::InvalidArgumentError(Concat(model_.what(), ": missing tensor ", name, " ", ShapeText(rows, cols)));
    }
    const StoredTensor& tensor = *found->second.tensor;
    if (absl::Status status = Check(tensor, rows, cols); !status.ok()) {
      return absl::InvalidArgumentError(Concat(model_.what(), ": ", status.message()));
    }
    found->second.used = true;
    return HostTensor{.data = tensor.data.data(), .dtype = *UsableDType(tensor.dtype), .rows = rows, .cols = cols};
  }

  std::string Describe(std::string_view name) const override {
    const auto found = by_name_.find(std::string(name));
    return Concat(model_.what(), ": tensor ",
                  found == by_name_.end() ? std::string(name) : Printable(found->second.tensor->name));
  }

  absl::Status CheckComplete() const override {
    std::vector<std::string> unused;
    for (const StoredTensor& tensor : model_.tensors()) {
      const auto entry = by_name_.find(architecture_.CanonicalName(tensor.name));
      if (entry != by_name_.end() && !entry->second.used) unused.push_back(Printable(tensor.name));
    }
    std::vector<std::string> problems;
    AppendNames("the model does not use", unused, &problems);
    if (problems.empty()) return model_.CheckUnchanged();
    return absl::InvalidArgumentError(Concat(model_.what(), ": ", problems.front()));
  }

  const std::vector<std::string>& dropped() const { return dropped_; }

 private:
  struct Entry {
    const StoredTensor* tensor = nullptr;
    bool used = false;
  };

  CheckpointSource(SafetensorsModel model, const Architecture& architecture)
      : model_(std::move(model)), architecture_(architecture) {}

  static absl::Status Check(const StoredTensor& tensor, int64_t rows, int64_t cols) {
    if (!SameShape(tensor.shape, rows, cols)) {
      return absl::InvalidArgumentError(Concat("tensor ", Printable(tensor.name), " has shape ",
                                               ShapeText(tensor.shape), ", expected ", ShapeText(rows, cols)));
    }
    if (!UsableDType(tensor.dtype)) {
      return absl::InvalidArgumentError(
          Concat("tensor ", Printable(tensor.name), " has dtype ", tensor.dtype, ", supported are BF16, F16 and F32"));
    }
    return absl::OkStatus();
  }

  // What the index says of a tensor that is in no file.
  std::string WhereItShouldBe(const std::string& canonical) const {
    for (const auto& [tensor, shard] : model_.absent()) {
      if (architecture_.CanonicalName(tensor) == canonical) {
        return Concat(" (in ", Printable(shard), ", says the index: is that file complete?)");
      }
    }
    return "";
  }

  std::string TyingHint(const ModelConfig& config) const {
    const std::string head(architecture_.NameOf(Part::kHead));
    if (config.tie_embeddings || by_name_.contains(head)) return "";
    return Concat(" (no ", head, ": should tie_word_embeddings be true?)");
  }

  const SafetensorsModel model_;
  const Architecture& architecture_;
  std::vector<std::string> dropped_;
  absl::flat_hash_map<std::string, Entry> by_name_;  // canonical name -> tensor of model_
};

}  // namespace

absl::StatusOr<Checkpoint> OpenCheckpoint(const std::filesystem::path& dir, GenerationConfigUse use) {
  Checkpoint checkpoint;
  BATUCADA_ASSIGN_OR_RETURN(checkpoint.config, LoadModelConfig(dir));
  BATUCADA_ASSIGN_OR_RETURN(checkpoint.generation, LoadGenerationConfig(dir, checkpoint.config.vocab_size, use));
  BATUCADA_ASSIGN_OR_RETURN(std::unique_ptr<CheckpointSource> source, CheckpointSource::Open(dir, checkpoint.config));
  if (checkpoint.config.architecture->mlp_width_from_file) source->TakeMlpWidth(&checkpoint.config);
  BATUCADA_RETURN_IF_ERROR(source->FitTo(checkpoint.config));
  checkpoint.dropped = source->dropped();
  checkpoint.tensors = std::move(source);
  return checkpoint;
}

absl::StatusOr<Checkpoint> OpenDummyCheckpoint(const std::filesystem::path& dir, uint64_t seed,
                                               GenerationConfigUse use) {
  Checkpoint checkpoint;
  BATUCADA_ASSIGN_OR_RETURN(checkpoint.config, LoadModelConfig(dir));
  BATUCADA_ASSIGN_OR_RETURN(checkpoint.generation, LoadGenerationConfig(dir, checkpoint.config.vocab_size, use));
  checkpoint.tensors = MakeDummySource(checkpoint.config, seed);
  return checkpoint;
}

}  // namespace batucada

// Safetensors files, which are not trusted.
//
// A file is: 8 bytes little-endian N; N bytes of JSON {"name": {"dtype", "shape", "data_offsets": [begin, end]}, …,
// "__metadata__": {string: string}}, padded with spaces; then data. Offsets count from the end of the header. Checked:
// the header lies in the file and under 100 MB, no name comes twice, each dtype is known, each shape's product times
// the element's size is end - begin without overflow, and the ranges cover the data without hole or overlap.
// Format: https://github.com/huggingface/safetensors
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "engine/model/mapped_file.h"

namespace batucada {

// A tensor as the file describes it. `data` points into the file.
struct StoredTensor {
  std::string name;
  std::string dtype;                // as written: "BF16", "F32", "I64", …
  std::vector<int64_t> shape;       // [] for a scalar
  std::span<const std::byte> data;  // little-endian, row-major, any alignment
};

// The tensors of a file's bytes, in order of offset. `what` names the file in errors. Pure: reads nothing but `file`.
absl::StatusOr<std::vector<StoredTensor>> ParseSafetensors(std::span<const std::byte> file, std::string_view what);

// The tensors of a model directory, mapped: `model.safetensors`, or the shards that `model.safetensors.index.json`
// names. Immutable, so safe for concurrent use; see MappedFile about files that change underneath.
class SafetensorsModel {
 public:
  // NOT_FOUND if the directory holds neither; INVALID_ARGUMENT names the file and what is wrong. Shards must lie in the
  // directory itself. What is in them counts, whatever the index says of it, as for the reference.
  static absl::StatusOr<SafetensorsModel> Open(const std::filesystem::path& dir);

  // All tensors, by file and offset.
  const std::vector<StoredTensor>& tensors() const { return tensors_; }
  // Tensor -> shard: what the index names and the shard does not hold. Such are tied tensors that were not saved, and
  // what an incomplete download lacks.
  const std::map<std::string, std::string>& absent() const { return absent_; }
  // INVALID_ARGUMENT if a file was changed since Open. Ask after reading.
  [[nodiscard]] absl::Status CheckUnchanged() const;
  // What to call the file(s) in messages: "model.safetensors" or "model.safetensors.index.json".
  std::string_view what() const { return what_; }

 private:
  SafetensorsModel() = default;
  static absl::StatusOr<SafetensorsModel> OpenShards(const std::filesystem::path& dir);
  absl::Status Add(const std::filesystem::path& dir, const std::string& file);

  std::string what_;
  std::vector<MappedFile> files_;
  std::vector<StoredTensor> tensors_;
  std::map<std::string, std::string> absent_;
};

}  // namespace batucada

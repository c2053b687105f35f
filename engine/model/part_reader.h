// Reads a model's weights part by part: finds the tensor that holds a part, checks its numbers, and cuts the part out.
// Numbers are checked ahead of the reader, by other threads.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "engine/model/finite_ahead.h"
#include "engine/model/load_options.h"
#include "engine/model/tensor_source.h"

namespace batucada {

// Used by one thread; `source` outlives it.
class PartReader {
 public:
  PartReader(const ModelConfig& config, TensorSource& source, const LoadOptions& options);

  // A part of a layer, or of the whole model (layer -1), as the table sizes it: 1-d parts have rows = 1. Valid as long
  // as the source. INVALID_ARGUMENT names its tensor, also if that holds a number that is none. REQUIRES: Has.
  absl::StatusOr<HostTensor> Get(int32_t layer, Part part);
  bool Has(int32_t layer, Part part) const { return places_.contains({layer, part}); }

  // What messages call the tensor that holds a part.
  std::string Describe(int32_t layer, Part part) const;
  // Its name alone.
  const std::string& NameOf(int32_t layer, Part part) const;

 private:
  struct Place {
    size_t tensor;  // of tensors_
    int64_t first;  // row, or element of a 1-d tensor
    int64_t count;
  };
  const Place& PlaceOf(int32_t layer, Part part) const;
  // Has tensors looked at, up to that one and some way ahead of what was read.
  void LookAhead(size_t tensor);
  absl::StatusOr<HostTensor> Read(size_t tensor);

  TensorSource& source_;
  const std::vector<ExpectedTensor> tensors_;
  ByteProgress* const progress_;                   // null: nobody asks
  std::vector<absl::StatusOr<HostTensor>> found_;  // of tensors_, the first ones, by whose number ahead_ knows them
  std::vector<std::optional<HostTensor>> read_;    // of tensors_, those that were read and checked
  int64_t bytes_found_ = 0, bytes_read_ = 0;
  int64_t element_bytes_ = 0;  // of the first tensor
  absl::flat_hash_map<std::pair<int32_t, Part>, Place> places_;
  FiniteAhead ahead_;  // ends before what it looks at
};

}  // namespace batucada

// Where weights come from. Loading asks for each tensor of the table; what the source is (a checkpoint, or random
// numbers) makes no difference to it.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "engine/model/tensor_table.h"
#include "kernels/tensor.h"

namespace batucada {

// Used by one thread at a time.
class TensorSource {
 public:
  virtual ~TensorSource() = default;

  // The tensor `name` of the table as [rows, cols]; a 1-d tensor has rows = 1, and a depthwise convolution's [E, 1, 4]
  // is [E, 4]. fp32, bf16 or fp16. The data stays valid as long as the source. INVALID_ARGUMENT names the tensor and
  // says what is wrong with it.
  virtual absl::StatusOr<HostTensor> Get(std::string_view name, int64_t rows, int64_t cols) = 0;

  // What a message calls it: "tensor …", and where it is from.
  virtual std::string Describe(std::string_view name) const { return "tensor " + std::string(name); }

  // After the last Get. INVALID_ARGUMENT names the tensors that nobody asked for, since a model that ignores weights is
  // not the one in the file; or the file that was changed while it was read.
  [[nodiscard]] virtual absl::Status CheckComplete() const = 0;
};

// The elements of an fp32, bf16 or fp16 tensor as floats, exactly.
std::vector<float> ToFloats(const HostTensor& tensor);

}  // namespace batucada

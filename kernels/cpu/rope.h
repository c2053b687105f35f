// Rotary position embedding (arXiv 2104.09864), non-interleaved halves over the whole head:
//   (a, b) = (x[i], x[i + d/2]) → (a·cos φ - b·sin φ, b·cos φ + a·sin φ),  φ = position · frequency i
#pragma once

#include <cstdint>
#include <vector>

#include "kernels/cpu/thread_pool.h"
#include "kernels/rope_frequencies.h"
#include "kernels/tensor.h"

namespace batucada {

// cos φ and sin φ of the rows of a batch. All layers of a step ask for the same angles; only the first computes them.
// Frequencies and φ are rounded to fp32, as in training: at position 10^6 the rounding of φ is what the model learned,
// and a better angle would be a different one.
class RopeTable {
 public:
  // Makes the table that of positions [rows], unless it is already.
  void Prepare(const int32_t* positions, int64_t rows, int32_t head_dim, const RopeSpec& rope, ThreadPool& pool);

  // Row t: cosines [head_dim / 2], then sines [head_dim / 2].
  const float* Row(int64_t t) const { return table_.data() + t * head_dim_; }

 private:
  std::vector<int32_t> positions_;
  int32_t head_dim_ = 0;
  RopeSpec rope_;
  std::vector<float> table_;
};

// Rotates in place the heads of x [rows, heads · head_dim]. REQUIRES: `table` is prepared for these rows and head_dim.
void Rotate(const Tensor& x, int32_t head_dim, const RopeTable& table, ThreadPool& pool);

}  // namespace batucada

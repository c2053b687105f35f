// What every op should compute, written straight from the formulas in fp64 and free of any backend: host memory, dense
// matrices, one sequence at a time. Slow on purpose. Kernel tests of every device compare with these.
//
// Inputs are the values the device sees (already rounded to its activation type); outputs are not rounded.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "kernels/ops.h"

namespace batucada::reference {

// Dense row-major matrix.
struct Dense {
  int64_t rows = 0;
  int64_t cols = 0;
  std::vector<double> values;

  Dense() = default;
  Dense(int64_t num_rows, int64_t num_cols)
      : rows(num_rows), cols(num_cols), values(static_cast<size_t>(num_rows * num_cols)) {}
  double& At(int64_t r, int64_t c) { return values[static_cast<size_t>(r * cols + c)]; }
  double At(int64_t r, int64_t c) const { return values[static_cast<size_t>(r * cols + c)]; }
  Dense RowRange(int64_t first, int64_t count) const;
  Dense ColRange(int64_t first, int64_t count) const;
};

// ‖actual - expected‖ / ‖expected‖ over all elements; infinite if shapes differ or anything is NaN or infinite.
double RelativeError(const Dense& actual, const Dense& expected);
// ‖actual - expected‖ / ‖scale‖: for sums that may be small beside their terms, of which `scale` says how large they
// are.
double RelativeError(const Dense& actual, const Dense& expected, const Dense& scale);

Dense RmsNorm(const Dense& x, const std::vector<double>& weight, double eps);
Dense LayerNorm(const Dense& x, const std::vector<double>& weight, const std::vector<double>& bias, double eps);
Dense SiluGate(const Dense& gate, const Dense& x);  // silu(gate) · x
// DiffCombineArgs: the pairs of heads of `streams` [n, 2 · pairs · width], normed.
Dense DiffCombine(const Dense& streams, int64_t group, int64_t width, double lambda, const std::vector<double>& weight,
                  double eps);
Dense MatMul(const Dense& weight /* [out, in] */, const Dense& in /* [rows, in] */);  // -> [rows, out]
Dense SwiGlu(const Dense& gate_up /* [rows, 2m] */);                                  // -> [rows, m]

// Consecutive rows of one sequence. `state` [E, 3] holds the inputs before the first row, oldest first, and afterwards
// those before the next.
Dense CausalConv(const Dense& x /* [L, E] */, const Dense& weight /* [E, 4] */, const std::vector<double>& bias,
                 Dense& state);

struct ScanInputs {
  Dense x, dt, z;               // [L, E]
  Dense b, c;                   // [L, N]
  Dense a;                      // [E, N]
  std::vector<double> d;        // [E]
  std::vector<double> dt_bias;  // [E]
};
// Consecutive rows of one sequence. `state` [E, N] is h before the first row and afterwards h after the last. `memory`,
// if wanted, becomes C·h + D·x.
Dense SelectiveScan(const ScanInputs& in, Dense& state, Dense* memory = nullptr);

// inv[i] = theta^(-2i / head_dim), i < head_dim / 2, as fp32: the exponent and the power are each rounded once.
std::vector<float> RopeFrequencies(int32_t head_dim, float theta);
// Rotates every head of x [L, heads · head_dim]; row r is at positions[r]. The angle is position · inv rounded to fp32,
// as the model was trained; its sine and cosine are exact. theta 0: no rotation.
void Rope(Dense& x, int32_t head_dim, const std::vector<int32_t>& positions, float theta);

// One whole sequence from position 0: q [L, H·d], k and v [L, G·d], already rotated. Position t sees
// max(0, t - window + 1) … t. Returns rows first … L - 1 only: [L - first, H·d].
Dense Attention(const Dense& q, const Dense& k, const Dense& v, int32_t head_dim, int32_t window, int64_t first = 0);
// The same where K/V heads 2p and 2p + 1 attend with the values of both, side by side: [L - first, H·2d].
Dense PairedAttention(const Dense& q, const Dense& k, const Dense& v, int32_t head_dim, int32_t window,
                      int64_t first = 0);

// Probabilities [vocab] after temperature, top-k, top-p and min-p, in that order, renormalised; ids that a filter
// removed have 0. Ids that tie with the last one kept are kept. temperature 0: one-hot at the first maximum.
std::vector<double> SamplingDistribution(const std::vector<float>& logits, const RowSampling& row);
// A sequence's sampling controls by their meaning rather than their layout.
struct Controls {
  std::vector<float> bias;                   // of each id
  std::vector<bool> ends_text;               // of each id
  std::vector<int32_t> prompt;               // ids given
  std::vector<int32_t> drawn;                // ids drawn so far, oldest first
  std::vector<std::vector<int32_t>> banned;  // phrases
};
// The logits from which a controlled row draws.
std::vector<float> ApplyControls(const std::vector<float>& logits, const Controls& controls, const RowSampling& row);
// The bytes of a control row, as kernels/token_controls.h lays them out.
std::vector<char> ControlRow(const Controls& controls);
// Random ones: any mix of biases, ends, bans and a history of up to a hundred ids, some of them drawn often.
Controls RandomControls(int32_t vocab, const std::function<int32_t(int32_t below)>& random);

// What Ops::Sample should report. Drawing is Gumbel-max over the kept ids with kernels/gumbel.h.
RowSample Sample(const std::vector<float>& logits, const RowSampling& row);

}  // namespace batucada::reference

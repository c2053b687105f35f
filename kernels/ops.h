// Every operation of a Samba model, once, by name: what it computes, on which shapes. cpu/ and cuda/ each implement
// all.
//
// Contract for all ops
//  - T, S, D are as in BatchView. E = d_inner, N = d_state, H = query heads, G = K/V heads, d = head_dim.
//  - Activations ("act") have activation_dtype(): fp32 on the CPU, bf16 on CUDA. The residual stream and logits are
//    fp32.
//  - Ops run in the order they are called, as the work of device() (kernels/device.h). Pointers passed in must stay
//  valid
//    until they have run. Host scalars are consumed at the call.
//  - A failed op makes status() non-OK with the op's name; later ops do nothing. The forward pass reads without ifs.
//  - An Ops is used by one thread at a time. It owns its Device, so it outlives every Buffer.
//  - Row results do not depend on which other rows are in the batch: bit for bit on the CPU, and on CUDA with
//    RowMath::kSameInAnyBatch.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "kernels/batch_view.h"
#include "kernels/buffer.h"
#include "kernels/communicator.h"
#include "kernels/device.h"
#include "kernels/rope_frequencies.h"
#include "kernels/sampling.h"
#include "kernels/tensor.h"

namespace batucada {

// A weight matrix [out, in] in the layout its Ops likes best. Opaque to everyone else. Immutable once loaded.
struct Matrix {
  Buffer storage;
  DType dtype = DType::kBf16;
  int64_t out = 0;  // rows, padding included
  int64_t in = 0;   // columns, padding included
};

// Causal depthwise convolution of width 4 with bias, then SiLU (Mamba, arXiv 2312.00752, fig. 3).
struct ConvArgs {
  Tensor x;             // [T, E] act in
  const float* weight;  // [E, 4] fp32, oldest tap first
  const float* bias;    // [E] fp32
  RecurrentView state;  // reads and writes conv
  Tensor out;           // [T, E] act
};

// Selective scan (Mamba, arXiv 2312.00752, eq. 2-4), gate included:
//   δ = softplus(dt + dt_bias), linear above 20;  h = exp(δ·A) h + δ·B·x;  out = (C·h + D·x) · silu(z)
struct ScanArgs {
  Tensor x;                         // [T, E] act, after convolution
  Tensor dt;                        // [T, E] act, without bias
  Tensor dt_low;                    // [T, R] act, with dt_proj
  const Matrix* dt_proj = nullptr;  // [E, R]: dt = dt_low · dt_projᵀ, `dt` is scratch; null: `dt` is given
  Tensor b;                         // [T, N] act
  Tensor c;                         // [T, N] act
  Tensor z;                         // [T, E] act
  const float* a;                   // [E, N] fp32, A = -exp(A_log)
  const float* d;                   // [E] fp32
  const float* dt_bias;             // [E] fp32
  RecurrentView state;              // reads and writes ssm
  int32_t d_state = 16;
  Tensor memory = {};  // [T, E] act: C·h + D·x, before the gate, if wanted
  Tensor out;          // [T, E] act
};

// What happens to a residual stream once a product has been added to it.
struct AddNormArgs {
  const float* added = nullptr;   // [cols], to each row as well; may be null
  const float* weight = nullptr;  // [cols]: of the norm,
  const float* bias = nullptr;    // [cols]: which is LayerNorm; null: RmsNorm
  float eps = 0.F;
};

// What dt, B and C of a scan are made of: [dt_low, b, c] = x · x_projᵀ, three tensors side by side in one; with norms
// the product goes to `raw`, and each of the three is its RMSNorm.
struct LowRankArgs {
  const Matrix* x_proj;            // [R + 2N, E]
  Tensor raw = {};                 // [T, R + 2N] fp32, scratch
  const float* dt_norm = nullptr;  // [dt_rank] fp32; null: no norms
  const float* b_norm = nullptr;   // [N] fp32
  const float* c_norm = nullptr;   // [N] fp32
  int32_t dt_rank = 0;             // at most R: the rest of dt_low is padding, which dt_proj multiplies with zeros
  float eps = 0;
};

// Rotary position embedding (arXiv 2104.09864; non-interleaved halves over the whole head), causal attention over a
// sliding window, and the write-back of what later queries can see. The query at position t sees t - window + 1 … t.
// Old tokens are read from blocks, the chunk's own from `qkv`; for every row of the batch, reads of old tokens come
// before any write that could overwrite them.
struct AttentionArgs {
  Tensor qkv;        // [T, (H + 2G)·d] act: q, k, v; q and k are rotated in place
  KvView kv;         // K (rotated) and V of this layer
  int32_t heads;     // H, a multiple of G
  int32_t kv_heads;  // G
  int32_t head_dim;  // 64, 128 or 256
  int32_t window;    // tokens; kNoWindow: full causal attention
  RopeSpec rope;
  // Differential attention (arXiv 2410.05258): K/V head g attends with the values of heads g - g % 2 and the next side
  // by side, so that a query head's output is twice as wide as a head. head_dim 64 or 128.
  bool paired_values = false;
  Tensor out;  // [T, H·d] act; [T, H·2d] with paired values
};
inline constexpr int32_t kNoWindow = INT32_MAX;

// Causal attention of single rows over keys and values that are all in blocks, the row's own included; nothing is
// written, nothing rotated. Row i of q stands where row rows[i] of the batch stands.
struct CrossAttentionArgs {
  Tensor q;             // [n, H·d] act
  const int32_t* rows;  // [n] on the device
  KvView kv;
  int32_t heads;
  int32_t kv_heads;
  int32_t head_dim;
  bool paired_values = false;  // as in AttentionArgs
  Tensor out;                  // [n, H·d] act; [n, H·2d] with paired values
};

// K and V of all rows of the batch, to where later queries look for them, unrotated.
struct WriteKvArgs {
  Tensor kv;  // [T, 2G·d] act: k, v
  KvView to;
  int32_t kv_heads;
  int32_t head_dim;
  int32_t window;  // of the layer: what no later query sees need not be written
};

// The end of differential attention: heads are in groups of `group`, an even number of groups; head i of groups 2p and
// 2p + 1 are a pair:  out = RMSNorm(first - λ · second) · weight.
struct DiffCombineArgs {
  Tensor streams;  // [n, pairs · 2 · width] act
  int32_t group;
  int32_t width;
  float lambda;
  const float* weight;  // [width] fp32
  float eps;
  Tensor out;  // [n, pairs · width] act, in the order of p, then i
};

// Which rows of a batch with drafts (BatchView::before) count from where drafts of an earlier step left off, which the
// host does not know yet.
struct PlaceRowsArgs {
  const int32_t* from = nullptr;  // [D] the slot whose next_position a row counts from; -1: it is placed already
  const int32_t* next_position = nullptr;  // [num_slots]
  int32_t* positions = nullptr;            // [T] the batch's; of a row to be placed, how far it is from there
  int32_t* start = nullptr;                // [S] likewise
  RowSampling* sampling = nullptr;         // [D] likewise `position`
};

// What of a batch with drafts stays.
struct KeepDraftsArgs {
  const RowSample* results = nullptr;  // [D] what rows [0, D) drew
  char* slots = nullptr;               // [num_slots][slot_bytes]; null without recurrent layers
  int64_t slot_bytes = 0;              // a multiple of 16
  int32_t* last_token = nullptr;       // [num_slots]
  int32_t* next_position = nullptr;    // [num_slots]
};

class Ops {
 public:
  virtual ~Ops() = default;

  // Where it computes; memory, copies and marks are there. And who else computes parts of the same products.
  virtual Device& device() const = 0;
  virtual Communicator& communicator() const = 0;
  const absl::Status& status() const { return device().status(); }
  virtual DType activation_dtype() const = 0;

  // --- weights, at start-up -----------------------------------------------------------------------------------------
  // Stacks `parts` along rows (each [rows_i, cols], each padded with zero rows to a multiple of `pad_rows`; columns
  // padded to a multiple of `pad_cols`) as one matrix: q, k and v become one product.
  virtual absl::StatusOr<Matrix> LoadMatrix(std::span<const HostTensor> parts, int64_t pad_rows, int64_t pad_cols,
                                            std::string_view what) = 0;
  // gate and up (one shape), each padded with zero rows to a multiple of `pad_rows`, for MatMulSwiGlu alone: how their
  // rows lie together is the device's affair.
  virtual absl::StatusOr<Matrix> LoadGateUp(const HostTensor& gate, const HostTensor& up, int64_t pad_rows,
                                            std::string_view what) = 0;
  // A vector or small table as fp32 on the device.
  virtual absl::StatusOr<Buffer> LoadFloats(const HostTensor& t, std::string_view what) = 0;
  // After the last of these: waits until all is there, and gives back what loading alone needed.
  virtual absl::Status FinishLoading() = 0;

  // --- the model ----------------------------------------------------------------------------------------------------
  // out[t] = table[id(t)], id(t) = last_token[slot] for decode rows that are no drafts, token_ids[t] for the rest.
  // out [T, cols] fp32
  virtual void Embed(const Matrix& table, const BatchView& b, Tensor out) = 0;
  // out = x / sqrt(mean(x²) + eps) * weight (arXiv 1910.07467).    x [rows, cols] fp32, weight [cols], out act
  virtual void RmsNorm(Tensor x, const float* weight, float eps, Tensor out) = 0;
  // out = in · wᵀ.                                               in [rows, w.in] act, out [rows, w.out] act or fp32
  virtual void MatMul(const Matrix& w, Tensor in, Tensor out) = 0;
  // acc += in · wᵀ.                                              acc [rows, w.out] fp32
  // Where w is split by columns between ranks, acc becomes acc of rank 0 plus the products of all ranks.
  virtual void MatMulAdd(const Matrix& w, Tensor in, Tensor acc) = 0;
  // MatMulAdd, then the norm of acc into out; a device may do the two in one.
  virtual void MatMulAddNorm(const Matrix& w, Tensor in, Tensor acc, const AddNormArgs& norm, Tensor out);
  virtual void CausalConv(const BatchView& b, const ConvArgs& args) = 0;
  // MatMul into `out`, then CausalConv of its first columns, args.x, which are scratch; a device may do the two in one.
  virtual void MatMulCausalConv(const Matrix& w, Tensor in, Tensor out, const BatchView& b, const ConvArgs& args) {
    MatMul(w, in, out);
    CausalConv(b, args);
  }
  virtual void SelectiveScan(const BatchView& b, const ScanArgs& args) = 0;
  // dt_low, b and c of the scan, which has dt_proj, from its x; then the scan. A device may do the two in one, and need
  // not write dt_low, b and c then.
  virtual void MatMulSelectiveScan(const BatchView& b, const LowRankArgs& low, const ScanArgs& args);
  virtual void Attention(const BatchView& b, const AttentionArgs& args) = 0;
  // SwiGLU (arXiv 2002.05202): out = silu(in · gateᵀ) * (in · upᵀ), w from LoadGateUp.
  // in [rows, w.in] act, out [rows, w.out / 2] act; gate_up [rows, w.out] act is scratch
  virtual void MatMulSwiGlu(const Matrix& w, Tensor in, Tensor gate_up, Tensor out) = 0;
  // x += bias, row by row.                                       x [rows, cols] act or fp32, bias [cols]
  virtual void AddBias(Tensor x, const float* bias) = 0;
  // LayerNorm (arXiv 1607.06450): out = (x - mean) / sqrt(var + eps) * weight + bias.
  // x [rows, cols] fp32, weight and bias [cols], out act
  virtual void LayerNorm(Tensor x, const float* weight, const float* bias, float eps, Tensor out) = 0;
  // out = silu(gate) * x (gated memory unit, arXiv 2507.06607).     all [rows, cols] act; out may be either
  virtual void SiluGate(Tensor gate, Tensor x, Tensor out) = 0;
  virtual void WriteKv(const BatchView& b, const WriteKvArgs& args) = 0;
  virtual void CrossAttention(const BatchView& b, const CrossAttentionArgs& args) = 0;
  virtual void DiffCombine(const DiffCombineArgs& args) = 0;
  // out[i] = x[rows[i]].                   x [T, cols] fp32 or act, rows [n] on the device, out [n, cols] likewise
  virtual void GatherRows(Tensor x, const int32_t* rows, Tensor out) = 0;
  // Draws or scores one token per row of logits [n, padded vocabulary] fp32; ids >= vocab are padding and never drawn.
  // Writes results[n] and last_token[slot] of drawn rows, all on the device. Drawing is Gumbel-max over the kept ids:
  // argmax(logit / temperature + g(seed, position, id)), so the result depends on nothing but the row and, if it is
  // controlled, its control row, which takes note of the token. At most one row of a slot draws.
  virtual void Sample(Tensor logits, int32_t vocab, const RowSampling* rows, const ControlView& controls,
                      RowSample* results, int32_t* last_token) = 0;

  // --- drafts (BatchView::before) -----------------------------------------------------------------------------------
  // Before a step with drafts: places its decode rows.
  virtual void PlaceRows(const BatchView& b, const PlaceRowsArgs& args) = 0;
  // Behind its draws: a draft is kept if the row in front of it is and drew its id. The slot of a sequence that is no
  // draft gets the state and the last token of the last row kept behind it, and next_position the position after.
  virtual void KeepDrafts(const BatchView& b, const KeepDraftsArgs& args) = 0;

  // Row counts of which a step each is to run at start-up, so that no later one has to search how it is computed best;
  // empty where nothing is searched for. Largest first. And how often there was a search so far: from any thread.
  virtual std::vector<int32_t> RowsToWarmUp(int32_t /*most*/) const { return {}; }
  virtual int64_t plan_searches() const { return 0; }
};

// `threads` 0: one per core. `residency` of all its memory.
absl::StatusOr<std::unique_ptr<Ops>> MakeCpuOps(
    int threads, Residency residency = Residency::kAsUsed,
    std::unique_ptr<Communicator> communicator = std::make_unique<NullCommunicator>());
// How CUDA computes rows: as is fastest for their number, where sums of another order may differ in their last bits; or
// the same way in any number (UNIMPLEMENTED but on compute capability 9.0).
enum class RowMath { kFastest, kSameInAnyBatch };
// Defined in every build: UNAVAILABLE with the reason where there is no CUDA build, driver or device.
absl::StatusOr<std::unique_ptr<Ops>> MakeCudaOps(
    int device, RowMath rows = RowMath::kFastest,
    std::unique_ptr<Communicator> communicator = std::make_unique<NullCommunicator>());

}  // namespace batucada

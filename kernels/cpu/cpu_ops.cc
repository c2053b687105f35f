#include "kernels/cpu/cpu_ops.h"

#include <array>
#include <bit>
#include <limits>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/rounding.h"
#include "kernels/cpu/add_bias.h"
#include "kernels/cpu/causal_conv.h"
#include "kernels/cpu/diff_combine.h"
#include "kernels/cpu/drafts.h"
#include "kernels/cpu/embed.h"
#include "kernels/cpu/kv_ring.h"
#include "kernels/cpu/layer_norm.h"
#include "kernels/cpu/pack.h"
#include "kernels/cpu/rms_norm.h"
#include "kernels/cpu/selective_scan.h"
#include "kernels/cpu/silu_gate.h"

namespace batucada {
namespace {

constexpr int kMaxThreads = 1024;

bool IsFloats(const Tensor& t) {
  return t.dtype == DType::kF32 && t.data != nullptr && t.stride >= t.cols && t.cols > 0;
}
bool IsFloats(const Tensor& t, int64_t rows, int64_t cols) { return IsFloats(t) && t.rows == rows && t.cols == cols; }

bool IsFloatType(DType t) { return t == DType::kF32 || t == DType::kBf16 || t == DType::kF16; }

PackedWeights View(const Matrix& w) { return {w.storage.data(), w.dtype, w.out, w.in}; }

// A batch that ops can walk without looking twice.
bool IsBatch(const BatchView& b) {
  return b.num_tokens >= b.num_sequences && b.num_sequences >= b.num_decode && b.num_decode >= 0 &&
         b.first_row != nullptr && b.start != nullptr && b.slot != nullptr &&
         b.first_row[b.num_sequences] == b.num_tokens;
}

// Blocks of K and V that can be reached through the batch's table.
bool IsKvView(const BatchView& b, const KvView& kv) {
  return b.block_table != nullptr && b.table_width > 0 && b.positions != nullptr && b.row_sequence != nullptr &&
         kv.k != nullptr && kv.v != nullptr && kv.block_tokens > 0 &&
         std::has_single_bit(static_cast<uint32_t>(kv.block_tokens));
}

// Whether every sequence's old tokens that the batch's queries see fit in the ring.
bool RingHoldsWindow(const BatchView& b, const AttentionArgs& args) {
  for (int32_t s = 0; s < b.num_sequences; ++s) {
    if (b.start[s] - OldestVisible(b.start[s], args.window) > RingTokens(b, args.kv)) return false;
  }
  return true;
}

}  // namespace

CpuOps::CpuOps(int threads, Residency residency, std::unique_ptr<Communicator> communicator)
    : device_(std::make_unique<CpuDevice>(threads, residency)), communicator_(std::move(communicator)),
      pool_(device_->pool()), sample_scratch_(static_cast<size_t>(threads)) {}

bool CpuOps::Check(bool ok, std::string_view op, std::string_view problem) {
  if (!ok) device_->Fail(op, absl::InvalidArgumentError(std::string(problem)));
  return status().ok();
}

// --- weights

absl::StatusOr<Matrix> CpuOps::LoadMatrix(std::span<const HostTensor> parts, int64_t pad_rows, int64_t pad_cols,
                                          std::string_view what) {
  const auto invalid = [&](std::string_view problem) {
    return absl::InvalidArgumentError(absl::StrCat("matrix ", std::string(what), ": ", std::string(problem)));
  };
  if (parts.empty() || pad_rows <= 0 || pad_cols <= 0) return invalid("needs at least one part and positive padding");
  Matrix matrix;
  matrix.dtype = DType::kBf16;
  for (const HostTensor& part : parts) {
    if (part.data == nullptr || part.rows <= 0 || part.cols <= 0) return invalid("a part is empty");
    if (!IsFloatType(part.dtype)) return invalid(absl::StrCat("cannot hold ", std::string(NameOf(part.dtype))));
    if (part.cols != parts[0].cols) return invalid("parts differ in columns");
    if (part.dtype != DType::kBf16) matrix.dtype = DType::kF32;  // exact for all
    matrix.out += RoundUp(part.rows, pad_rows);
  }
  matrix.in = RoundUp(parts[0].cols, pad_cols);
  if (matrix.out > std::numeric_limits<int32_t>::max() || matrix.in > std::numeric_limits<int32_t>::max()) {
    return invalid("is too large");
  }
  absl::StatusOr<Buffer> storage = device_->Allocate(PackedBytes(matrix.out, matrix.in, matrix.dtype), what);
  if (!storage.ok()) return storage.status();
  matrix.storage = *std::move(storage);
  int64_t row = 0;
  for (const HostTensor& part : parts) {
    PackRows(part, matrix.storage.data(), matrix.dtype, matrix.in, row, pool_);
    row += RoundUp(part.rows, pad_rows);
  }
  return matrix;
}

absl::StatusOr<Matrix> CpuOps::LoadGateUp(const HostTensor& gate, const HostTensor& up, int64_t pad_rows,
                                          std::string_view what) {
  if (gate.rows != up.rows) {
    return absl::InvalidArgumentError(absl::StrCat("matrix ", std::string(what), ": gate and up differ in rows"));
  }
  return LoadMatrix(std::array{gate, up}, pad_rows, 1, what);
}

absl::StatusOr<Buffer> CpuOps::LoadFloats(const HostTensor& t, std::string_view what) {
  if (t.data == nullptr || t.rows <= 0 || t.cols <= 0 || !IsFloatType(t.dtype)) {
    return absl::InvalidArgumentError(absl::StrCat(std::string(what), ": not a table of floating-point numbers"));
  }
  absl::StatusOr<Buffer> buffer = device_->Allocate(static_cast<size_t>(t.rows * t.cols) * sizeof(float), what);
  if (buffer.ok()) ConvertToFloats(t.data, t.dtype, t.rows * t.cols, buffer->As<float>());
  return buffer;
}

// --- the model

void CpuOps::Embed(const Matrix& table, const BatchView& b, Tensor out) {
  if (!Check(IsBatch(b) && IsFloats(out, b.num_tokens, table.in), "embed", "needs a batch and out [T, columns] fp32"))
    return;
  for (int32_t t = 0; t < b.num_tokens; ++t) {
    const int32_t id = TokenOfRow(b, t);
    if (id < 0 || id >= table.out) {
      Check(false, "embed", absl::StrCat("row ", t, " has id ", id, ", the table has ", table.out));
      return;
    }
  }
  batucada::Embed(View(table), b, out, pool_);
}

void CpuOps::RmsNorm(Tensor x, const float* weight, float eps, Tensor out) {
  if (!Check(IsFloats(x) && IsFloats(out, x.rows, x.cols) && weight != nullptr, "rms_norm",
             "x and out must match, fp32")) {
    return;
  }
  batucada::RmsNorm(x, weight, eps, out, pool_);
}

bool CpuOps::CheckMatMul(std::string_view op, const Matrix& w, const Tensor& in, const Tensor& out) {
  if (!status().ok()) return false;
  if (IsFloats(in) && in.cols == w.in && IsFloats(out, in.rows, w.out) && w.storage.data() != nullptr) return true;
  return Check(false, op,
               absl::StrCat("weights [", w.out, ", ", w.in, "] do not fit in [", in.rows, ", ", in.cols, "] ",
                            std::string(NameOf(in.dtype)), " and out [", out.rows, ", ", out.cols, "] ",
                            std::string(NameOf(out.dtype))));
}

void CpuOps::MatMul(const Matrix& w, Tensor in, Tensor out) {
  if (!CheckMatMul("matmul", w, in, out)) return;
  batucada::MatMul(View(w), in, out, MatMulMode::kOverwrite, matmul_scratch_, pool_);
}

void CpuOps::MatMulAdd(const Matrix& w, Tensor in, Tensor acc) {
  if (!CheckMatMul("matmul_add", w, in, acc)) return;
  const MatMulMode mode = communicator_->rank() == 0 ? MatMulMode::kAccumulate : MatMulMode::kOverwrite;
  batucada::MatMul(View(w), in, acc, mode, matmul_scratch_, pool_);
  communicator_->AllReduceSum(acc);
}

void CpuOps::CausalConv(const BatchView& b, const ConvArgs& args) {
  const bool ok = IsBatch(b) && IsFloats(args.x) && args.x.rows == b.num_tokens &&
                  IsFloats(args.out, args.x.rows, args.x.cols) && args.weight != nullptr && args.bias != nullptr &&
                  args.state.conv != nullptr;
  if (!Check(ok, "causal_conv", "needs x and out [T, E] fp32 with weight, bias and state")) return;
  batucada::CausalConv(b, args, pool_);
}

void CpuOps::SelectiveScan(const BatchView& b, const ScanArgs& args) {
  const int64_t rows = b.num_tokens, channels = args.x.cols, states = args.d_state;
  if (!Check(states > 0 && states % 16 == 0, "selective_scan", "d_state must be a multiple of 16")) return;
  const bool ok = IsBatch(b) && IsFloats(args.x, rows, channels) && IsFloats(args.dt, rows, channels) &&
                  IsFloats(args.z, rows, channels) && IsFloats(args.out, rows, channels) &&
                  IsFloats(args.b, rows, states) && IsFloats(args.c, rows, states) && args.a != nullptr &&
                  args.d != nullptr && args.dt_bias != nullptr && args.state.ssm != nullptr &&
                  (args.memory.data == nullptr || IsFloats(args.memory, rows, channels));
  if (!Check(ok, "selective_scan", "needs x, dt, z, out [T, E] and b, c [T, N] fp32 with a, d, dt_bias and state"))
    return;
  if (args.dt_proj != nullptr) MatMul(*args.dt_proj, args.dt_low, args.dt);
  if (!status().ok()) return;
  batucada::SelectiveScan(b, args, pool_);
}

void CpuOps::Attention(const BatchView& b, const AttentionArgs& args) {
  const int64_t d = args.head_dim, heads = args.heads, kv_heads = args.kv_heads;
  if (!Check(d > 0 && d % 32 == 0 && d <= 256, "attention", "head_dim must be a multiple of 32, at most 256")) return;
  if (!Check(kv_heads > 0 && heads > 0 && heads % kv_heads == 0, "attention", "heads must be a multiple of kv_heads"))
    return;
  if (!Check(args.window > 0, "attention", "window must be positive")) return;
  const bool ok = IsBatch(b) && IsFloats(args.qkv, b.num_tokens, (heads + 2 * kv_heads) * d) &&
                  IsFloats(args.out, b.num_tokens, heads * d * (args.paired_values ? 2 : 1)) && IsKvView(b, args.kv);
  if (!Check(ok, "attention", "needs qkv [T, (H + 2G)·d] and out [T, H·d] fp32, and a block table and K/V blocks"))
    return;
  if (!Check(!args.paired_values || kv_heads % 2 == 0, "attention", "paired values need an even number of K/V heads"))
    return;
  if (!Check(RingHoldsWindow(b, args), "attention", "the ring of blocks holds fewer tokens than the window shows"))
    return;
  if (args.rope.rotates()) {
    rope_.Prepare(b.positions, b.num_tokens, args.head_dim, args.rope, pool_);
    Rotate(args.qkv.Cols(0, (heads + kv_heads) * d), args.head_dim, rope_, pool_);
  }
  // A draft sees the rows in front of it. They overwrite nothing that any of them sees: rings have room for a block of
  // rows more than a window.
  if (b.before != nullptr) WriteDecodeKv(b, args, pool_);
  Attend(b, args, attention_scratch_, pool_);
  batucada::WriteKv(b, args, pool_);
}

void CpuOps::MatMulSwiGlu(const Matrix& w, Tensor in, Tensor gate_up, Tensor out) {
  if (!Check(IsFloats(out) && IsFloats(gate_up, out.rows, 2 * out.cols), "matmul_swiglu",
             "needs gate_up [rows, 2m] and out [rows, m] fp32")) {
    return;
  }
  MatMul(w, in, gate_up);
  if (status().ok()) batucada::SiluGate(gate_up.Cols(0, out.cols), gate_up.Cols(out.cols, out.cols), out, pool_);
}

void CpuOps::AddBias(Tensor x, const float* bias) {
  if (Check(IsFloats(x) && bias != nullptr, "add_bias", "needs x [rows, cols] fp32 and a bias")) {
    batucada::AddBias(x, bias, pool_);
  }
}

void CpuOps::LayerNorm(Tensor x, const float* weight, const float* bias, float eps, Tensor out) {
  if (Check(IsFloats(x) && IsFloats(out, x.rows, x.cols) && weight != nullptr && bias != nullptr, "layer_norm",
            "x and out must match, fp32, with weight and bias")) {
    batucada::LayerNorm(x, weight, bias, eps, out, pool_);
  }
}

void CpuOps::SiluGate(Tensor gate, Tensor x, Tensor out) {
  if (Check(IsFloats(gate) && IsFloats(x, gate.rows, gate.cols) && IsFloats(out, gate.rows, gate.cols), "silu_gate",
            "gate, x and out must match, fp32")) {
    batucada::SiluGate(gate, x, out, pool_);
  }
}

void CpuOps::WriteKv(const BatchView& b, const WriteKvArgs& args) {
  const int64_t width = int64_t{2} * args.kv_heads * args.head_dim;
  if (!Check(IsBatch(b) && IsFloats(args.kv, b.num_tokens, width) && IsKvView(b, args.to) && args.window > 0,
             "write_kv", "needs kv [T, 2G·d] fp32, and a block table and K/V blocks")) {
    return;
  }
  batucada::WriteKv(b,
                    {.qkv = args.kv,
                     .kv = args.to,
                     .heads = 0,
                     .kv_heads = args.kv_heads,
                     .head_dim = args.head_dim,
                     .window = args.window,
                     .rope = {},
                     .out = {}},
                    pool_);
}

void CpuOps::CrossAttention(const BatchView& b, const CrossAttentionArgs& args) {
  const int64_t d = args.head_dim, width = args.heads * d;
  const bool ok = d > 0 && d % 32 == 0 && d <= 256 && args.kv_heads > 0 && args.heads > 0 &&
                  args.heads % args.kv_heads == 0 && (!args.paired_values || args.kv_heads % 2 == 0) && IsBatch(b) &&
                  args.rows != nullptr && IsFloats(args.q) && args.q.cols == width &&
                  IsFloats(args.out, args.q.rows, width * (args.paired_values ? 2 : 1)) && IsKvView(b, args.kv);
  if (!Check(ok, "cross_attention", "needs q [n, H·d], out and rows, and a block table and K/V blocks")) return;
  for (int64_t i = 0; i < args.q.rows; ++i) {
    if (!Check(args.rows[i] >= 0 && args.rows[i] < b.num_tokens, "cross_attention", "a row index is out of range"))
      return;
  }
  CrossAttend(b, args, attention_scratch_, pool_);
}

void CpuOps::DiffCombine(const DiffCombineArgs& args) {
  const bool ok = IsFloats(args.out) && args.width > 0 && args.group > 0 && args.weight != nullptr &&
                  args.out.cols % (int64_t{args.group} * args.width) == 0 &&
                  IsFloats(args.streams, args.out.rows, 2 * args.out.cols);
  if (!Check(ok, "diff_combine", "needs streams [n, 2·cols] and out [n, cols] of whole groups of heads, fp32")) return;
  batucada::DiffCombine(args.streams, args.group, args.width, args.lambda, args.weight, args.eps, args.out, pool_);
}

void CpuOps::GatherRows(Tensor x, const int32_t* rows, Tensor out) {
  if (!Check(IsFloats(x) && IsFloats(out) && x.cols == out.cols && rows != nullptr, "gather_rows",
             "needs x [T, cols], out [n, cols] fp32")) {
    return;
  }
  for (int64_t i = 0; i < out.rows; ++i) {
    if (!Check(rows[i] >= 0 && rows[i] < x.rows, "gather_rows", "a row index is out of range")) return;
  }
  batucada::GatherRows(x, rows, out, pool_);
}

void CpuOps::Sample(Tensor logits, int32_t vocab, const RowSampling* rows, const ControlView& controls,
                    RowSample* results, int32_t* last_token) {
  const bool ok = IsFloats(logits) && vocab > 0 && vocab <= logits.cols && rows != nullptr && results != nullptr;
  if (!Check(ok, "sample", "needs logits [n, >= vocab] fp32, rows and results")) return;
  for (int64_t i = 0; i < logits.rows; ++i) {
    const RowSampling& row = rows[i];
    const bool row_ok = row.target < vocab && row.num_top >= 0 && row.num_top <= std::min<int32_t>(kMaxTop, vocab) &&
                        row.temperature >= 0 && row.top_p >= 0 && row.top_p <= 1 && row.min_p >= 0 && row.min_p <= 1 &&
                        (row.control.row < 0 || (controls.rows != nullptr && row.control.repetition_penalty > 0));
    if (!Check(row_ok, "sample", "a row asks for what cannot be: see RowSampling for the ranges")) return;
  }
  batucada::Sample(logits, vocab, rows, controls, results, last_token, sample_scratch_, pool_);
}

void CpuOps::PlaceRows(const BatchView& b, const PlaceRowsArgs& args) {
  const bool ok = IsBatch(b) && args.from != nullptr && args.next_position != nullptr && args.positions != nullptr &&
                  args.start != nullptr && args.sampling != nullptr;
  if (Check(ok, "place_rows", "needs a batch, and where its rows stand")) batucada::PlaceRows(b, args);
}

void CpuOps::KeepDrafts(const BatchView& b, const KeepDraftsArgs& args) {
  const bool ok = IsBatch(b) && b.before != nullptr && b.positions != nullptr && b.token_ids != nullptr &&
                  args.results != nullptr && args.last_token != nullptr && args.next_position != nullptr &&
                  (args.slots != nullptr || args.slot_bytes == 0);
  if (Check(ok, "keep_drafts", "needs a batch with drafts, what was drawn, and slots")) {
    batucada::KeepDrafts(b, args, pool_);
  }
}

absl::StatusOr<std::unique_ptr<Ops>> MakeCpuOps(int threads, Residency residency,
                                                std::unique_ptr<Communicator> communicator) {
  if (threads < 0 || threads > kMaxThreads) {
    return absl::InvalidArgumentError(
        absl::StrCat("threads must be 0 (one per core) to ", kMaxThreads, ", not ", threads));
  }
  return std::make_unique<CpuOps>(threads == 0 ? UsableCores() : threads, residency, std::move(communicator));
}

}  // namespace batucada

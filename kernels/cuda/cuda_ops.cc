// The model's ops: checks what the kernels assume, names the op, launches.
#include "kernels/cuda/cuda_ops.h"

#include <algorithm>
#include <bit>

#include "absl/strings/str_cat.h"
#include "kernels/cuda/attention_decode.h"
#include "kernels/cuda/attention_prefill.h"
#include "kernels/cuda/causal_conv.h"
#include "kernels/cuda/drafts.h"
#include "kernels/cuda/embed.h"
#include "kernels/cuda/gather.h"
#include "kernels/cuda/low_rank.h"
#include "kernels/cuda/medium_matmul.h"
#include "kernels/cuda/op_checks.h"
#include "kernels/cuda/ring_matmul.h"
#include "kernels/cuda/rope_kv_write.h"
#include "kernels/cuda/sample.h"
#include "kernels/cuda/selective_scan.h"
#include "kernels/cuda/swiglu.h"

namespace batucada {
namespace {

using bf16 = __nv_bfloat16;
using cuda::Aligned16;
using cuda::Int;
using cuda::IsAct;
using cuda::Product;
using cuda::ShapeOf;

}  // namespace

void CudaOps::Embed(const Matrix& table, const BatchView& b, Tensor out) {
  if (!Ready() || b.num_tokens == 0) return;
  if (out.dtype != DType::kF32 || out.cols > table.in) return Refuse("embed", absl::StrCat("out is ", ShapeOf(out)));
  Check("embed", cuda::Embed({.table = table.storage.As<bf16>(),
                              .table_stride = table.in,
                              .token_ids = b.token_ids,
                              .last_token = b.last_token,
                              .slot = b.slot,
                              .before = b.before,
                              .num_tokens = b.num_tokens,
                              .num_decode = b.num_decode,
                              .cols = Int(out.cols),
                              .out = out.As<float>(),
                              .out_stride = out.stride},
                             target_));
}

void CudaOps::RunMatMul(std::string_view op, const Matrix& w, const Tensor& in, const Tensor& out,
                        cuda::MatMulOutput output) {
  if (!Ready() || in.rows == 0) return;
  if (!IsAct(in) || in.cols != w.in || out.cols != w.out || in.rows != out.rows) {
    return Refuse(op, absl::StrCat(ShapeOf(in), " times [", w.out, ", ", w.in, "] into ", ShapeOf(out)));
  }
  const cuda::MatMulParams params = Product(w, in, out, output);
  if (target_.batch_invariant) return RunInvariantMatMul(op, params);
  if (cuda::RingMatMulServes(params, target_)) return Check(op, cuda::RingMatMul(params, target_));
  if (cuda::MediumMatMulServes(params, target_)) return Check(op, cuda::MediumMatMul(params, target_));
  Check(op, plans_->Run(params, target_));
}

void CudaOps::RunInvariantMatMul(std::string_view op, const cuda::MatMulParams& params) {
  if (!cuda::MediumMatMulComputes(params, target_)) {
    return Refuse(op, absl::StrCat("the same bits in any batch need rows of 16-byte packs: in [", params.rows, ", ",
                                   params.k, "] with stride ", params.in_stride));
  }
  Check(op, cuda::MediumMatMul(params, target_));
}

void CudaOps::MatMul(const Matrix& w, Tensor in, Tensor out) {
  const bool floats = out.dtype == DType::kF32;
  if (!floats && !IsAct(out)) return Refuse("matmul", absl::StrCat("out is ", ShapeOf(out)));
  RunMatMul("matmul", w, in, out, floats ? cuda::MatMulOutput::kF32 : cuda::MatMulOutput::kBf16);
}

void CudaOps::MatMulAdd(const Matrix& w, Tensor in, Tensor acc) {
  if (acc.dtype != DType::kF32) return Refuse("matmul_add", absl::StrCat("acc is ", ShapeOf(acc)));
  RunMatMul("matmul_add", w, in, acc,
            communicator_->rank() == 0 ? cuda::MatMulOutput::kAddF32 : cuda::MatMulOutput::kF32);
  communicator_->AllReduceSum(acc);
}

void CudaOps::MatMulSwiGlu(const Matrix& w, Tensor in, Tensor gate_up, Tensor out) {
  if (!Ready() || in.rows == 0) return;
  if (!IsAct(in) || !IsAct(gate_up) || !IsAct(out) || in.cols != w.in || gate_up.cols != w.out ||
      2 * out.cols != w.out || gate_up.rows != in.rows || out.rows != in.rows) {
    return Refuse("matmul_swiglu", absl::StrCat(ShapeOf(in), " times [", w.out, ", ", w.in, "] through ",
                                                ShapeOf(gate_up), " into ", ShapeOf(out)));
  }
  const cuda::MatMulParams fused = Product(w, in, out, cuda::MatMulOutput::kSwiGlu);
  if (target_.batch_invariant) return RunInvariantMatMul("matmul_swiglu", fused);
  if (cuda::RingMatMulServes(fused, target_)) return Check("matmul_swiglu", cuda::RingMatMul(fused, target_));
  if (cuda::MediumMatMulServes(fused, target_)) return Check("matmul_swiglu", cuda::MediumMatMul(fused, target_));
  Check("matmul_swiglu", plans_->Run(Product(w, in, gate_up, cuda::MatMulOutput::kBf16), target_));
  Check("matmul_swiglu", cuda::SwiGlu({.gate_up = gate_up.As<bf16>(),
                                       .in_stride = gate_up.stride,
                                       .rows = Int(out.rows),
                                       .cols = Int(out.cols),
                                       .out = out.As<bf16>(),
                                       .out_stride = out.stride},
                                      target_));
}

void CudaOps::CausalConv(const BatchView& b, const ConvArgs& a) {
  if (!Ready() || b.num_tokens == 0) return;
  if (!IsAct(a.x) || !IsAct(a.out) || a.x.cols != a.out.cols || a.x.cols % 4 != 0 ||
      reinterpret_cast<uintptr_t>(a.x.data) % 8 != 0 || a.x.stride % 4 != 0 ||
      reinterpret_cast<uintptr_t>(a.out.data) % 8 != 0 || a.out.stride % 4 != 0) {
    return Refuse("causal_conv",
                  absl::StrCat("x is ", ShapeOf(a.x), ", out ", ShapeOf(a.out),
                               "; channels and strides must be multiples of 4, rows aligned to 8 bytes"));
  }
  Check("causal_conv", cuda::CausalConv({.x = a.x.As<bf16>(),
                                         .x_stride = a.x.stride,
                                         .weight = a.weight,
                                         .bias = a.bias,
                                         .conv = static_cast<char*>(a.state.conv),
                                         .slot_bytes = a.state.slot_bytes,
                                         .row_sequence = b.row_sequence,
                                         .first_row = b.first_row,
                                         .start = b.start,
                                         .slot = b.slot,
                                         .before = b.before,
                                         .num_tokens = b.num_tokens,
                                         .num_sequences = b.num_sequences,
                                         .num_decode = b.num_decode,
                                         .channels = Int(a.x.cols),
                                         .out = a.out.As<bf16>(),
                                         .out_stride = a.out.stride},
                                        target_));
}

void CudaOps::MatMulCausalConv(const Matrix& w, Tensor in, Tensor out, const BatchView& b, const ConvArgs& a) {
  if (!Ready() || b.num_tokens == 0) return;
  cuda::MatMulParams product = Product(w, in, out, cuda::MatMulOutput::kBf16);
  product.conv = {.weight = a.weight,
                  .bias = a.bias,
                  .conv = static_cast<char*>(a.state.conv),
                  .slot_bytes = a.state.slot_bytes,
                  .start = b.start,
                  .slot = b.slot,
                  .channels = Int(a.x.cols),
                  .out = a.out.As<bf16>(),
                  .out_stride = a.out.stride};
  const auto in_fours = [](const Tensor& t) { return t.cols % 4 == 0 && t.stride % 4 == 0; };
  const bool one_row_each = b.num_decode == b.num_tokens && b.before == nullptr;
  const bool fused = one_row_each && IsAct(in, b.num_tokens, w.in) && IsAct(out, in.rows, w.out) && Aligned16(out) &&
                     IsAct(a.out, in.rows, a.x.cols) && a.x.data == out.data && in_fours(out) && in_fours(a.x) &&
                     in_fours(a.out) && reinterpret_cast<uintptr_t>(a.out.data) % 8 == 0 &&
                     reinterpret_cast<uintptr_t>(a.state.conv) % 8 == 0 && a.state.slot_bytes % 8 == 0;
  if (fused && !target_.batch_invariant && cuda::RingMatMulServes(product, target_)) {
    return Check("matmul_causal_conv", cuda::RingMatMul(product, target_));
  }
  // MediumMatMul does not: its blocks have no warps to spare, and steps of 64 rows would be 3 to 14% slower.
  Ops::MatMulCausalConv(w, in, out, b, a);
}

void CudaOps::SelectiveScan(const BatchView& b, const ScanArgs& a) { Scan(b, a, {}); }

void CudaOps::MatMulSelectiveScan(const BatchView& b, const LowRankArgs& low, const ScanArgs& a) {
  if (!Ready() || b.num_tokens == 0) return;
  // The product leaves parts in scratch. A few rows' are added up and normed by the step of the scan, more by a kernel
  // between the two, which also norms what is whole already, in low.raw.
  cuda::MatMulParams product = Product(*low.x_proj, a.x, a.dt_low, cuda::MatMulOutput::kPartsF32);
  product.out = target_.workspace;
  product.out_stride = product.n;
  product.most_parts = cuda::kMostLowRankParts;
  constexpr int64_t kStates = cuda::kScanStates;
  const bool shapes = a.d_state == kStates && a.dt_proj != nullptr && product.n == a.dt_proj->in + 2 * kStates &&
                      IsAct(a.x, b.num_tokens, product.k) && IsAct(a.dt_low, b.num_tokens, a.dt_proj->in) &&
                      IsAct(a.b, b.num_tokens, kStates) && IsAct(a.c, b.num_tokens, kStates);
  const bool valid = shapes && a.b.data == a.dt_low.As<bf16>() + a.dt_low.cols &&
                     a.c.data == a.b.As<bf16>() + kStates && a.b.stride == a.dt_low.stride &&
                     a.c.stride == a.dt_low.stride;
  const bool fastest = valid && !target_.batch_invariant;
  const bool ring = fastest && b.num_decode == b.num_tokens && b.before == nullptr && StepMakesDt(b, a) &&
                    cuda::RingMatMulServes(product, target_);
  const bool medium = fastest && !ring && cuda::MediumMatMulServes(product, target_);
  const cuda::RingCut cut = cuda::ChooseRingCut(product, target_);
  const cuda::LowRankParts parts{.parts = static_cast<const float*>(ring || medium ? target_.workspace : low.raw.data),
                                 .num_parts = ring     ? cut.parts
                                              : medium ? cuda::MediumMatMulParts(product, target_)
                                                       : 1,
                                 .rows = Int(product.rows),
                                 .width = Int(product.n),
                                 .dt_norm = low.dt_norm,
                                 .b_norm = low.b_norm,
                                 .c_norm = low.c_norm,
                                 .norm_rank = low.dt_rank,
                                 .eps = low.eps};
  const bool sums = ring || medium;
  const size_t bytes = sizeof(float) * parts.num_parts * product.rows * product.n;
  const bool fits =
      (!sums || bytes <= target_.workspace_bytes) && cuda::LowRankServes(parts, a.dt_low.As<bf16>(), a.dt_low.stride);
  if (!valid || !fits ||
      (!sums && (low.dt_norm == nullptr || low.raw.dtype != DType::kF32 || low.raw.stride != product.n))) {
    return Ops::MatMulSelectiveScan(b, low, a);
  }
  if (sums) {
    Check("matmul_selective_scan",
          ring ? cuda::RingMatMul(product, target_, cut) : cuda::MediumMatMul(product, target_));
  } else {
    MatMul(*low.x_proj, a.x, low.raw);
  }
  if (ring) return Scan(b, a, parts);
  Check("matmul_selective_scan: low rank", cuda::LowRank(parts, a.dt_low.As<bf16>(), a.dt_low.stride, target_));
  Scan(b, a, {});
}

// Whether decode rows make dt themselves.
bool CudaOps::StepMakesDt(const BatchView& b, const ScanArgs& a) const {
  if (a.dt_proj == nullptr || b.num_decode == 0) return false;
  const bool few = b.num_decode <= cuda::MaxStepRows(a.dt_proj->in) || target_.batch_invariant;
  return few && a.dt_proj->in <= cuda::kMaxStepRank && a.dt_proj->in % 8 == 0 && Aligned16(a.dt_low);
}

void CudaOps::Scan(const BatchView& b, const ScanArgs& a, const cuda::LowRankParts& low) {
  if (!Ready() || b.num_tokens == 0) return;
  if (!IsAct(a.x) || !IsAct(a.dt) || !IsAct(a.b) || !IsAct(a.c) || !IsAct(a.z) || !IsAct(a.out) || a.d_state != 16 ||
      a.x.cols % 8 != 0) {
    return Refuse("selective_scan", absl::StrCat("x is ", ShapeOf(a.x), " with ", a.d_state,
                                                 " states; 16 states and a multiple of 8 channels are needed"));
  }
  if (a.memory.data != nullptr && (!IsAct(a.memory) || a.memory.rows != a.x.rows || a.memory.cols != a.x.cols)) {
    return Refuse("selective_scan", absl::StrCat("memory is ", ShapeOf(a.memory), " for x ", ShapeOf(a.x)));
  }
  const bool fused = StepMakesDt(b, a);  // the prompts' rows come after theirs
  if (a.dt_proj != nullptr) {
    if (!IsAct(a.dt_low) || a.dt_low.rows != a.x.rows || a.dt_low.cols != a.dt_proj->in || a.dt_proj->out != a.x.cols) {
      return Refuse("selective_scan", absl::StrCat("dt_low is ", ShapeOf(a.dt_low), " for dt_proj [", a.dt_proj->out,
                                                   ", ", a.dt_proj->in, "]"));
    }
    const int64_t first = fused ? b.num_decode : 0, count = a.dt.rows - first;
    RunMatMul("selective_scan: dt_proj", *a.dt_proj, a.dt_low.Rows(first, count), a.dt.Rows(first, count),
              cuda::MatMulOutput::kBf16);
  }
  Check("selective_scan", cuda::SelectiveScan({.x = a.x.As<bf16>(),
                                               .x_stride = a.x.stride,
                                               .dt = a.dt.As<bf16>(),
                                               .dt_stride = a.dt.stride,
                                               .dt_low = a.dt_low.As<bf16>(),
                                               .dt_low_stride = a.dt_low.stride,
                                               .w_dt = fused ? a.dt_proj->storage.As<bf16>() : nullptr,
                                               .dt_rank = fused ? Int(a.dt_proj->in) : 0,
                                               .b = a.b.As<bf16>(),
                                               .b_stride = a.b.stride,
                                               .c = a.c.As<bf16>(),
                                               .c_stride = a.c.stride,
                                               .z = a.z.As<bf16>(),
                                               .z_stride = a.z.stride,
                                               .a = a.a,
                                               .d = a.d,
                                               .dt_bias = a.dt_bias,
                                               .ssm = reinterpret_cast<char*>(a.state.ssm),
                                               .slot_bytes = a.state.slot_bytes,
                                               .first_row = b.first_row,
                                               .start = b.start,
                                               .slot = b.slot,
                                               .num_sequences = b.num_sequences,
                                               .num_decode = b.num_decode,
                                               .max_chunk = b.max_chunk,
                                               .channels = Int(a.x.cols),
                                               .time_cuts = 0,
                                               .memory = a.memory.As<bf16>(),
                                               .memory_stride = a.memory.stride,
                                               .out = a.out.As<bf16>(),
                                               .out_stride = a.out.stride,
                                               .before = b.before,
                                               .low = low},
                                              target_));
}

void CudaOps::Attention(const BatchView& b, const AttentionArgs& a) {
  if (!Ready() || b.num_tokens == 0) return;
  if (!IsAct(a.qkv) || !IsAct(a.out) || !Aligned16(a.qkv) || a.out.stride % 2 != 0 ||
      (a.head_dim != 64 && a.head_dim != 128 && a.head_dim != 256) || a.kv_heads < 1 || a.heads % a.kv_heads != 0 ||
      a.window < 1 || (a.paired_values && (a.kv_heads % 2 != 0 || a.head_dim == 256)) ||
      a.out.cols != int64_t{a.heads} * a.head_dim * (a.paired_values ? 2 : 1) ||
      a.qkv.cols != int64_t{a.heads + 2 * a.kv_heads} * a.head_dim ||
      !std::has_single_bit(static_cast<uint32_t>(a.kv.block_tokens))) {
    return Refuse(
        "attention",
        absl::StrCat("qkv is ", ShapeOf(a.qkv), " for ", a.heads, "/", a.kv_heads, " heads of ", a.head_dim,
                     ", window ", a.window, ", blocks of ", a.kv.block_tokens,
                     " tokens; head dims 64, 128 and, without pairs, 256 and rows aligned to 16 bytes are served"));
  }
  const cuda::KvBlocks blocks{.k = static_cast<bf16*>(a.kv.k),
                              .v = static_cast<bf16*>(a.kv.v),
                              .block_stride = a.kv.block_stride,
                              .block_shift = std::countr_zero(static_cast<uint32_t>(a.kv.block_tokens)),
                              .table = b.block_table,
                              .table_width = b.table_width};
  cuda::RopeParams rope{.qkv = a.qkv.As<bf16>(),
                        .stride = a.qkv.stride,
                        .blocks = blocks,
                        .positions = b.positions,
                        .row_sequence = b.row_sequence,
                        .first_row = b.first_row,
                        .start = b.start,
                        .num_tokens = b.num_tokens,
                        .num_decode = b.num_decode,
                        .heads = a.heads,
                        .kv_heads = a.kv_heads,
                        .head_dim = a.head_dim,
                        .window = a.window,
                        .rotate = a.rope.rotates(),
                        .frequencies = {}};
  for (int i = 0; rope.rotate && i < a.head_dim / 2; ++i) {
    rope.frequencies[i] = RopeFrequency(a.rope, a.head_dim, i);
  }
  Check("attention: rope and write", cuda::RopeAndWriteDecode(rope, target_));
  const int32_t out_head_stride = a.head_dim * (a.paired_values ? 2 : 1);
  Check("attention: decode", cuda::AttentionDecode({.qkv = rope.qkv,
                                                    .stride = rope.stride,
                                                    .blocks = blocks,
                                                    .positions = b.positions,
                                                    .row_of = nullptr,
                                                    .row_sequence = nullptr,
                                                    .rows = b.num_decode,
                                                    .heads = a.heads,
                                                    .kv_heads = a.kv_heads,
                                                    .head_dim = a.head_dim,
                                                    .window = a.window,
                                                    .splits = 0,
                                                    .drafts = b.before != nullptr,
                                                    .paired_values = a.paired_values,
                                                    .out_head_stride = out_head_stride,
                                                    .out = a.out.As<bf16>(),
                                                    .out_stride = a.out.stride},
                                                   target_));
  const auto prompts = [&](cuda::Values values, int64_t first_col) {
    Check("attention: prompts", cuda::AttentionPrefill({.qkv = rope.qkv,
                                                        .stride = rope.stride,
                                                        .blocks = blocks,
                                                        .first_row = b.first_row,
                                                        .start = b.start,
                                                        .num_sequences = b.num_sequences,
                                                        .num_decode = b.num_decode,
                                                        .max_chunk = b.max_chunk,
                                                        .heads = a.heads,
                                                        .kv_heads = a.kv_heads,
                                                        .head_dim = a.head_dim,
                                                        .window = a.window,
                                                        .values = values,
                                                        .out_head_stride = out_head_stride,
                                                        .out = a.out.As<bf16>() + first_col,
                                                        .out_stride = a.out.stride},
                                                       target_));
  };
  if (a.paired_values) {  // two passes, each of which fills half of every head's output
    prompts(cuda::Values::kFirstOfPair, 0);
    prompts(cuda::Values::kSecondOfPair, a.head_dim);
  } else {
    prompts(cuda::Values::kOwn, 0);
  }
  Check("attention: write prompts", cuda::WritePrompts(rope, target_));
}

void CudaOps::GatherRows(Tensor x, const int32_t* rows, Tensor out) {
  if (!Ready() || out.rows == 0) return;
  // Two bf16 are copied as one float would be.
  const int64_t pack = IsAct(x) ? 2 : 1;
  const bool whole = x.cols % pack == 0 && x.stride % pack == 0 && out.stride % pack == 0;
  if (x.dtype != out.dtype || (x.dtype != DType::kF32 && !IsAct(x)) || x.cols != out.cols || !whole) {
    return Refuse("gather_rows", absl::StrCat("from ", ShapeOf(x), " to ", ShapeOf(out)));
  }
  Check("gather_rows", cuda::GatherRows({.x = x.As<float>(),
                                         .x_stride = x.stride / pack,
                                         .rows = rows,
                                         .count = Int(out.rows),
                                         .cols = Int(out.cols / pack),
                                         .out = out.As<float>(),
                                         .out_stride = out.stride / pack},
                                        target_));
}

void CudaOps::Sample(Tensor logits, int32_t vocab, const RowSampling* rows, const ControlView& controls,
                     RowSample* results, int32_t* last_token) {
  if (!Ready() || logits.rows == 0) return;
  if (logits.dtype != DType::kF32 || vocab < 1 || vocab > logits.cols) {
    return Refuse("sample", absl::StrCat("logits are ", ShapeOf(logits), " for ", vocab, " ids"));
  }
  Check("sample", cuda::Sample({.logits = logits.As<float>(),
                                .stride = logits.stride,
                                .rows = Int(logits.rows),
                                .vocab = vocab,
                                .requests = rows,
                                .controls = controls,
                                .results = results,
                                .last_token = last_token},
                               target_));
}

void CudaOps::PlaceRows(const BatchView& b, const PlaceRowsArgs& args) {
  if (Ready() && b.num_decode > 0) Check("place_rows", cuda::PlaceRows(b, args, target_));
}

void CudaOps::KeepDrafts(const BatchView& b, const KeepDraftsArgs& args) {
  if (!Ready() || b.num_decode == 0) return;
  if (b.before == nullptr || args.slot_bytes % 16 != 0 || reinterpret_cast<uintptr_t>(args.slots) % 16 != 0) {
    return Refuse("keep_drafts", absl::StrCat("a batch without drafts, or slots of ", args.slot_bytes,
                                              " bytes; a multiple of 16 is needed"));
  }
  Check("keep_drafts", cuda::KeepDrafts(b, args, target_));
}

}  // namespace batucada

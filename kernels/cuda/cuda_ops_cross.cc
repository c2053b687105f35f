// The ops of a decoder whose upper layers read the memory and the K/V of lower ones (arXiv 2507.06607): checks what the
// kernels assume, names the op, launches.
#include <bit>

#include "absl/strings/str_cat.h"
#include "kernels/cuda/add_bias.h"
#include "kernels/cuda/attention_decode.h"
#include "kernels/cuda/cuda_ops.h"
#include "kernels/cuda/diff_combine.h"
#include "kernels/cuda/op_checks.h"
#include "kernels/cuda/rope_kv_write.h"
#include "kernels/cuda/silu_gate.h"

namespace batucada {
namespace {

using bf16 = __nv_bfloat16;
using cuda::Aligned16;
using cuda::Int;
using cuda::IsAct;
using cuda::ShapeOf;

bool IsPowerOfTwo(int32_t n) { return n > 0 && std::has_single_bit(static_cast<uint32_t>(n)); }

cuda::KvBlocks BlocksOf(const BatchView& b, const KvView& kv) {
  return {.k = static_cast<bf16*>(kv.k),
          .v = static_cast<bf16*>(kv.v),
          .block_stride = kv.block_stride,
          .block_shift = std::countr_zero(static_cast<uint32_t>(kv.block_tokens)),
          .table = b.block_table,
          .table_width = b.table_width};
}

}  // namespace

void CudaOps::AddBias(Tensor x, const float* bias) {
  if (!Ready() || x.rows == 0) return;
  const auto add = [&]<typename T>(T* data) {
    Check("add_bias", cuda::AddBias(
                          cuda::AddBiasParams<T>{
                              .x = data, .x_stride = x.stride, .bias = bias, .rows = Int(x.rows), .cols = Int(x.cols)},
                          target_));
  };
  if (IsAct(x)) return add(x.As<bf16>());
  if (x.dtype == DType::kF32) return add(x.As<float>());
  Refuse("add_bias", absl::StrCat("x is ", ShapeOf(x)));
}

void CudaOps::SiluGate(Tensor gate, Tensor x, Tensor out) {
  if (!Ready() || out.rows == 0) return;
  if (!IsAct(gate, out.rows, out.cols) || !IsAct(x, out.rows, out.cols) || !IsAct(out)) {
    return Refuse("silu_gate", absl::StrCat("gate is ", ShapeOf(gate), ", x ", ShapeOf(x), ", out ", ShapeOf(out)));
  }
  Check("silu_gate", cuda::SiluGate({.gate = gate.As<bf16>(),
                                     .gate_stride = gate.stride,
                                     .x = x.As<bf16>(),
                                     .x_stride = x.stride,
                                     .rows = Int(out.rows),
                                     .cols = Int(out.cols),
                                     .out = out.As<bf16>(),
                                     .out_stride = out.stride},
                                    target_));
}

void CudaOps::WriteKv(const BatchView& b, const WriteKvArgs& a) {
  if (!Ready() || b.num_tokens == 0) return;
  if (!IsAct(a.kv, b.num_tokens, int64_t{2} * a.kv_heads * a.head_dim) || !Aligned16(a.kv) || a.head_dim % 16 != 0 ||
      a.window < 1 || !IsPowerOfTwo(a.to.block_tokens)) {
    return Refuse("write_kv", absl::StrCat("kv is ", ShapeOf(a.kv), " for ", a.kv_heads, " heads of ", a.head_dim));
  }
  const cuda::RopeParams write{.qkv = a.kv.As<bf16>(),
                               .stride = a.kv.stride,
                               .blocks = BlocksOf(b, a.to),
                               .positions = b.positions,
                               .row_sequence = b.row_sequence,
                               .first_row = b.first_row,
                               .start = b.start,
                               .num_tokens = b.num_tokens,
                               .num_decode = b.num_decode,
                               .heads = 0,
                               .kv_heads = a.kv_heads,
                               .head_dim = a.head_dim,
                               .window = a.window,
                               .rotate = false,
                               .frequencies = {}};
  Check("write_kv: decode", cuda::RopeAndWriteDecode(write, target_));
  Check("write_kv: prompts", cuda::WritePrompts(write, target_));
}

void CudaOps::CrossAttention(const BatchView& b, const CrossAttentionArgs& a) {
  if (!Ready() || a.q.rows == 0) return;
  const int64_t width = int64_t{a.heads} * a.head_dim;
  const bool dims = a.head_dim == 64 || a.head_dim == 128 || (a.head_dim == 256 && !a.paired_values);
  if (!dims || a.kv_heads < 1 || a.heads % a.kv_heads != 0 || (a.paired_values && a.kv_heads % 2 != 0) || !IsAct(a.q) ||
      a.q.cols != width || !IsAct(a.out, a.q.rows, width * (a.paired_values ? 2 : 1)) || a.q.stride % 2 != 0 ||
      a.out.stride % 2 != 0 || !IsPowerOfTwo(a.kv.block_tokens)) {
    return Refuse("cross_attention", absl::StrCat("q is ", ShapeOf(a.q), ", out ", ShapeOf(a.out), " for ", a.heads,
                                                  "/", a.kv_heads, " heads of ", a.head_dim));
  }
  Check("cross_attention", cuda::AttentionDecode({.qkv = a.q.As<bf16>(),
                                                  .stride = a.q.stride,
                                                  .blocks = BlocksOf(b, a.kv),
                                                  .positions = b.positions,
                                                  .row_of = a.rows,
                                                  .row_sequence = b.row_sequence,
                                                  .rows = Int(a.q.rows),
                                                  .heads = a.heads,
                                                  .kv_heads = a.kv_heads,
                                                  .head_dim = a.head_dim,
                                                  .window = kNoWindow,
                                                  .splits = 0,
                                                  .paired_values = a.paired_values,
                                                  .out_head_stride = a.head_dim * (a.paired_values ? 2 : 1),
                                                  .out = a.out.As<bf16>(),
                                                  .out_stride = a.out.stride},
                                                 target_));
}

void CudaOps::DiffCombine(const DiffCombineArgs& a) {
  if (!Ready() || a.out.rows == 0) return;
  if (!IsAct(a.out) || !IsAct(a.streams, a.out.rows, 2 * a.out.cols) || a.width < 1 || a.group < 1 ||
      a.out.cols % (int64_t{a.group} * a.width) != 0) {
    return Refuse("diff_combine", absl::StrCat("from ", ShapeOf(a.streams), " to ", ShapeOf(a.out), " by ", a.width));
  }
  Check("diff_combine", cuda::DiffCombine({.streams = a.streams.As<bf16>(),
                                           .streams_stride = a.streams.stride,
                                           .group = a.group,
                                           .width = a.width,
                                           .pairs = Int(a.out.cols / a.width),
                                           .lambda = a.lambda,
                                           .weight = a.weight,
                                           .eps = a.eps,
                                           .rows = Int(a.out.rows),
                                           .out = a.out.As<bf16>(),
                                           .out_stride = a.out.stride},
                                          target_));
}

}  // namespace batucada

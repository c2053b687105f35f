// How many bytes a sequence's memory takes: the one place that turns a model's shape into pool layouts.
#pragma once

#include <cstdint>

#include "kernels/tensor.h"
#include "kernels/token_controls.h"

namespace batucada {

// The shape of a sequence's memory. Recurrent: every Mamba layer's ssm fp32 [d_inner, d_state] and conv
// [d_inner, conv_width - 1]. K/V: every attention layer's last `window` tokens.
struct StateShape {
  int32_t mamba_layers = 0;
  int32_t d_inner = 0;
  int32_t d_state = 0;
  int32_t conv_width = 0;
  int32_t attention_layers = 0;
  int32_t kv_heads = 0;
  int32_t head_dim = 0;
  int64_t window = 0;              // tokens; INT32_MAX: all
  int32_t block_tokens = 0;        // tokens per K/V block
  int32_t vocab = 0;               // ids, each with its sampling control
  DType activation = DType::kF32;  // of conv and K/V

  // Bytes of one Mamba layer in a slot, and of a whole slot. Layers start at multiples of 256 bytes.
  int64_t SsmBytes() const { return RoundUp(int64_t{d_inner} * d_state * 4); }
  int64_t ConvBytes() const { return RoundUp(int64_t{d_inner} * (conv_width - 1) * ActivationBytes()); }
  int64_t SlotBytes() const { return mamba_layers * (SsmBytes() + ConvBytes()); }

  // Bytes of a sequence's sampling controls (kernels/token_controls.h).
  int64_t ControlBytes() const { return vocab == 0 ? 0 : batucada::ControlBytes(vocab); }

  // Elements of K (or of V) of one layer in a block, and bytes of a whole block: every layer's K and V.
  int64_t BlockElements() const { return int64_t{kv_heads} * block_tokens * head_dim; }
  int64_t BlockBytes() const { return 2 * attention_layers * BlockElements() * ActivationBytes(); }

  // Most blocks a sequence of `total_tokens` positions ever holds: its tokens, or its window, which straddles one block
  // border more than its length alone would need.
  int64_t BlocksFor(int64_t total_tokens) const {
    if (attention_layers == 0) return 0;
    const int64_t all = CeilDiv(total_tokens, block_tokens);
    const int64_t ring = CeilDiv(window - 1, block_tokens) + 1;
    return all < ring ? all : ring;
  }

 private:
  static int64_t CeilDiv(int64_t a, int64_t b) { return (a + b - 1) / b; }
  static int64_t RoundUp(int64_t bytes) { return (bytes + 255) / 256 * 256; }
  int64_t ActivationBytes() const { return static_cast<int64_t>(SizeOf(activation)); }
};

}  // namespace batucada
